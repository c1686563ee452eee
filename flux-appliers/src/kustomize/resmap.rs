//! The objects of a build in order, unique by identity.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::budget::Budget;
use super::error::{BuildError, Cause};
use super::id::{Gvk, Id};
use super::node;
use super::resource::{Behavior, Resource};
use super::schema::Schema;

type Key = (Gvk, SmolStr, SmolStr);

/// The objects of a build in order.
#[derive(Debug, Clone, Default)]
pub(super) struct ResMap {
    list: Vec<Resource>,
    /// Which objects have each present identity; absent after a change.
    index: Option<HashMap<Key, usize>>,
    /// Which objects have or had each identity; absent after a change.
    any_ids: Option<AnyIds>,
    budget: Budget,
}

impl ResMap {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// What the build may take.
    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Counts what a step is about to add.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), Cause> {
        self.budget.bytes(bytes)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.list.iter()
    }

    /// The objects, to change.
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.forget_ids();
        self.list.iter_mut()
    }

    pub(super) fn as_slice(&self) -> &[Resource] {
        &self.list
    }

    pub(super) fn list_mut(&mut self) -> &mut Vec<Resource> {
        self.forget_ids();
        &mut self.list
    }

    /// Changes one object. What is known of identities stays known as long as it keeps its own, so that many patches of one
    /// object each do not take quadratic time.
    pub(super) fn change(
        &mut self,
        at: usize,
        schema: &Schema,
        change: impl FnOnce(&mut Resource) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let Some(resource) = self.list.get_mut(at) else { return Ok(()) };
        let (id, previous) = (resource.current_id(schema), resource.memory.previous.len());
        change(resource)?;
        let keeps = !node::is_empty(&resource.node)
            && resource.memory.previous.len() >= previous
            && resource.current_id(schema) == id;
        if !keeps {
            self.forget_ids();
        }
        Ok(())
    }

    fn forget_ids(&mut self) {
        self.index = None;
        self.any_ids = None;
    }

    /// True where every object is known to have an identity of its own.
    pub(super) fn is_unique(&self) -> bool {
        self.index.as_ref().is_some_and(|index| index.len() == self.list.len())
    }

    /// The objects by every identity they have or had.
    pub(super) fn any_ids(&mut self, schema: &Schema) -> &AnyIds {
        let list = &self.list;
        self.any_ids.get_or_insert_with(|| AnyIds::of(list, schema))
    }

    pub(super) fn into_list(self) -> Vec<Resource> {
        self.list
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    fn index(&mut self, schema: &Schema) -> &mut HashMap<Key, usize> {
        let list = &self.list;
        self.index.get_or_insert_with(|| {
            list.iter().enumerate().map(|(i, resource)| (resource.current_id(schema).key(), i)).collect()
        })
    }

    /// Adds an object with a new identity.
    pub(super) fn append(&mut self, resource: Resource, schema: &Schema) -> Result<(), BuildError> {
        let id = resource.current_id(schema);
        let at = self.list.len();
        self.any_ids = None;
        if self.index(schema).insert(id.key(), at).is_some() {
            self.index = None;
            return Err(resource.error(Cause::Conflict { id: id.to_string() }, schema));
        }
        self.list.push(resource);
        Ok(())
    }

    pub(super) fn append_all(&mut self, other: ResMap, schema: &Schema) -> Result<(), BuildError> {
        if self.list.is_empty() && other.index.is_some() {
            *self = other;
            return Ok(());
        }
        other.list.into_iter().try_for_each(|resource| self.append(resource, schema))
    }

    /// Fails where two objects have the same identity.
    pub(super) fn check_unique(&mut self, schema: &Schema) -> Result<(), BuildError> {
        self.forget_ids();
        let mut index = HashMap::with_capacity(self.list.len());
        for (at, resource) in self.list.iter().enumerate() {
            let id = resource.current_id(schema);
            if index.insert(id.key(), at).is_some() {
                return Err(resource.error(Cause::Conflict { id: id.to_string() }, schema));
            }
        }
        self.index = Some(index);
        Ok(())
    }

    /// Removes what transformers have emptied.
    pub(super) fn drop_empties(&mut self) {
        if self.list.iter().any(|resource| node::is_empty(&resource.node)) {
            self.forget_ids();
            self.list.retain(|resource| !node::is_empty(&resource.node));
        }
    }

    /// The objects that have or had an identity for which `matches` holds.
    pub(super) fn with_any_id(&self, schema: &Schema, matches: impl Fn(&Id) -> bool) -> Vec<usize> {
        let list = self.list.iter().enumerate().filter(|(_, resource)| !node::is_empty(&resource.node));
        list.filter(|(_, resource)| resource.ids(schema).iter().any(&matches)).map(|(i, _)| i).collect()
    }

    /// Adds what generators made: new objects, or changes to those that are there.
    pub(super) fn absorb_all(&mut self, others: Vec<Resource>, schema: &Schema) -> Result<(), BuildError> {
        let mut known = AnyIds::of(&self.list, schema);
        for resource in others {
            let id = resource.current_id(schema);
            let matches = known.find(&id);
            match (matches, resource.memory.behavior) {
                ([], Behavior::Merge | Behavior::Replace) => {
                    let message = format!("id {id} does not exist; cannot merge or replace");
                    return Err(resource.error(Cause::transform(message), schema));
                }
                ([], _) => {
                    known.add(&resource, self.list.len(), schema);
                    self.append(resource, schema)?;
                }
                (&[at], Behavior::Merge | Behavior::Replace) => {
                    let Some(old) = self.list.get(at) else { continue };
                    let merged = absorbed(old, resource).map_err(|cause| old.error(cause, schema))?;
                    let id = merged.current_id(schema);
                    if id.key() != old.current_id(schema).key() {
                        // A patch has made the old one another kind.
                        let message = format!("cannot find resource with id {id} to replace");
                        return Err(old.error(Cause::transform(message), schema));
                    }
                    if let Some(slot) = self.list.get_mut(at) {
                        *slot = merged;
                    }
                }
                (&[_], behavior) => {
                    let behavior = if behavior == Behavior::Create { "create" } else { "unspecified" };
                    let message = format!(
                        "id {id} exists; can not use behavior: '{behavior}', behavior must be merge or replace"
                    );
                    return Err(resource.error(Cause::transform(message), schema));
                }
                (several, _) => {
                    let message = format!("found {} objects that could accept merge of {id}", several.len());
                    return Err(resource.error(Cause::transform(message), schema));
                }
            }
        }
        Ok(())
    }
}

/// A generated object that takes over an old one's metadata and, where it merges, its data.
fn absorbed(old: &Resource, mut new: Resource) -> Result<Resource, Cause> {
    let merge = new.memory.behavior == Behavior::Merge;
    for name in ["labels", "annotations"] {
        let (before, after) = match name {
            "labels" => (old.labels(), new.labels()),
            _ => (old.annotations(), new.annotations()),
        };
        let map = union(before, after);
        new.set_meta_map(name, map)?;
    }
    let needs_hash = new.memory.needs_hash && old.memory.needs_hash;
    new.memory = old.memory.clone();
    new.memory.needs_hash = needs_hash;
    new.set_name(old.name())?;
    new.set_namespace(old.namespace())?;
    new.vars.clone_from(&old.vars);
    new.transformations.clone_from(&old.transformations);
    if merge {
        for name in ["data", "binaryData"] {
            let map = union(data(&old.node, name), data(&new.node, name));
            super::generate::set_data(&mut new.node, name, map)?;
        }
        if old.provenance.is_some() {
            new.provenance.clone_from(&old.provenance);
        }
    }
    Ok(new)
}

fn data<'n>(object: &'n flux_core::yaml::Node, name: &str) -> Vec<(&'n str, &'n str)> {
    let map = node::field(object, name).map(node::entries).unwrap_or_default();
    map.iter()
        .map(|(key, value)| (node::text(key), if node::is_null(value) { "" } else { node::text(value) }))
        .collect()
}

/// Both maps, sorted; the second wins.
fn union(first: Vec<(&str, &str)>, second: Vec<(&str, &str)>) -> Vec<(String, String)> {
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let map: std::collections::BTreeMap<String, String> = first.into_iter().chain(second).map(own).collect();
    map.into_iter().collect()
}

/// Objects by every identity they have or had.
#[derive(Debug, Clone)]
pub(super) struct AnyIds(HashMap<Key, Vec<usize>>);

impl AnyIds {
    pub(super) fn of(list: &[Resource], schema: &Schema) -> Self {
        let mut ids = Self(HashMap::with_capacity(list.len()));
        for (i, resource) in list.iter().enumerate() {
            ids.add(resource, i, schema);
        }
        ids
    }

    pub(super) fn add(&mut self, resource: &Resource, at: usize, schema: &Schema) {
        if node::is_empty(&resource.node) {
            return;
        }
        for id in resource.ids(schema) {
            let found = self.0.entry(id.key()).or_default();
            if found.last() != Some(&at) {
                found.push(at);
            }
        }
    }

    pub(super) fn find(&self, id: &Id) -> &[usize] {
        self.0.get(&id.key()).map(Vec::as_slice).unwrap_or_default()
    }
}
