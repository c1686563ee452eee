//! One run of the simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flux_appliers::observe::Observer;
use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::cluster::{Cluster, DeleteOptions, ListOptions, Patch, WriteOptions};
use flux_core::engine::{Engine, Pipeline, Unit};
use flux_core::reconcile::{Backoff, LoopOptions, Phase, Schedule};
use flux_core::store::{MemoryStateStore, StateStore as _};
use flux_core::{Context, Gvk, Object, ObjectId, Timestamp};
use flux_kube::apiserver::{ApiServer, Config};
use flux_sources::memory::MemorySource;
use serde_json::json;
use tokio::task::JoinHandle;

use super::chaos::{Chaos, Weather};
use super::fuse::{Disk, Fuse, Remote};
use super::model::{Form, Kind, Model, Name};
use crate::random::Random;

const SOURCE_INTERVAL: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long everything takes to come to rest once nothing goes wrong any more: the longest backoff and two intervals.
const REST: Duration = Duration::from_secs(16 * 60);

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Requests to the API server.
    pub requests: usize,
    /// Those that wrote.
    pub writes: usize,
    /// How often the process died.
    pub crashes: usize,
    /// Every step and request in order: the same for the same seed.
    pub trace: Vec<String>,
}

/// A law that was broken.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The run.
    pub seed: u64,
    /// What happened.
    pub what: String,
    /// What led there: steps and requests, the last of them.
    pub trace: Vec<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        self.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Runs one seed to its end.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64) -> Result<Summary, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime of one thread");
    runtime.block_on(async {
        let mut story = Story::begin(seed).await;
        let outcome = story.play().await;
        story.stop().await;
        story.conclude(outcome)
    })
}

struct Story {
    seed: u64,
    random: Random,
    server: Arc<dyn Cluster>,
    chaos: Arc<Chaos>,
    remote: MemorySource,
    disk: Arc<MemoryStateStore>,
    process: Option<Process>,
    observed: bool,
    wait: bool,
    crashes: usize,
    strangers: BTreeMap<String, String>,
    cx: Context,
}

/// A process: everything that is gone when it dies.
struct Process {
    engine: Engine,
    task: JoinHandle<()>,
    cx: Context,
}

fn unit(i: usize) -> Unit {
    Unit::new("Kustomization", "flux-system", format!("p{i}"))
}

fn source() -> Unit {
    Unit::new("GitRepository", "flux-system", "repository")
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let epoch = Some(Timestamp::from_unix_seconds(1_800_000_000));
        let server: Arc<dyn Cluster> = Arc::new(ApiServer::new(Config { seed, epoch, ..Config::default() }));
        let chaos = Arc::new(Chaos {
            cluster: server.clone(),
            weather: Arc::new(Mutex::new(Weather::new(seed))),
            fuse: Arc::default(),
            model: Arc::new(Mutex::new(Model::new(1 + random.below(4)))),
            log: Arc::default(),
        });
        let remote = MemorySource::from_files([("README.md", "empty")]).expect("one file");
        let (observed, wait) = (random.percent(60), random.percent(30));
        let cx = Context::background();
        let mut story = Self {
            seed,
            random,
            server,
            chaos,
            remote,
            disk: Arc::default(),
            process: None,
            observed,
            wait,
            crashes: 0,
            strangers: BTreeMap::new(),
            cx,
        };
        story.strangers().await;
        story
    }

    /// Objects that no pipeline has anything to do with.
    async fn strangers(&mut self) {
        for i in 0..2 {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "theirs"},
                "metadata": {"name": format!("stranger{i}"), "namespace": "default"}});
            let object = Object::from_value(object).expect("an object");
            let made = self.server.create(&self.cx, &object, &WriteOptions::default()).await.expect("is made");
            self.strangers.insert(made.name().to_owned(), made.resource_version().unwrap_or_default().to_owned());
        }
    }

    fn note(&self, what: impl fmt::Display) {
        self.chaos.log.lock().unwrap().lines.push(format!("== {what}"));
    }

    fn fault(&self, what: impl fmt::Display) -> Fault {
        let log = self.chaos.log.lock().unwrap();
        let from = log.lines.len().saturating_sub(600);
        Fault { seed: self.seed, what: what.to_string(), trace: log.lines[from..].to_vec() }
    }

    /// Starts a process on what the last one left.
    async fn start(&mut self) {
        let fuse = Arc::new(Fuse::default());
        let chaos = Arc::new(Chaos {
            cluster: self.server.clone(),
            weather: self.chaos.weather.clone(),
            fuse: fuse.clone(),
            model: self.chaos.model.clone(),
            log: self.chaos.log.clone(),
        });
        self.chaos = chaos.clone();
        let store = Arc::new(Disk { store: self.disk.clone(), fuse: fuse.clone() });
        let backoff = Backoff { max: Duration::from_secs(60), ..Backoff::default() };
        let options = LoopOptions { seed: self.seed, backoff, ..LoopOptions::default() };
        let engine = Engine::new(store, options);
        engine.add_source(source(), Remote { source: self.remote.clone(), fuse }, Schedule::every(SOURCE_INTERVAL));
        let observer = Observer::new(chaos.clone(), Owner::KUSTOMIZE);
        let folders = self.chaos.model.lock().unwrap().folders.clone();
        for (i, folder) in folders.iter().enumerate() {
            let known = self.disk.load(&unit(i).to_string()).await.is_ok_and(|state| state.is_some());
            if folder.deleted && !known {
                continue;
            }
            let mut applier =
                ServerSideApplier::new(chaos.clone(), Owner::new(format!("p{i}"), "flux-system")).prune(true);
            if self.observed {
                applier = applier.observed_by(&observer);
            }
            let pipeline = Pipeline::new(unit(i), source(), RawRenderer::new(format!("p{i}")), applier)
                .schedule(Schedule::every(INTERVAL).timeout(Duration::from_secs(60)))
                .wait(self.wait);
            engine.add_pipeline(pipeline);
            if folder.deleted {
                engine.delete_pipeline(&unit(i));
            }
        }
        let cx = Context::background().in_place();
        let task = tokio::spawn({
            let (engine, cx) = (engine.clone(), cx.clone());
            async move {
                // It is started once.
                let _ = engine.run(&cx).await;
            }
        });
        self.process = Some(Process { engine, task, cx });
    }

    /// The process is gone from one moment to the next.
    async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.task.abort();
            drop(process.task.await);
        }
    }

    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.cx.cancellation().cancel();
            drop(process.task.await);
        }
    }

    /// Lets time pass. When the process dies meanwhile, another is started.
    async fn pass(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        loop {
            let fuse = self.chaos.fuse.clone();
            tokio::select! {
                biased;
                () = fuse.blown() => {
                    self.note("the process dies");
                    self.crashes += 1;
                    self.kill().await;
                    self.start().await;
                }
                () = tokio::time::sleep_until(end) => return,
            }
        }
    }

    async fn play(&mut self) -> Result<(), Fault> {
        self.mend();
        self.start().await;
        self.pass(Duration::from_secs(1)).await;
        for _ in 0..1 + self.random.below(2) {
            for _ in 0..3 + self.random.below(8) {
                self.step().await;
                let seconds = [0, 1, 10, 100, 400][self.random.below(5)];
                let time = Duration::from_secs(seconds) + Duration::from_millis(self.random.below(1000) as u64);
                self.pass(time).await;
            }
            self.come_to_rest().await?;
        }
        Ok(())
    }

    /// Something happens.
    async fn step(&mut self) {
        match self.random.below(20) {
            0..=6 => self.change(),
            7 | 8 => self.drift().await,
            9 => self.spoil(Form::Broken),
            10 => self.spoil(Form::Empty),
            11 | 12 => self.mend(),
            13 | 14 => {
                let percent = [5, 20, 60][self.random.below(3)];
                self.note(format!("bad weather, {percent} %"));
                self.chaos.weather.lock().unwrap().turn(percent);
            }
            15 => {
                self.note("good weather");
                self.chaos.weather.lock().unwrap().turn(0);
            }
            16 | 17 => {
                let moments = self.random.below(60);
                self.note(format!("the process will die in {moments} moments"));
                self.chaos.fuse.set(moments);
            }
            18 => self.suspend().await,
            _ => self.delete_pipeline(),
        }
    }

    fn edit(&mut self, what: &str, edit: impl FnOnce(&mut Model, &mut Random)) {
        let files = {
            let mut model = self.chaos.model.lock().unwrap();
            edit(&mut model, &mut self.random);
            model.commit();
            model.files(&mut self.random)
        };
        self.note(what);
        self.remote.set_files(files).expect("paths of our own");
        // Sometimes a webhook tells at once.
        if self.random.percent(60)
            && let Some(process) = &self.process
        {
            process.engine.handle().trigger(source());
        }
    }

    /// A commit that adds, changes, removes and moves objects.
    fn change(&mut self) {
        let wait = self.wait;
        self.edit("a commit", |model, random| {
            for _ in 0..=random.below(4) {
                let folders = model.folders.len();
                let name = random_name(random, wait);
                let holder = model.holder(&name);
                let value = model.next_value();
                match (holder, random.below(4)) {
                    (Some(holder), 0) => drop(model.folders[holder].wants.remove(&name)),
                    (Some(holder), 1) if name.namespace == "default" => {
                        // It moves.
                        let to = random.below(folders);
                        if !model.folders[to].deleted {
                            let value = model.folders[holder].wants.remove(&name).unwrap_or(value);
                            model.folders[to].wants.insert(name, value);
                        }
                    }
                    (Some(holder), _) => drop(model.folders[holder].wants.insert(name, value)),
                    (None, _) => {
                        // What is in a namespace of its own belongs to one pipeline.
                        let to = match name.namespace.strip_prefix("own-").and_then(|i| i.parse::<usize>().ok()) {
                            Some(i) => i % folders,
                            None => random.below(folders),
                        };
                        if !model.folders[to].deleted {
                            model.folders[to].wants.insert(name, value);
                        }
                    }
                }
            }
        });
    }

    /// A commit that nobody can render, or that holds nothing.
    fn spoil(&mut self, form: Form) {
        self.edit(&format!("a bad commit: {form:?}"), |model, random| {
            let i = random.below(model.folders.len());
            model.folders[i].form = form;
        });
    }

    /// A commit in which every folder is whole and holds something.
    fn mend(&mut self) {
        let wait = self.wait;
        self.edit("a good commit", |model, random| {
            for i in 0..model.folders.len() {
                model.folders[i].form = Form::Whole;
                let has_own = model.folders[i].wants.contains_key(&keeper(i));
                if !has_own && !model.folders[i].deleted {
                    let value = model.next_value();
                    model.folders[i].wants.insert(keeper(i), value);
                    let name = random_name(random, wait);
                    if model.holder(&name).is_none() && !name.namespace.starts_with("own-") {
                        model.folders[i].wants.insert(name, value);
                    }
                }
            }
        });
    }

    /// Somebody meddles with an object that is there.
    async fn drift(&mut self) {
        let expected: Vec<Name> = self.chaos.model.lock().unwrap().expected().into_keys().collect();
        let Some(name) = self.random.pick(&expected).cloned() else { return };
        let Ok(Some(live)) = self.server.get(&self.cx, &name.reference()).await else { return };
        let manager = ["kubectl-edit", "somebody"][self.random.below(2)];
        let options = WriteOptions { field_manager: manager.into(), ..WriteOptions::default() };
        let kind = self.random.below(4);
        self.note(format!("{manager} meddles with {} ({kind})", name.reference()));
        let patch = match (kind, name.kind) {
            (0, kind) if kind != Kind::Namespace => {
                drop(self.server.delete(&self.cx, &live.object_ref(), &DeleteOptions::default()).await);
                return;
            }
            (1, _) => json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": null}}}),
            (_, Kind::ConfigMap) => json!({"data": {"value": "999999", "more": "x"}}),
            (_, Kind::Deployment) => json!({"spec": {"replicas": 7777}}),
            (_, Kind::Secret) => json!({"stringData": {"value": "888888"}}),
            _ => json!({"metadata": {"annotations": {"somebody": "was here"}}}),
        };
        drop(self.server.patch(&self.cx, &live.object_ref(), &Patch::Merge(patch), &options).await);
    }

    async fn suspend(&mut self) {
        let folders = self.chaos.model.lock().unwrap().folders.len();
        let i = self.random.below(folders);
        self.note(format!("p{i} is suspended for a while"));
        let Some(process) = &self.process else { return };
        process.engine.handle().suspend(unit(i));
        let time = Duration::from_secs(1 + self.random.below(600) as u64);
        self.pass(time).await;
        if let Some(process) = &self.process {
            process.engine.handle().resume(unit(i));
        }
    }

    fn delete_pipeline(&mut self) {
        let i = {
            let mut model = self.chaos.model.lock().unwrap();
            let i = self.random.below(model.folders.len());
            let left = model.folders.iter().filter(|folder| !folder.deleted).count();
            if left < 2 || model.folders[i].deleted {
                return;
            }
            model.folders[i].deleted = true;
            model.folders[i].wants.clear();
            model.commit();
            i
        };
        self.note(format!("p{i} is deleted"));
        if let Some(process) = &self.process {
            process.engine.delete_pipeline(&unit(i));
        }
    }

    /// Nothing goes wrong any more: everything must come to be as the newest commit says.
    async fn come_to_rest(&mut self) -> Result<(), Fault> {
        self.chaos.weather.lock().unwrap().turn(0);
        self.mend();
        self.note("rest");
        self.pass(REST).await;
        self.check_crimes()?;
        let state = self.check_state().await?;
        self.chaos.model.lock().unwrap().rest();
        let writes = self.writes();
        self.note("nothing happens");
        self.pass(INTERVAL * 2).await;
        if self.random.percent(50) {
            self.note("the process is started anew");
            self.kill().await;
            self.start().await;
            self.pass(INTERVAL + SOURCE_INTERVAL).await;
        }
        self.check_crimes()?;
        if self.writes() != writes {
            return Err(self.fault("something was written although nothing had changed"));
        }
        if self.check_state().await? != state {
            return Err(self.fault("something changed although nothing was written"));
        }
        Ok(())
    }

    fn writes(&self) -> usize {
        self.chaos.log.lock().unwrap().writes
    }

    fn check_crimes(&self) -> Result<(), Fault> {
        let crime = self.chaos.log.lock().unwrap().crimes.first().cloned();
        crime.map_or(Ok(()), |crime| Err(self.fault(crime)))
    }

    /// The cluster, the inventories and the statuses are as the newest commit says. Answers with every object and its
    /// resource version.
    async fn check_state(&self) -> Result<BTreeMap<String, String>, Fault> {
        let (expected, folders) = {
            let model = self.chaos.model.lock().unwrap();
            (model.expected(), model.folders.clone())
        };
        let Some(process) = &self.process else { return Err(self.fault("no process is left")) };
        for (i, folder) in folders.iter().enumerate() {
            let status = process.engine.handle().status(unit(i)).await.ok().flatten();
            match (&status, folder.deleted) {
                (None, true) => continue,
                (Some(status), false) if status.phase == Phase::Ready => {}
                _ => return Err(self.fault(format!("p{i} is {status:?}"))),
            }
            let state = process.engine.state(&unit(i)).await.ok().flatten().unwrap_or_default();
            let owned: Vec<ObjectId> = state.inventory.iter().map(|object| object.id).collect();
            let mut wanted: Vec<ObjectId> = folder.wants.keys().map(|name| name.reference().id).collect();
            wanted.sort();
            if owned != wanted {
                return Err(self.fault(format!("the inventory of p{i} is {owned:?} and should be {wanted:?}")));
            }
        }
        let mut seen = BTreeMap::new();
        for kind in [Kind::Namespace, Kind::Secret, Kind::ConfigMap, Kind::Service, Kind::Deployment] {
            let reference = Name::new(kind, "", "").reference();
            let list = self.server.list(&self.cx, &gvk(&reference), &ListOptions::default()).await;
            let list = list.map_err(|error| self.fault(error))?;
            for live in list.items {
                let name = Name::new(kind, live.namespace().unwrap_or_default(), live.name());
                let version = live.resource_version().unwrap_or_default().to_owned();
                let owner = live.label("kustomize.toolkit.fluxcd.io/name");
                match expected.get(&name) {
                    Some((value, holder)) => {
                        let holder = format!("p{holder}");
                        if name.value_of(&live) != Some(*value) || owner != Some(holder.as_str()) {
                            let is = format!("{:?} of {owner:?}", name.value_of(&live));
                            return Err(self.fault(format!("{live} is {is} and should be {value} of {holder}")));
                        }
                    }
                    None if owner.is_some() => return Err(self.fault(format!("{live} should be gone"))),
                    None => {}
                }
                if let Some(before) = self.strangers.get(live.name())
                    && *before != version
                {
                    return Err(self.fault(format!("{live} was touched")));
                }
                seen.insert(live.to_string(), version);
            }
        }
        let missing = expected.keys().find(|name| !seen.contains_key(&name.reference().to_string()));
        match missing {
            Some(name) => Err(self.fault(format!("{} is missing", name.reference()))),
            None => Ok(seen),
        }
    }

    fn conclude(&self, outcome: Result<(), Fault>) -> Result<Summary, Fault> {
        outcome?;
        let log = self.chaos.log.lock().unwrap();
        Ok(Summary { requests: log.requests, writes: log.writes, crashes: self.crashes, trace: log.lines.clone() })
    }
}

fn gvk(reference: &flux_core::ObjectRef) -> Gvk {
    reference.gvk()
}

/// The object that keeps a folder from being empty.
fn keeper(i: usize) -> Name {
    Name::new(Kind::ConfigMap, "default", &format!("keeper{i}"))
}

/// One of a few names, so that commits meet. Deployments never become ready here: where pipelines wait there are none.
fn random_name(random: &mut Random, wait: bool) -> Name {
    let own = format!("own-{}", random.below(3));
    let namespace = if random.percent(20) { own.as_str() } else { "default" };
    let kinds = [Kind::ConfigMap, Kind::Secret, Kind::Service, Kind::Deployment];
    let kind = kinds[random.below(if wait { 3 } else { 4 })];
    Name::new(kind, namespace, &format!("o{}", random.below(4)))
}
