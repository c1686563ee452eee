//! A whole pipeline on a real Git repository and the embedded API server: bad input gets an error that says where and
//! what, and changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flux_core::cluster::ListOptions;
use flux_core::engine::{Engine, Unit};
use flux_core::reconcile::{KeyStatus, Phase};
use flux_core::{Cluster, Context, Gvk};
use flux_examples::repository::Repository;
use flux_kube::api;
use flux_kube::apiserver::ApiServer;
use flux_kube::compose::Composition;
use tempfile::TempDir;

const APP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: default
data:
  colour: blue
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  namespace: default
spec:
  replicas: 2
  selector:
    matchLabels: {app: app}
  template:
    metadata:
      labels: {app: app}
    spec:
      containers:
        - name: app
          image: example.com/app:1
";

/// One pipeline and everything around it.
struct Stage {
    _folder: TempDir,
    repository: Repository,
    cluster: Arc<dyn Cluster>,
    engine: Engine,
    cx: Context,
}

impl Stage {
    /// A repository with one file, applied.
    async fn ready() -> Self {
        let stage = Self::set(|documents| documents);
        stage.settled(Phase::Ready).await;
        stage
    }

    fn set(change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(folder.path().join("app")).unwrap();
        repository.write("deploy/app.yaml", APP).unwrap();
        repository.commit("First").unwrap();
        let cluster: Arc<dyn Cluster> = Arc::new(ApiServer::default());
        let engine = Engine::in_memory();
        let documents = change(documents("app", &repository.url()));
        Composition::new(&api::read("flux.yaml", documents.as_bytes()).unwrap(), &cluster).unwrap().add_to(&engine);
        let cx = Context::background();
        tokio::spawn({
            let (engine, cx) = (engine.clone(), cx.clone());
            async move { engine.run(&cx).await }
        });
        Self { _folder: folder, repository, cluster, engine, cx }
    }

    async fn status(&self, unit: Unit) -> KeyStatus<Unit> {
        self.engine.handle().status(unit).await.unwrap().unwrap()
    }

    async fn settled(&self, phase: Phase) -> String {
        for _ in 0..3600 {
            let status = self.status(kustomization("app")).await;
            if status.phase == phase {
                return status.message;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("never {phase:?}: {:?}", self.engine.handle().statuses().await);
    }

    /// Every object of the kinds in play, with its resource version: what must not change.
    async fn snapshot(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        for gvk in
            [Gvk::new("", "v1", "ConfigMap"), Gvk::new("apps", "v1", "Deployment"), Gvk::new("", "v1", "Service")]
        {
            for object in self.cluster.list(&self.cx, &gvk, &ListOptions::default()).await.unwrap().items {
                seen.insert(object.to_string(), object.resource_version().unwrap_or_default().to_owned());
            }
        }
        seen
    }

    /// Commits a change; the error that it leads to, having changed nothing.
    async fn refused(&self, change: impl FnOnce(&Repository) -> std::io::Result<()>) -> String {
        let before = self.snapshot().await;
        change(&self.repository).unwrap();
        self.repository.commit("Bad").unwrap();
        self.engine.handle().trigger(source("app"));
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let status = self.status(kustomization("app")).await;
            if matches!(status.phase, Phase::Stalled | Phase::Retrying) {
                assert_eq!(self.snapshot().await, before, "{}", status.message);
                return status.message;
            }
        }
        panic!("it was taken");
    }
}

fn documents(name: &str, url: &str) -> String {
    format!(
        "\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {name}}}
spec:
  interval: 1m
  url: {url}
  ref: {{branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}}}
spec:
  interval: 5m
  sourceRef: {{kind: GitRepository, name: {name}}}
  path: ./deploy
  prune: true
"
    )
}

fn kustomization(name: &str) -> Unit {
    Unit::new("Kustomization", "default", name.to_owned())
}

fn source(name: &str) -> Unit {
    Unit::new("GitRepository", "default", name.to_owned())
}

fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn broken_yaml_is_named_by_file_and_line() {
    let stage = Stage::ready().await;
    let error = stage.refused(|r| r.replace("deploy/app.yaml", "  colour: blue", "\tcolour: blue")).await;
    says(&error, &["deploy/app.yaml:7", "yaml: line 7, column 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_is_named_by_file_and_line() {
    let stage = Stage::ready().await;
    let error = stage.refused(|r| r.replace("deploy/app.yaml", "kind: Deployment", "kind: Deploiment")).await;
    says(&error, &["deploy/app.yaml:9", "Deploiment/default/app", "no matches for kind \"Deploiment\""]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_field_is_named_with_what_the_server_says() {
    let stage = Stage::ready().await;
    let error = stage.refused(|r| r.replace("deploy/app.yaml", "replicas: 2", "replicas: -1")).await;
    says(&error, &["deploy/app.yaml:9", "Deployment/default/app", "spec.replicas"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_name_is_named_by_file() {
    let stage = Stage::ready().await;
    let error = stage.refused(|r| r.replace("deploy/app.yaml", "  name: settings\n", "")).await;
    says(&error, &["deploy/app.yaml:1", "name"]);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_object_is_named() {
    let stage = Stage::ready().await;
    let error = stage.refused(|r| r.write("deploy/more.yaml", APP)).await;
    says(&error, &["deploy/more.yaml", "ConfigMap", "settings"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_is_named_with_the_object_that_needs_it() {
    let stage = Stage::ready().await;
    let error = stage.refused(|r| r.replace("deploy/app.yaml", "namespace: default", "namespace: nowhere")).await;
    says(&error, &["deploy/app.yaml:1", "namespaces \"nowhere\" not found"]);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_goes_away_changes_nothing() {
    let stage = Stage::ready().await;
    let error = stage
        .refused(|r| {
            r.delete("deploy/app.yaml")?;
            r.write("other/app.yaml", APP)
        })
        .await;
    says(&error, &["path `./deploy` not found", "main@sha1:", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_emptied_changes_nothing() {
    let stage = Stage::ready().await;
    let error = stage
        .refused(|r| {
            r.delete("deploy/app.yaml")?;
            r.write("deploy/README.md", "Nothing here.")
        })
        .await;
    says(&error, &["renders no objects and 2 are owned"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_branch_is_named_and_those_that_are_there() {
    let stage = Stage::set(|documents| documents.replace("branch: main", "branch: mian"));
    stage.settled(Phase::Blocked).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    says(&stage.status(source("app")).await.message, &["mian", "main", "not found"]);
    assert_eq!(stage.snapshot().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_remote_is_named_and_the_last_good_state_is_kept_up() {
    // Nobody listens on the discard port of this machine.
    for url in ["file:///nowhere/at/all", "http://127.0.0.1:9/app.git"] {
        let stage = Stage::set(|documents| {
            let start = documents.find("url: ").unwrap();
            let end = documents[start..].find('\n').unwrap() + start;
            format!("{}url: {url}{}", &documents[..start], &documents[end..])
        });
        stage.settled(Phase::Blocked).await;
        let status = loop {
            let status = stage.status(source("app")).await;
            if status.runs > 0 {
                break status;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        assert_eq!(status.phase, Phase::Retrying);
        says(&status.message, &[url]);
    }
}

#[tokio::test(start_paused = true)]
async fn h48_an_object_of_another_pipeline_is_refused_and_both_are_named() {
    let stage = Stage::ready().await;
    let before = stage.snapshot().await;
    let documents = documents("intruder", &stage.repository.url());
    let documents = api::read("intruder.yaml", documents.as_bytes()).unwrap();
    Composition::new(&documents, &stage.cluster).unwrap().add_to(&stage.engine);
    let status = loop {
        let status = stage.status(kustomization("intruder")).await;
        if status.phase == Phase::Stalled {
            break status;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    says(&status.message, &["deploy/app.yaml:1", "ConfigMap/default/settings", "app"]);
    assert_eq!(stage.snapshot().await, before);
}

#[tokio::test(start_paused = true)]
async fn what_is_mended_is_applied() {
    let stage = Stage::ready().await;
    stage.refused(|r| r.replace("deploy/app.yaml", "  colour: blue", "\tcolour: blue")).await;
    stage.repository.replace("deploy/app.yaml", "\tcolour: blue", "  colour: red").unwrap();
    stage.repository.commit("Mend").unwrap();
    stage.engine.handle().trigger(source("app"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.settled(Phase::Ready).await;
    let settings = flux_core::ObjectId::new("", "ConfigMap", "default", "settings").at("v1");
    let live = stage.cluster.get(&stage.cx, &settings).await.unwrap().unwrap();
    assert_eq!(live.pointer("/data/colour").and_then(serde_json::Value::as_str), Some("red"));
}

#[test]
fn documents_that_refer_to_nothing_are_refused() {
    let cluster: Arc<dyn Cluster> = Arc::new(ApiServer::default());
    let refused = |from: &str, to: &str| {
        let text = documents("app", "https://example.com/app").replace(from, to);
        Composition::new(&api::read("flux.yaml", text.as_bytes()).unwrap(), &cluster).unwrap_err().to_string()
    };
    let error = refused("GitRepository, name: app", "GitRepository, name: other");
    says(&error, &["flux.yaml:9: spec.sourceRef: GitRepository/default/other is not among the documents"]);
    let error = refused("prune: true", "prune: true\n  dependsOn: [{name: base}]");
    says(&error, &["flux.yaml:9: spec.dependsOn[0]: Kustomization/default/base is not among"]);
    let error = refused("https://example.com/app", "ftp://example.com/app");
    says(&error, &["flux.yaml:1: spec.url", "ftp"]);
}
