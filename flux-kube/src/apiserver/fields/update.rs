//! Who owns what after a write, and what an apply makes of an object.
//!
//! The rules are those of structured-merge-diff: an applier owns the fields of its configuration; a field that it had
//! and no longer has goes away unless someone else owns it; a field that another manager owns and that would change
//! is a conflict, unless forced; any other write owns what it changed.

use std::borrow::Cow;
use std::sync::Arc;

use super::compare::{Comparison, compare};
use super::element::{PathElement, equal_but_managers};
use super::managers::{Manager, ManagerId, Managers, Operation};
use super::merge::{merge, remove};
use super::never_owned;
use super::same::mentions_exactly;
use super::set::FieldSet;
use super::typed::{Fields, TypeErrors, field_set};
use crate::apiserver::schema::{ListKind, Schema, Type, TypeId};

/// A value with its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) ty: TypeId,
    pub(crate) value: Cow<'a, Fields>,
}

/// The versions of one kind: what an object looks like in another version.
pub(crate) trait Versions {
    /// The object as `version` has it; `None` if there is no such version.
    fn convert<'a>(&'a self, object: &'a Fields, version: &str) -> Option<Typed<'a>>;
}

/// A field that another manager owns and that the configuration would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) manager: ManagerId,
    pub(crate) path: Vec<PathElement>,
}

impl Conflict {
    pub(crate) fn field(&self) -> String {
        self.path.iter().map(ToString::to_string).collect()
    }
}

/// Why an apply came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApplyFailure {
    Conflicts(Vec<Conflict>),
    Type(TypeErrors),
}

impl From<TypeErrors> for ApplyFailure {
    fn from(errors: TypeErrors) -> Self {
        ApplyFailure::Type(errors)
    }
}

/// One write: the kind's versions, the version of the request, and fields that it may not own.
pub(crate) struct Write<'a> {
    pub(crate) versions: &'a dyn Versions,
    pub(crate) schema: &'a Schema,
    pub(crate) ty: TypeId,
    pub(crate) version: &'a str,
    /// Fields that belong to another endpoint, such as status on the main one.
    pub(crate) reset: &'a FieldSet,
}

impl Write<'_> {
    /// What `manager` and the others own after it wrote `new` in place of `live`.
    pub(crate) fn update(
        &self,
        live: &Fields,
        new: &Fields,
        managers: Managers,
        manager: ManagerId,
    ) -> Result<Managers, TypeErrors> {
        let mut managers = self.reconcile(live, managers);
        let changes = match self.take(live, new, &mut managers, &manager, true) {
            Ok(changes) => changes,
            Err(ApplyFailure::Type(errors)) => return Err(errors),
            Err(ApplyFailure::Conflicts(_)) => Comparison::default(),
        };
        let own = managers.get(&manager).map(|m| m.fields.clone()).unwrap_or_default();
        let own = own.difference(&changes.removed).union(&changes.modified).union(&changes.added);
        managers.set(manager, Arc::new(own.difference_below(self.reset)));
        Ok(managers)
    }

    /// Applies `config` to `live`. The object is `None` when the apply changes nothing in it.
    pub(crate) fn apply(
        &self,
        live: &Fields,
        config: &Fields,
        managers: Managers,
        manager: ManagerId,
        force: bool,
    ) -> Result<(Option<Fields>, Managers), ApplyFailure> {
        let mut managers = self.reconcile(live, managers);
        let mut new = merge(self.schema, self.ty, live, config)?;
        let last = managers.get(&manager).cloned();
        // The set is made only if the configuration does not mention the fields it did before.
        let plain = self.reset.nodes().iter().all(|n| match &n.element {
            PathElement::Field(name) => !n.member || !config.contains_key(&**name),
            _ => false,
        });
        let again = |l: &&Manager| plain && mentions_exactly(self.schema, self.ty, config, &l.fields, never_owned());
        let same = last.as_ref().filter(again).map(|l| l.fields.clone());
        let set = match same {
            Some(_) => FieldSet::default(),
            None => field_set(self.schema, self.ty, config)?.difference_below(self.reset),
        };
        let dropped = last.as_ref().is_some_and(|l| same.is_none() && !l.fields.difference(&set).is_empty());
        let time = last.as_ref().and_then(|l| l.time.clone());
        // Kept even when empty: it is stripped after the comparison.
        let set = same.unwrap_or_else(|| Arc::new(set));
        let entry = Manager { id: manager.clone(), time, fields: set };
        match managers.position(&manager) {
            Some(i) => {
                if let Some(slot) = managers.0.get_mut(i) {
                    *slot = entry;
                }
            }
            None => managers.0.push(entry),
        }
        // Without a field that was dropped there is nothing to prune.
        if let (Some(last), true) = (last, dropped) {
            new = self.prune(new, &managers, &last.fields, &last.id.api_version)?;
        }
        self.take(live, &new, &mut managers, &manager, force)?;
        let changed = !equal_but_managers(live, &new);
        Ok((changed.then_some(new), managers))
    }

    /// Takes what changed from the other managers; conflicts are errors unless forced.
    fn take(
        &self,
        live: &Fields,
        new: &Fields,
        managers: &mut Managers,
        by: &ManagerId,
        force: bool,
    ) -> Result<Comparison, ApplyFailure> {
        // Nobody else has anything to lose, and an applier owns what it applies.
        if by.operation == Operation::Apply && managers.0.iter().all(|m| m.id.same(by)) {
            managers.0.retain(|m| !m.fields.is_empty());
            return Ok(Comparison::default());
        }
        let own = compare(self.schema, self.ty, live, new)?.without(self.reset);
        let mut other: Vec<(String, Option<Comparison>)> = Vec::new();
        let mut conflicts = Vec::new();
        let mut losses: Vec<Option<(FieldSet, FieldSet)>> = Vec::with_capacity(managers.0.len());
        for m in &managers.0 {
            if m.id.same(by) {
                losses.push(Some(Default::default()));
                continue;
            }
            let changes = if m.id.api_version == self.version {
                Some(&own)
            } else {
                if !other.iter().any(|(v, _)| *v == m.id.api_version) {
                    let changes = self.compare_at(live, new, &m.id.api_version)?;
                    other.push((m.id.api_version.clone(), changes));
                }
                other.iter().find(|(v, _)| *v == m.id.api_version).and_then(|(_, c)| c.as_ref())
            };
            let Some(changes) = changes else {
                losses.push(None);
                continue;
            };
            let lost = m.fields.intersection(&changes.modified).union(&m.fields.intersection(&changes.added));
            if !force {
                lost.each(&mut Vec::new(), &mut |path| {
                    let path = path.iter().map(|e| (*e).clone()).collect();
                    conflicts.push(Conflict { manager: m.id.clone(), path });
                });
            }
            losses.push(Some((lost, changes.removed.clone())));
        }
        if !conflicts.is_empty() {
            return Err(ApplyFailure::Conflicts(conflicts));
        }
        let mut losses = losses.into_iter();
        managers.0.retain_mut(|m| {
            let Some(Some((lost, removed))) = losses.next() else { return false };
            if !lost.is_empty() || !removed.is_empty() {
                m.fields = Arc::new(m.fields.difference(&lost).difference(&removed));
            }
            !m.fields.is_empty()
        });
        Ok(own)
    }

    fn compare_at(&self, live: &Fields, new: &Fields, version: &str) -> Result<Option<Comparison>, TypeErrors> {
        let (Some(old), Some(new)) = (self.versions.convert(live, version), self.versions.convert(new, version)) else {
            return Ok(None);
        };
        Ok(Some(compare(old.schema, old.ty, &old.value, &new.value)?.without(self.reset)))
    }

    /// Removes what the manager applied last time and does not apply now, unless someone owns it.
    fn prune(&self, merged: Fields, managers: &Managers, last: &FieldSet, version: &str) -> Result<Fields, TypeErrors> {
        let Some(merged_then) = self.versions.convert(&merged, version) else { return Ok(merged) };
        let (schema, ty) = (merged_then.schema, merged_then.ty);
        let last = last.with_named_fields(schema, Some(ty));
        let merged_then = merged_then.value.into_owned();
        let mut pruned = remove(schema, ty, &merged_then, &last);
        let mut versions: Vec<&str> = vec![version];
        for m in &managers.0 {
            if !versions.contains(&m.id.api_version.as_str()) {
                versions.push(&m.id.api_version);
            }
        }
        for at in versions {
            let mut owned: Option<FieldSet> = None;
            for m in managers.0.iter().filter(|m| m.id.api_version == at) {
                owned = Some(owned.map_or_else(|| (*m.fields).clone(), |o| o.union(&m.fields)));
            }
            let Some(owned) = owned else { continue };
            let (Some(m), Some(p)) = (self.versions.convert(&merged_then, at), self.versions.convert(&pruned, at))
            else {
                continue;
            };
            let (s, t) = (m.schema, m.ty);
            let named = |set: &FieldSet| set.with_named_fields(s, Some(t));
            let keep = named(&field_set(s, t, &p.value)?).union(&named(&owned));
            let gone = named(&field_set(s, t, &m.value)?).difference(&keep);
            let back = remove(s, t, &m.value, &gone);
            pruned = self.versions.convert(&back, version).map_or(pruned, |v| v.value.into_owned());
        }
        let named = |v: &Fields| field_set(schema, ty, v).map(|s| s.with_named_fields(schema, Some(ty)));
        let gone = named(&merged_then)?.difference(&named(&pruned)?).intersection(&last);
        let out = remove(schema, ty, &merged_then, &gone);
        Ok(self.versions.convert(&out, self.version).map_or(merged, |v| v.value.into_owned()))
    }

    /// Adjusts sets to a schema that changed since they were written: what became atomic is owned as a whole.
    fn reconcile(&self, live: &Fields, managers: Managers) -> Managers {
        let mut managers = managers;
        for m in &mut managers.0 {
            let types = if m.id.api_version == self.version {
                Some((self.schema, self.ty))
            } else {
                self.versions.convert(live, &m.id.api_version).map(|t| (t.schema, t.ty))
            };
            let Some((schema, ty)) = types else { continue };
            if let Some(set) = reconciled(schema, ty, &m.fields) {
                m.fields = Arc::new(set);
            }
        }
        managers
    }
}

/// The set with children of atomic values replaced by the value itself; `None` if nothing changes.
fn reconciled(schema: &Schema, ty: TypeId, set: &FieldSet) -> Option<FieldSet> {
    let mut out: Option<FieldSet> = None;
    for (i, node) in set.nodes().iter().enumerate() {
        let below = match (schema.get(ty), &node.element) {
            (Type::Map(m), PathElement::Field(name)) => m.type_of(name),
            (Type::List(l), _) => Some(l.element),
            _ => None,
        };
        let Some(below) = below.filter(|_| !node.children.is_empty()) else {
            if let Some(out) = &mut out {
                out.add(node.element.clone(), node.member, node.children.clone());
            }
            continue;
        };
        let atomic = match schema.get(below) {
            Type::Map(m) => m.atomic,
            Type::List(l) => matches!(l.kind, ListKind::Atomic),
            _ => false,
        };
        let changed = if atomic { Some(FieldSet::default()) } else { reconciled(schema, below, &node.children) };
        if changed.is_some() && out.is_none() {
            let mut start = FieldSet::default();
            for before in set.nodes().iter().take(i) {
                start.add(before.element.clone(), before.member, before.children.clone());
            }
            out = Some(start);
        }
        if let Some(out) = &mut out {
            let children = changed.unwrap_or_else(|| node.children.clone());
            out.add(node.element.clone(), node.member || atomic, children);
        }
    }
    out
}

/// The identifier under which an operation writes before its real manager is known.
pub(super) fn current(version: &str) -> ManagerId {
    ManagerId {
        name: "current-operation".to_owned(),
        operation: Operation::Update,
        api_version: version.to_owned(),
        subresource: "\u{0}".to_owned(),
    }
}
