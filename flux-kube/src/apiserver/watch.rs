//! Watches: a cursor into a resource's history that waits for more.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::ApiServer;
use super::faults::Disturbance;
use super::fields::Fields;
use super::status::Status;
use super::store::Event;
use super::verbs::{ListOptions, Target, prefix, served};

/// What a watch is told.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Added(Arc<Fields>),
    Modified(Arc<Fields>),
    Deleted(Arc<Fields>),
    /// Nothing more happened up to this revision; `true` ends the initial objects.
    Bookmark(u64, bool),
    /// The watch cannot go on.
    Error(Status),
}

/// Where a watch begins.
#[derive(Debug, Default)]
pub(crate) struct WatchOptions {
    pub(crate) list: ListOptions,
    /// Changes after this revision; `None` or 0 begins with what is there.
    pub(crate) from: Option<u64>,
    /// `sendInitialEvents`.
    pub(crate) initial: bool,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<std::time::Duration>,
    /// What happens to the events on their way.
    pub(crate) disturbance: Option<Disturbance>,
}

/// How often a watch that wants bookmarks gets one while nothing else happens.
const BOOKMARKS: std::time::Duration = std::time::Duration::from_secs(60);

/// A running watch.
#[derive(Debug)]
pub(crate) struct Watcher {
    server: ApiServer,
    target: Target,
    options: WatchOptions,
    cursor: u64,
    ready: VecDeque<Change>,
    changed: watch::Receiver<u64>,
    deadline: Option<Instant>,
    bookmark: Option<Instant>,
    ended: bool,
}

impl Watcher {
    /// Begins a watch.
    ///
    /// # Errors
    /// The revision to begin at is forgotten, or has not been yet.
    pub(crate) fn begin(server: &ApiServer, target: Target, options: WatchOptions) -> Result<Watcher, Status> {
        let mut state = server.lock();
        let current = state.store.revision();
        let key = target.resource.key().clone();
        let from = options.from.filter(|v| *v > 0);
        let mut ready = VecDeque::new();
        if let Some(from) = from
            && from > current
        {
            return Err(super::verbs::too_large(from, current));
        }
        let table = state.store.table_mut(&key);
        let changed = table.subscribe();
        let cursor = match from {
            Some(from) if !options.initial => {
                if table.since(from).is_none() {
                    ready.push_back(Change::Error(too_old(from, current)));
                }
                from
            }
            _ => {
                let prefix = prefix(&target);
                for (_, record) in table.range(&prefix) {
                    let object = served(&record.object, &target.resource);
                    if options.list.matches(&object) {
                        ready.push_back(Change::Added(object));
                    }
                }
                if options.initial && options.bookmarks {
                    ready.push_back(Change::Bookmark(current, true));
                }
                current
            }
        };
        drop(state);
        if options.disturbance.as_ref().is_some_and(Disturbance::expired) {
            ready.clear();
            ready.push_back(Change::Error(too_old(from.unwrap_or(0), current)));
        }
        let deadline = options.timeout.map(|t| Instant::now() + t);
        let bookmark = options.bookmarks.then(|| Instant::now() + BOOKMARKS);
        Ok(Watcher {
            server: server.clone(),
            target,
            options,
            cursor,
            ready,
            changed,
            deadline,
            bookmark,
            ended: false,
        })
    }

    /// The next change; `None` when the watch is over.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(change) = self.ready.pop_front() {
                self.ended = matches!(change, Change::Error(_));
                if let (Some(disturbance), false) = (&mut self.options.disturbance, is_about_watch(&change))
                    && disturbance.ends()
                {
                    return self.end();
                }
                return Some(change);
            }
            // Nobody will tell of changes any more: the watch was ended, or the state is another one.
            if self.changed.has_changed().is_err() {
                return self.end();
            }
            self.changed.borrow_and_update();
            self.collect();
            if let Some(disturbance) = &mut self.options.disturbance {
                disturbance.release(&mut self.ready);
            }
            if !self.ready.is_empty() {
                continue;
            }
            let released = self.options.disturbance.as_ref().and_then(Disturbance::next_release);
            let wake = [self.deadline, self.bookmark, released].into_iter().flatten().min();
            let Some(wake) = wake else {
                if self.changed.changed().await.is_err() {
                    return self.end();
                }
                continue;
            };
            match tokio::time::timeout_at(wake, self.changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return self.end(),
                Err(_) if self.deadline.is_some_and(|d| d <= wake) => return self.end(),
                Err(_) if self.bookmark.is_some_and(|b| b <= wake) => self.bookmark(released.is_some()),
                Err(_) => {}
            }
        }
    }

    fn end(&mut self) -> Option<Change> {
        self.ended = true;
        None
    }

    /// Says how far everything has been seen, unless there is more to see.
    fn bookmark(&mut self, held_back: bool) {
        self.bookmark = Some(Instant::now() + BOOKMARKS);
        self.collect();
        if self.ready.is_empty() && !held_back {
            self.ready.push_back(Change::Bookmark(self.cursor, false));
        }
    }

    /// Takes over what happened since the cursor.
    fn collect(&mut self) {
        let state = self.server.lock();
        let Some(table) = state.store.table(self.target.resource.key()) else { return };
        let current = state.store.revision();
        let Some(events) = table.since(self.cursor) else {
            self.ready.push_back(Change::Error(too_old(self.cursor, current)));
            return;
        };
        let mut seen: VecDeque<Change> = events.filter_map(|event| self.see(event)).collect();
        self.cursor = current;
        match &mut self.options.disturbance {
            None => self.ready.append(&mut seen),
            Some(disturbance) => seen.into_iter().for_each(|change| disturbance.pass(change, &mut self.ready)),
        }
    }

    /// An event as this watch sees it: what leaves the selection is deleted, what enters it added.
    fn see(&self, event: &Event) -> Option<Change> {
        if !self.target.namespace.is_empty() && event.after.meta_str("namespace") != self.target.namespace {
            return None;
        }
        let after = served(&event.after.object, &self.target.resource);
        let list = &self.options.list;
        let before_matches = || {
            event
                .before
                .as_ref()
                .is_some_and(|b| !list.selects() || list.matches(&served(&b.object, &self.target.resource)))
        };
        let after_matches = !list.selects() || list.matches(&after);
        if event.deleted {
            return before_matches().then_some(Change::Deleted(after));
        }
        match (before_matches(), after_matches) {
            (false, true) => Some(Change::Added(after)),
            (true, true) => Some(Change::Modified(after)),
            (true, false) => {
                // Its last state that matched, at the revision of the change.
                let before = event.before.as_ref()?;
                let mut last = (*served(&before.object, &self.target.resource)).clone();
                super::verbs::metadata_mut(&mut last)
                    .insert("resourceVersion".into(), event.revision.to_string().into());
                Some(Change::Deleted(Arc::new(last)))
            }
            (false, false) => None,
        }
    }
}

/// Whether an event is about the watch itself rather than an object.
fn is_about_watch(change: &Change) -> bool {
    matches!(change, Change::Error(_) | Change::Bookmark(..))
}

fn too_old(asked: u64, oldest: u64) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}
