//! What is done once, after everything is gathered.

use super::{Build, Gathered, Target};
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::id::Gvk;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::{REMEMBERED, Resource};
use crate::kustomize::schema::Schema;
use crate::kustomize::transform::{self, names, reference, sort, vars};
use crate::kustomize::{Order, chart, json, load, node, origin};

impl Build<'_> {
    /// What is done once, after everything is gathered.
    pub(super) fn finish(&mut self, target: &Target, gathered: &mut Gathered) -> Result<(), BuildError> {
        self.check()?;
        let Gathered { list, config, vars } = gathered;
        names::add_hashes(list, &self.schema)?;
        if !config.name_reference.is_empty() {
            reference::follow_names(list, &config.name_reference, &self.schema)?;
        }
        self.check()?;
        vars::resolve(vars, list, &config.var_reference, &self.schema, &mut self.warnings)?;
        drop_local(list, &self.schema)?;
        match (&target.kustomization.sort_options, self.options.order) {
            (Some(options), _) => sort::sort(list, options, &self.schema)?,
            (None, Order::Legacy) => sort::legacy(list, &self.schema),
            (None, Order::AsRead) => {}
        }
        list.check_unique(&self.schema)?;
        let has = |name: &str| target.build_metadata.iter().any(|option| option == name);
        if self.options.managed_by_label || has("managedByLabel") {
            let specs = [FieldSpec::new(Gvk::default(), "metadata/labels", true)];
            let label = [("app.kubernetes.io/managed-by".to_owned(), "kustomize-v5.8.1".to_owned())];
            transform::fields::set_entries(list, &label.into_iter().collect(), &specs, &self.schema)?;
        }
        for resource in list.iter_mut() {
            write_annotations(resource, has("originAnnotations"), has("transformerAnnotations"))
                .map_err(|cause| resource.error(cause, &self.schema))?;
        }
        Ok(())
    }
}

/// Drops the objects that are for local use only.
fn drop_local(list: &mut ResMap, schema: &Schema) -> Result<(), BuildError> {
    const LOCAL: &str = "config.kubernetes.io/local-config";
    let is_local = |resource: &Resource| resource.annotation(LOCAL).is_some_and(|value| value != "false");
    for resource in list.iter() {
        if !node::is_empty(&resource.node) {
            load::check_object(&resource.node).map_err(|cause| resource.error(cause, schema))?;
        }
    }
    if list.iter().any(|resource| is_local(resource) || node::is_empty(&resource.node)) {
        list.list_mut().retain(|resource| !is_local(resource) && !node::is_empty(&resource.node));
    }
    Ok(())
}

/// The annotations that a build itself uses; they never reach the output.
const INTERNAL: &[&str] = &[
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    chart::HELM_GENERATED,
    REMEMBERED,
];

/// Makes all annotations strings, removes internal ones and adds those that say where an object came from.
fn write_annotations(resource: &mut Resource, origins: bool, transformations: bool) -> Result<(), Cause> {
    let annotations = node::field(&resource.node, "metadata").and_then(|meta| node::field(meta, "annotations"));
    for (key, _) in annotations.map(node::entries).unwrap_or_default() {
        json::check_key(key)?;
    }
    let before = resource.annotations();
    let present = !before.is_empty();
    let keep = |name: &str| !INTERNAL.contains(&name) && name != origin::ORIGIN && name != origin::TRANSFORMATIONS;
    let mut map: std::collections::BTreeMap<String, String> = before
        .into_iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if origins && let Some(place) = &resource.provenance {
        map.insert(origin::ORIGIN.into(), place.text());
    }
    if transformations && !resource.transformations.is_empty() {
        map.insert(origin::TRANSFORMATIONS.into(), origin::list_text(&resource.transformations));
    }
    // Removing either annotation removes empty maps too.
    if present || resource.memory.annotated || !(origins && transformations) {
        resource.set_meta_map("annotations", map.into_iter().collect())?;
    }
    Ok(())
}
