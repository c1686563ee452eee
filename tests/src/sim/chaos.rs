//! The API server on a bad day, and a witness of everything that is asked of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flux_core::cluster::*;
use flux_core::{Context, Gvk, Object, ObjectId, ObjectRef};
use futures::StreamExt as _;

use super::fuse::Fuse;
use super::model::Model;
use crate::random::Random;

/// What happens to requests.
#[derive(Debug)]
pub(super) struct Weather {
    random: Random,
    /// How many requests of a hundred something happens to; none in good weather.
    percent: usize,
    /// Answers to earlier lists, for those that are answered with an old state.
    lists: HashMap<String, ObjectList>,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), percent: 0, lists: HashMap::new() }
    }

    pub(super) fn turn(&mut self, percent: usize) {
        self.percent = percent;
    }
}

/// What happens to one request.
enum Luck {
    Fine,
    /// It fails and nothing has happened.
    Before(ClusterError),
    /// It is done, and the answer is lost.
    After(ClusterError),
    /// It is answered with what was true once.
    Stale,
}

/// The cluster as the pipelines see it.
pub(super) struct Chaos {
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) weather: Arc<Mutex<Weather>>,
    pub(super) fuse: Arc<Fuse>,
    pub(super) model: Arc<Mutex<Model>>,
    pub(super) log: Arc<Mutex<Log>>,
}

/// What was asked, and what must not have been.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) lines: Vec<String>,
    pub(super) writes: usize,
    pub(super) requests: usize,
    pub(super) crimes: Vec<String>,
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chaos")
    }
}

impl Chaos {
    /// Before a request: a moment of the process, perhaps a delay, and what is to happen.
    async fn ask(&self, verb: &str, about: &str, writes: bool) -> Luck {
        self.fuse.moment().await;
        let (luck, delay) = self.luck(verb, writes);
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let mut log = self.log.lock().unwrap();
        log.requests += 1;
        log.writes += usize::from(writes && !matches!(luck, Luck::Before(_)));
        let fate = match &luck {
            Luck::Fine => String::new(),
            Luck::Before(error) => format!(" → {error}"),
            Luck::After(error) => format!(" → done, and {error}"),
            Luck::Stale => " → an old state".to_owned(),
        };
        log.lines.push(format!("{verb} {about}{fate}"));
        luck
    }

    fn luck(&self, verb: &str, writes: bool) -> (Luck, Option<Duration>) {
        let mut weather = self.weather.lock().unwrap();
        let percent = weather.percent;
        let random = &mut weather.random;
        if !random.percent(percent) {
            return (Luck::Fine, None);
        }
        let delay = Duration::from_millis(random.below(3000) as u64);
        let error = match random.below(6) {
            0 => ClusterError::Timeout,
            1 => ClusterError::Unreachable("connection reset".into()),
            2 => ClusterError::api(429, "TooManyRequests", "slow down"),
            3 => ClusterError::api(500, "InternalError", "etcd is gone"),
            4 => ClusterError::api(503, "ServiceUnavailable", "starting"),
            _ => return (Luck::Fine, Some(delay)),
        };
        let luck = match (writes, random.below(3)) {
            (true, 0) => Luck::After(ClusterError::Timeout),
            (true, 1) => Luck::Before(ClusterError::api(409, "Conflict", "the object has been modified")),
            (false, 0) if verb == "list" => Luck::Stale,
            _ => Luck::Before(error),
        };
        (luck, random.percent(50).then_some(delay))
    }

    /// A write, with what may become of it.
    async fn write<T>(
        &self,
        verb: &str,
        dry_run: bool,
        about: &str,
        request: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let verb = if dry_run { format!("dry-run {verb}") } else { verb.to_owned() };
        let answer = match self.ask(&verb, about, !dry_run).await {
            Luck::Before(error) => Err(error),
            Luck::After(error) => request.await.and(Err(error)),
            Luck::Fine | Luck::Stale => request.await,
        };
        self.fuse.moment().await;
        answer
    }

    fn witness(&self, deed: &str, object: &ObjectId) {
        let stranger = object.name.starts_with("stranger");
        if stranger || (deed == "delete" && self.model.lock().unwrap().was_always_wanted(object)) {
            let why = if stranger { "is nobody's business" } else { "was wanted all the time" };
            self.log.lock().unwrap().crimes.push(format!("{deed} of {object}, which {why}"));
        }
    }
}

#[async_trait]
impl Cluster for Chaos {
    async fn resource(&self, cx: &Context, gvk: &Gvk) -> Result<Resource, ClusterError> {
        self.fuse.moment().await;
        self.cluster.resource(cx, gvk).await
    }

    async fn get(&self, cx: &Context, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        match self.ask("get", &object.to_string(), false).await {
            Luck::Before(error) | Luck::After(error) => Err(error),
            Luck::Fine | Luck::Stale => self.cluster.get(cx, object).await,
        }
    }

    async fn list(&self, cx: &Context, gvk: &Gvk, options: &ListOptions) -> Result<ObjectList, ClusterError> {
        let about = format!("{gvk} {:?}", options.label_selector);
        match self.ask("list", &about, false).await {
            Luck::Before(error) | Luck::After(error) => return Err(error),
            Luck::Stale => {
                if let Some(old) = self.weather.lock().unwrap().lists.get(&about) {
                    return Ok(old.clone());
                }
            }
            Luck::Fine => {}
        }
        let list = self.cluster.list(cx, gvk, options).await?;
        self.weather.lock().unwrap().lists.entry(about).or_insert_with(|| list.clone());
        Ok(list)
    }

    async fn watch(&self, cx: &Context, gvk: &Gvk, options: &WatchOptions) -> Result<WatchStream, ClusterError> {
        match self.ask("watch", &gvk.to_string(), false).await {
            Luck::Before(error) | Luck::After(error) => return Err(error),
            Luck::Fine | Luck::Stale => {}
        }
        let events = self.cluster.watch(cx, gvk, options).await?;
        // In bad weather events come twice, and the watch breaks off, with an error or without.
        let weather = self.weather.clone();
        let events = events.flat_map(move |event| {
            let mut weather = weather.lock().unwrap();
            let percent = weather.percent;
            let events = match weather.random.percent(percent).then(|| weather.random.below(3)) {
                Some(0) => vec![event.map(|event| Some((event.clone(), event)))],
                Some(1) => vec![event.map(|event| Some((event.clone(), event))), Ok(None)],
                Some(_) => vec![Err(ClusterError::Expired)],
                None => return futures::stream::iter(vec![Some(event)]),
            };
            let twice = events.into_iter().flat_map(|event| match event {
                Ok(Some((one, other))) => vec![Some(Ok(one)), Some(Ok(other))],
                Ok(None) => vec![None],
                Err(error) => vec![Some(Err(error))],
            });
            futures::stream::iter(twice.collect::<Vec<_>>())
        });
        Ok(events.take_while(|event| std::future::ready(event.is_some())).filter_map(std::future::ready).boxed())
    }

    async fn apply(&self, cx: &Context, object: &Object, options: &ApplyOptions) -> Result<Object, ClusterError> {
        if !options.dry_run {
            self.witness("apply", &object.id());
        }
        let request = self.cluster.apply(cx, object, options);
        self.write("apply", options.dry_run, &object.to_string(), request).await
    }

    async fn create(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        let request = self.cluster.create(cx, object, options);
        self.write("create", options.dry_run, &object.to_string(), request).await
    }

    async fn update(&self, cx: &Context, object: &Object, options: &WriteOptions) -> Result<Object, ClusterError> {
        self.witness("update", &object.id());
        let request = self.cluster.update(cx, object, options);
        self.write("update", options.dry_run, &object.to_string(), request).await
    }

    async fn patch(
        &self,
        cx: &Context,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError> {
        self.witness("patch", &object.id);
        let request = self.cluster.patch(cx, object, patch, options);
        self.write("patch", options.dry_run, &object.to_string(), request).await
    }

    async fn delete(&self, cx: &Context, object: &ObjectRef, options: &DeleteOptions) -> Result<bool, ClusterError> {
        self.witness("delete", &object.id);
        let request = self.cluster.delete(cx, object, options);
        self.write("delete", options.dry_run, &object.to_string(), request).await
    }

    fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
        self.cluster.impersonate(identity)
    }
}
