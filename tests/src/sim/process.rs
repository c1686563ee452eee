//! The process that runs the engine: it starts, dies and is started again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flux_appliers::observe::Observer;
use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::Context;
use flux_core::cluster::{Cluster as _, Identity};
use flux_core::engine::{Engine, Pipeline};
use flux_core::reconcile::{Backoff, LoopOptions, Schedule};
use flux_core::store::StateStore as _;
use tokio::task::JoinHandle;

use super::fuse::{Disk, Fuse, Remote};
use super::story::{INTERVAL, SOURCE_INTERVAL, Story};
use super::weather::ENGINE;
use super::witness::Witness;
use super::{source, unit};

/// A process: everything that is gone when it dies.
pub(super) struct Process {
    pub(super) engine: Engine,
    task: JoinHandle<()>,
    cx: Context,
    witness: Arc<Witness>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The engine holds the witness.
        self.witness.engine.lock().unwrap().take();
    }
}

impl Story {
    /// Starts a process on what the last one left.
    pub(super) async fn start(&mut self) {
        let fuse = Arc::new(Fuse::default());
        self.fuse = fuse.clone();
        let identity = Identity { user: ENGINE.to_owned(), groups: vec!["system:masters".to_owned()] };
        let witness = Arc::new(Witness {
            cluster: self.server.impersonate(&identity).expect("an identity"),
            fuse: fuse.clone(),
            model: self.model.clone(),
            log: self.log.clone(),
            engine: Mutex::default(),
        });
        let store = Arc::new(Disk { store: self.disk.clone(), fuse: fuse.clone() });
        let backoff = Backoff { max: Duration::from_secs(60), ..Backoff::default() };
        let options = LoopOptions { seed: self.seed, backoff, ..LoopOptions::default() };
        let engine = Engine::new(store, options);
        *witness.engine.lock().unwrap() = Some(engine.clone());
        engine.add_source(source(), Remote { source: self.remote.clone(), fuse }, Schedule::every(SOURCE_INTERVAL));
        let observer = Observer::new(witness.clone(), Owner::KUSTOMIZE);
        let folders = self.model.lock().unwrap().folders.clone();
        for (i, folder) in folders.iter().enumerate() {
            let known = self.disk.load(&unit(i).to_string()).await.is_ok_and(|state| state.is_some());
            if folder.deleted && !known {
                continue;
            }
            let owner = Owner::new(format!("p{i}"), "flux-system");
            let mut applier = ServerSideApplier::new(witness.clone(), owner).prune(true);
            if self.kind.observed {
                applier = applier.observed_by(&observer);
            }
            let schedule = Schedule::every(INTERVAL).timeout(Duration::from_secs(60));
            let pipeline = Pipeline::new(unit(i), source(), RawRenderer::new(format!("p{i}")), applier)
                .schedule(schedule.after(folder.depends_on.map(unit)))
                .wait(self.kind.wait)
                .roll_back(self.kind.roll_back);
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
        self.process = Some(Process { engine, task, cx, witness });
    }

    /// The process is gone from one moment to the next.
    pub(super) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.task.abort();
            drop((&mut process.task).await);
        }
    }

    pub(super) async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.cx.cancellation().cancel();
            drop((&mut process.task).await);
        }
    }

    /// Lets time pass. When the process dies meanwhile, another is started.
    pub(super) async fn pass(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        loop {
            let fuse = self.fuse.clone();
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
}
