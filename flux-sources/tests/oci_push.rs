//! Artifacts pushed to the real registry program and pulled back, with every kind of credentials.
#![cfg(feature = "oci")]

mod support;

use flux_core::tree::Entry;
use flux_core::{Artifact, Context, Digest, Source, SourceError, Tree};
use flux_sources::oci::{OciPush, OciPushBuilder, OciReference, OciSource, Pushed};
use flux_sources::{Credentials, Tls};
use serde_json::{Value, json};
use support::registry::{MANIFEST_TYPE, Program, call};
use support::tls::Authority;
use support::{HttpServer, respond};

/// `user` and `hunter2`, as htpasswd writes them.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";

fn tree() -> Tree {
    let mut builder = Tree::builder();
    builder.file("a/b.yaml", "kind: A\n").unwrap();
    builder.entry("run.sh", Entry::File { data: "#!/bin/sh\n".into(), executable: true }).unwrap();
    builder.build()
}

fn push(url: &str) -> OciPushBuilder {
    OciPush::builder(url).origin("https://example.com/app", "main@sha1:00ff")
}

async fn send(builder: OciPushBuilder) -> Result<Pushed, SourceError> {
    builder.build()?.push(&Context::background(), &tree()).await
}

async fn pull(source: OciSource) -> Result<Artifact, SourceError> {
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

#[tokio::test]
async fn what_is_pushed_is_pulled_back() {
    let Some(program) = Program::start() else { return };
    let url = format!("oci://{}/org/new", program.address);
    let pushed = send(push(&format!("{url}:v1")).insecure(true).annotation("team", "a")).await.unwrap();
    assert_eq!((pushed.tag.as_str(), pushed.repository.as_str()), ("v1", &url["oci://".len()..]));
    let source = OciSource::builder(&url).reference(OciReference::tag("v1")).insecure(true).build().unwrap();
    let artifact = pull(source).await.unwrap();
    assert_eq!(artifact.tree, tree());
    assert_eq!(artifact.revision.as_str(), format!("v1@{}", pushed.digest));
    for (key, value) in [
        ("org.opencontainers.image.source", "https://example.com/app"),
        ("org.opencontainers.image.revision", "main@sha1:00ff"),
        ("team", "a"),
    ] {
        assert_eq!(artifact.metadata[key], value);
    }
    let created: flux_core::Timestamp = artifact.metadata["org.opencontainers.image.created"].parse().unwrap();
    assert_eq!(created, created.truncated_to_seconds());

    let get = |path: String| call(program.address, "GET", &format!("/v2/org/new/{path}"), "", b"").2;
    let manifest: Value = serde_json::from_slice(&get(format!("manifests/{}", pushed.digest))).unwrap();
    assert_eq!(manifest["mediaType"], MANIFEST_TYPE);
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.flux.config.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.cncf.flux.content.v1.tar+gzip");
    let blob = |descriptor: &Value| get(format!("blobs/{}", descriptor["digest"].as_str().unwrap()));
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*blob(&manifest["layers"][0])), &mut tar).unwrap();
    assert_eq!(config["rootfs"], json!({"type": "layers", "diff_ids": [Digest::sha256(&tar).to_string()]}));
}

#[tokio::test]
async fn equal_content_has_an_equal_digest_and_is_sent_once() {
    let Some(program) = Program::start() else { return };
    let address = program.address;
    let proxy = HttpServer::start(move |request, stream| {
        let content_type = request.header("content-type").unwrap_or_default();
        let (status, mut headers, body) = call(address, &request.method, &request.target, content_type, &request.body);
        headers.retain(|name, _| name == "location" || name == "docker-content-digest");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        respond(stream, &format!("{status} x"), &headers, &body)
    });
    let url = |tag: &str| format!("oci://{}/org/app:{tag}", proxy.address);
    let made =
        |tag| push(&url(tag)).insecure(true).annotation("org.opencontainers.image.created", "1970-01-01T00:00:00Z");
    let first = send(made("a")).await.unwrap();
    proxy.forget_requests();
    let second = send(made("b")).await.unwrap();
    assert_eq!(first.digest, second.digest);
    let methods: Vec<String> = proxy.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["HEAD", "HEAD", "PUT"]);
}

#[tokio::test]
async fn a_real_registry_asks_for_a_password_and_takes_a_docker_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("htpasswd");
    std::fs::write(&file, HTPASSWD).unwrap();
    let auth = format!("auth:\n  htpasswd:\n    realm: r\n    path: {}\n", file.display());
    let Some(program) = Program::start_with(&auth) else { return };
    let url = format!("oci://{}/org/app", program.address);
    let config = json!({"auths": {program.address.to_string(): {"auth": "dXNlcjpodW50ZXIy"}}}).to_string();
    let docker = Credentials::from_docker_config(&config, &url).unwrap();
    send(push(&url).insecure(true).credentials(docker.clone())).await.unwrap();
    let source = |credentials| OciSource::builder(&url).insecure(true).credentials(credentials).build().unwrap();
    for credentials in [docker, Credentials::basic("user", "hunter2")] {
        assert_eq!(pull(source(credentials)).await.unwrap().tree, tree());
    }
    for credentials in [Credentials::Anonymous, Credentials::basic("user", "wrong")] {
        let error = pull(source(credentials.clone())).await.unwrap_err();
        assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
        let error = send(push(&url).insecure(true).credentials(credentials)).await.unwrap_err();
        assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
}

#[tokio::test]
async fn a_real_registry_is_trusted_for_its_authority_and_shown_a_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.server_pem();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let tls = format!(
        "  tls:\n    certificate: {}\n    key: {}\n    clientcas:\n      - {}\n",
        write("server.crt", &certificate),
        write("server.key", &key),
        write("ca.crt", &authority.certificate()),
    );
    let Some(program) = Program::start_with(&tls) else { return };
    let url = format!("oci://{}/org/app", program.address);
    let trusting = Tls::default().with_ca(authority.certificate().as_bytes()).unwrap();
    let with = |authority: &Authority| {
        let (certificate, key) = authority.client();
        trusting.clone().with_identity(certificate.as_bytes(), key.as_bytes()).unwrap()
    };
    let known = with(&authority);
    send(push(&url).tls(known.clone())).await.unwrap();
    let source = |tls| OciSource::builder(&url).tls(tls).build().unwrap();
    assert_eq!(pull(source(known)).await.unwrap().tree, tree());
    for tls in [Tls::default(), trusting.clone(), with(&other)] {
        let error = pull(source(tls)).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_upload_sent_elsewhere_carries_no_credentials() {
    let thief = HttpServer::start(|_, stream| respond(stream, "403 Forbidden", &[], b""));
    let target = format!("http://localhost:{}/steal", thief.address.port());
    let registry = HttpServer::start(move |request, stream| match request.method.as_str() {
        _ if request.header("authorization").is_none() => {
            respond(stream, "401 Unauthorized", &[("www-authenticate", "Basic")], b"")
        }
        "POST" => respond(stream, "202 Accepted", &[("location", target.as_str())], b""),
        _ => respond(stream, "404 Not Found", &[], b""),
    });
    let url = format!("oci://{}/a/b:c", registry.address);
    let error = send(push(&url).insecure(true).credentials(Credentials::basic("user", "hunter2"))).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    let seen = thief.requests();
    assert!(!seen.is_empty() && seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
}

#[tokio::test]
async fn places_that_cannot_be_pushed_to_are_refused() {
    let pinned = format!("oci://localhost/a@{}", Digest::sha256(b"x"));
    for url in ["https://localhost/a:b", "oci://", "oci://localhost/A B", pinned.as_str()] {
        let error = OciPush::builder(url).build().unwrap_err();
        assert!(matches!(error, SourceError::Invalid { .. }), "{url}: {error:?}");
    }
}
