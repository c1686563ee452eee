//! Field ownership: `managedFields`, server-side apply and what other writes own.
//!
//! [`FieldManager`] is the door: it decodes who owns what, applies or records a write, and encodes the result the way
//! the real server does (which fields are never owned, `before-first-apply`, the cap on update managers, kubectl's
//! migration from client-side apply).

mod compare;
mod element;
mod encode;
mod managers;
mod merge;
mod same;
mod set;
mod typed;
mod update;

use std::sync::{Arc, LazyLock};

use serde_json::{Map as JsonMap, Value, json};

pub(crate) use element::{compare_values, equal_but_managers, equal_maps, equal_values};
pub(crate) use managers::{ManagerId, Managers, Operation};
pub(crate) use set::FieldSet;
pub(crate) use update::{Conflict, Typed, Versions, Write};

use super::schema::{Schema, TypeId};
pub(crate) use typed::Fields;
use typed::TypeErrors;
use update::ApplyFailure;

/// The annotation in which `kubectl apply` keeps what it applied.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The most update managers an object keeps; older ones are put together as `ancient-changes`.
const MAX_UPDATE_MANAGERS: usize = 10;

/// Why an apply failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApplyError {
    /// Others own what would change.
    #[error("{}", conflict_message(.0))]
    Conflict(Vec<Conflict>),
    /// The configuration does not fit the type.
    #[error("failed to create typed patch object ({object}): {errors}")]
    Patch { object: String, errors: String },
    /// The live object does not fit the type.
    #[error("failed to create typed live object ({object}): {errors}")]
    Live { object: String, errors: String },
    /// `metadata.managedFields` was set in the configuration.
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsSet,
    /// Anything else in the merge.
    #[error("failed to merge config: {0}")]
    Merge(String),
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager.describe(), only.field());
    }
    let mut sorted: Vec<&Conflict> = conflicts.iter().collect();
    sorted.sort_by_key(|c| c.manager.sort_key());
    let mut lines = Vec::new();
    let mut last: Option<&ManagerId> = None;
    for c in sorted {
        if last != Some(&c.manager) {
            lines.push(format!("conflicts with {}:", c.manager.describe()));
            last = Some(&c.manager);
        }
        lines.push(format!("- {}", c.field()));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Fields that are the server's own and never owned.
static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    encode::decode(&json!({
        "f:apiVersion": {}, "f:kind": {},
        "f:metadata": {".": {}, "f:name": {}, "f:namespace": {}, "f:creationTimestamp": {}, "f:selfLink": {},
            "f:uid": {}, "f:clusterName": {}, "f:generation": {}, "f:managedFields": {}, "f:resourceVersion": {}}
    }))
});

static NOTHING: FieldSet = FieldSet::EMPTY;

/// Fields that nobody owns.
fn never_owned() -> &'static FieldSet {
    &NEVER_OWNED
}

/// The empty set of fields.
pub(crate) fn no_fields() -> &'static FieldSet {
    &NOTHING
}

/// The set that `fieldsV1` describes.
pub(crate) fn decode_fields(fields: &Value) -> FieldSet {
    encode::decode(fields)
}

/// Tracks ownership for one endpoint: a kind in a version, and the subresource if it is one.
pub(crate) struct FieldManager<'a> {
    pub(crate) versions: &'a dyn Versions,
    pub(crate) schema: &'a Schema,
    pub(crate) ty: TypeId,
    /// The API version of the endpoint, such as `apps/v1`.
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    /// Empty for the main endpoint.
    pub(crate) subresource: &'a str,
    pub(crate) reset: &'a FieldSet,
    /// An object of the kind with nothing in it: what a create is compared with.
    pub(crate) empty: &'a Fields,
    /// The time of this write, RFC 3339.
    pub(crate) now: Arc<str>,
}

/// What a write makes of an object's ownership.
pub(crate) struct Outcome {
    /// The object, without `managedFields`; `None` if it stays as it was.
    pub(crate) object: Option<Fields>,
    pub(crate) managers: Managers,
}

impl FieldManager<'_> {
    fn write(&self) -> Write<'_> {
        Write { versions: self.versions, schema: self.schema, ty: self.ty, version: self.version, reset: self.reset }
    }

    fn id(&self, name: &str, operation: Operation) -> ManagerId {
        ManagerId {
            name: if name.is_empty() { "unknown" } else { name }.to_owned(),
            operation,
            api_version: self.version.to_owned(),
            subresource: self.subresource.to_owned(),
        }
    }

    fn describe(&self, object: &Fields) -> String {
        let meta = |k: &str| object.get("metadata").and_then(|m| m.get(k)).and_then(Value::as_str).unwrap_or("");
        let version = if self.version.contains('/') { self.version.to_owned() } else { format!("/{}", self.version) };
        format!("{}/{}; {}, Kind={}", meta("namespace"), meta("name"), version, self.kind)
    }

    /// Records a write that is no apply. Both objects come without `managedFields`; `live` is `None` on create.
    ///
    /// An object nobody tracks (its `managedFields` were cleared) stays untracked.
    pub(crate) fn update(&self, live: Option<&Fields>, new: &Fields, managers: Managers, by: &str) -> Managers {
        if managers.is_empty() && live.is_some() {
            return managers;
        }
        let before = managers.clone();
        match self.record(live, new, managers, by) {
            Ok(managers) => managers,
            // The real server drops all tracking when it cannot tell; keeping what was known loses less.
            Err(_) => before,
        }
    }

    fn record(
        &self,
        live: Option<&Fields>,
        new: &Fields,
        managers: Managers,
        by: &str,
    ) -> Result<Managers, TypeErrors> {
        let live = live.unwrap_or(self.empty);
        typed::check(self.schema, self.ty, new, true)?;
        let current = update::current(self.version);
        let mut managers = self.write().update(live, new, managers, current.clone())?;
        if let Some(at) = managers.position(&current) {
            let now_owned = managers.0.remove(at).fields.difference(&NEVER_OWNED);
            let id = self.id(by, Operation::Update);
            if !now_owned.is_empty() {
                let had = managers.get(&id).map(|m| m.fields.clone()).unwrap_or_default();
                managers.set(id.clone(), Arc::new(had.union(&now_owned)));
                managers.touch(&id, &self.now);
            }
        }
        self.cap(&mut managers);
        Ok(managers)
    }

    /// Puts the oldest update managers together when there are too many.
    fn cap(&self, managers: &mut Managers) {
        let mut updaters: Vec<ManagerId> =
            managers.0.iter().filter(|m| m.id.operation == Operation::Update).map(|m| m.id.clone()).collect();
        let mut left = updaters.len();
        if left <= MAX_UPDATE_MANAGERS {
            return;
        }
        let time = |managers: &Managers, id: &ManagerId| managers.get(id).and_then(|m| m.time.clone());
        updaters.sort_by_cached_key(|id| (time(managers, id), id.sort_key()));
        let mut first: Vec<(String, ManagerId)> = Vec::new();
        for id in updaters {
            if left <= MAX_UPDATE_MANAGERS {
                break;
            }
            let bucket = ManagerId {
                name: "ancient-changes".to_owned(),
                operation: Operation::Update,
                api_version: id.api_version.clone(),
                subresource: String::new(),
            };
            let Some((_, seen)) = first.iter().find(|(v, _)| *v == id.api_version) else {
                first.push((id.api_version.clone(), id));
                continue;
            };
            if managers.get(&bucket).is_none()
                && let Some(at) = managers.position(seen)
                && let Some(m) = managers.0.get_mut(at)
            {
                m.id = bucket.clone();
            }
            if let Some(at) = managers.position(&id) {
                let gone = managers.0.remove(at);
                if let Some(m) = managers.0.iter_mut().find(|m| m.id.same(&bucket)) {
                    m.fields = Arc::new(m.fields.union(&gone.fields));
                    m.time = gone.time;
                }
                left -= 1;
            }
        }
    }

    /// Server-side apply of `config` to `live`, whose own `managedFields` do not count. On a create that is
    /// [`empty`](Self::empty) itself.
    ///
    /// # Errors
    /// Conflicts, or a configuration that does not fit the type.
    pub(crate) fn apply(
        &self,
        live: &Fields,
        config: &Fields,
        managers: &Managers,
        by: &str,
        force: bool,
    ) -> Result<Outcome, ApplyError> {
        let merged = match self.apply_once(live, config, managers, by, force) {
            Err(ApplyError::Conflict(conflicts)) if by == "kubectl" => {
                let left = self.conflicts_beyond_last_applied(live, conflicts);
                if !left.is_empty() {
                    return Err(ApplyError::Conflict(left));
                }
                self.apply_once(live, config, managers, by, true)
            }
            other => other,
        };
        let mut outcome = merged?;
        if by == "kubectl" && last_applied(live).is_some() {
            let object = outcome.object.get_or_insert_with(|| {
                let mut object = live.clone();
                if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                    meta.shift_remove("managedFields");
                }
                object
            });
            update_last_applied(object, config);
        }
        Ok(outcome)
    }

    fn apply_once(
        &self,
        live: &Fields,
        config: &Fields,
        managers: &Managers,
        by: &str,
        force: bool,
    ) -> Result<Outcome, ApplyError> {
        let mut managers = managers.clone();
        if managers.is_empty() && !std::ptr::eq(live, self.empty) {
            // What is there already belongs to someone, though nobody kept track.
            managers = self
                .record(None, live, managers, "before-first-apply")
                .map_err(|e| ApplyError::Live { object: self.describe(live), errors: e.to_string() })?;
        }
        if config.get("metadata").and_then(|m| m.get("managedFields")).is_some_and(|m| !m.is_null()) {
            return Err(ApplyError::ManagedFieldsSet);
        }
        typed::check(self.schema, self.ty, config, false)
            .map_err(|e| ApplyError::Patch { object: self.describe(config), errors: e.to_string() })?;
        let id = self.id(by, Operation::Apply);
        let (object, mut managers) =
            self.write().apply(live, config, managers, id.clone(), force).map_err(|e| match e {
                ApplyFailure::Conflicts(conflicts) => ApplyError::Conflict(conflicts),
                ApplyFailure::Type(errors) => ApplyError::Merge(errors.to_string()),
            })?;
        let strip = managers.get(&id).map(|m| m.fields.clone()).unwrap_or_default();
        if strip.overlaps(&NEVER_OWNED) {
            managers.set(id.clone(), Arc::new(strip.difference(&NEVER_OWNED)));
        }
        if object.is_some() {
            managers.touch(&id, &self.now);
        }
        Ok(Outcome { object, managers })
    }

    /// The conflicts that kubectl's own earlier client-side apply does not explain.
    fn conflicts_beyond_last_applied(&self, live: &Fields, conflicts: Vec<Conflict>) -> Vec<Conflict> {
        let Some(own) = self.last_applied_fields(live) else { return conflicts };
        conflicts.into_iter().filter(|c| !own.has(&c.path.iter().collect::<Vec<_>>())).collect()
    }

    fn last_applied_fields(&self, live: &Fields) -> Option<FieldSet> {
        let last: Fields = serde_json::from_str(last_applied(live)?).ok()?;
        if last.get("apiVersion").and_then(Value::as_str) != Some(self.version) {
            return None;
        }
        typed::check(self.schema, self.ty, &last, false).ok()?;
        let set = typed::field_set(self.schema, self.ty, &last).ok()?;
        let changes = compare::compare(self.schema, self.ty, &last, live).ok()?;
        Some(set.difference(&changes.modified).difference(&changes.added).difference(&changes.removed))
    }
}

/// What client-side apply remembers of an object.
fn last_applied(object: &Fields) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()
}

/// Keeps client-side apply's annotation in step when kubectl applies on the server.
fn update_last_applied(object: &mut Fields, config: &Fields) {
    let Some(annotations) =
        object.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
    else {
        return;
    };
    if annotations.get(LAST_APPLIED).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut config = sorted(&Value::Object(config.clone()));
    if let Some(a) = config.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut) {
        a.shift_remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.to_owned(), Value::from(format!("{config}\n")));
}

/// With the keys of all maps in order, as Go writes them.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect::<JsonMap<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) use conformance::corpus;
