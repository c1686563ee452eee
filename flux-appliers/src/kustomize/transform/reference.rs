//! Name references: where an object's name has changed, the fields that name it follow.

use std::collections::{HashMap, HashSet};

use flux_core::yaml::{Content, Node};
use smol_str::SmolStr;

use crate::kustomize::config::NameReference;
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::{FieldSpec, Missing, each_place};
use crate::kustomize::id::{Gvk, Id};
use crate::kustomize::node::{self, field, field_text, text};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::Resource;
use crate::kustomize::schema::Schema;

/// Updates every field that names another object.
pub(in crate::kustomize) fn follow_names(
    list: &mut ResMap,
    references: &[NameReference],
    schema: &Schema,
) -> Result<(), BuildError> {
    let rules = Rules::of(references);
    let mut rules_by_kind: HashMap<Gvk, Vec<(&Gvk, &FieldSpec)>> = HashMap::new();
    let mut targets = Targets::of(list.as_slice(), schema);
    let resources = list.list_mut();
    let mut referred = HashSet::new();
    for (at, resource) in resources.iter_mut().enumerate() {
        let Some(gvk) = targets.known.get(at).map(|known| known.original.gvk.clone()) else { continue };
        let role_namespaces = match role_binding_namespaces(resource) {
            Ok(namespaces) => namespaces,
            Err(cause) => return Err(resource.error(cause, schema)),
        };
        let rules = rules_by_kind.entry(gvk).or_insert_with_key(|gvk| rules.for_kind(gvk));
        for (target, spec) in rules.iter().copied() {
            let referrer = Referrer {
                targets: &targets,
                at,
                target,
                role: role_ref(&resource.node, spec),
                role_namespaces: &role_namespaces,
            };
            let mut set = |field: &mut Node| referrer.update(field, &mut referred);
            // The rule was chosen by the kind that the object once had; it applies whatever the kind is now.
            if let Err(cause) = each_place(&mut resource.node, spec, &Missing::Leave, &mut set) {
                return Err(resource.error(cause, schema));
            }
        }
        targets.refresh(at, resource, schema);
    }
    for (at, resource) in resources.iter_mut().enumerate() {
        if referred.contains(&at) {
            resource.annotate();
        }
    }
    Ok(())
}

/// The fields that may hold names, by the kind of object they are in.
struct Rules<'r> {
    by_kind: HashMap<&'r str, Vec<(usize, &'r Gvk, &'r FieldSpec)>>,
    any_kind: Vec<(usize, &'r Gvk, &'r FieldSpec)>,
}

impl<'r> Rules<'r> {
    fn of(references: &'r [NameReference]) -> Self {
        let mut rules = Self { by_kind: HashMap::new(), any_kind: Vec::new() };
        let all = references.iter().flat_map(|reference| reference.referrers.iter().map(|spec| (&reference.gvk, spec)));
        for (order, (target, spec)) in all.enumerate() {
            let list = match spec.gvk.kind.as_str() {
                "" => &mut rules.any_kind,
                kind => rules.by_kind.entry(kind).or_default(),
            };
            list.push((order, target, spec));
        }
        rules
    }

    /// The rules for one kind, in their order.
    fn for_kind(&self, gvk: &Gvk) -> Vec<(&'r Gvk, &'r FieldSpec)> {
        let own = self.by_kind.get(gvk.kind.as_str()).into_iter().flatten();
        let mut rules: Vec<_> =
            own.chain(&self.any_kind).filter(|(_, _, spec)| gvk.is_selected(&spec.gvk)).copied().collect();
        rules.sort_by_key(|(order, ..)| *order);
        rules.into_iter().map(|(_, target, spec)| (target, spec)).collect()
    }
}

/// What may be referred to.
struct Targets {
    known: Vec<Known>,
    /// By every name that an object once had.
    by_old_name: HashMap<SmolStr, Vec<usize>>,
    by_original_namespace: HashMap<SmolStr, Vec<usize>>,
}

struct Known {
    current: Id,
    original: Id,
    previous: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Targets {
    fn of(resources: &[Resource], schema: &Schema) -> Self {
        let mut targets = Self {
            known: Vec::with_capacity(resources.len()),
            by_old_name: HashMap::with_capacity(resources.len()),
            by_original_namespace: HashMap::new(),
        };
        for (at, resource) in resources.iter().enumerate() {
            let known = Known {
                current: resource.current_id(schema),
                original: resource.original_id(schema),
                previous: resource.previous_ids().collect(),
                prefixes: resource.memory.prefixes.clone(),
                suffixes: resource.memory.suffixes.clone(),
            };
            for id in &known.previous {
                let list = targets.by_old_name.entry(id.name.clone()).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
            let (_, _, namespace) = known.original.key();
            targets.by_original_namespace.entry(namespace).or_default().push(at);
            targets.known.push(known);
        }
        targets
    }

    fn refresh(&mut self, at: usize, resource: &Resource, schema: &Schema) {
        if let Some(known) = self.known.get_mut(at)
            && known.current.name != resource.name()
        {
            known.current = resource.current_id(schema);
        }
    }
}

/// One object whose fields are being updated, for one kind of target.
struct Referrer<'t> {
    targets: &'t Targets,
    at: usize,
    target: &'t Gvk,
    /// The kind that a role binding's `roleRef` names.
    role: Option<Gvk>,
    role_namespaces: &'t HashSet<String>,
}

impl Referrer<'_> {
    fn update(&self, found: &mut Node, referred: &mut HashSet<usize>) -> Result<(), Cause> {
        if node::is_null(found) {
            return Ok(());
        }
        match &mut found.content {
            Content::Scalar(_) => self.update_name(found, referred),
            Content::Mapping(_) => self.update_reference(found, referred),
            Content::Sequence(items) => items.iter_mut().try_for_each(|item| match &item.content {
                _ if node::is_null(item) => Ok(()),
                Content::Scalar(_) => self.update_name(item, referred),
                Content::Mapping(_) => self.update_reference(item, referred),
                Content::Sequence(_) => Err(Cause::transform("a name must be a string or a map with a name")),
            }),
        }
    }

    fn update_name(&self, found: &mut Node, referred: &mut HashSet<usize>) -> Result<(), Cause> {
        let name = text(found);
        let Some((at, target)) = self.select(name, None)? else { return Ok(()) };
        referred.insert(at);
        if target.current.name != name {
            node::set_scalar(found, node::untagged(target.current.name.as_str()))?;
        }
        Ok(())
    }

    /// A mapping with a name and perhaps a namespace.
    fn update_reference(&self, found: &mut Node, referred: &mut HashSet<usize>) -> Result<(), Cause> {
        let Some(name) = field(found, "name") else {
            return Err(Cause::transform("path config error; no 'name' field in node"));
        };
        let name = text(name).to_owned();
        let namespace = field(found, "namespace").map(|namespace| text(namespace).to_owned());
        let Some((at, target)) = self.select(&name, Some(namespace.as_deref()))? else { return Ok(()) };
        referred.insert(at);
        let current = &target.current;
        if current.name == name && current.namespace.is_empty() {
            return Ok(());
        }
        node::set_field(found, "name", node::untagged(current.name.as_str()))?;
        if current.namespace.is_empty() {
            return Ok(());
        }
        node::set_field(found, "namespace", node::untagged(current.namespace.as_str()))
    }

    fn known(&self, at: usize) -> Option<&Known> {
        self.targets.known.get(at)
    }

    /// True for what this object could refer to at all.
    fn reaches(&self, target: &Known) -> bool {
        let Some(own) = self.known(self.at) else { return false };
        own.current.cluster_scoped
            || target.current.cluster_scoped
            || target.current.same_namespace(&own.current)
            || self.role_namespaces.contains(target.current.namespace.as_str())
    }

    /// The object that an old name stands for. `namespace` is given for references that may name one.
    fn select(&self, name: &str, namespace: Option<Option<&str>>) -> Result<Option<(usize, &Known)>, Cause> {
        let Some(own) = self.known(self.at) else { return Ok(None) };
        let Some(named) = self.targets.by_old_name.get(name) else { return Ok(None) };
        let by_original = namespace.flatten().map(|namespace| {
            let list = self.targets.by_original_namespace.get(namespace).into_iter().flatten();
            let mut reached = list.filter_map(|at| self.known(*at)).filter(|known| self.reaches(known));
            (namespace, reached.next().is_some())
        });
        let in_namespace = |known: &Known| match by_original {
            None => true,
            Some((namespace, true)) => known.original.effective_namespace() == namespace,
            Some((namespace, false)) => known.current.effective_namespace() == namespace,
        };
        let near = |known: &Known| {
            own.current.cluster_scoped
                || known.current.cluster_scoped
                || known.current.gvk.kind == "ServiceAccount"
                || own.current.same_namespace(&known.current)
        };
        let mut found: Vec<(usize, &Known)> = named
            .iter()
            .filter_map(|at| Some((*at, self.known(*at)?)))
            .filter(|(_, known)| {
                self.reaches(known)
                    && in_namespace(known)
                    && known.previous.iter().any(|id| id.gvk.is_selected(self.target))
                    && self.role.as_ref().is_none_or(|role| known.previous.iter().any(|id| id.gvk.is_selected(role)))
                    && near(known)
            })
            .collect();
        if found.len() != 1 {
            found.retain(|(_, known)| same_affixes(own, known, true));
            if found.len() > 1 {
                found.retain(|(_, known)| same_affixes(own, known, false));
            }
        }
        let Some((first, rest)) = found.split_first() else { return Ok(None) };
        let alike = rest.iter().all(|(_, known)| {
            known.current.name == first.1.current.name
                && (namespace.is_none() || known.current.namespace == first.1.current.namespace)
        });
        if alike {
            return Ok(Some(*first));
        }
        let ids: Vec<String> = found.iter().map(|(_, known)| known.current.to_string()).collect();
        Err(Cause::transform(format!("found multiple possible referrals of '{name}': {}", ids.join(", "))))
    }
}

/// True where both went through the same prefixes and suffixes at the end of their ways.
fn same_affixes(a: &Known, b: &Known, empty_matches: bool) -> bool {
    let same = |a: &[String], b: &[String]| {
        if empty_matches && (a.is_empty() || b.is_empty()) {
            return true;
        }
        let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
    };
    same(&a.prefixes, &b.prefixes) && same(&a.suffixes, &b.suffixes)
}

fn role_ref(object: &Node, spec: &FieldSpec) -> Option<Gvk> {
    if !spec.path.ends_with("roleRef/name") {
        return None;
    }
    let role = field(object, "roleRef")?;
    field(role, "apiGroup")?;
    field(role, "kind")?;
    Some(Gvk { group: field_text(role, "apiGroup").into(), version: "".into(), kind: field_text(role, "kind").into() })
}

/// The namespaces of the service accounts that a role binding names.
fn role_binding_namespaces(resource: &Resource) -> Result<HashSet<String>, Cause> {
    let mut namespaces = HashSet::new();
    if resource.kind() != "RoleBinding" {
        return Ok(namespaces);
    }
    for subject in field(&resource.node, "subjects").map(node::items).unwrap_or_default() {
        if let Some(namespace) = field(subject, "namespace")
            && field_text(subject, "kind") == "ServiceAccount"
        {
            if node::is_null(namespace) {
                return Err(Cause::transform("Invalid Input: namespace is blank for a subject"));
            }
            namespaces.insert(text(namespace).to_owned());
        }
    }
    Ok(namespaces)
}
