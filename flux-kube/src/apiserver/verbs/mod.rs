//! The verbs of the API, on one locked state.

mod actions;
mod create;
mod delete;
mod patch;
mod read;
mod scale;
mod update;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map as JsonMap, Value};

pub(crate) use delete::{DeleteOptions, Deleted, Propagation};
pub(crate) use patch::Patch;
pub(crate) use read::{ListOptions, Listed, prefix, too_large};
pub(crate) use scale::selector_text;
pub(crate) use update::{is_finished, without_managed};

use super::allocate::Cursor;
use super::auth::KnownToken;
use super::fields::{FieldManager, Fields, Managers, Typed, Versions};
use super::ids::Ids;
use super::registry::{Registry, Resource};
use super::status::Status;
use super::store::{Record, Store};
use super::workloads::Simulation;

/// All that requests read and write.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) ids: Ids,
    /// Who is known by which token.
    pub(crate) tokens: HashMap<String, KnownToken>,
    /// Which addresses and ports services were given last.
    pub(crate) handed_out: Cursor,
    /// The workloads that are simulated, if they are.
    pub(crate) simulation: Option<Simulation>,
}

/// What a request is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

impl Target {
    pub(crate) fn key(&self) -> String {
        super::store::key(&self.namespace, &self.name)
    }

    fn not_found(&self) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, &self.name)
    }
}

/// `fieldValidation`: what happens to fields that the API does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Validation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// What a write is told beside its object.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) validation: Validation,
    /// Now, as the API writes times.
    pub(crate) now: Arc<str>,
    /// Fields that occurred twice in the body.
    pub(crate) duplicates: Vec<String>,
}

/// What came of a write.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) object: Arc<Fields>,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

/// The versions of the kind of a resource.
pub(crate) struct KindVersions<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) resource: &'a Resource,
}

impl Versions for KindVersions<'_> {
    fn convert<'a>(&'a self, object: &'a Fields, version: &str) -> Option<Typed<'a>> {
        let own = object.get("apiVersion").and_then(Value::as_str).unwrap_or("");
        let resource: &Resource = if version == self.resource.api_version {
            self.resource
        } else {
            let (group, v) = version.split_once('/').unwrap_or(("", version));
            self.registry.kind(group, v, &self.resource.kind)?
        };
        let value = if own == version { Cow::Borrowed(object) } else { Cow::Owned(convert(object, resource)) };
        Some(Typed { schema: resource.schema(), ty: resource.ty, value })
    }
}

/// An object of the same kind in another version.
pub(crate) fn convert(object: &Fields, to: &Resource) -> Fields {
    let mut out = object.clone();
    let from = object.get("apiVersion").and_then(Value::as_str).unwrap_or("").to_owned();
    out.insert("apiVersion".into(), Value::from(to.api_version.as_str()));
    out.insert("kind".into(), Value::from(to.kind.as_str()));
    super::convert::between(&from, &to.api_version, &mut out);
    out
}

/// The object in the version of the resource it was asked for through.
pub(crate) fn served(object: &Arc<Fields>, resource: &Resource) -> Arc<Fields> {
    if object.get("apiVersion").and_then(Value::as_str) == Some(&resource.api_version) {
        object.clone()
    } else {
        Arc::new(convert(object, resource))
    }
}

impl State {
    pub(crate) fn new(seed: u64, history: usize) -> Self {
        State {
            store: Store::new(history),
            registry: Registry::new(),
            ids: Ids::new(seed),
            tokens: HashMap::new(),
            handed_out: Cursor::default(),
            simulation: None,
        }
    }

    pub(crate) fn find(&self, target: &Target) -> Result<Arc<Record>, Status> {
        self.store.get(target.resource.key(), &target.key()).cloned().ok_or_else(|| target.not_found())
    }

    /// The resource in its storage version.
    fn stored(&self, resource: &Arc<Resource>) -> Arc<Resource> {
        if resource.version == resource.storage_version {
            return resource.clone();
        }
        self.registry.resource(&resource.group, &resource.storage_version, &resource.plural).unwrap_or(resource).clone()
    }

    pub(crate) fn field_manager<'a>(
        versions: &'a KindVersions<'a>,
        target: &'a Target,
        now: &Arc<str>,
    ) -> FieldManager<'a> {
        let resource = &target.resource;
        FieldManager {
            versions,
            schema: resource.schema(),
            ty: resource.ty,
            version: &resource.api_version,
            kind: &resource.kind,
            subresource: &target.subresource,
            reset: super::strategy::reset_fields(resource, &target.subresource),
            empty: resource.empty(),
            now: now.clone(),
        }
    }

    /// Checks and normalises what a client sent; fills in defaults. Returns warnings.
    fn decode(&self, resource: &Resource, object: &mut Fields, options: &WriteOptions) -> Result<Vec<String>, Status> {
        let unknown = self.normalise(resource, object)?;
        let strict: Vec<String> = options.duplicates.iter().cloned().chain(unknown).collect();
        if strict.is_empty() || options.validation == Validation::Ignore {
            return Ok(Vec::new());
        }
        if options.validation == Validation::Strict {
            let what = format!("strict decoding error: {}", strict.join(", "));
            return Err(cannot_handle(resource, &what));
        }
        Ok(strict)
    }

    /// Brings an object into the form the server keeps, defaults included. Returns unknown fields.
    fn normalise(&self, resource: &Resource, object: &mut Fields) -> Result<Vec<String>, Status> {
        let unknown = if let Some(custom) = &resource.custom {
            let mut unknown = super::crd::metadata(resource, object).map_err(|e| cannot_handle(resource, &e))?;
            let pruned = custom.structural.prune(object);
            unknown.extend(pruned.into_iter().map(|p| format!("unknown field {p:?}")));
            custom.structural.fill(object);
            unknown
        } else {
            let unknown = super::decode::normalise(resource.schema(), resource.ty, object)
                .map_err(|e| cannot_handle(resource, &e))?;
            super::defaults::apply(resource, object);
            unknown
        };
        object.insert("apiVersion".into(), Value::from(resource.api_version.as_str()));
        object.insert("kind".into(), Value::from(resource.kind.as_str()));
        Ok(unknown)
    }
}

/// The body is no object of the kind.
pub(crate) fn cannot_handle(resource: &Resource, why: &str) -> Status {
    let (kind, version) = (&resource.kind, &resource.version);
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}

pub(crate) fn metadata_mut(object: &mut Fields) -> &mut Fields {
    let slot = object.entry("metadata").or_insert_with(|| Value::Object(JsonMap::new()));
    if !slot.is_object() {
        *slot = Value::Object(JsonMap::new());
    }
    match slot {
        Value::Object(map) => map,
        // Just made one.
        _ => unreachable!("metadata is a map"),
    }
}

pub(crate) fn meta_str<'a>(object: &'a Fields, key: &str) -> &'a str {
    object.get("metadata").and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or("")
}

/// Puts who owns what into the object.
pub(crate) fn encode_managers(object: &mut Fields, managers: &mut Managers, old: Option<&Record>) {
    let old = old.and_then(|r| Some((&r.managers, r.meta("managedFields")?)));
    let encoded = managers.encode(old);
    let meta = metadata_mut(object);
    match encoded {
        Some(encoded) => {
            meta.insert("managedFields".into(), encoded);
        }
        None => {
            meta.shift_remove("managedFields");
        }
    }
}

/// The fields of `metadata` in the order the API writes them.
pub(crate) fn order_metadata(meta: &mut Fields) {
    const ORDER: [&str; 16] = [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "clusterName",
        "managedFields",
    ];
    let mut rest = ORDER.iter();
    if meta.keys().all(|key| rest.any(|o| o == key)) {
        return;
    }
    let mut slots: [Option<(String, Value)>; ORDER.len()] = Default::default();
    for (key, value) in std::mem::take(meta) {
        let slot = ORDER.iter().position(|o| *o == key).and_then(|i| slots.get_mut(i));
        if let Some(slot) = slot {
            *slot = Some((key, value));
        }
    }
    *meta = slots.into_iter().flatten().collect();
}
