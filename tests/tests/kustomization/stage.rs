//! What the tests of this suite share: a repository, a cluster, and a Kustomization that brings one into the other.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flux_core::audit::MemoryJournal;
use flux_core::cluster::{ApplyOptions, Cluster, WriteOptions};
use flux_core::engine::{Engine, Unit};
use flux_core::event::EventSink;
use flux_core::reconcile::{KeyStatus, Phase};
use flux_core::yaml::{self, ReadOptions};
use flux_core::{Context, Event, Object, ObjectId};
use flux_examples::repository::Repository;
use flux_kube::api;
use flux_kube::apiserver::ApiServer;
use flux_kube::compose::{Composition, Policy};
use serde_json::Value;
use tempfile::TempDir;

/// Events in memory.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

/// One repository, one cluster, and an engine between them.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) repository: Repository,
    pub(crate) server: ApiServer,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) engine: Engine,
    pub(crate) events: Arc<Events>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) cx: Context,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Stage {
    /// A repository with these files, and a cluster. Nothing runs yet.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self::on(ApiServer::default(), files)
    }

    /// The same with this cluster.
    pub(crate) fn on(server: ApiServer, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(folder.path().join("app")).unwrap();
        files.iter().for_each(|(path, text)| repository.write(path, text).unwrap());
        repository.commit("First").unwrap();
        let events = Arc::new(Events::default());
        let journal = Arc::new(MemoryJournal::default());
        Self {
            folder,
            repository,
            cluster: Arc::new(server.clone()),
            server,
            engine: Engine::in_memory(),
            cx: Context::background().with_events(events.clone()).with_audit(journal.clone()),
            events,
            journal,
        }
    }

    /// The documents: the source, and Kustomizations by name and what their specs say beyond what each must.
    pub(crate) fn documents(&self, kustomizations: &[(&str, &str)]) -> String {
        let url = self.repository.url();
        let mut documents = format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: app}}\n\
             spec: {{interval: 1m, url: '{url}', ref: {{branch: main}}}}\n"
        );
        for (name, spec) in kustomizations {
            documents.push_str(&format!(
                "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}}}\nspec:\n\
                 \x20 sourceRef: {{kind: GitRepository, name: app}}\n"
            ));
            let given = |field: &str| spec.lines().any(|line| line.trim_start().starts_with(field));
            for (field, value) in
                [("interval:", "5m"), ("path:", "./deploy"), ("prune:", "true"), ("retryInterval:", "10s")]
            {
                if !given(field) {
                    documents.push_str(&format!("  {field} {value}\n"));
                }
            }
            spec.lines().for_each(|line| documents.push_str(&format!("  {line}\n")));
        }
        documents
    }

    /// What the documents become, under a policy.
    pub(crate) fn compose(&self, kustomizations: &[(&str, &str)], policy: &Policy) -> Result<Composition, String> {
        let documents = api::read("flux.yaml", self.documents(kustomizations).as_bytes()).map_err(|e| e.to_string())?;
        Composition::with_policy(&documents, &self.cluster, policy).map_err(|error| error.to_string())
    }

    /// Runs Kustomizations.
    pub(crate) fn start(&self, kustomizations: &[(&str, &str)]) {
        self.start_under(kustomizations, &Policy::default());
    }

    pub(crate) fn start_under(&self, kustomizations: &[(&str, &str)], policy: &Policy) {
        self.compose(kustomizations, policy).unwrap().add_to(&self.engine);
        let (engine, cx) = (self.engine.clone(), self.cx.clone());
        tokio::spawn(async move { engine.run(&cx).await });
    }

    /// Runs one Kustomization until it is ready.
    pub(crate) async fn ready(files: &[(&str, &str)], spec: &str) -> Self {
        let stage = Self::new(files);
        stage.start(&[("app", spec)]);
        stage.settled("app", Phase::Ready).await;
        stage
    }

    pub(crate) async fn status(&self, name: &str) -> KeyStatus<Unit> {
        self.engine.handle().status(kustomization(name)).await.unwrap().unwrap()
    }

    /// Waits until a Kustomization is in a phase, and answers with what is said of it.
    pub(crate) async fn settled(&self, name: &str, phase: Phase) -> String {
        self.until(name, |status| status.phase == phase).await.message
    }

    pub(crate) async fn until(&self, name: &str, test: impl Fn(&KeyStatus<Unit>) -> bool) -> KeyStatus<Unit> {
        for _ in 0..7200 {
            let status = self.status(name).await;
            if test(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("never: {:?}", self.engine.handle().statuses().await);
    }

    /// Waits until a Kustomization has failed, and answers with what is said of it.
    pub(crate) async fn failed(&self, name: &str) -> String {
        self.until(name, |status| matches!(status.phase, Phase::Stalled | Phase::Retrying)).await.message
    }

    /// Commits what was written and waits until it is applied.
    pub(crate) async fn commit(&self, name: &str) {
        let before = self.engine.state(&kustomization(name)).await.unwrap().unwrap().last_applied_revision;
        self.repository.commit("Next").unwrap();
        self.engine.handle().trigger(Unit::new("GitRepository", "default", "app"));
        for _ in 0..600 {
            let now = self.engine.state(&kustomization(name)).await.unwrap().unwrap().last_applied_revision;
            if now != before && self.status(name).await.phase == Phase::Ready {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("never applied: {:?}", self.status(name).await);
    }

    /// Makes objects as an administrator would.
    pub(crate) async fn create(&self, text: &str) {
        let options = WriteOptions { field_manager: "admin".into(), ..WriteOptions::default() };
        for document in yaml::read_documents(text.as_bytes(), &ReadOptions::default()).unwrap() {
            let object = Object::from_value(document.value).unwrap();
            self.cluster.create(&self.cx, &object, &options).await.unwrap_or_else(|e| panic!("{object}: {e}"));
        }
    }

    /// Applies an object as an administrator would.
    pub(crate) async fn apply(&self, value: Value) {
        let object = Object::from_value(value).unwrap();
        let options = ApplyOptions { field_manager: "admin".into(), force: true, dry_run: false };
        self.cluster.apply(&self.cx, &object, &options).await.unwrap();
    }

    pub(crate) async fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Object> {
        let gvk = flux_core::Gvk::from_api_version(api_version, kind);
        let object = ObjectId::new(gvk.group, gvk.kind, namespace, name).at(gvk.version);
        self.cluster.get(&self.cx, &object).await.unwrap()
    }

    pub(crate) async fn config_map(&self, name: &str) -> Option<Object> {
        self.get("v1", "ConfigMap", "default", name).await
    }

    /// One value of a ConfigMap.
    pub(crate) async fn data(&self, name: &str, key: &str) -> String {
        let object = self.config_map(name).await.unwrap_or_else(|| panic!("there is no ConfigMap {name}"));
        object.pointer(&format!("/data/{key}")).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

pub(crate) fn kustomization(name: &str) -> Unit {
    Unit::new("Kustomization", "default", name.to_owned())
}

pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// A ConfigMap with one entry.
pub(crate) fn map(name: &str, entry: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{{entry}}}\n")
}
