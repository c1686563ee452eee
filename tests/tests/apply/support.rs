//! What the tests of this suite share.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::audit::MemoryJournal;
use flux_core::cluster::*;
use flux_core::{
    Applier, Artifact, Context, Gvk, Inventory, Manifests, Object, ObjectId, ObjectRef, Plan, Renderer, Report,
    Revision, Tree,
};
use flux_kube::apiserver::{ApiServer, Config};
use flux_kube::client::KubeCluster;

/// A fresh cluster behind each of its faces.
pub(crate) fn faces() -> Vec<World> {
    let server = || ApiServer::new(Config::default());
    let kube = KubeCluster::new(flux_kube::kube::Client::new(server(), "default"));
    vec![World::new("in process", Arc::new(server())), World::new("kube-rs", Arc::new(kube))]
}

/// A cluster, with what was asked of it counted and faults put in its way.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) face: &'static str,
    pub(crate) cluster: Arc<Probe>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) cx: Context,
}

/// A journal that can be shown in a failing test.
#[derive(Default)]
pub(crate) struct Journal(pub(crate) MemoryJournal);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({})", self.0.lines().len())
    }
}

impl flux_core::audit::AuditSink for Journal {
    fn record(&self, entry: &flux_core::audit::Entry) -> Result<(), flux_core::audit::JournalError> {
        self.0.record(entry)
    }
}

impl World {
    pub(crate) fn new(face: &'static str, cluster: Arc<dyn Cluster>) -> Self {
        let journal = Arc::new(Journal::default());
        let cx = Context::background().with_audit(journal.clone()).with_subject("Kustomization/app");
        World { face, cluster: Arc::new(Probe::new(cluster)), journal, cx }
    }

    pub(crate) fn applier(&self, name: &str) -> ServerSideApplier {
        ServerSideApplier::new(self.cluster.clone(), Owner::new(name, "flux-system")).prune(true)
    }

    /// Makes an object as a person with kubectl would.
    pub(crate) async fn create(&self, yaml: &str) {
        for manifest in &manifests(yaml).await {
            let options = WriteOptions { field_manager: "kubectl-create".into(), ..WriteOptions::default() };
            self.cluster.create(&self.cx, &manifest.object, &options).await.unwrap();
        }
    }

    pub(crate) async fn get(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<Object> {
        let object = ObjectId::new(group, kind, namespace, name).at(version);
        self.cluster.get(&self.cx, &object).await.unwrap_or_default()
    }

    pub(crate) async fn config_map(&self, namespace: &str, name: &str) -> Option<Object> {
        self.get("", "v1", "ConfigMap", namespace, name).await
    }

    /// Changes an object as a person with kubectl would.
    pub(crate) async fn merge(&self, object: &Object, patch: serde_json::Value) -> Object {
        let options = WriteOptions { field_manager: "kubectl-edit".into(), ..WriteOptions::default() };
        self.cluster.patch(&self.cx, &object.object_ref(), &Patch::Merge(patch), &options).await.unwrap()
    }

    /// Plans and applies, and checks what must hold of every run that succeeds: the journal has a line for every change,
    /// and a second run writes nothing.
    pub(crate) async fn run(&self, applier: &ServerSideApplier, yaml: &str, owned: &Inventory) -> Report {
        let desired = manifests(yaml).await;
        let plan = applier.plan(&self.cx, &desired, owned).await.unwrap_or_else(|e| panic!("{}: {e}", self.face));
        let lines = self.journal.0.lines().len();
        let report = applier.apply(&self.cx, plan.clone()).await;
        assert_eq!(self.journal.0.lines().len() - lines, report.changed().count(), "{}", self.face);
        if report.error.is_none() {
            let again = applier.plan(&self.cx, &desired, &report.inventory).await.unwrap();
            assert!(again.is_empty(), "{}: a second run would write:\n{again}", self.face);
        }
        report
    }

    /// As [`run`](Self::run), where nothing may fail.
    pub(crate) async fn bring(&self, applier: &ServerSideApplier, yaml: &str, owned: &Inventory) -> Inventory {
        let report = self.run(applier, yaml, owned).await;
        assert!(report.error.is_none(), "{}: {}", self.face, report.error.unwrap());
        report.inventory
    }

    pub(crate) async fn plan(&self, applier: &ServerSideApplier, yaml: &str, owned: &Inventory) -> Plan {
        let plan = applier.plan(&self.cx, &manifests(yaml).await, owned).await;
        plan.unwrap_or_else(|error| panic!("{}: {error}", self.face))
    }

    pub(crate) async fn plan_error(
        &self,
        applier: &ServerSideApplier,
        yaml: &str,
        owned: &Inventory,
    ) -> flux_core::ApplyError {
        match applier.plan(&self.cx, &manifests(yaml).await, owned).await {
            Ok(plan) => panic!("{}: planned\n{plan}", self.face),
            Err(error) => error,
        }
    }
}

/// Manifests of a file `deploy/app.yaml`.
pub(crate) async fn manifests(yaml: &str) -> Manifests {
    let tree = Tree::from_files([("deploy/app.yaml", yaml.to_owned())]).unwrap();
    let artifact = Artifact::new(Revision::new("main@sha1:abc"), tree);
    RawRenderer::new("").render(&Context::background(), &artifact).await.unwrap()
}

/// `action id` for every object of a report.
pub(crate) fn outcomes(report: &Report) -> Vec<String> {
    report.outcomes.iter().map(|outcome| outcome.to_string()).collect()
}

/// `action id` for every object of a plan.
pub(crate) fn actions(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{:?} {}", change.action, change.object)).collect()
}

pub(crate) fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n---\n")
}

pub(crate) fn config_map(namespace: &str, name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\ndata:\n  key: {value:?}\n---\n"
    )
}

pub(crate) const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, minimum: 1}
---
"#;

/// Puts a fault in the way of a request: given the verb, whether it is a dry run, and the object or kind.
pub(crate) type Fault = Box<dyn Fn(&str, bool, &str) -> Option<ClusterError> + Send + Sync>;

/// A cluster that counts what is asked of it and can fail.
pub(crate) struct Probe {
    inner: Arc<dyn Cluster>,
    pub(crate) reads: AtomicUsize,
    pub(crate) dry_runs: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) log: Mutex<Vec<String>>,
    fault: Mutex<Option<Fault>>,
    /// How many writes still pass; the next one never answers. Even numbers hang before the server has seen it, odd
    /// ones after.
    pub(crate) crash: Mutex<Option<usize>>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({:?})", self.inner)
    }
}

impl Probe {
    fn new(inner: Arc<dyn Cluster>) -> Self {
        Probe {
            inner,
            reads: AtomicUsize::new(0),
            dry_runs: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            log: Mutex::default(),
            fault: Mutex::default(),
            crash: Mutex::default(),
        }
    }

    pub(crate) fn fail(&self, fault: impl Fn(&str, bool, &str) -> Option<ClusterError> + Send + Sync + 'static) {
        *self.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// Deletes an object past all faults.
    pub(crate) async fn delete_now(&self, cx: &Context, object: &Object) {
        self.inner.delete(cx, &object.object_ref(), &DeleteOptions::default()).await.unwrap();
    }

    /// One of the two moments of a write, before and after the server has seen it: hangs if this is the one to crash at.
    async fn moment(&self, dry_run: bool) {
        let hang = match &mut *self.crash.lock().unwrap() {
            Some(0) => true,
            Some(left) if !dry_run => {
                *left -= 1;
                false
            }
            _ => false,
        };
        if hang && !dry_run {
            futures::future::pending().await
        }
    }

    pub(crate) fn heal(&self) {
        *self.crash.lock().unwrap() = None;
        *self.fault.lock().unwrap() = None;
    }

    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub(crate) fn dry_runs(&self) -> usize {
        self.dry_runs.load(Ordering::SeqCst)
    }

    /// What was written since the last time this was asked.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn ask(&self, verb: &str, dry_run: bool, about: &str) -> Result<(), ClusterError> {
        let reads = matches!(verb, "get" | "list" | "watch" | "resource");
        let counter = if reads {
            &self.reads
        } else if dry_run {
            &self.dry_runs
        } else {
            &self.writes
        };
        counter.fetch_add(1, Ordering::SeqCst);
        if !reads && !dry_run {
            self.log.lock().unwrap().push(format!("{verb} {about}"));
        }
        let fault = self.fault.lock().unwrap();
        fault.as_ref().and_then(|fault| fault(verb, dry_run, about)).map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Cluster for Probe {
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError> {
        self.ask("resource", false, &gvk.to_string())?;
        self.inner.resource(cx, gvk).await
    }
    async fn get(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        self.ask("get", false, &object.to_string())?;
        self.inner.get(cx, object).await
    }
    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError> {
        self.ask("list", false, &gvk.to_string())?;
        self.inner.list(cx, gvk, options).await
    }
    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError> {
        self.ask("watch", false, &gvk.to_string())?;
        self.inner.watch(cx, gvk, options).await
    }
    async fn apply(&self, cx: &Context, object: &Object, options: &ApplyOptions) -> Result<Object, ClusterError> {
        self.moment(options.dry_run).await;
        self.ask("apply", options.dry_run, &object.to_string())?;
        let answer = self.inner.apply(cx, object, options).await;
        self.moment(options.dry_run).await;
        answer
    }
    async fn create(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        self.moment(options.dry_run).await;
        self.ask("create", options.dry_run, &object.to_string())?;
        let answer = self.inner.create(cx, object, options).await;
        self.moment(options.dry_run).await;
        answer
    }
    async fn update(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        self.moment(options.dry_run).await;
        self.ask("update", options.dry_run, &object.to_string())?;
        let answer = self.inner.update(cx, object, options).await;
        self.moment(options.dry_run).await;
        answer
    }
    async fn patch(
        &self,
        cx: &Context,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        self.moment(options.dry_run).await;
        self.ask("patch", options.dry_run, &object.to_string())?;
        let answer = self.inner.patch(cx, object, patch, options).await;
        self.moment(options.dry_run).await;
        answer
    }
    async fn delete(&self, cx: &Context, object: &ObjectRef, options: &DeleteOptions) -> Result<bool, ClusterError> {
        self.moment(options.dry_run).await;
        self.ask("delete", options.dry_run, &object.to_string())?;
        let answer = self.inner.delete(cx, object, options).await;
        self.moment(options.dry_run).await;
        answer
    }
    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
        self.inner.impersonate(identity)
    }
}
