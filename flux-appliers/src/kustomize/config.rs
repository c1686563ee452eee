//! The fields that the transformers work on: kustomize's defaults, and what a kustomization adds to them.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::error::Cause;
use super::fieldspec::FieldSpec;
use super::id::Gvk;
use super::kinds::legacy_order;

/// The fields of every transformer.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    pub(super) name_prefix: Vec<FieldSpec>,
    pub(super) name_suffix: Vec<FieldSpec>,
    pub(super) namespace: Vec<FieldSpec>,
    pub(super) common_labels: Vec<FieldSpec>,
    pub(super) labels: Vec<FieldSpec>,
    pub(super) template_labels: Vec<FieldSpec>,
    pub(super) common_annotations: Vec<FieldSpec>,
    pub(super) name_reference: Vec<NameReference>,
    pub(super) var_reference: Vec<FieldSpec>,
    pub(super) images: Vec<FieldSpec>,
    pub(super) replicas: Vec<FieldSpec>,
}

/// The fields that hold the names of a kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NameReference {
    pub(super) gvk: Gvk,
    pub(super) referrers: Vec<FieldSpec>,
}

/// A field specification as it is written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct WrittenFieldSpec {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) path: String,
    pub(super) create: bool,
}

impl From<WrittenFieldSpec> for FieldSpec {
    fn from(spec: WrittenFieldSpec) -> Self {
        FieldSpec::new(
            Gvk { group: spec.group.into(), version: spec.version.into(), kind: spec.kind.into() },
            &spec.path,
            spec.create,
        )
    }
}

/// A name reference as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WrittenNameReference {
    group: String,
    version: String,
    kind: String,
    field_specs: Vec<WrittenFieldSpec>,
}

/// A file of `configurations`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WrittenConfig {
    name_prefix: Vec<WrittenFieldSpec>,
    name_suffix: Vec<WrittenFieldSpec>,
    namespace: Vec<WrittenFieldSpec>,
    common_labels: Vec<WrittenFieldSpec>,
    labels: Vec<WrittenFieldSpec>,
    template_labels: Vec<WrittenFieldSpec>,
    common_annotations: Vec<WrittenFieldSpec>,
    name_reference: Vec<WrittenNameReference>,
    var_reference: Vec<WrittenFieldSpec>,
    images: Vec<WrittenFieldSpec>,
    replicas: Vec<WrittenFieldSpec>,
}

impl From<WrittenConfig> for Config {
    fn from(written: WrittenConfig) -> Self {
        let specs = |list: Vec<WrittenFieldSpec>| list.into_iter().map(FieldSpec::from).collect();
        let reference = |written: WrittenNameReference| NameReference {
            gvk: Gvk { group: written.group.into(), version: written.version.into(), kind: written.kind.into() },
            referrers: specs(written.field_specs),
        };
        let mut config = Self {
            name_prefix: specs(written.name_prefix),
            name_suffix: specs(written.name_suffix),
            namespace: specs(written.namespace),
            common_labels: specs(written.common_labels),
            labels: specs(written.labels),
            template_labels: specs(written.template_labels),
            common_annotations: specs(written.common_annotations),
            name_reference: written.name_reference.into_iter().map(reference).collect(),
            var_reference: specs(written.var_reference),
            images: specs(written.images),
            replicas: specs(written.replicas),
        };
        config.sort();
        config
    }
}

impl Config {
    /// Kustomize's defaults, to which a kustomization's own files are added.
    pub(super) fn defaults() -> &'static Arc<Config> {
        static DEFAULTS: OnceLock<Arc<Config>> = OnceLock::new();
        DEFAULTS.get_or_init(|| Arc::new(super::defaults::config()))
    }

    /// What a kustomization without files of its own has.
    pub(super) fn standard() -> Arc<Config> {
        Arc::clone(Config::defaults())
    }

    /// Both configurations. Most kustomizations have the defaults and nothing else, which then costs nothing.
    pub(super) fn merged(first: Arc<Config>, second: Arc<Config>) -> Result<Arc<Config>, Cause> {
        if Arc::ptr_eq(&first, &second) || second.is_empty() {
            return Ok(first);
        }
        if first.is_empty() && Arc::ptr_eq(&second, &Config::standard()) {
            return Ok(second);
        }
        let mut both = Arc::unwrap_or_clone(first);
        both.merge(&second)?;
        Ok(Arc::new(both))
    }

    fn is_empty(&self) -> bool {
        self.lists().into_iter().all(Vec::is_empty) && self.name_reference.is_empty()
    }

    /// Adds another configuration.
    pub(super) fn merge(&mut self, other: &Config) -> Result<(), Cause> {
        for (own, others) in self.lists_mut().into_iter().zip(other.lists()) {
            merge_all(own, others)?;
        }
        if self.name_reference.is_empty() {
            self.name_reference.clone_from(&other.name_reference);
        } else {
            for reference in &other.name_reference {
                self.merge_reference(reference)?;
            }
        }
        self.sort();
        Ok(())
    }

    pub(super) fn merge_reference(&mut self, reference: &NameReference) -> Result<(), Cause> {
        let mut found = false;
        for own in self.name_reference.iter_mut().filter(|own| own.gvk == reference.gvk) {
            merge_all(&mut own.referrers, &reference.referrers)?;
            found = true;
        }
        if !found {
            self.name_reference.push(reference.clone());
        }
        Ok(())
    }

    fn lists(&self) -> [&Vec<FieldSpec>; 10] {
        [
            &self.name_prefix,
            &self.name_suffix,
            &self.namespace,
            &self.common_labels,
            &self.labels,
            &self.template_labels,
            &self.common_annotations,
            &self.var_reference,
            &self.images,
            &self.replicas,
        ]
    }

    fn lists_mut(&mut self) -> [&mut Vec<FieldSpec>; 10] {
        [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ]
    }

    pub(super) fn sort(&mut self) {
        for list in self.lists_mut() {
            list.sort_by_cached_key(|spec| gvk_order(&spec.gvk));
        }
        self.name_reference.sort_by_cached_key(|reference| gvk_order(&reference.gvk));
    }
}

/// Adds the specifications that are not there yet. One for a kind, which sorts first, stands for one that is for all kinds:
/// where a kustomization names fields for some kinds, the defaults for all are gone.
pub(super) fn merge_all(own: &mut Vec<FieldSpec>, others: &[FieldSpec]) -> Result<(), Cause> {
    others.iter().try_for_each(|spec| merge_one(own, spec))
}

/// Adds one specification unless it is there.
pub(super) fn merge_one(own: &mut Vec<FieldSpec>, spec: &FieldSpec) -> Result<(), Cause> {
    match own.iter().find(|known| known.path == spec.path && known.gvk.is_selected(&spec.gvk)) {
        Some(known) if known.create != spec.create => {
            Err(Cause::transform(format!("conflicting fieldspecs for '{}'", spec.path)))
        }
        Some(_) => Ok(()),
        None => {
            own.push(spec.clone());
            Ok(())
        }
    }
}

/// What kinds are sorted by.
fn gvk_order(gvk: &Gvk) -> impl Ord + use<> {
    (legacy_order(&gvk.kind), sort_text(gvk))
}

/// The text that kustomize sorts kinds by.
pub(super) fn sort_text(gvk: &Gvk) -> String {
    fn or<'t>(text: &'t str, none: &'t str) -> &'t str {
        if text.is_empty() { none } else { text }
    }
    [or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K")].join("_")
}
