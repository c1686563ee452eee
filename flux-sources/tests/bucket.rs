//! Buckets on servers: the S3 of moto, and servers of our own for the other protocols.
#![cfg(all(feature = "bucket", feature = "oci"))]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flux_core::{Context, Digest, Revision, Source, SourceError};
use flux_sources::bucket::{BucketCredentials, BucketProvider, BucketSource, BucketSourceBuilder};
use flux_sources::contract::{Fixture, check};
use flux_sources::{Proxy, Secret, Tls};
use support::moto::Moto;
use support::tls::Authority;
use support::{HttpServer, respond};

fn keys() -> BucketCredentials {
    let secret = Secret::new("ns/keys", [("accesskey", "AKIAIOSFODNN7EXAMPLE"), ("secretkey", "hunter2hunter2")]);
    BucketCredentials::from_secret(BucketProvider::Generic, &secret).unwrap()
}

fn at(moto: &Moto) -> BucketSourceBuilder {
    BucketSource::builder(BucketProvider::Generic, moto.address.to_string(), "bucket")
        .insecure(true)
        .credentials(keys())
}

async fn fetch(source: &BucketSource) -> Result<Vec<(String, String)>, SourceError> {
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    let tree = source.fetch(&cx, &revision).await?.tree;
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    Ok(tree.walk("").map(|(path, data)| (path.to_owned(), text(data))).collect())
}

fn names(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|(path, _)| path.as_str()).collect()
}

struct Bucket(Moto);

#[async_trait]
impl Fixture for Bucket {
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(at(&self.0).build().unwrap())
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        self.0.clear();
        for (key, text) in files {
            self.0.put(key, text.as_bytes());
        }
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new(Digest::sha256(b"never").to_string())
    }
}

#[tokio::test]
async fn s3_keeps_the_contract() {
    let Some(moto) = Moto::start() else { return };
    check(&mut Bucket(moto)).await;
}

#[tokio::test]
async fn s3_keys_are_paths_as_they_are() {
    let Some(moto) = Moto::start() else { return };
    let files = ["a b/ü&<>.yaml", "a+b%41", "deploy/x.yaml", "Deploy/x.yaml"];
    for (index, key) in files.iter().enumerate() {
        moto.put(key, index.to_string().as_bytes());
    }
    moto.put("empty/", b"");
    let source = at(&moto).build().unwrap();
    let found = fetch(&source).await.unwrap();
    let mut wanted: Vec<(String, String)> =
        files.iter().enumerate().map(|(index, key)| ((*key).to_owned(), index.to_string())).collect();
    wanted.sort();
    assert_eq!(found, wanted, "a folder is no file");

    let one = at(&moto).prefix("deploy/").build().unwrap();
    assert_eq!(names(&fetch(&one).await.unwrap()), ["deploy/x.yaml"]);
    // The form of Flux: an MD5 in hexadecimal is the ETag of a small object.
    let line = "deploy/x.yaml c81e728d9d4c2f636f067f89cc14862c\n";
    let revision = one.resolve(&Context::background()).await.unwrap();
    assert_eq!(revision.as_str(), Digest::sha256(line.as_bytes()).to_string());
}

#[tokio::test]
async fn h01_s3_keys_that_are_no_paths_are_named() {
    let Some(moto) = Moto::start() else { return };
    for (key, problem) in [("a//b", "a key is refused: "), ("a/../../b", "a key is refused: "), ("/etc/passwd", "")] {
        moto.clear();
        moto.put("fine", b"1");
        moto.put(key, b"2");
        let source = at(&moto).build().unwrap();
        let error = fetch(&source).await.unwrap_err();
        assert!(matches!(error, SourceError::Rejected { .. }), "{key}: {error}");
        assert!(error.to_string().contains(problem) && error.to_string().contains(key), "{key}: {error}");
    }
}

#[tokio::test]
async fn a_missing_bucket_and_closed_doors_are_told_apart() {
    let Some(moto) = Moto::start() else { return };
    let source = BucketSource::builder(BucketProvider::Generic, moto.address.to_string(), "other");
    let error = fetch(&source.insecure(true).credentials(keys()).build().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("http://{}/other: bucket not found", moto.address));

    let server = HttpServer::start(|_, stream| {
        respond(stream, "403 Forbidden", &[], b"<Error><Code>AccessDenied</Code>hunter2hunter2</Error>")
    });
    let source = BucketSource::builder(BucketProvider::Generic, server.address.to_string(), "bucket");
    let error = fetch(&source.insecure(true).credentials(keys()).build().unwrap()).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains("AccessDenied") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    let authorization = server.requests()[0].header("authorization").unwrap().to_owned();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"), "{authorization}");
}

fn listing(objects: &[(&str, &str, &str)]) -> String {
    let object = |(key, etag, text): &(&str, &str, &str)| {
        format!(
            "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>\"{etag}\"</ETag></Contents>",
            text.len()
        )
    };
    let objects: String = objects.iter().map(object).collect();
    format!("<ListBucketResult><Name>bucket</Name>{objects}<IsTruncated>false</IsTruncated></ListBucketResult>")
}

/// Headers that the client library wants of an object.
fn object_headers(etag: &str) -> [(&str, &str); 2] {
    [("etag", etag), ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")]
}

#[tokio::test]
async fn servers_that_send_too_much_or_something_else_are_refused() {
    for (etag, body, problem) in
        [("\"1\"", "12", "`a`: the server sent more than 1 bytes"), ("\"2\"", "1", "changed while it was read")]
    {
        let server = HttpServer::start(move |request, stream| match request.target.contains("list-type=2") {
            true => respond(stream, "200 OK", &[], listing(&[("a", "1", "1")]).as_bytes()),
            false if request.target.ends_with("/a") => {
                respond(stream, "200 OK", &object_headers(etag), body.as_bytes())
            }
            false => respond(stream, "404 Not Found", &[], b""),
        });
        let source = BucketSource::builder(BucketProvider::Generic, server.address.to_string(), "bucket");
        let error = fetch(&source.insecure(true).build().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{problem}: {error}");
        assert!(server.requests().iter().all(|request| request.header("authorization").is_none()), "nobody");
    }
    let endless = HttpServer::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<ListBucketResult>")?;
        loop {
            stream.write_all(&[b' '; 65536])?;
        }
    });
    let source = BucketSource::builder(BucketProvider::Generic, endless.address.to_string(), "bucket");
    let source = source.prefix("x").insecure(true).build().unwrap();
    let error = source.resolve(&Context::background()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. } | SourceError::Rejected { .. }), "{error:?}");
}

#[tokio::test]
async fn listings_have_many_pages_and_an_end() {
    let server = HttpServer::start(|request, stream| {
        let (key, next) = match request.target.split_once("continuation-token=").map(|(_, rest)| &rest[..1]) {
            None => ("a", "1"),
            Some("1") => ("b", "2"),
            Some(_) if request.target.contains("prefix=b") => ("c", "2"),
            Some(_) => ("c", ""),
        };
        let token = format!("<NextContinuationToken>{next}</NextContinuationToken><IsTruncated>");
        let page = listing(&[(key, "1", "1")]);
        let page = if next.is_empty() { page } else { page.replace("<IsTruncated>", &token) };
        match request.target.contains("list-type=2") {
            true => respond(stream, "200 OK", &[], page.as_bytes()),
            false if request.target.contains(".sourceignore") => respond(stream, "404 Not Found", &[], b""),
            false => respond(stream, "200 OK", &object_headers("\"1\""), b"1"),
        }
    });
    let source = || BucketSource::builder(BucketProvider::Generic, server.address.to_string(), "bucket").insecure(true);
    assert_eq!(names(&fetch(&source().build().unwrap()).await.unwrap()), ["a", "b", "c"]);
    let error = fetch(&source().prefix("b").build().unwrap()).await.unwrap_err().to_string();
    assert!(error.ends_with("the key `c` is listed twice") || error.ends_with("does not end"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_left_when_told() {
    let server = HttpServer::start(|_, _| {
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let source = BucketSource::builder(BucketProvider::Generic, server.address.to_string(), "bucket");
    let source = source.insecure(true).build().unwrap();
    let (cx, start) = (Context::background(), Instant::now());
    let token = cx.cancellation().clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        token.cancel();
    });
    let error = source.resolve(&cx).await.unwrap_err();
    assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_authority_of_ones_own_and_a_proxy_are_used() {
    let authority = Authority::new();
    let server = HttpServer::start_tls(authority.server(), |request, stream| {
        let body = listing(&[]);
        match request.target.contains("list-type=2") {
            true => respond(stream, "200 OK", &[], body.as_bytes()),
            false => respond(stream, "404 Not Found", &[], b""),
        }
    });
    let source = || BucketSource::builder(BucketProvider::Generic, server.address.to_string(), "b");
    let error = fetch(&source().build().unwrap()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    let tls = Tls::default().with_ca(authority.certificate().as_bytes()).unwrap();
    assert!(fetch(&source().tls(tls.clone()).build().unwrap()).await.unwrap().is_empty());

    let proxy = HttpServer::tunnel(server.address);
    let through = source().tls(tls).proxy(Proxy::new(&format!("http://{}", proxy.address)).unwrap());
    assert!(fetch(&through.build().unwrap()).await.unwrap().is_empty());
    assert_eq!(proxy.requests()[0].method, "CONNECT");
}

#[tokio::test]
async fn google_cloud_storage_is_spoken_to() {
    let server = HttpServer::start(|request, stream| {
        if request.target.starts_with("/bucket?list-type=2") {
            return respond(stream, "200 OK", &[], listing(&[("d/a.yaml", "1", "text"), ("d/", "2", "")]).as_bytes());
        }
        match request.target.split('?').next().unwrap() {
            "/bucket/d%2Fa%2Eyaml" => respond(stream, "200 OK", &object_headers("\"1\""), b"text"),
            _ => respond(stream, "404 Not Found", &[], b""),
        }
    });
    let source = BucketSource::builder(BucketProvider::Gcp, server.address.to_string(), "bucket")
        .insecure(true)
        .credentials(BucketCredentials::Anonymous)
        .build()
        .unwrap();
    assert_eq!(fetch(&source).await.unwrap(), [("d/a.yaml".into(), "text".into())]);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn azure_is_spoken_to_with_every_key() {
    let server = HttpServer::start(|request, stream| {
        if request.target.contains("comp=list") {
            let body = "<EnumerationResults><Blobs><Blob><Name>d/a.yaml</Name><Properties>\
                        <Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Content-Length>4</Content-Length>\
                        <Content-Type>text/plain</Content-Type><Etag>0x8D</Etag></Properties></Blob></Blobs>\
                        <NextMarker /></EnumerationResults>";
            return respond(stream, "200 OK", &[], body.as_bytes());
        }
        match request.target.split('?').next().unwrap() {
            "/acme/bucket/d/a.yaml" => respond(stream, "200 OK", &object_headers("\"0x8D\""), b"text"),
            _ => respond(stream, "404 Not Found", &[], b""),
        }
    });
    let endpoint = format!("http://{}/acme", server.address);
    for (secret, authorization, query) in [
        (("accountKey", "aHVudGVyMg=="), Some("SharedKey acme:"), None),
        (("sasKey", "?sv=2021-08-06&sig=hunter2%3D"), None, Some("sig=hunter2%3D")),
    ] {
        server.forget_requests();
        let secret = Secret::new("ns/azure", [secret]);
        let source = BucketSource::builder(BucketProvider::Azure, &endpoint, "bucket")
            .insecure(true)
            .credentials(BucketCredentials::from_secret(BucketProvider::Azure, &secret).unwrap())
            .build()
            .unwrap();
        assert_eq!(fetch(&source).await.unwrap(), [("d/a.yaml".into(), "text".into())]);
        let revision = source.resolve(&Context::background()).await.unwrap();
        assert_eq!(revision.as_str(), Digest::sha256(b"d/a.yaml 0x8D\n").to_string());
        for request in server.requests() {
            let found = request.header("authorization").map(|text| text.starts_with(authorization.unwrap_or("nobody")));
            assert_eq!(found, authorization.map(|_| true), "{request:?}");
            assert!(query.is_none_or(|query| request.target.contains(query)), "{request:?}");
        }
    }
}
