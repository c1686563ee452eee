//! Charts in Helm repositories, served by a static HTTP server.
#![cfg(feature = "helm")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flux_core::{Artifact, Context, Digest, Revision, Source, SourceError};
use flux_sources::Credentials;
use flux_sources::contract::{Fixture, check};
use flux_sources::helm::{HelmChartSource, HelmLimits};
use support::archive::layer;
use support::{HttpServer, respond};

/// A chart repository: files by path, with an ETag for each.
#[derive(Clone, Default)]
struct Repository {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    entries: Arc<Mutex<Vec<String>>>,
}

impl Repository {
    fn serve(&self) -> HttpServer {
        let files = self.files.clone();
        HttpServer::start(move |request, stream| {
            let files = files.lock().unwrap();
            let Some(data) = request.target.strip_prefix("/charts/").and_then(|path| files.get(path)) else {
                return respond(stream, "404 Not Found", &[], b"");
            };
            let etag = format!("\"{}\"", Digest::sha256(data).hex());
            if request.header("if-none-match") == Some(&etag) {
                return respond(stream, "304 Not Modified", &[], b"");
            }
            respond(stream, "200 OK", &[("etag", &etag)], data)
        })
    }

    fn put(&self, path: &str, data: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_owned(), data.into());
    }

    /// Adds a version of the chart `app` and writes the index anew.
    fn publish(&self, version: &str, files: &[(&str, &str)]) {
        let chart = format!("name: app\nversion: {version}\n");
        let mut all = vec![("app/Chart.yaml".to_owned(), chart.as_str())];
        all.extend(files.iter().map(|(path, text)| (format!("app/{path}"), *text)));
        let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let data = layer(&all);
        let name = format!("app-{version}.tgz");
        self.entry(version, &name, Digest::sha256(&data).hex());
        self.put(&name, data);
    }

    fn entry(&self, version: &str, url: &str, digest: &str) {
        let entry = format!(
            "  - name: app\n    version: {version}\n    appVersion: \"2\"\n    digest: {digest}\n    urls:\n    - {url}\n"
        );
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        self.put("index.yaml", format!("apiVersion: v1\nentries:\n  app:\n{}", entries.concat()));
    }
}

fn url(server: &HttpServer) -> String {
    format!("http://{}/charts", server.address)
}

async fn get(source: &HelmChartSource) -> Result<Artifact, SourceError> {
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

struct Charts {
    repository: Repository,
    server: HttpServer,
    published: u32,
}

#[async_trait]
impl Fixture for Charts {
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(Bare(HelmChartSource::builder(url(&self.server), "app").build().unwrap()))
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        self.published += 1;
        self.repository.publish(&format!("1.{}.0", self.published), files);
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new("9.9.9")
    }
}

/// The source without the `Chart.yaml` that every chart needs and the contract does not know.
#[derive(Debug)]
struct Bare(HelmChartSource);

#[async_trait]
impl Source for Bare {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        self.0.resolve(cx).await
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        let artifact = self.0.fetch(cx, revision).await?;
        let files = artifact.tree.walk("").filter(|(path, _)| *path != "Chart.yaml");
        let tree = flux_core::Tree::from_files(files.map(|(path, data)| (path, data.clone()))).unwrap();
        Ok(Artifact { tree, ..artifact })
    }
}

#[tokio::test]
async fn the_contract() {
    let repository = Repository::default();
    let server = repository.serve();
    check(&mut Charts { repository, server, published: 0 }).await;
}

#[tokio::test]
async fn the_chart_comes_at_the_root_and_the_version_is_its_revision() {
    let repository = Repository::default();
    let server = repository.serve();
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        repository.publish(version, &[("templates/a.yaml", version)]);
    }
    for (range, version) in [("*", "1.1.0"), ("", "1.1.0"), ("1.0.x", "1.0.0"), (">=2-0", "2.0.0-rc.1")] {
        let artifact =
            get(&HelmChartSource::builder(url(&server), "app").version(range).build().unwrap()).await.unwrap();
        assert_eq!(artifact.revision.as_str(), version);
        assert_eq!(artifact.tree.read("templates/a.yaml").unwrap().as_ref(), version.as_bytes());
        assert_eq!(artifact.metadata["appVersion"], "2");
    }
    for (chart, range) in [("app", "3.x"), ("other", "*")] {
        let error =
            get(&HelmChartSource::builder(url(&server), chart).version(range).build().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{}/: chart `{chart}` of version `{range}` not found", url(&server)));
    }
}

#[tokio::test]
async fn an_unchanged_index_is_not_sent_again() {
    let repository = Repository::default();
    let server = repository.serve();
    repository.publish("1.0.0", &[]);
    let source = HelmChartSource::builder(url(&server), "app").build().unwrap();
    let cx = Context::background();
    source.resolve(&cx).await.unwrap();
    server.forget_requests();
    assert_eq!(source.resolve(&cx).await.unwrap().as_str(), "1.0.0");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].header("if-none-match").is_some());
    repository.publish("1.0.1", &[]);
    assert_eq!(source.resolve(&cx).await.unwrap().as_str(), "1.0.1");
}

#[tokio::test]
async fn credentials_stay_with_the_host_they_are_for() {
    let data = layer(&[("app/Chart.yaml", "name: app")]);
    let other = HttpServer::start(move |_, stream| respond(stream, "200 OK", &[], &data));
    let repository = Repository::default();
    let server = repository.serve();
    repository.entry("1.0.0", &format!("http://localhost:{}/app.tgz", other.address.port()), "");
    let builder = HelmChartSource::builder(url(&server), "app").credentials(Credentials::basic("user", "hunter2"));
    get(&builder.clone().build().unwrap()).await.unwrap();
    assert!(server.requests().iter().all(|request| request.header("authorization").is_some()));
    assert_eq!(other.requests()[0].header("authorization"), None);
    other.forget_requests();
    get(&builder.pass_credentials(true).build().unwrap()).await.unwrap();
    assert!(other.requests()[0].header("authorization").is_some());
}

#[tokio::test]
async fn hostile_repositories_are_refused() {
    let repository = Repository::default();
    let server = repository.serve();
    let source = || HelmChartSource::builder(url(&server), "app");
    let error = get(&source().build().unwrap()).await.unwrap_err();
    assert!(error.to_string().ends_with("index.yaml not found"), "{error}");
    repository.put("index.yaml", "<html>");
    assert!(matches!(get(&source().build().unwrap()).await, Err(SourceError::Rejected { .. })));
    for (url, digest, problem) in [
        ("app.tgz", "ff", "the index says `ff`"),
        ("file:///etc/passwd", "", "only http and https"),
        ("none.tgz", "", "`none.tgz` not found"),
        ("flat.tgz", "", "outside the chart's directory"),
        ("bare.tgz", "", "holds no Chart.yaml"),
        ("text.tgz", "", "cannot be read"),
    ] {
        repository.entries.lock().unwrap().clear();
        repository.entry("1.0.0", url, digest);
        repository.put("app.tgz", layer(&[("app/Chart.yaml", "")]));
        repository.put("flat.tgz", layer(&[("Chart.yaml", "")]));
        repository.put("bare.tgz", layer(&[("app/values.yaml", "")]));
        repository.put("text.tgz", "text");
        let error = get(&source().build().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{problem}: {error}");
    }
    let mut large = String::from("apiVersion: v1\nentries:\n");
    for index in 0..100 {
        writeln!(large, "  chart{index}: []").unwrap();
    }
    repository.put("index.yaml", large);
    let limits = HelmLimits { index_bytes: 1000, ..HelmLimits::default() };
    let error = get(&source().limits(limits).build().unwrap()).await.unwrap_err();
    assert!(error.to_string().ends_with("the server sent more than 1000 bytes"), "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    for (url, version) in [("oci://example.com/x", "*"), ("example.com", "*"), ("https://example.com", "one")] {
        let error = HelmChartSource::builder(url, "app").version(version).build().unwrap_err();
        assert!(matches!(error, SourceError::Invalid { .. }), "{url}: {error:?}");
    }
    let source = HelmChartSource::builder("https://user:hunter2@example.com/x", "app").build().unwrap();
    assert!(!format!("{source:?}").contains("hunter2"));
}
