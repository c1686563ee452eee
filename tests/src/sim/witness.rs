//! The API server as the engine sees it, and a witness of everything that is asked of it.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flux_core::cluster::*;
use flux_core::engine::Engine;
use flux_core::{Context, Gvk, Object, ObjectId, ObjectRef};

use super::fuse::Fuse;
use super::model::Model;
use super::names::Name;
use super::unit;

/// More requests than any run needs.
const FLOOD: usize = 20_000;

/// The cluster as the pipelines of one process see it.
pub(super) struct Witness {
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) fuse: Arc<Fuse>,
    pub(super) model: Arc<Mutex<Model>>,
    pub(super) log: Arc<Mutex<Log>>,
    /// The engine that asks, as long as its process lives.
    pub(super) engine: Mutex<Option<Engine>>,
}

/// What was asked, and what must not have been.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) lines: Vec<String>,
    pub(super) writes: usize,
    pub(super) requests: usize,
    pub(super) crimes: Vec<String>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Witness {
    /// One request between two moments of the process.
    async fn ask<T>(
        &self,
        what: String,
        writes: bool,
        request: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        self.fuse.moment().await;
        if self.is_a_flood() {
            std::future::pending::<()>().await;
        }
        {
            let mut log = self.log.lock().unwrap();
            log.requests += 1;
            log.writes += usize::from(writes);
            log.lines.push(what);
        }
        let answer = request.await;
        if let Err(error) = &answer {
            self.log.lock().unwrap().lines.push(format!("  → {error}"));
        }
        if writes {
            self.fuse.moment().await;
        }
        answer
    }

    /// Whether requests never end: then none is answered any more, and time goes on.
    fn is_a_flood(&self) -> bool {
        let mut log = self.log.lock().unwrap();
        let flood = log.requests >= FLOOD;
        if flood && log.crimes.is_empty() {
            log.crimes.push(format!("{FLOOD} requests, and no end of them"));
        }
        flood
    }

    async fn write<T>(
        &self,
        verb: &str,
        object: impl fmt::Display,
        dry_run: bool,
        request: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let dry = if dry_run { "dry-run " } else { "" };
        self.ask(format!("{dry}{verb} {object}"), !dry_run, request).await
    }

    /// Nobody else's object is touched, and nothing is deleted that was wanted all the time.
    fn watch_over(&self, deed: &str, object: &ObjectId, dry_run: bool) {
        let stranger = object.name.starts_with("stranger");
        let crime = stranger || (deed == "delete" && self.model.lock().unwrap().was_always_wanted(object));
        if crime && !dry_run {
            let why = if stranger { "is nobody's business" } else { "was wanted all the time" };
            self.log.lock().unwrap().crimes.push(format!("{deed} of {object}, which {why}"));
        }
    }

    /// Nothing is applied before the pipeline that it depends on has come as far.
    async fn watch_order(&self, object: &Object) {
        let owner = object.label("kustomize.toolkit.fluxcd.io/name").and_then(|name| name.strip_prefix('p'));
        let Some((dependency, commit)) = owner.and_then(|owner| owner.parse::<usize>().ok()).and_then(|owner| {
            let model = self.model.lock().unwrap();
            let dependency = model.folders.get(owner)?.depends_on?;
            let name = Name::of(object)?;
            Some((dependency, model.commit_of(name.value_of(object)?)?))
        }) else {
            return;
        };
        let engine = self.engine.lock().unwrap().clone();
        let Some(engine) = engine else { return };
        let revision = engine.explain(&unit(dependency)).await.ok().and_then(|it| it.revision);
        // While its state is being kept nobody can tell.
        let Some(revision) = revision else { return };
        let reached = self.model.lock().unwrap().last_commit_at(revision.as_str());
        if reached.is_some_and(|reached| reached < commit) {
            let crime = format!("{object} of commit {commit} is applied, and p{dependency} is at {reached:?} only");
            self.log.lock().unwrap().crimes.push(crime);
        }
    }
}

#[async_trait]
impl Cluster for Witness {
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError> {
        self.ask(format!("resource {gvk}"), false, self.cluster.resource(cx, gvk)).await
    }

    async fn get(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        self.ask(format!("get {object}"), false, self.cluster.get(cx, object)).await
    }

    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError> {
        let what = format!("list {gvk} {:?}", options.label_selector);
        self.ask(what, false, self.cluster.list(cx, gvk, options)).await
    }

    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError> {
        self.ask(format!("watch {gvk}"), false, self.cluster.watch(cx, gvk, options)).await
    }

    async fn apply(&self, cx: &Context, object: &Object, options: &ApplyOptions) -> Result<Object, ClusterError> {
        self.watch_over("apply", &object.id(), options.dry_run);
        if !options.dry_run {
            self.watch_order(object).await;
        }
        self.write("apply", object, options.dry_run, self.cluster.apply(cx, object, options)).await
    }

    async fn create(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        self.write("create", object, options.dry_run, self.cluster.create(cx, object, options)).await
    }

    async fn update(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        self.watch_over("update", &object.id(), options.dry_run);
        self.write("update", object, options.dry_run, self.cluster.update(cx, object, options)).await
    }

    async fn patch(
        &self,
        cx: &Context,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        self.watch_over("patch", &object.id, options.dry_run);
        self.write("patch", object, options.dry_run, self.cluster.patch(cx, object, patch, options)).await
    }

    async fn delete(&self, cx: &Context, object: &ObjectRef, options: &DeleteOptions) -> Result<bool, ClusterError> {
        self.watch_over("delete", &object.id, options.dry_run);
        self.write("delete", object, options.dry_run, self.cluster.delete(cx, object, options)).await
    }

    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
        self.cluster.impersonate(identity)
    }
}
