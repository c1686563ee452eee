//! Documents of every kind of source, refused by name or carried out against servers on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::cluster::WriteOptions;
use flux_core::engine::{Engine, Unit};
use flux_core::reconcile::Phase;
use flux_core::{Artifact, Cluster, Context, Digest, Object, SourceError};
use futures::StreamExt as _;
use serde_json::json;

use super::Composition;
use crate::api;
use crate::apiserver::ApiServer;

/// A server of files by target, which notes who asked.
struct Server {
    address: SocketAddr,
    /// The targets and the values of `Authorization`.
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    fn start(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let noted = seen.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                let _ = reader.read_line(&mut line);
                let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let mut authorization = String::new();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) < 3 {
                        break;
                    }
                    if let Some((name, value)) = line.trim().split_once(": ")
                        && name.eq_ignore_ascii_case("authorization")
                    {
                        authorization = value.to_owned();
                    }
                }
                noted.lock().unwrap().push((target.clone(), authorization));
                let (status, body) = match files.get(&target) {
                    Some(body) => ("200 OK", body.as_slice()),
                    None => ("404 Not Found", &b""[..]),
                };
                let hex = Digest::sha256(body);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"{}\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 \
                     GMT\r\nconnection: close\r\n\r\n",
                    body.len(),
                    hex.hex()
                );
                let _ = stream.write_all(body);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.take(1).read(&mut [0]);
            }
        });
        Self { address, seen }
    }

    /// An S3 server with a bucket `manifests`.
    fn bucket(objects: &[(&str, &str)]) -> Self {
        let list = |(key, text): &(&str, &str)| {
            let (size, hash) = (text.len(), Digest::sha256(text.as_bytes()));
            format!(
                "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"{}\"</ETag></Contents>",
                hex(&hash)
            )
        };
        fn hex(digest: &Digest) -> &str {
            digest.hex()
        }
        let all: String = objects.iter().map(list).collect();
        let listing = format!("<ListBucketResult>{all}</ListBucketResult>").into_bytes();
        let files = objects.iter().map(|(key, text)| (format!("/manifests/{key}"), text.as_bytes().to_vec()));
        Self::start(files.chain([("/manifests?list-type=2".to_owned(), listing)]))
    }

    /// A Helm repository with the chart `app` of version 1.2.3.
    fn charts() -> Self {
        let chart = flux_core::Tree::from_files([
            ("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.2.3\n"),
            ("values.yaml", "a: 1\n"),
            ("prod.yaml", "b: 2\n"),
        ]);
        let archive = flux_sources::helm::package(&chart.unwrap()).unwrap();
        let index = "apiVersion: v1\nentries:\n  app:\n  - {name: app, version: 1.2.3, urls: [app-1.2.3.tgz]}\n";
        Self::start([
            ("/charts/index.yaml".to_owned(), index.as_bytes().to_vec()),
            ("/charts/app-1.2.3.tgz".to_owned(), archive.to_vec()),
        ])
    }

    fn who_asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, authorization)| authorization.clone()).collect()
    }
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: apps}}\nspec: \
         {{{spec}}}\n---\n"
    )
}

fn cluster() -> Arc<dyn Cluster> {
    Arc::new(ApiServer::default())
}

fn compose(text: &str, cluster: &Arc<dyn Cluster>) -> Result<Composition, String> {
    let documents = api::read("flux.yaml", text.as_bytes()).map_err(|error| error.to_string())?;
    Composition::new(&documents, cluster).map_err(|error| error.to_string())
}

async fn secret(cluster: &Arc<dyn Cluster>, name: &str, data: &[(&str, &str)]) {
    let cx = Context::background();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}});
    let _ = cluster.create(&cx, &Object::from_value(namespace).unwrap(), &WriteOptions::default()).await;
    let data: serde_json::Map<String, serde_json::Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), STANDARD.encode(value).into())).collect();
    let metadata = json!({"name": name, "namespace": "apps"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
    cluster.create(&cx, &Object::from_value(secret).unwrap(), &WriteOptions::default()).await.unwrap();
}

/// Fetches what the unit of this kind leads to.
async fn fetch(composition: &Composition, kind: &str) -> Result<Artifact, SourceError> {
    let (_, source, _) = composition.sources.iter().find(|(unit, ..)| unit.kind() == kind).unwrap();
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

#[test]
fn every_field_is_carried_out() {
    let all = "secretRef: {name: s}, certSecretRef: {name: s}, interval: 1m, timeout: 10s, suspend: true";
    for (kind, spec) in [
        (
            "OCIRepository",
            format!("{all}, url: 'oci://r.io/a', proxySecretRef: {{name: s}}, ignore: '*', insecure: true"),
        ),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, ref: {semver: 1.x, semverFilter: a, tag: b}".into()),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, layerSelector: {mediaType: a, operation: copy}".into()),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, verify: {provider: cosign, secretRef: {name: s}}".into()),
        ("Bucket", format!("{all}, endpoint: s3.io, bucketName: b, proxySecretRef: {{name: s}}, ignore: '*'")),
        ("Bucket", "provider: aws, endpoint: s3.io, bucketName: b, region: r, prefix: p/, interval: 1m".into()),
        (
            "Bucket",
            "provider: azure, endpoint: 'https://a.io', bucketName: b, secretRef: {name: s}, interval: 1m".into(),
        ),
        ("Bucket", "endpoint: 'http://s3.io', bucketName: b, insecure: true, interval: 1m".into()),
    ] {
        let made = compose(&document(kind, "app", &spec), &cluster());
        assert_eq!(made.map(|made| made.units().count()), Ok(1), "{spec}");
    }
    let repository =
        document("HelmRepository", "charts", &format!("{all}, url: 'https://c.io', passCredentials: true"));
    let registry = document("HelmRepository", "registry", "type: oci, url: 'oci://r.io/c', insecure: true");
    let chart = |source: &str, more: &str| {
        let spec = format!("chart: app, sourceRef: {{kind: HelmRepository, name: {source}}}, interval: 1m{more}");
        document("HelmChart", "app", &spec)
    };
    for chart in [
        chart("charts", ", version: 1.x, valuesFiles: [a.yaml], ignoreMissingValuesFiles: true, suspend: true"),
        chart("registry", ", verify: {provider: cosign, secretRef: {name: s}}"),
    ] {
        let made = compose(&format!("{repository}{registry}{chart}"), &cluster());
        assert_eq!(made.map(|made| made.units().count()), Ok(1), "a repository is looked at for its charts: {chart}");
    }
}

#[test]
fn what_cannot_be_carried_out_is_refused_by_name() {
    for (kind, spec, said) in [
        ("OCIRepository", "url: 'oci://r.io/a:1', interval: 1m", "spec.url: holds a tag"),
        ("OCIRepository", "url: 'https://r.io/a', interval: 1m", "spec.url: "),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, ref: {semver: x.y}", "spec.ref.semver: "),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, ref: {branch: x}", "spec.ref.branch: unknown field"),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, provider: aws", "spec.provider: `aws` is not supported"),
        (
            "OCIRepository",
            "url: 'oci://r.io/a', interval: 1m, layerSelector: {operation: x}",
            "operation: `x` is neither",
        ),
        (
            "OCIRepository",
            "url: 'oci://r.io/a', interval: 1m, serviceAccountName: x",
            "spec.serviceAccountName: is not",
        ),
        (
            "OCIRepository",
            "url: 'oci://r.io/a', interval: 1m, verify: {provider: notation}",
            "`notation` is not supported",
        ),
        ("OCIRepository", "url: 'oci://r.io/a', interval: 1m, verify: {}", "spec.verify.secretRef: is missing"),
        (
            "OCIRepository",
            "url: 'oci://r.io/a', interval: 1m, verify: {matchOIDCIdentity: [{issuer: a, subject: b}]}",
            "spec.verify.matchOIDCIdentity: is not supported yet",
        ),
        ("Bucket", "endpoint: 'http://s3.io', bucketName: b, interval: 1m", "spec.endpoint: is plain HTTP"),
        ("Bucket", "endpoint: s3.io, bucketName: a/b, interval: 1m", "spec.bucketName: should be made of"),
        ("Bucket", "endpoint: s3.io, bucketName: b, interval: 1m, provider: x", "spec.provider: `x` is none of"),
        (
            "Bucket",
            "endpoint: s3.io, bucketName: b, interval: 1m, sts: {provider: aws}",
            "spec.sts: is not supported yet",
        ),
        (
            "Bucket",
            "endpoint: s3.io, bucketName: b, interval: 1m, provider: gcp, certSecretRef: {name: s}",
            "spec.certSecretRef: is for the provider `generic`",
        ),
        ("HelmRepository", "url: 'oci://r.io'", "spec.url: a registry needs `type: oci`"),
        ("HelmRepository", "url: 'https://r.io', type: oci", "spec.url: should start with `oci://`"),
        ("HelmRepository", "url: 'ftp://r.io'", "spec.url: should start with"),
        ("HelmRepository", "url: 'https://r.io', insecure: true", "spec.insecure: is for registries"),
        ("HelmRepository", "url: 'https://r.io', accessFrom: {namespaceSelectors: [{}]}", "spec.accessFrom: "),
    ] {
        let error = compose(&document(kind, "app", spec), &cluster()).unwrap_err();
        assert!(error.starts_with("flux.yaml:1: ") && error.contains(said), "{spec}: {error}");
    }
    let repository = document("HelmRepository", "charts", "url: 'https://c.io'");
    let of =
        |kind: &str, more: &str| format!("chart: app, sourceRef: {{kind: {kind}, name: charts}}, interval: 1m{more}");
    for (spec, said) in [
        (of("Bucket", ""), "spec.sourceRef: Bucket/apps/charts is not among the documents"),
        (of("OCIRepository", ""), "spec.sourceRef.kind: `OCIRepository` is none of HelmRepository"),
        (of("HelmRepository", ", version: one"), "spec.version: "),
        (of("HelmRepository", ", reconcileStrategy: x"), "spec.reconcileStrategy: `x` is neither"),
        (of("HelmRepository", ", valuesFiles: [../x]"), "spec.valuesFiles: "),
        (of("HelmRepository", ", verify: {secretRef: {name: s}}"), "spec.verify: is for charts in registries"),
    ] {
        let text = format!("{repository}{}", document("HelmChart", "app", &spec));
        let error = compose(&text, &cluster()).unwrap_err();
        assert!(error.contains(said), "{spec}: {error}");
    }
    let twice = compose(&format!("{repository}{repository}"), &cluster()).unwrap_err();
    assert!(twice.contains("HelmRepository/apps/charts is described twice"), "{twice}");
}

#[tokio::test]
async fn a_bucket_is_read_with_the_keys_of_its_secret() {
    let server = Server::bucket(&[("deploy/a.yaml", "text"), ("x.md", "")]);
    let spec = format!(
        "endpoint: '{}', bucketName: manifests, insecure: true, interval: 1m, ignore: '*.md', secretRef: {{name: keys}}",
        server.address
    );
    let cluster = cluster();
    let composition = compose(&document("Bucket", "app", &spec), &cluster).unwrap();
    let error = fetch(&composition, "Bucket").await.unwrap_err();
    assert!(error.to_string().contains("Secret `apps/keys` not found"), "{error}");
    assert!(server.who_asked().is_empty(), "nobody asks without the keys");

    secret(&cluster, "keys", &[("accesskey", "AKIA"), ("secretkey", "hunter2")]).await;
    let artifact = fetch(&composition, "Bucket").await.unwrap();
    assert_eq!(artifact.tree.read("deploy/a.yaml").unwrap().as_ref(), b"text");
    assert_eq!(artifact.tree.file_count(), 1);
    assert!(server.who_asked().iter().all(|who| who.starts_with("AWS4-HMAC-SHA256 Credential=AKIA/")));
}

#[tokio::test]
async fn a_chart_is_read_from_its_repository_with_other_values() {
    let server = Server::charts();
    let repository = format!("url: 'http://{}/charts', secretRef: {{name: login}}", server.address);
    let chart = "chart: app, version: 1.x, sourceRef: {kind: HelmRepository, name: charts}, interval: 1m, \
                 valuesFiles: [values.yaml, prod.yaml]";
    let text = document("HelmRepository", "charts", &repository) + &document("HelmChart", "app", chart);
    let cluster = cluster();
    secret(&cluster, "login", &[("username", "ada"), ("password", "hunter2")]).await;
    let artifact = fetch(&compose(&text, &cluster).unwrap(), "HelmChart").await.unwrap();
    assert_eq!(artifact.revision.as_str(), "1.2.3");
    assert_eq!(artifact.tree.read("values.yaml").unwrap().as_ref(), b"a: 1\nb: 2\n");
    let login = format!("Basic {}", STANDARD.encode("ada:hunter2"));
    assert!(server.who_asked().iter().all(|who| *who == login));
}

#[tokio::test]
async fn a_chart_in_a_bucket_has_its_dependencies_from_the_repositories_beside_it() {
    let charts = Server::charts();
    let chart = format!(
        "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies:\n- {{name: app, version: 1.x, repository: \
         'http://{}/charts/'}}\n",
        charts.address
    );
    let server = Server::bucket(&[("web/Chart.yaml", &chart), ("web/values.yaml", "")]);
    let bucket = format!("endpoint: '{}', bucketName: manifests, insecure: true, interval: 1m", server.address);
    let repository = format!("url: 'http://{}/charts', secretRef: {{name: login}}", charts.address);
    let chart = "chart: ./web, sourceRef: {kind: Bucket, name: files}, interval: 1m, reconcileStrategy: Revision";
    let text = document("Bucket", "files", &bucket)
        + &document("HelmRepository", "charts", &repository)
        + &document("HelmChart", "web", chart);
    let cluster = cluster();
    secret(&cluster, "login", &[("username", "ada"), ("password", "hunter2")]).await;
    let artifact = fetch(&compose(&text, &cluster).unwrap(), "HelmChart").await.unwrap();
    assert!(artifact.revision.as_str().starts_with("0.1.0+"), "{}", artifact.revision);
    assert!(artifact.tree.is_file("charts/app/Chart.yaml"));
    assert!(charts.who_asked().iter().all(|who| who.starts_with("Basic ")));
    assert!(server.who_asked().iter().all(String::is_empty), "the login of one server is not shown to another");
}

#[tokio::test]
async fn a_kustomization_is_applied_from_a_bucket() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {a: b}\n";
    let server = Server::bucket(&[("deploy/settings.yaml", object)]);
    let bucket = format!("endpoint: '{}', bucketName: manifests, insecure: true, interval: 1m", server.address);
    let kustomization = |kind: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: app, namespace: apps}}\n\
             spec: {{interval: 1m, prune: true, path: ./deploy, sourceRef: {{kind: {kind}, name: files}}}}\n"
        )
    };
    let cluster = cluster();
    let text = document("Bucket", "files", &bucket) + &kustomization("Bucket");
    let engine = Engine::in_memory();
    compose(&text, &cluster).unwrap().add_to(&engine);
    let (mut statuses, cx) = (engine.watch(), Context::background().with_timeout(Duration::from_secs(30)));
    let running = tokio::spawn({
        let (engine, cx) = (engine.clone(), cx.clone());
        async move { engine.run(&cx).await }
    });
    let app = Unit::new("Kustomization", "apps", "app");
    let ready = async {
        while let Some(status) = statuses.next().await {
            if status.key == app && status.phase == Phase::Ready {
                return status.message;
            }
        }
        String::new()
    };
    tokio::time::timeout(Duration::from_secs(20), ready).await.unwrap();
    let settings = flux_core::object::ObjectId::new("", "ConfigMap", "default", "settings").at("v1");
    let found = cluster.get(&cx, &settings).await.unwrap().unwrap();
    assert_eq!(found.as_map()["data"]["a"], "b");
    cx.cancellation().cancel();
    let _ = running.await;

    let wrong = document("HelmRepository", "files", "url: 'https://c.io'") + &kustomization("HelmRepository");
    let error = compose(&wrong, &cluster).unwrap_err();
    assert!(error.contains("spec.sourceRef.kind: `HelmRepository` is none of GitRepository, OCIRepository"), "{error}");
}
