//! One watch of a kind: a list, then every change since, for as long as the observer lives.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use flux_core::cluster::{ClusterError, ListOptions, WatchEvent, WatchOptions};
use flux_core::reconcile::Backoff;
use flux_core::{Context, Gvk, Object, ObjectId};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ledger::{Look, Sight};
use super::{Shared, notify};

/// How many objects one page of a list holds.
const PAGE: u32 = 500;
/// Delays between attempts to watch a kind that cannot be watched.
const RETRY: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };

/// The task that follows one kind. It ends with this value.
pub(super) struct Follower {
    live: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Follower {
    pub(super) fn start(shared: &Arc<Shared>, gvk: Gvk) -> Self {
        let (sender, live) = watch::channel(false);
        let follow = Follow { shared: Arc::downgrade(shared), gvk, live: sender };
        Self { live, task: tokio::spawn(follow.run()).abort_handle() }
    }

    /// Whether everything that happened up to now has been seen, or is about to be.
    pub(super) fn is_live(&self) -> bool {
        *self.live.borrow()
    }

    /// Tells when that is so.
    pub(super) fn live(&self) -> watch::Receiver<bool> {
        self.live.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follow {
    shared: Weak<Shared>,
    gvk: Gvk,
    live: watch::Sender<bool>,
}

/// Why following stopped.
enum Stop {
    /// Nobody is left to follow for.
    Over,
    /// What happened since is no longer to be had.
    Lost,
}

impl Follow {
    async fn run(self) {
        let cx = Context::background().with_subject(format!("observer of {}", self.gvk));
        let mut failures = 0;
        loop {
            match self.list(&cx).await {
                Ok(revision) => {
                    let begun = Instant::now();
                    let (stop, seen) = self.watch(&cx, revision).await;
                    // A list that succeeds where no watch does must not be asked for again and again.
                    if seen || begun.elapsed() >= RETRY.max {
                        failures = 0;
                    }
                    match stop {
                        Stop::Over => return,
                        Stop::Lost => drop(self.live.send_replace(false)),
                    }
                }
                Err(error) => tracing::debug!(kind = %self.gvk, %error, "cannot list what is owned"),
            }
            if self.shared.strong_count() == 0 {
                return;
            }
            failures += 1;
            tokio::time::sleep(RETRY.delay(failures)).await;
        }
    }

    /// Looks at everything there is. Answers with where a watch goes on from.
    async fn list(&self, cx: &Context) -> Result<String, ClusterError> {
        let gone = || ClusterError::Cancelled;
        let cluster = self.shared.upgrade().ok_or_else(gone)?.cluster.clone();
        let selector = self.shared.upgrade().ok_or_else(gone)?.selector.clone();
        let mut options = ListOptions { label_selector: Some(selector), limit: Some(PAGE), ..ListOptions::default() };
        let mut listed: HashSet<ObjectId> = HashSet::new();
        loop {
            let page = cluster.list(cx, &self.gvk, &options).await?;
            for object in &page.items {
                listed.insert(object.id());
                self.see(cx, object);
            }
            options.continue_token = page.continue_token.filter(|token| !token.is_empty());
            if options.continue_token.is_none() {
                let shared = self.shared.upgrade().ok_or_else(gone)?;
                let revision = page.resource_version;
                let sights = shared.lock().ledger.missing(&self.gvk, &revision, |id| listed.contains(id));
                self.live.send_replace(true);
                sights.into_iter().for_each(tell);
                return Ok(revision);
            }
        }
    }

    /// Follows every change, for as long as the server lets it. A watch that merely ends goes on where it stopped. Answers
    /// why it stopped, and whether anything was seen.
    async fn watch(&self, cx: &Context, mut revision: String) -> (Stop, bool) {
        let mut ever = false;
        loop {
            let Some(shared) = self.shared.upgrade() else { return (Stop::Over, ever) };
            let options = WatchOptions {
                label_selector: Some(shared.selector.clone()),
                resource_version: Some(revision.clone()),
                ..WatchOptions::default()
            };
            let cluster = shared.cluster.clone();
            drop(shared);
            let Ok(mut events) = cluster.watch(cx, &self.gvk, &options).await else { return (Stop::Lost, ever) };
            let mut seen = false;
            while let Some(event) = events.next().await {
                match event {
                    Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                        revision = object.resource_version().unwrap_or_default().to_owned();
                        self.see(cx, &object);
                    }
                    Ok(WatchEvent::Deleted(object)) => {
                        revision = object.resource_version().unwrap_or_default().to_owned();
                        let Some(shared) = self.shared.upgrade() else { return (Stop::Over, ever) };
                        let sight = shared.lock().ledger.lose(&object);
                        sight.into_iter().for_each(tell);
                    }
                    Ok(WatchEvent::Bookmark(version)) => revision = version,
                    Err(_) => return (Stop::Lost, ever),
                }
                (seen, ever) = (true, true);
            }
            // A server that ends every watch at once must not be asked in a circle.
            if !seen {
                tokio::time::sleep(RETRY.min).await;
            }
        }
    }

    fn see(&self, cx: &Context, object: &Object) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut interest = shared.lock().ledger.interest(object);
        while let Some(asked) = interest {
            let look = Look::of(cx, &*asked, object);
            let seen = shared.lock().ledger.see(object, asked, look);
            match seen {
                Ok(sight) => {
                    sight.into_iter().for_each(tell);
                    return;
                }
                Err(other) => interest = Some(other),
            }
        }
    }
}

fn tell(sight: Sight) {
    sight.interest.wake();
    if sight.drifted {
        notify(&*sight.interest);
    }
}
