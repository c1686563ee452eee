//! OCI sources against the real registry program and against one that misbehaves.
#![cfg(feature = "oci")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use flux_core::tree::TreeLimits;
use flux_core::{Artifact, Context, Digest, Revision, Source, SourceError};
use flux_sources::Credentials;
use flux_sources::contract::{Fixture, check};
use flux_sources::oci::{LayerOperation, LayerSelector, OciReference, OciSource, OciSourceBuilder};
use support::archive::layer;
use support::registry::{FLUX_LAYER, Own, Program};
use support::{HttpServer, respond};

fn source(url: String, reference: OciReference) -> OciSourceBuilder {
    OciSource::builder(url).reference(reference).insecure(true)
}

async fn get(builder: OciSourceBuilder) -> Result<Artifact, SourceError> {
    let source = builder.build()?;
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

/// The files of an artifact.
fn names(artifact: &Artifact) -> Vec<&str> {
    artifact.tree.walk("").map(|(path, _)| path).collect()
}

struct Registry(Program);

#[async_trait]
impl Fixture for Registry {
    fn source(&self) -> Arc<dyn Source> {
        let url = format!("oci://{}/org/app", self.0.address);
        Arc::new(source(url, OciReference::tag("main")).build().unwrap())
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        self.0.push("main", files);
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new(format!("main@{}", Digest::sha256(b"never")))
    }
}

#[tokio::test]
async fn the_contract_with_a_real_registry() {
    let Some(program) = Program::start() else { return };
    check(&mut Registry(program)).await;
}

#[tokio::test]
async fn references_of_every_kind_in_a_real_registry() {
    let Some(program) = Program::start() else { return };
    for tag in ["1.0.0", "1.2.0", "2.0.0-rc.1", "latest"] {
        program.push(tag, &[(tag, tag)]);
    }
    let url = format!("oci://{}/org/app", program.address);
    let latest = get(source(url.clone(), OciReference::default())).await.unwrap();
    let digest = latest.revision.as_str().strip_prefix("latest@").unwrap().to_owned();
    assert_eq!(latest.metadata["org.opencontainers.image.source"], "https://example.com/app");
    let filtered = OciReference::Semver { range: ">=2.0.0-0".into(), filter: Some("-rc".into()) };
    for (reference, name, tag) in [
        (OciReference::semver("1.x"), Some("1.2.0"), "1.2.0"),
        (filtered, Some("2.0.0-rc.1"), "2.0.0-rc.1"),
        (OciReference::digest(&digest), None, "latest"),
    ] {
        let artifact = get(source(url.clone(), reference)).await.unwrap();
        assert_eq!((artifact.revision.name(), names(&artifact)), (name, vec![tag]));
    }
    let error = get(source(url.clone(), OciReference::tag("9"))).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{url}: tag `9` not found"));
    let error = get(source(url.clone(), OciReference::semver(">9"))).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{url}: tag in the range `>9` not found"));
}

#[tokio::test]
async fn an_unchanged_tag_costs_one_head() {
    let registry = Own::start();
    registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let source = source(registry.url(), OciReference::default()).build().unwrap();
    let cx = Context::background();
    source.resolve(&cx).await.unwrap();
    registry.server.forget_requests();
    source.resolve(&cx).await.unwrap();
    let requests = registry.server.requests();
    assert_eq!(requests.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["HEAD"]);
}

#[tokio::test]
async fn a_layer_is_chosen_by_its_media_type_and_copied_when_asked() {
    let registry = Own::start();
    let data = layer(&[("a", "1")]);
    registry.push("latest", &data, "application/x");
    let selector = |media_type: &str, operation| LayerSelector { media_type: Some(media_type.into()), operation };
    let of = |selector| get(source(registry.url(), OciReference::default()).layer(selector));
    assert_eq!(names(&of(selector("application/x", LayerOperation::Extract)).await.unwrap()), ["a"]);
    let copied = of(selector("application/x", LayerOperation::Copy)).await.unwrap();
    assert_eq!(copied.tree.read("layer.tgz").unwrap().as_ref(), data);
    let error = of(selector("application/y", LayerOperation::Extract)).await.unwrap_err();
    assert!(error.to_string().contains("a layer of media type `application/y` not found"), "{error}");
}

#[tokio::test]
async fn a_password_is_given_when_it_is_asked_for_and_only_then() {
    let registry = Own::start();
    registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    // base64 of `user:hunter2`.
    registry.content.lock().unwrap().guard = Some(("Basic dXNlcjpodW50ZXIy".into(), "Basic realm=\"r\"".into()));
    let of = |credentials| get(source(registry.url(), OciReference::default()).credentials(credentials));
    assert_eq!(names(&of(Credentials::basic("user", "hunter2")).await.unwrap()), ["a"]);
    assert_eq!(registry.server.requests()[0].header("authorization"), None);
    for credentials in [Credentials::Anonymous, Credentials::basic("user", "wrong")] {
        let error = of(credentials).await.unwrap_err();
        assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_then_used() {
    let tokens = HttpServer::start(|request, stream| match request.header("authorization") {
        Some("Basic dXNlcjpodW50ZXIy") => respond(stream, "200 OK", &[], br#"{"token": "t0ken", "expires_in": 300}"#),
        _ => respond(stream, "401 Unauthorized", &[], b""),
    });
    let registry = Own::start();
    registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let realm = format!("http://{}/token", tokens.address);
    let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\",scope=\"repository:org/app:pull\"");
    registry.content.lock().unwrap().guard = Some(("Bearer t0ken".into(), challenge));
    let builder = source(registry.url(), OciReference::default());
    let artifact = get(builder.clone().credentials(Credentials::basic("user", "hunter2"))).await.unwrap();
    assert_eq!(names(&artifact), ["a"]);
    let asked: Vec<String> = tokens.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(asked, ["/token?service=reg&scope=repository%3Aorg%2Fapp%3Apull"]);
    let error = get(builder.credentials(Credentials::basic("user", "wrong"))).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let data = layer(&[("a", "1")]);
    let registry = Own::start();
    let digest = registry.push("latest", &data, FLUX_LAYER);
    // Another layer under the same digest, then another manifest, and a pin that no longer holds what it names.
    registry.content.lock().unwrap().objects.insert(Digest::sha256(&data).to_string(), vec![0; data.len()]);
    let error = get(source(registry.url(), OciReference::default())).await.unwrap_err();
    assert!(matches!(error, SourceError::Unverified { .. }), "{error:?}");
    registry.content.lock().unwrap().objects.insert(digest.clone(), b"{}".to_vec());
    for reference in [OciReference::default(), OciReference::digest(&digest)] {
        let error = get(source(registry.url(), reference)).await.unwrap_err();
        assert!(matches!(error, SourceError::Unverified { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_hostile_registry_gets_nowhere() {
    let registry = Own::start();
    // More than was announced, and a size that lies.
    let data = layer(&[("a", "1")]);
    registry.push("latest", &data, FLUX_LAYER);
    registry.content.lock().unwrap().objects.insert(Digest::sha256(&data).to_string(), vec![0; 1 << 20]);
    let error = get(source(registry.url(), OciReference::default())).await.unwrap_err();
    assert!(error.to_string().contains(&format!("the server sent more than {} bytes", data.len())), "{error}");
    // A layer larger than the tree may be is not even asked for.
    let limits = TreeLimits { total_bytes: 10, ..TreeLimits::default() };
    let error = get(source(registry.url(), OciReference::default()).tree_limits(limits)).await.unwrap_err();
    assert!(error.to_string().ends_with("the layer has more than 10 bytes"), "{error}");
    // A manifest without end.
    let endless = HttpServer::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b' '; 65536])?;
        }
    });
    let url = format!("oci://{}/org/app", endless.address);
    let pinned = OciReference::digest(Digest::sha256(b"x").to_string());
    let error = get(source(url, pinned)).await.unwrap_err();
    assert!(error.to_string().contains("the server sent more than 4194304 bytes"), "{error}");
    // Pages of tags that go in circles, and that lead to another host.
    for next in ["/v2/org/app/tags/list?page=0", "http://192.0.2.1/steal"] {
        registry.content.lock().unwrap().pages = vec![(vec!["1.0.0".into()], Some(next.into()))];
        let error = get(source(registry.url(), OciReference::semver("9"))).await.unwrap_err();
        assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn h30_a_pinned_digest_stays_when_its_tag_moves() {
    let Some(program) = Program::start() else { return };
    program.push("latest", &[("a", "1")]);
    let url = format!("oci://{}/org/app", program.address);
    let before = get(source(url.clone(), OciReference::default())).await.unwrap();
    let digest = before.revision.as_str().strip_prefix("latest@").unwrap().to_owned();
    program.push("latest", &[("b", "2")]);
    assert_eq!(names(&get(source(url.clone(), OciReference::digest(&digest))).await.unwrap()), ["a"]);
    // A revision that was resolved before is what is fetched, and the tag leads on to the other.
    let moved = source(url, OciReference::default()).build().unwrap();
    let cx = Context::background();
    assert_eq!(names(&moved.fetch(&cx, &before.revision).await.unwrap()), ["a"]);
    let now = moved.resolve(&cx).await.unwrap();
    assert_eq!(names(&moved.fetch(&cx, &now).await.unwrap()), ["b"]);
}

#[tokio::test]
async fn h30_indexes_that_confuse_are_refused() {
    let registry = Own::start();
    let image = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let put = |document: serde_json::Value| {
        let data = serde_json::to_vec(&document).unwrap();
        let digest = Digest::sha256(&data).to_string();
        let mut content = registry.content.lock().unwrap();
        content.objects.insert(digest.clone(), data);
        content.tags.insert("latest".into(), digest.clone());
        digest
    };
    let index = |digest: &str, os: &str| {
        let platform = serde_json::json!({"os": os, "architecture": "amd64"});
        let entry = serde_json::json!({"mediaType": "m", "digest": digest, "size": 1, "platform": platform});
        serde_json::json!({"schemaVersion": 2, "manifests": [entry]})
    };
    put(index(&image, "linux"));
    assert_eq!(names(&get(source(registry.url(), OciReference::default())).await.unwrap()), ["a"]);
    let nested = put(index(&image, "linux"));
    let mut both = index(&image, "linux");
    both["layers"] = serde_json::json!([]);
    for (document, problem) in [
        (index(&nested, "linux"), "an index in an index"),
        (index(&image, "windows"), "no manifest for linux/amd64"),
        (index("../../blobs/x", "linux"), "is not SHA-256"),
        (both, "a manifest and an index at once"),
        (serde_json::json!({"schemaVersion": 2}), "neither a manifest nor an index"),
    ] {
        put(document);
        let error = get(source(registry.url(), OciReference::default())).await.unwrap_err();
        assert!(matches!(error, SourceError::Rejected { .. }), "{error:?}");
        assert!(error.to_string().contains(problem), "{problem}: {error}");
    }
}

#[tokio::test]
async fn tags_are_read_page_by_page() {
    let registry = Own::start();
    registry.push("1.1.0", &layer(&[("a", "1")]), FLUX_LAYER);
    let second = Some("/v2/org/app/tags/list?page=1".to_owned());
    registry.content.lock().unwrap().pages = vec![(vec!["1.0.0".into()], second), (vec!["1.1.0".into()], None)];
    let artifact = get(source(registry.url(), OciReference::semver("1.x"))).await.unwrap();
    assert_eq!(artifact.revision.name(), Some("1.1.0"));
}

#[tokio::test]
async fn redirects_in_circles_and_servers_in_trouble_are_named() {
    let circle = HttpServer::start(|request, stream| {
        respond(stream, "302 Found", &[("location", request.target.as_str())], b"")
    });
    let error = get(source(format!("oci://{}/a/b", circle.address), OciReference::default())).await.unwrap_err();
    assert!(matches!(error, SourceError::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains("too many redirects"), "{error}");
    let trouble = HttpServer::start(|_, stream| respond(stream, "503 Busy", &[("retry-after", "0")], b""));
    let error = get(source(format!("oci://{}/a/b", trouble.address), OciReference::default())).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    assert_eq!(trouble.requests().len(), 3, "asked again, and not for ever");
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let thief = HttpServer::start(|_, stream| respond(stream, "404 Not Found", &[], b""));
    let target = format!("http://localhost:{}/steal", thief.address.port());
    let registry = HttpServer::start(move |request, stream| match request.header("authorization") {
        None => respond(stream, "401 Unauthorized", &[("www-authenticate", "Basic")], b""),
        Some(_) => respond(stream, "307 Temporary Redirect", &[("location", target.as_str())], b""),
    });
    let builder = source(format!("oci://{}/a/b", registry.address), OciReference::default());
    get(builder.credentials(Credentials::basic("user", "hunter2"))).await.unwrap_err();
    let seen = thief.requests();
    assert!(!seen.is_empty() && seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
}

#[tokio::test]
async fn urls_that_lead_nowhere_are_refused() {
    for url in
        ["https://ghcr.io/a/b", "oci://ghcr.io/a/b:tag", "oci://ghcr.io/a@sha256:00", "oci://", "oci://ghcr.io/A B"]
    {
        let error = OciSource::builder(url).build().unwrap_err();
        assert!(matches!(error, SourceError::Invalid { .. }), "{url}: {error:?}");
    }
}
