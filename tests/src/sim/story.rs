//! One run of the simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flux_core::cluster::{Cluster as _, DeleteOptions, Patch, WriteOptions};
use flux_core::store::MemoryStateStore;
use flux_core::{Context, Object, Source as _, Timestamp};
use flux_kube::apiserver::{ApiServer, Behaviour, Config, Objects, Workloads};
use flux_sources::memory::MemorySource;
use serde_json::json;

use super::fuse::Fuse;
use super::model::{Folder, Form, Model, keeper, random_name};
use super::names::{BAD_IMAGE, HOMES, Kind, Name, SHARED};
use super::process::Process;
use super::witness::Log;
use super::{source, unit, weather};
use crate::random::Random;

pub(super) const SOURCE_INTERVAL: Duration = Duration::from_secs(60);
pub(super) const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long everything takes to come to rest once nothing goes wrong any more: the longest backoff and two intervals.
pub(super) const REST: Duration = Duration::from_secs(16 * 60);

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

/// What kind of pipelines there are.
pub(super) struct Sort {
    /// Objects are followed, so that drift is repaired at once.
    pub(super) observed: bool,
    /// A run waits until everything is ready, and workloads do get ready.
    pub(super) wait: bool,
    /// What never gets ready is taken back.
    pub(super) roll_back: bool,
}

pub(super) struct Story {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) server: ApiServer,
    pub(super) model: Arc<Mutex<Model>>,
    pub(super) log: Arc<Mutex<Log>>,
    pub(super) fuse: Arc<Fuse>,
    pub(super) remote: MemorySource,
    pub(super) disk: Arc<MemoryStateStore>,
    pub(super) process: Option<Process>,
    pub(super) kind: Sort,
    pub(super) crashes: usize,
    pub(super) strangers: BTreeMap<String, String>,
    pub(super) cx: Context,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let epoch = Some(Timestamp::from_unix_seconds(1_800_000_000));
        let server = ApiServer::new(Config { seed, epoch, ..Config::default() });
        let mut model = Model::new(1 + random.below(4));
        let kind = Sort { observed: random.percent(60), wait: random.percent(30), roll_back: random.percent(60) };
        let kind = Sort { roll_back: kind.roll_back && kind.wait, ..kind };
        if random.percent(35) {
            for i in 1..model.folders.len() {
                model.folders[i].depends_on = random.percent(80).then(|| random.below(i));
            }
        }
        if kind.wait {
            let bad = Objects::of("Pod").image(BAD_IMAGE);
            server.simulate(Workloads::ready_after(Duration::from_secs(2)).when(bad, Behaviour::NeverReady));
        }
        let mut story = Self {
            seed,
            random,
            server,
            model: Arc::new(Mutex::new(model)),
            log: Arc::default(),
            fuse: Arc::default(),
            remote: MemorySource::from_files([("README.md", "empty")]).expect("one file"),
            disk: Arc::default(),
            process: None,
            kind,
            crashes: 0,
            strangers: BTreeMap::new(),
            cx: Context::background(),
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

    pub(super) fn note(&self, what: impl fmt::Display) {
        self.log.lock().unwrap().lines.push(format!("== {what}"));
    }

    pub(super) fn fault(&self, what: impl fmt::Display) -> Fault {
        let log = self.log.lock().unwrap();
        let from = log.lines.len().saturating_sub(600);
        Fault { seed: self.seed, what: what.to_string(), trace: log.lines[from..].to_vec() }
    }

    async fn play(&mut self) -> Result<(), Fault> {
        self.mend().await;
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
        match self.random.below(23) {
            0..=6 => self.change().await,
            7 | 8 => self.drift().await,
            9 => self.spoil(Form::Broken).await,
            10 => self.spoil(Form::Empty).await,
            11 | 12 => self.mend().await,
            13 | 14 => {
                let percent = [5, 20, 60][self.random.below(3)];
                let what = weather::turn(&self.server, percent, &mut self.random);
                self.note(format!("bad weather, {percent} %{what}"));
            }
            15 => {
                self.note("good weather");
                self.server.clear_faults();
            }
            16 | 17 => {
                let moments = self.random.below(60);
                self.note(format!("the process will die in {moments} moments"));
                self.fuse.set(moments);
            }
            18 => self.suspend().await,
            19 => self.delete_pipeline(),
            20 => self.spoil(Form::Poisoned).await,
            _ => self.hand_over().await,
        }
    }

    pub(super) async fn edit(&mut self, what: &str, edit: impl FnOnce(&mut Model, &mut Random)) {
        let files = {
            let mut model = self.model.lock().unwrap();
            edit(&mut model, &mut self.random);
            model.commit();
            model.files(&mut self.random)
        };
        self.remote.set_files(files).expect("paths of our own");
        let revision = self.remote.resolve(&self.cx).await.expect("a revision");
        self.model.lock().unwrap().committed(revision.as_str());
        self.note(format!("{what}: {revision}"));
        // Sometimes a webhook tells at once.
        if self.random.percent(60)
            && let Some(process) = &self.process
        {
            process.engine.handle().trigger(source());
        }
    }

    /// A commit that adds, changes, removes and moves objects.
    async fn change(&mut self) {
        self.edit("a commit", |model, random| {
            for _ in 0..=random.below(4) {
                let name = random_name(random);
                let holder = model.holder(&name);
                let value = model.next_value();
                let Some(to) = model.living(random) else { return };
                match (holder, random.below(4)) {
                    (Some(holder), 0) => drop(model.folders[holder].wants.remove(&name)),
                    (Some(holder), 1) if name.home().is_none() => {
                        // It moves.
                        let value = model.folders[holder].wants.remove(&name).unwrap_or(value);
                        model.folders[to].wants.insert(name, value);
                    }
                    (Some(holder), _) => drop(model.folders[holder].wants.insert(name, value)),
                    (None, _) => {
                        let to = name.home().map_or(to, |home| model.homes[home]);
                        model.folders[to].wants.insert(name, value);
                    }
                }
            }
        })
        .await;
    }

    /// A commit that moves a namespace and a definition with everything in them.
    async fn hand_over(&mut self) {
        self.edit("a commit that hands over", |model, random| {
            if let Some(to) = model.living(random) {
                model.hand_over(random.below(HOMES), to);
            }
        })
        .await;
    }

    /// A commit that nobody can render, that holds nothing, or that never gets ready.
    async fn spoil(&mut self, form: Form) {
        self.edit(&format!("a bad commit: {form:?}"), |model, random| {
            let i = random.below(model.folders.len());
            model.folders[i].form = form;
        })
        .await;
    }

    /// A commit in which every folder is whole and holds something.
    pub(super) async fn mend(&mut self) {
        self.edit("a good commit", |model, random| {
            for i in 0..model.folders.len() {
                model.folders[i].form = Form::Whole;
                model.folders[i].fallback = None;
                let has_own = model.folders[i].wants.contains_key(&keeper(i));
                if !has_own && !model.folders[i].deleted {
                    let value = model.next_value();
                    model.folders[i].wants.insert(keeper(i), value);
                    let name = random_name(random);
                    if model.holder(&name).is_none() && name.home().is_none() {
                        model.folders[i].wants.insert(name, value);
                    }
                }
            }
        })
        .await;
    }

    /// Somebody meddles with an object that is there.
    async fn drift(&mut self) {
        let expected: Vec<Name> = self.model.lock().unwrap().expected().into_keys().collect();
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
            (_, Kind::Deployment) => json!({"spec": {"replicas": 4}}),
            (_, Kind::Secret) => json!({"stringData": {"value": "888888"}}),
            (_, Kind::Widget(_)) => json!({"spec": {"value": 777_777}}),
            _ => json!({"metadata": {"annotations": {"somebody": "was here"}}}),
        };
        drop(self.server.patch(&self.cx, &live.object_ref(), &Patch::Merge(patch), &options).await);
    }

    async fn suspend(&mut self) {
        let folders = self.model.lock().unwrap().folders.len();
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

    /// A pipeline is deleted, and with it all that it holds. Nobody depends on it, or on a definition in it.
    fn delete_pipeline(&mut self) {
        let i = {
            let mut model = self.model.lock().unwrap();
            let i = self.random.below(model.folders.len());
            let left = model.folders.iter().filter(|folder| !folder.deleted).count();
            let depended_on = model.folders.iter().any(|folder| !folder.deleted && folder.depends_on == Some(i));
            if left < 2 || model.folders[i].deleted || depended_on || model.homes[SHARED] == i {
                return;
            }
            model.folders[i] = Folder { deleted: true, ..Folder::default() };
            for home in 0..HOMES {
                if model.homes[home] == i
                    && let Some(to) = model.living(&mut self.random)
                {
                    model.homes[home] = to;
                }
            }
            model.commit();
            i
        };
        self.note(format!("p{i} is deleted"));
        if let Some(process) = &self.process {
            process.engine.delete_pipeline(&unit(i));
        }
    }

    fn conclude(&self, outcome: Result<(), Fault>) -> Result<Summary, Fault> {
        outcome?;
        let log = self.log.lock().unwrap();
        Ok(Summary { requests: log.requests, writes: log.writes, crashes: self.crashes, trace: log.lines.clone() })
    }
}
