//! Patches: strategic merges and JSON patches, by target or by the patch's own identity.

use std::collections::HashSet;

use flux_core::yaml::Limits;

use crate::kustomize::budget::size;
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::id::Id;
use crate::kustomize::jsonpatch::JsonPatch;
use crate::kustomize::kustomization::{Patch, PatchOptions, Selector};
use crate::kustomize::loader::Loader;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::Resource;
use crate::kustomize::schema::Schema;
use crate::kustomize::{json, load, merge, node, selector, share};

/// A patch that is read and ready.
#[derive(Debug)]
pub(in crate::kustomize) enum Ready {
    /// Strategic merges.
    Merge { patches: Vec<Resource>, target: Option<Selector>, source: String },
    /// A JSON patch.
    Json { patch: JsonPatch, target: Option<Selector>, source: String, remember: bool },
}

fn fail(source: &str, message: impl Into<String>) -> Cause {
    Cause::Patch { patch: source.to_owned(), message: message.into() }
}

/// Reads an entry of `patches`; its kind shows in its text.
pub(in crate::kustomize) fn read(patch: &Patch, loader: &Loader, limits: Limits) -> Result<Ready, BuildError> {
    let inline = patch.patch.trim();
    let (text, source, file) = match (inline.is_empty(), patch.path.is_empty()) {
        (true, true) => return Err(fail("", "must specify one of patch and path").into()),
        (false, false) => return Err(fail(&patch.path, "patch and path can't be set at the same time").into()),
        (false, true) => (inline.as_bytes().to_vec(), shown(inline), String::new()),
        (true, false) => {
            let file = loader.file_name(&patch.path);
            let text = loader.load(&patch.path).map_err(|cause| fail(&patch.path, cause.to_string()))?;
            (text.to_vec(), format!("'{}'", patch.path), file)
        }
    };
    let merges = load::resources(&text, limits);
    let operations = if text.is_empty() { Err("empty".to_owned()) } else { JsonPatch::read(&text) };
    match (merges, operations) {
        (Ok(merges), Ok(operations)) if !merges.is_empty() && !operations.is_empty() => {
            Err(fail(&source, "illegally qualifies as both an SM and JSON patch").into())
        }
        (Ok(mut patches), _) => {
            let options = patch.options.clone().unwrap_or_default();
            for patch in &mut patches {
                allow(patch, &options);
                patch.file = file.as_str().into();
            }
            Ok(Ready::Merge { patches, target: patch.target.clone(), source })
        }
        (Err(_), Ok(patch_operations)) => {
            Ok(Ready::Json { patch: patch_operations, target: patch.target.clone(), source, remember: true })
        }
        (Err(merge), Err(operations)) => {
            let message = format!("unable to parse SM or JSON patch: {merge}; {operations}");
            let error = BuildError::from(fail(&source, message));
            Err(if file.is_empty() { error } else { error.in_file(&file) })
        }
    }
}

/// Reads an entry of `patchesJson6902`.
pub(in crate::kustomize) fn read_json(
    target: Option<&Selector>,
    path: &str,
    inline: &str,
    loader: &Loader,
) -> Result<Ready, Cause> {
    let target = target.ok_or_else(|| fail(path, "must specify a target for patch"))?;
    if target.name.is_empty() {
        return Err(fail(path, "must specify the target name"));
    }
    let (text, source) = match (path.is_empty(), inline.is_empty()) {
        (true, true) => return Err(fail("", "empty file path and empty jsonOp")),
        (false, false) => return Err(fail(path, "must specify a file path or jsonOp, not both")),
        (true, false) => (inline.as_bytes().to_vec(), shown(inline)),
        (false, true) => {
            let text = loader.load(path)?.to_vec();
            if text.is_empty() {
                return Err(fail(path, "patch file seems to be empty"));
            }
            (text, format!("'{path}'"))
        }
    };
    let patch = JsonPatch::read(&text).map_err(|why| fail(&source, why))?;
    if patch.is_empty() {
        return Err(fail(&source, "patch appears to be empty"));
    }
    Ok(Ready::Json { patch, target: Some(target.clone()), source, remember: false })
}

/// Reads `patchesStrategicMerge`: each entry is a patch or the path of one.
pub(in crate::kustomize) fn read_merges(
    paths: &[String],
    inline: &str,
    loader: &Loader,
    limits: Limits,
) -> Result<Vec<Ready>, BuildError> {
    if paths.is_empty() && inline.is_empty() {
        return Err(fail("", "empty file path and empty patch content").into());
    }
    let mut ready = Vec::new();
    for path in paths {
        let (patches, source) = match load::resources(path.as_bytes(), limits) {
            Ok(patches) => (patches, shown(path)),
            Err(_) => {
                let file = loader.file_name(path);
                let text = loader.load(path)?;
                let read = load::resources(&text, limits);
                let mut patches = read.map_err(|cause| BuildError::from(cause).in_file(&file))?;
                patches.iter_mut().for_each(|patch| patch.file = file.as_str().into());
                (patches, format!("'{path}'"))
            }
        };
        ready.push(Ready::Merge { patches, target: None, source });
    }
    if !inline.is_empty() {
        let patches = load::resources(inline.as_bytes(), limits)?;
        ready.push(Ready::Merge { patches, target: None, source: shown(inline) });
    }
    let any = ready.iter().any(|ready| matches!(ready, Ready::Merge { patches, .. } if !patches.is_empty()));
    if !any {
        return Err(fail(&paths.join(", "), "patch appears to be empty").into());
    }
    Ok(ready)
}

/// The beginning of an inline patch.
fn shown(text: &str) -> String {
    let first: String = text.lines().take(1).collect();
    let short: String = first.chars().take(60).collect();
    format!("\"{short}\u{2026}\"")
}

fn allow(patch: &mut Resource, options: &PatchOptions) {
    patch.memory.allow_name_change = options.allow_name_change;
    patch.memory.allow_kind_change = options.allow_kind_change;
}

/// Applies one patch.
pub(in crate::kustomize) fn apply(list: &mut ResMap, ready: Ready, schema: &Schema) -> Result<(), BuildError> {
    match ready {
        Ready::Merge { patches, .. } if patches.is_empty() => Ok(()),
        Ready::Merge { patches, target: None, source } => by_identity(list, patches, &source, schema),
        Ready::Merge { mut patches, target: Some(target), source } => {
            if patches.len() > 1 {
                let message = "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set \
                               `patches.target` field";
                return Err(fail(&source, message).into());
            }
            let selected = selector::select(list, &target, schema)?;
            let Some(patch) = patches.pop() else { return Ok(()) };
            targeted(list, &selected, &patch, schema)
        }
        Ready::Json { patch, target, source, remember } => {
            if patch.is_empty() {
                return Ok(());
            }
            let target = target.ok_or_else(|| fail(&source, "must specify a target for JSON patch"))?;
            let selected = selector::select(list, &target, schema)?;
            list.grow(patch.size().saturating_mul(selected.len()))?;
            for at in selected {
                let mut grown = 0;
                list.change(at, schema, |resource| {
                    if remember {
                        resource.remember_id(schema);
                    }
                    apply_json(resource, &patch).map_err(|why| resource.error(fail(&source, why), schema))?;
                    if patch.copies() {
                        grown = size(&resource.node);
                    }
                    Ok(())
                })?;
                list.grow(grown)?;
            }
            Ok(())
        }
    }
}

fn apply_json(resource: &mut Resource, patch: &JsonPatch) -> Result<(), String> {
    let mut value = json::to_value(&resource.node).map_err(|cause| cause.to_string())?;
    patch.apply(&mut value)?;
    if !value.is_object() {
        return Err("the patch leaves no object".into());
    }
    resource.node = json::from_value(value);
    if resource.memory.annotated {
        resource.annotate();
    }
    resource.forget_if_removed();
    resource.rewrite_annotations().map_err(|cause| cause.to_string())
}

/// Each patch changes the object that has or had the patch's identity.
fn by_identity(list: &mut ResMap, patches: Vec<Resource>, source: &str, schema: &Schema) -> Result<(), BuildError> {
    for patch in patches {
        let id = patch.original_id(schema);
        let at = match list.any_ids(schema).find(&id) {
            [at] => *at,
            found => {
                let how = if found.is_empty() { "no matches" } else { "multiple matches" };
                let message = format!("{how} for Id {id}; failed to find unique target for patch {id}");
                return Err(patch.error(fail(source, message), schema));
            }
        };
        list.change(at, schema, |resource| {
            merge_into(resource, patch, schema).map_err(|cause| resource.error(cause, schema))
        })?;
    }
    Ok(())
}

/// One patch changes every selected object, whatever its own identity.
fn targeted(list: &mut ResMap, selected: &[usize], patch: &Resource, schema: &Schema) -> Result<(), BuildError> {
    list.grow(size(&patch.node).saturating_mul(selected.len()))?;
    for at in with_ids_of(list, selected, schema) {
        list.change(at, schema, |resource| {
            let adapted = adapted(patch, resource).map_err(|cause| resource.error(cause, schema))?;
            merge_into(resource, adapted, schema).map_err(|cause| resource.error(cause, schema))
        })?;
    }
    list.drop_empties();
    if list.is_unique() { Ok(()) } else { list.check_unique(schema) }
}

/// The places of all objects with the identity of a selected one: more than the selected ones where identities are not
/// unique.
fn with_ids_of(list: &ResMap, selected: &[usize], schema: &Schema) -> Vec<usize> {
    if list.is_unique() {
        return selected.to_vec();
    }
    let all = list.as_slice();
    let ids: HashSet<Id> = selected.iter().filter_map(|at| all.get(*at)).map(|r| r.current_id(schema)).collect();
    (0..all.len()).filter(|at| all.get(*at).is_some_and(|one| ids.contains(&one.current_id(schema)))).collect()
}

/// A patch made to fit an object: its version, and labels and annotations as strings.
fn adapted(patch: &Resource, resource: &Resource) -> Result<Resource, Cause> {
    let mut copy = patch.clone();
    let own = |list: Vec<(&str, &str)>| {
        let map: std::collections::BTreeMap<String, String> =
            list.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        map.into_iter().collect::<Vec<_>>()
    };
    copy.set_meta_map("labels", own(patch.labels()))?;
    copy.set_meta_map("annotations", own(patch.annotations()))?;
    copy.set_name(patch.name())?;
    copy.set_namespace(patch.namespace())?;
    copy.set_api_version(resource.api_version())?;
    copy.set_kind(patch.kind())?;
    Ok(copy)
}

fn merge_into(resource: &mut Resource, patch: Resource, schema: &Schema) -> Result<(), Cause> {
    let (name, namespace) = (resource.name().to_owned(), resource.namespace().to_owned());
    let kind = resource.kind().to_owned();
    let (allow_name, allow_kind) = (patch.memory.allow_name_change, patch.memory.allow_kind_change);
    if allow_name || allow_kind {
        resource.remember_id(schema);
    }
    let object = std::mem::replace(&mut resource.node, node::mapping());
    match merge::merge(object, patch.node, schema)? {
        None => return Ok(()),
        Some(merged) => resource.node = merged,
    }
    resource.forget_if_removed();
    share::spread(resource);
    if node::is_empty(&resource.node) {
        return Ok(());
    }
    if !allow_kind {
        resource.set_kind(&kind)?;
    }
    if !allow_name {
        resource.set_name(&name)?;
    }
    resource.set_namespace(&namespace)
}
