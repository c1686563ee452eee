//! A place for objects in memory, a source and a renderer to go with it, and a switch that makes any one call of any trait
//! fail, hang, panic or take the process with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flux_core::applier::{Applier, ApplyError, Health, Outcome, Report};
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::{LoopOptions, Phase, Schedule};
use flux_core::source::{Source, SourceError};
use flux_core::store::{MemoryStateStore, PipelineState, StateError, StateStore};
use flux_core::{
    Action, Artifact, Change, Class, Context, Inventory, Manifest, Manifests, Object, ObjectId, Origin, Plan,
    RenderError, Renderer, Revision, Tree,
};

/// What one call does instead of its work, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error,
    Hang,
    Panic,
    /// The process ends here: the engine is dropped and a new one is started.
    Crash,
}

pub(crate) const FAULTS: [Fault; 4] = [Fault::Error, Fault::Hang, Fault::Panic, Fault::Crash];

/// Counts the calls of one pipeline and strikes at one of them.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    state: Mutex<SwitchState>,
    pub(crate) crashed: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct SwitchState {
    calls: Vec<&'static str>,
    strike: Option<(usize, Fault)>,
}

impl Switch {
    pub(crate) fn arm(&self, call: usize, fault: Fault) {
        self.state.lock().unwrap().strike = Some((call, fault));
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.state.lock().unwrap().calls.clone()
    }

    /// One call. Fails if it was struck by an error.
    async fn pass(&self, name: &'static str) -> Result<(), String> {
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(name);
            let call = state.calls.len() - 1;
            state.strike.filter(|(at, _)| *at == call).map(|(_, fault)| fault)
        };
        match fault {
            None => Ok(()),
            Some(Fault::Error) => Err(format!("injected error in {name}")),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Panic) => panic!("injected panic in {name}"),
            Some(Fault::Crash) => {
                self.crashed.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// The world that outlives the engine: what is in Git, what is in the cluster, what is stored.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) switch: Switch,
    pub(crate) head: Mutex<(Revision, Tree)>,
    pub(crate) objects: Mutex<BTreeMap<ObjectId, String>>,
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) store: MemoryStateStore,
}

pub(crate) fn source() -> Unit {
    Unit::new("GitRepository", "", "app")
}

pub(crate) fn pipeline(name: &str) -> Unit {
    Unit::new("Kustomization", "", name.to_owned())
}

/// A tree with one file an object: the name is the object's, the content its value.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::from_files(files.iter().map(|(name, value)| (*name, value.to_string()))).unwrap()
}

impl World {
    pub(crate) fn new(files: &[(&str, &str)]) -> Arc<Self> {
        Arc::new(Self {
            switch: Switch::default(),
            head: Mutex::new((Revision::new("main@sha1:1"), tree(files))),
            objects: Mutex::default(),
            log: Mutex::default(),
            store: MemoryStateStore::default(),
        })
    }

    pub(crate) fn push(&self, revision: &str, files: &[(&str, &str)]) {
        *self.head.lock().unwrap() = (Revision::new(revision), tree(files));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().iter().map(|(id, value)| format!("{}={value}", id.name)).collect()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// An engine on this world with the pipeline `main`, whose calls pass the switch, and one beside it that has no part
    /// in what happens to it.
    pub(crate) fn engine(self: &Arc<Self>) -> Engine {
        let options = LoopOptions { seed: 1, ..LoopOptions::default() };
        let engine = Engine::new(Arc::new(Store(self.clone())), options);
        engine.add_source(source(), Head(self.clone()), Schedule::every(Duration::from_secs(60)));
        for name in ["main", "beside"] {
            let part = Part { world: self.clone(), name: name.to_owned() };
            let (renderer, applier) = (part.clone(), part);
            engine.add_pipeline(
                Pipeline::new(pipeline(name), source(), renderer, applier)
                    .schedule(Schedule::every(Duration::from_secs(300)))
                    .wait(true),
            );
        }
        engine
    }
}

/// Waits until both pipelines have applied this revision.
pub(crate) async fn settle(engine: &Engine, revision: &str) {
    let revision = Some(Revision::new(revision));
    loop {
        let mut settled = true;
        for name in ["main", "beside"] {
            let status = engine.handle().status(pipeline(name)).await.unwrap().unwrap();
            // A store that fails to be read here is read by the run too.
            let applied = engine.state(&pipeline(name)).await.ok().flatten().and_then(|s| s.last_applied_revision);
            settled &= status.phase == Phase::Ready && applied == revision;
        }
        if settled {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[derive(Debug)]
struct Head(Arc<World>);

#[async_trait]
impl Source for Head {
    async fn resolve(&self, _cx: &Context) -> Result<Revision, SourceError> {
        self.0.switch.pass("resolve").await.map_err(source_error)?;
        Ok(self.0.head.lock().unwrap().0.clone())
    }

    async fn fetch(&self, _cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        self.0.switch.pass("fetch").await.map_err(source_error)?;
        Ok(Artifact::new(revision.clone(), self.0.head.lock().unwrap().1.clone()))
    }
}

fn source_error(error: String) -> SourceError {
    SourceError::Other { error: error.into(), class: Class::Transient }
}

/// One pipeline's renderer and applier: every object is prefixed by the pipeline's name.
#[derive(Debug, Clone)]
struct Part {
    world: Arc<World>,
    name: String,
}

impl Part {
    async fn pass(&self, call: &'static str) -> Result<(), String> {
        if self.name == "main" { self.world.switch.pass(call).await } else { Ok(()) }
    }

    fn object(&self, file: &str, value: &str) -> Object {
        let name = format!("{}-{file}", self.name);
        let value =
            serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "v": value});
        Object::from_value(value).unwrap()
    }

    fn log(&self, entry: String) {
        if self.name == "main" {
            self.world.log.lock().unwrap().push(entry);
        }
    }

    /// Carries out one change between two chances for a fault.
    async fn carry_out(&self, change: &Change, inventory: &mut Inventory) -> Result<Outcome, ApplyError> {
        self.pass("before write").await.map_err(apply_error)?;
        let id = &change.object.id;
        match change.desired() {
            Some(desired) => {
                let value = desired.as_map()["v"].as_str().unwrap().to_owned();
                self.log(format!("write {}={value}", id.name));
                self.world.objects.lock().unwrap().insert(id.clone(), value);
                inventory.insert(change.object.clone());
            }
            None => {
                self.log(format!("delete {}", id.name));
                self.world.objects.lock().unwrap().remove(id);
                inventory.remove(id);
            }
        }
        self.pass("after write").await.map_err(apply_error)?;
        Ok(Outcome { id: id.clone(), action: change.action })
    }
}

fn apply_error(error: String) -> ApplyError {
    ApplyError::Other { error: error.into(), class: Class::Transient }
}

#[async_trait]
impl Renderer for Part {
    async fn render(&self, _cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let failed = |error: String| RenderError::Other { error: error.into(), class: Class::Transient };
        self.pass("render").await.map_err(failed)?;
        let manifest = |(file, data): (&str, &bytes::Bytes)| Manifest {
            object: self.object(file, std::str::from_utf8(data).unwrap()),
            origin: Origin::new(file, 1),
        };
        Ok(artifact.tree.walk("").map(manifest).collect())
    }
}

#[async_trait]
impl Applier for Part {
    async fn plan(&self, _cx: &Context, desired: &Manifests, owned: &Inventory) -> Result<Plan, ApplyError> {
        self.pass("plan").await.map_err(apply_error)?;
        let objects = self.world.objects.lock().unwrap();
        let mut changes: Vec<Change> = Vec::new();
        for manifest in desired {
            let live = objects.get(&manifest.object.id());
            let action = match live {
                None => Action::Create,
                Some(value) if *value == manifest.object.as_map()["v"].as_str().unwrap() => Action::Unchanged,
                Some(_) => Action::Update,
            };
            changes.push(Change::towards(manifest.object.clone(), manifest.origin.clone(), action, None));
        }
        let stale = owned.minus(&desired.into());
        changes.extend(stale.iter().map(|object| Change::away(object, Action::Delete, None)));
        Ok(Plan { changes, owned: owned.clone() })
    }

    async fn apply(&self, cx: &Context, plan: Plan) -> Report {
        let mut report = Report { inventory: plan.owned.clone(), outcomes: Vec::new(), error: None };
        for change in plan.writes() {
            let outcome = match cx.check() {
                Ok(()) => self.carry_out(change, &mut report.inventory).await,
                Err(interrupted) => Err(interrupted.into()),
            };
            match outcome {
                Ok(outcome) => report.outcomes.push(outcome),
                Err(error) => {
                    report.inventory = report.inventory.union(&plan.inventory());
                    report.error = Some(error);
                    return report;
                }
            }
        }
        report.inventory = plan.inventory();
        report
    }

    async fn wait(&self, _cx: &Context, _owned: &Inventory) -> Result<Health, ApplyError> {
        self.pass("wait").await.map_err(apply_error)?;
        Ok(Health::default())
    }

    async fn teardown(&self, _cx: &Context, owned: &Inventory) -> Report {
        let mut report = Report { inventory: owned.clone(), outcomes: Vec::new(), error: None };
        for object in owned.iter() {
            let change = Change::away(object, Action::Delete, None);
            match self.carry_out(&change, &mut report.inventory).await {
                Ok(outcome) => report.outcomes.push(outcome),
                Err(error) => report.error = Some(error),
            }
        }
        report
    }
}

/// The store, with a chance for a fault before and after each write of `main`.
#[derive(Debug)]
struct Store(Arc<World>);

impl Store {
    async fn pass(&self, key: &str, call: &'static str) -> Result<(), StateError> {
        if key != pipeline("main").to_string() {
            return Ok(());
        }
        let failed = |error: String| StateError::Other { key: key.to_owned(), error: error.into() };
        self.0.switch.pass(call).await.map_err(failed)
    }
}

#[async_trait]
impl StateStore for Store {
    async fn load(&self, key: &str) -> Result<Option<PipelineState>, StateError> {
        // The test itself reads the state too: what is read must not count.
        self.0.store.load(key).await
    }

    async fn save(&self, key: &str, state: &PipelineState) -> Result<(), StateError> {
        self.pass(key, "before save").await?;
        self.0.store.save(key, state).await?;
        self.pass(key, "after save").await
    }

    async fn remove(&self, key: &str) -> Result<(), StateError> {
        self.pass(key, "before remove").await?;
        self.0.store.remove(key).await
    }
}
