//! The store over HTTP.
#![cfg(all(feature = "serve", feature = "helm"))]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flux_core::{Artifact, Context, Digest, Revision, Source, Tree};
use flux_sources::memory::MemorySource;
use flux_sources::store::serve::ArtifactServer;
use flux_sources::store::{ArtifactStore, Owner, Stored};
use http::{HeaderMap, Request, StatusCode};
use tower::Service as _;

struct Fixture {
    dir: tempfile::TempDir,
    source: MemorySource,
    server: ArtifactServer,
    stored: Stored,
}

fn owner(kind: &str) -> Owner {
    Owner { kind: kind.into(), namespace: "apps".into(), name: "app".into() }
}

async fn artifact(source: &MemorySource) -> Artifact {
    let cx = Context::background();
    let revision = source.resolve(&cx).await.unwrap();
    source.fetch(&cx, &revision).await.unwrap()
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(dir.path());
        // What does not shrink, and is read in several pieces.
        let mut noise = String::new();
        for index in 0..20_000 {
            noise.push_str(Digest::sha256(format!("{index}").as_bytes()).hex());
        }
        let source = MemorySource::from_files([("a.yaml", noise)]).unwrap();
        let stored = store.put(&owner("Bucket"), &artifact(&source).await).unwrap();
        assert!(stored.size > 600_000, "{}", stored.size);
        Self { dir, source, server: ArtifactServer::new(store), stored }
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join(&self.stored.path)
    }

    fn url(&self) -> String {
        format!("/{}", self.stored.path)
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.server.clone().call(request.body(()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        (parts.status, parts.headers, body)
    }

    async fn status(&self, method: &str, path: &str) -> u16 {
        self.ask(method, path, &[]).await.0.as_u16()
    }
}

#[tokio::test]
async fn files_are_sent_as_they_were_stored() {
    let this = Fixture::new().await;
    let (status, headers, body) = this.ask("GET", &this.url(), &[]).await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &fs::read(this.file()).unwrap()[..]));
    assert_eq!(headers["content-type"], "application/gzip");
    assert_eq!(headers["etag"], format!("\"{}\"", this.stored.digest));
    assert_eq!(headers["content-length"], this.stored.size.to_string());
    assert_eq!(
        (&headers["accept-ranges"], &headers["x-content-type-options"]),
        (&"bytes".parse().unwrap(), &"nosniff".parse().unwrap())
    );
    let (status, head, body) = this.ask("HEAD", &this.url(), &[]).await;
    assert_eq!((status, head, body.len()), (StatusCode::OK, headers, 0));
    let encoded = this.url().replace("bucket", "%62ucket");
    assert_eq!(this.status("GET", &encoded).await, 200);
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let this = Fixture::new().await;
    let etag = format!("\"{}\"", this.stored.digest);
    let all = fs::read(this.file()).unwrap();
    for (headers, status, body) in [
        (&[("if-none-match", etag.as_str())][..], 304, &b""[..]),
        (&[("if-none-match", "\"other\"")], 200, &all[..]),
        (&[("range", "bytes=5-9")], 206, &all[5..10]),
        (&[("range", "bytes=300000-")], 206, &all[300_000..]),
        (&[("range", "bytes=-7")], 206, &all[all.len() - 7..]),
        (&[("range", "bytes=5-9"), ("if-range", &etag)], 206, &all[5..10]),
        (&[("range", "bytes=5-9"), ("if-range", "\"other\"")], 200, &all[..]),
        (&[("range", "bytes=99999999-")], 416, b""),
    ] {
        let found = this.ask("GET", &this.url(), headers).await;
        assert_eq!((found.0.as_u16(), &found.2[..]), (status, body), "{headers:?}");
    }
    let (_, headers, _) = this.ask("GET", &this.url(), &[("range", "bytes=5-9")]).await;
    assert_eq!(headers["content-range"], format!("bytes 5-9/{}", all.len()));
    assert_eq!(headers["content-length"], "5");
}

#[tokio::test]
async fn h01_nothing_else_is_served() {
    let this = Fixture::new().await;
    fs::write(this.dir.path().join("secret"), "s").unwrap();
    let name = this.stored.path.rsplit('/').next().unwrap();
    for path in [
        "/",
        "/secret",
        "/bucket/apps/app",
        "/bucket/apps/app/",
        "/bucket/apps/app/none.tar.gz",
        &format!("/bucket/apps/app/.{name}.json"),
        &format!("/bucket/apps/app/../{name}"),
        "/bucket/apps/app/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret",
        "/bucket/apps/app/%00",
        "/bucket/apps/app/%",
        "/bucket/apps/app/%ff",
        "/../../../etc/passwd",
        &format!("/{}", this.url()),
    ] {
        assert_eq!(this.status("GET", path).await, 404, "{path}");
    }
    let (status, headers, _) = this.ask("DELETE", &this.url(), &[]).await;
    assert_eq!((status.as_u16(), &headers["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn a_spoilt_file_is_never_sent_and_is_fetched_again() {
    let this = Fixture::new().await;
    let whole = fs::read(this.file()).unwrap();
    fs::write(this.file(), "spoilt").unwrap();
    assert_eq!(this.status("GET", &this.url()).await, 404, "nobody knows where to have it from");

    this.server.repair_from(owner("Bucket"), Arc::new(this.source.clone())).unwrap();
    let fetches = this.source.fetches();
    let answers = futures::future::join_all((0..8).map(|_| async { this.ask("GET", &this.url(), &[]).await })).await;
    for (status, _, body) in answers {
        assert_eq!((status.as_u16(), &body[..]), (200, &whole[..]));
    }
    assert_eq!(this.source.fetches() - fetches, 1, "once for all who asked");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(this.file(), flipped).unwrap();
    assert_eq!(this.ask("GET", &this.url(), &[("range", "bytes=0-0")]).await.0.as_u16(), 206);
    assert_eq!(fs::read(this.file()).unwrap(), whole);

    fs::remove_file(this.file()).unwrap();
    this.source.set_files([("a.yaml", "other")]).unwrap();
    assert_eq!(this.status("GET", &this.url()).await, 503, "the source has moved on");
    this.server.forget(&owner("Bucket"));
    assert_eq!(this.status("GET", &this.url()).await, 404);
}

#[tokio::test]
async fn what_comes_out_otherwise_is_not_served_as_the_same() {
    let this = Fixture::new().await;
    let revision = this.stored.revision.clone();
    let other = MemorySource::new(revision, Tree::from_files([("a.yaml", "not the same")]).unwrap());
    this.server.repair_from(owner("Bucket"), Arc::new(other)).unwrap();
    fs::write(this.file(), "spoilt").unwrap();
    assert_eq!(this.status("GET", &this.url()).await, 503);
}

#[tokio::test]
async fn charts_are_served_and_mended_under_their_own_name() {
    let this = Fixture::new().await;
    let tree = Tree::from_files([("Chart.yaml", "name: app\nversion: 1.0.0+x\n")]).unwrap();
    let source = MemorySource::new(Revision::new("1.0.0+x"), tree);
    let stored = this.server.store().put_chart(&owner("HelmChart"), &artifact(&source).await).unwrap();
    let path = "/helmchart/apps/app/app-1.0.0+x.tgz";
    assert_eq!(format!("/{}", stored.path), path);
    let whole = this.ask("GET", path, &[]).await.2;
    this.server.repair_from(owner("HelmChart"), Arc::new(source)).unwrap();
    fs::remove_file(this.dir.path().join(&stored.path)).unwrap();
    assert_eq!(this.ask("GET", &path.replace('+', "%2B"), &[]).await.2, whole);
}

fn over_tcp(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_listens_and_ends_when_told() {
    let this = Fixture::new().await;
    let serving = this.server.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = serving.address().unwrap();
    let cx = Context::background();
    let running = tokio::spawn({
        let cx = cx.clone();
        async move { serving.run(&cx).await }
    });
    let request = format!("GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", this.url());
    let answer = tokio::task::spawn_blocking(move || over_tcp(address, &request)).await.unwrap();
    let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(&answer[split + 4..], &fs::read(this.file()).unwrap()[..]);
    let refused = tokio::task::spawn_blocking(move || over_tcp(address, "nonsense\r\n\r\n")).await.unwrap();
    assert!(refused.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&refused));

    let idle = TcpStream::connect(address).unwrap();
    let start = Instant::now();
    cx.cancellation().cancel();
    running.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(7), "an idle client holds nothing up");
    drop(idle);
    assert!(TcpStream::connect(address).is_err());
}
