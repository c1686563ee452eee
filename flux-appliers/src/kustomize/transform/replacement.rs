//! Replacements: the value of one field copied into others.

use flux_core::yaml::{self, Content, Node};

use crate::kustomize::budget::size;
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::id::{Gvk, Id};
use crate::kustomize::kustomization::{FieldOptions, Replacement, Source, Target};
use crate::kustomize::node::{self, text};
use crate::kustomize::path::{Create, each_match, is_field, lookup, lookup_mut, split_with_brackets};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::Resource;
use crate::kustomize::schema::Schema;
use crate::kustomize::selector::Matcher;
use crate::kustomize::{gojson, json, share, yaml_limits};

const DEFAULT_FIELD: &str = "metadata.name";

/// Applies replacements in order.
pub(in crate::kustomize) fn apply(
    list: &mut ResMap,
    replacements: &[Replacement],
    schema: &Schema,
) -> Result<(), BuildError> {
    for replacement in replacements {
        let (Some(targets), true) =
            (&replacement.targets, replacement.source.is_some() || replacement.source_value.is_some())
        else {
            return Err(Cause::transform("replacements must specify a source and at least one target").into());
        };
        let value = value_of(replacement, list)?;
        for target in targets {
            replace(list, &value, target, schema)?;
        }
    }
    Ok(())
}

fn value_of(replacement: &Replacement, list: &ResMap) -> Result<Node, Cause> {
    let source = match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => return Err(Cause::transform("value and resource selectors are mutually exclusive")),
        (None, Some(value)) => return Ok(node::untagged(value.as_str())),
        (None, None) => return Err(Cause::transform("replacements must specify a source")),
        (Some(source), None) => source,
    };
    let resource = select_source(source, list)?;
    let field = if source.field_path.is_empty() { DEFAULT_FIELD } else { &source.field_path };
    let found = lookup(&resource.node, &split_with_brackets(field, '.'))
        .map_err(|cause| Cause::transform(format!("error looking up replacement source: {cause}")))?;
    let Some(found) = found.filter(|found| !node::is_empty(found)) else {
        let message = format!("fieldPath `{field}` is missing for replacement source {}", shown(source));
        return Err(Cause::transform(message));
    };
    part_of(found, source.options.as_ref())
}

fn selector(source: &Source) -> Id {
    Id {
        gvk: Gvk {
            group: source.group.as_str().into(),
            version: source.version.as_str().into(),
            kind: source.kind.as_str().into(),
        },
        name: source.name.as_str().into(),
        namespace: source.namespace.as_str().into(),
        cluster_scoped: false,
    }
}

fn shown(source: &Source) -> String {
    selector(source).to_string()
}

/// A source as kustomize names it where it selects nothing, or too much.
fn shown_whole(source: &Source) -> String {
    let mut shown = shown(source);
    if !source.field_path.is_empty() {
        shown = format!("{shown}:{}", source.field_path);
    }
    match &source.options {
        Some(FieldOptions { delimiter, index, create }) if !delimiter.is_empty() || *create => {
            format!("{shown}:{delimiter}({index}), create={create}")
        }
        _ => shown,
    }
}

/// The identities by which replacements find an object.
fn ids(resource: &Resource) -> Vec<Id> {
    let current = Id {
        gvk: resource.gvk(),
        name: resource.name().into(),
        namespace: resource.namespace().into(),
        cluster_scoped: false,
    };
    [current].into_iter().chain(resource.previous_ids()).collect()
}

fn select_source<'l>(source: &Source, list: &'l ResMap) -> Result<&'l Resource, Cause> {
    let wanted = selector(source);
    let mut found = list.iter().filter(|resource| ids(resource).iter().any(|id| id.is_selected_by(&wanted)));
    match (found.next(), found.next()) {
        (Some(resource), None) => Ok(resource),
        (None, _) => Err(Cause::transform(format!("nothing selected by {}", shown_whole(source)))),
        (Some(_), Some(_)) => Err(Cause::transform(format!("multiple matches for selector {}", shown_whole(source)))),
    }
}

/// The part of a text that a delimiter and an index choose.
fn part_of(found: &Node, options: Option<&FieldOptions>) -> Result<Node, Cause> {
    let Some(options) = options.filter(|options| !options.delimiter.is_empty()) else { return Ok(found.clone()) };
    if !matches!(found.content, Content::Scalar(_)) {
        return Err(Cause::transform("delimiter option can only be used with scalar nodes"));
    }
    let whole = text(found);
    let mut parts = whole.split(options.delimiter.as_str());
    let part = usize::try_from(options.index).ok().and_then(|index| parts.nth(index));
    let Some(part) = part else {
        let message = format!("options.index {} is out of bounds for value {whole}", options.index);
        return Err(Cause::transform(message));
    };
    let mut value = found.clone();
    node::set_text(&mut value, part.to_owned());
    Ok(value)
}

fn replace(list: &mut ResMap, value: &Node, target: &Target, schema: &Schema) -> Result<(), BuildError> {
    let Some(select) = &target.select else {
        return Err(Cause::transform("target must specify resources to select").into());
    };
    let matcher = Matcher::new(select)?;
    let rejects = target
        .reject
        .iter()
        .map(|reject| Ok((Matcher::new(reject)?, is_bare(reject))))
        .collect::<Result<Vec<_>, Cause>>()?;
    let (budget, bytes) = (list.budget(), size(value) * target.field_paths.len().max(1));
    for resource in list.iter_mut() {
        if !matcher.matches_labels(resource)
            || rejects.iter().any(|(reject, _)| reject.has_labels() && reject.matches_labels(resource))
        {
            continue;
        }
        let ids = ids(resource);
        let rejected = rejects.iter().any(|(reject, bare)| !bare && ids.iter().any(|id| reject.matches_id(id)));
        if rejected || !ids.iter().any(|id| matcher.matches_id(id)) {
            continue;
        }
        budget.bytes(bytes)?;
        copy(resource, value, target).map_err(|cause| resource.error(cause, schema))?;
        share::spread(resource);
    }
    Ok(())
}

/// True for a selector that names no identity.
fn is_bare(selector: &crate::kustomize::kustomization::Selector) -> bool {
    [&selector.group, &selector.version, &selector.kind, &selector.name, &selector.namespace]
        .iter()
        .all(|part| part.is_empty())
}

fn copy(resource: &mut Resource, value: &Node, target: &Target) -> Result<(), Cause> {
    let default = [DEFAULT_FIELD.to_owned()];
    let paths = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths };
    let options = target.options.as_ref();
    let create = options.filter(|options| options.create).map(|_| Create::like(value));
    for field in paths {
        let parts = split_with_brackets(field, '.');
        if into_text(&mut resource.node, value, &parts, create).is_some() {
            continue;
        }
        let lost = |why: String| {
            let how = if create.is_some() { "find or create" } else { "find" };
            Cause::transform(format!("unable to {how} field \"{field}\" in replacement target{why}"))
        };
        let mut failed = None;
        let mut set = |found: &mut Node| set(found, value, options).inspect_err(|cause| failed = Some(cause.clone()));
        let count = each_match(&mut resource.node, &parts, create, &mut set);
        match (count, failed) {
            (_, Some(cause)) => return Err(cause),
            (Ok(0), None) => return Err(lost(String::new())),
            (Ok(_), None) => {}
            (Err(cause), None) => return Err(lost(format!(": {cause}"))),
        }
    }
    Ok(())
}

fn set(field: &mut Node, value: &Node, options: Option<&FieldOptions>) -> Result<(), Cause> {
    let mut value = value.clone();
    if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
        if !matches!(field.content, Content::Scalar(_)) {
            return Err(Cause::transform("delimiter option can only be used with scalar nodes"));
        }
        let new = if node::is_null(&value) { "" } else { text(&value) };
        let mut parts: Vec<&str> = text(field).split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, new),
            Ok(index) => match parts.get_mut(index) {
                Some(part) => *part = new,
                None => parts.push(new),
            },
        }
        let joined = parts.join(&options.delimiter);
        node::set_text(&mut value, joined);
    }
    match &field.content {
        Content::Scalar(_) if matches!(value.content, Content::Scalar(_)) => {
            let new = text(&value).to_owned();
            node::set_text(field, new);
        }
        // A scalar takes only the text of a value, and other nodes have none.
        Content::Scalar(_) => node::set_text(field, String::new()),
        _ => *field = value,
    }
    Ok(())
}

/// Replaces inside a text that is YAML or JSON itself, where the path leads on into one. `None` where it does not. The
/// options of delimiter and index do not reach into such a text.
fn into_text(object: &mut Node, value: &Node, parts: &[String], create: Option<Create>) -> Option<()> {
    if parts.len() < 2 {
        return None;
    }
    let holds_text = |length: &usize| {
        let Some(parts) = parts.get(..*length) else { return false };
        matches!(lookup(object, parts), Ok(Some(Node { content: Content::Scalar(scalar), .. }))
            if yaml::read_first_node(scalar.text.as_bytes(), yaml_limits()).is_ok())
    };
    let length = (1..parts.len()).find(holds_text)?;
    let (outer, inner) = parts.split_at_checked(length)?;
    let field = lookup_mut(object, outer).ok()??;
    let original = text(field).to_owned();
    let mut data = yaml::read_first_node(original.as_bytes(), yaml_limits()).ok()??;
    node::write_tags(&mut data);
    if node::is_null(&data) && create.is_some() && inner.first().is_some_and(|part| is_field(part)) {
        // Kustomize makes the field inside the null, where nothing is written.
        return Some(());
    }
    let count = each_match(&mut data, inner, create, &mut |found| set(found, value, None)).ok()?;
    if count == 0 {
        return None;
    }
    let written = match original.trim_start().chars().next()? {
        '{' | '[' => {
            let value = json::to_value(&data).ok()?;
            if original.contains('\n') && original.contains("  ") {
                gojson::pretty(&value)
            } else {
                gojson::compact(&value)
            }
        }
        _ => yaml::write_node(&data, yaml::Layout::Compact).trim().to_owned(),
    };
    node::set_text(field, written);
    Some(())
}
