//! Where objects live: one table a resource, one revision for all, and enough history for watches.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;

use super::fields::{Fields, Managers};
use super::registry::ResourceKey;

/// One object as it was stored at a revision. Never changes; a write makes a new one.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) object: Arc<Fields>,
    pub(crate) managers: Managers,
    /// The configuration whose apply was found to change nothing, and by whom: asked again, the answer is the same.
    pub(crate) settled: std::sync::Mutex<Option<Settled>>,
}

/// An apply that changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) manager: String,
    pub(crate) subresource: String,
    pub(crate) version: String,
    pub(crate) config: Arc<Fields>,
}

impl Record {
    pub(crate) fn meta(&self, key: &str) -> Option<&serde_json::Value> {
        self.object.get("metadata").and_then(|m| m.get(key))
    }

    pub(crate) fn meta_str(&self, key: &str) -> &str {
        self.meta(key).and_then(serde_json::Value::as_str).unwrap_or("")
    }

    /// When it was stored.
    pub(crate) fn revision(&self) -> u64 {
        self.meta_str("resourceVersion").parse().unwrap_or_default()
    }
}

/// What happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    /// The object before; `None` if it is new.
    pub(crate) before: Option<Arc<Record>>,
    /// The object after; for a deletion its last state, at the revision of the deletion.
    pub(crate) after: Arc<Record>,
    pub(crate) deleted: bool,
}

/// The objects of one resource.
#[derive(Debug)]
pub(crate) struct Table {
    /// By `namespace/name`, or `name` for what has no namespace: the order of lists.
    objects: BTreeMap<String, Arc<Record>>,
    events: VecDeque<Event>,
    /// Events up to this revision are forgotten.
    compacted: u64,
    changed: watch::Sender<u64>,
}

impl Table {
    fn new(revision: u64) -> Self {
        Table { objects: BTreeMap::new(), events: VecDeque::new(), compacted: revision, changed: watch::Sender::new(0) }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Arc<Record>> {
        self.objects.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Objects whose key starts with `prefix`, in order.
    pub(crate) fn range<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Arc<Record>)> {
        self.objects
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
            .take_while(move |(k, _)| k.starts_with(prefix))
    }

    /// The objects as they were at `revision`; `None` if that is forgotten.
    pub(crate) fn at(&self, revision: u64, prefix: &str) -> Option<BTreeMap<String, Arc<Record>>> {
        if revision < self.compacted {
            return None;
        }
        let mut then: BTreeMap<String, Arc<Record>> = self.range(prefix).map(|(k, r)| (k.clone(), r.clone())).collect();
        for event in self.events.iter().rev().take_while(|e| e.revision > revision) {
            let key = key_of(&event.after);
            if !key.starts_with(prefix) {
                continue;
            }
            match &event.before {
                Some(before) => then.insert(key, before.clone()),
                None => then.remove(&key),
            };
        }
        Some(then)
    }

    /// What happened after `revision`; `None` if that is forgotten.
    pub(crate) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Event>> {
        if revision < self.compacted {
            return None;
        }
        let start = self.events.partition_point(|e| e.revision <= revision);
        Some(self.events.range(start..))
    }

    /// The revision after which everything is known.
    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Told of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn push(&mut self, event: Event, history: usize) {
        let revision = event.revision;
        self.events.push_back(event);
        while self.events.len() > history {
            if let Some(old) = self.events.pop_front() {
                self.compacted = old.revision;
            }
        }
        self.changed.send_replace(revision);
    }
}

impl Clone for Table {
    /// The same objects and history, for watches of its own.
    fn clone(&self) -> Self {
        Table {
            objects: self.objects.clone(),
            events: self.events.clone(),
            compacted: self.compacted,
            changed: watch::Sender::new(0),
        }
    }
}

/// The key of an object in its table.
pub(crate) fn key_of(record: &Record) -> String {
    key(record.meta_str("namespace"), record.meta_str("name"))
}

pub(crate) fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// All tables.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    revision: u64,
    tables: HashMap<ResourceKey, Table>,
    history: usize,
    /// Where the object of each uid is.
    uids: HashMap<String, Address>,
    /// The objects that name each uid as an owner.
    dependents: HashMap<String, BTreeSet<Address>>,
    /// What the controllers have not looked at yet.
    pending: VecDeque<Change>,
}

/// The place of an object: its resource and its key in the table.
pub(crate) type Address = (ResourceKey, String);

/// A write, for the controllers.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) at: Address,
    pub(crate) record: Arc<Record>,
    pub(crate) deleted: bool,
}

impl Store {
    pub(crate) fn new(history: usize) -> Self {
        Store {
            revision: 1,
            tables: HashMap::new(),
            history,
            uids: HashMap::new(),
            dependents: HashMap::new(),
            pending: VecDeque::new(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn table(&self, resource: &ResourceKey) -> Option<&Table> {
        self.tables.get(resource)
    }

    /// The table, made if it is new.
    pub(crate) fn table_mut(&mut self, resource: &ResourceKey) -> &mut Table {
        let revision = self.revision;
        self.tables.entry(resource.clone()).or_insert_with(|| Table::new(revision))
    }

    pub(crate) fn get(&self, resource: &ResourceKey, key: &str) -> Option<&Arc<Record>> {
        self.tables.get(resource)?.get(key)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (&ResourceKey, &Table)> {
        self.tables.iter()
    }

    /// Stores an object at the next revision, which it is given as its `resourceVersion`.
    pub(crate) fn put(&mut self, resource: &ResourceKey, mut object: Fields, managers: Managers) -> Arc<Record> {
        self.revision += 1;
        let revision = self.revision;
        let record = stamped(&mut object, managers, revision);
        let history = self.history;
        let table = self.table_mut(resource);
        let key = key_of(&record);
        let before = table.objects.insert(key.clone(), record.clone());
        table.push(Event { revision, before: before.clone(), after: record.clone(), deleted: false }, history);
        let at = (resource.clone(), key);
        if before.is_none() {
            self.uids.insert(record.meta_str("uid").to_owned(), at.clone());
        }
        let (old, new) = (before.as_deref().map(owners).unwrap_or_default(), owners(&record));
        self.index(&at, &old, &new);
        self.pending.push_back(Change { at, record: record.clone(), deleted: false });
        record
    }

    /// Removes an object; watchers see its last state, `object`, at the next revision.
    pub(crate) fn remove(&mut self, resource: &ResourceKey, key: &str) -> Option<Arc<Record>> {
        let history = self.history;
        let table = self.tables.get_mut(resource)?;
        let before = table.objects.remove(key)?;
        self.revision += 1;
        let revision = self.revision;
        let after = stamped(&mut (*before.object).clone(), before.managers.clone(), revision);
        table.push(Event { revision, before: Some(before), after: after.clone(), deleted: true }, history);
        let at = (resource.clone(), key.to_owned());
        self.uids.remove(after.meta_str("uid"));
        self.index(&at, &owners(&after), &[]);
        self.pending.push_back(Change { at, record: after.clone(), deleted: true });
        Some(after)
    }

    fn index(&mut self, at: &Address, old: &[String], new: &[String]) {
        for uid in old.iter().filter(|u| !new.contains(u)) {
            if let Some(set) = self.dependents.get_mut(uid) {
                set.remove(at);
                if set.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        for uid in new.iter().filter(|u| !old.contains(u)) {
            self.dependents.entry(uid.clone()).or_default().insert(at.clone());
        }
    }

    /// The objects that name `uid` as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Address> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Whether an object with this uid is there.
    pub(crate) fn has_uid(&self, uid: &str) -> bool {
        self.uids.contains_key(uid)
    }

    /// Where the object with this uid is.
    pub(crate) fn address(&self, uid: &str) -> Option<Address> {
        self.uids.get(uid).cloned()
    }

    /// The next write that controllers have not looked at.
    pub(crate) fn next_change(&mut self) -> Option<Change> {
        self.pending.pop_front()
    }

    /// Ends all running watches.
    pub(crate) fn end_watches(&mut self) {
        for table in self.tables.values_mut() {
            // They notice that nobody will tell them anything.
            table.changed = watch::Sender::new(0);
        }
    }

    /// Forgets all history, as a compaction does: old watches and continue tokens expire.
    pub(crate) fn compact(&mut self) {
        let revision = self.revision;
        for table in self.tables.values_mut() {
            table.events.clear();
            table.compacted = revision;
        }
    }
}

fn stamped(object: &mut Fields, managers: Managers, revision: u64) -> Arc<Record> {
    if let Some(meta) = object.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        meta.insert("resourceVersion".into(), revision.to_string().into());
    }
    let object = Arc::new(std::mem::take(object));
    Arc::new(Record { object, managers, settled: std::sync::Mutex::new(None) })
}

/// The uids of an object's owners.
pub(crate) fn owners(record: &Record) -> Vec<String> {
    let list = record.meta("ownerReferences").and_then(serde_json::Value::as_array);
    list.into_iter().flatten().filter_map(|o| o.get("uid")?.as_str().map(str::to_owned)).collect()
}
