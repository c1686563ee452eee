use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kustomize::config::WrittenFieldSpec;

/// Names to strings.
pub(in crate::kustomize) type StringMap = BTreeMap<String, String>;

/// A kustomization file as it is written. A list that is given but empty differs from one that is not given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Kustomization {
    pub(in crate::kustomize) api_version: String,
    pub(in crate::kustomize) kind: String,
    pub(in crate::kustomize) metadata: Option<ObjectMeta>,
    pub(in crate::kustomize) openapi: Option<StringMap>,
    pub(in crate::kustomize) name_prefix: String,
    pub(in crate::kustomize) name_suffix: String,
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) common_labels: Option<StringMap>,
    pub(in crate::kustomize) labels: Option<Vec<Label>>,
    pub(in crate::kustomize) common_annotations: Option<StringMap>,
    pub(in crate::kustomize) patches_strategic_merge: Option<Vec<String>>,
    pub(in crate::kustomize) patches_json6902: Option<Vec<Patch>>,
    pub(in crate::kustomize) patches: Option<Vec<Patch>>,
    pub(in crate::kustomize) images: Option<Vec<Image>>,
    pub(in crate::kustomize) image_tags: Option<Vec<Image>>,
    pub(in crate::kustomize) replacements: Option<Vec<Replacement>>,
    pub(in crate::kustomize) replicas: Option<Vec<Replica>>,
    pub(in crate::kustomize) vars: Option<Vec<Var>>,
    pub(in crate::kustomize) sort_options: Option<SortOptions>,
    pub(in crate::kustomize) resources: Option<Vec<String>>,
    pub(in crate::kustomize) components: Option<Vec<String>>,
    pub(in crate::kustomize) crds: Option<Vec<String>>,
    pub(in crate::kustomize) bases: Option<Vec<String>>,
    pub(in crate::kustomize) config_map_generator: Option<Vec<GeneratorArgs>>,
    pub(in crate::kustomize) secret_generator: Option<Vec<GeneratorArgs>>,
    pub(in crate::kustomize) helm_globals: Option<HelmGlobals>,
    pub(in crate::kustomize) helm_charts: Option<Vec<HelmChart>>,
    pub(in crate::kustomize) helm_chart_inflation_generator: Option<Vec<LegacyHelmChart>>,
    pub(in crate::kustomize) generator_options: Option<GeneratorOptions>,
    pub(in crate::kustomize) configurations: Option<Vec<String>>,
    pub(in crate::kustomize) generators: Option<Vec<String>>,
    pub(in crate::kustomize) transformers: Option<Vec<String>>,
    pub(in crate::kustomize) validators: Option<Vec<String>>,
    pub(in crate::kustomize) build_metadata: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct ObjectMeta {
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) labels: StringMap,
    pub(in crate::kustomize) annotations: StringMap,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Label {
    pub(in crate::kustomize) pairs: StringMap,
    pub(in crate::kustomize) include_selectors: bool,
    pub(in crate::kustomize) include_templates: bool,
    pub(in crate::kustomize) fields: Vec<WrittenFieldSpec>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct Patch {
    pub(in crate::kustomize) path: String,
    pub(in crate::kustomize) patch: String,
    pub(in crate::kustomize) target: Option<Selector>,
    pub(in crate::kustomize) options: Option<PatchOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct PatchOptions {
    pub(in crate::kustomize) allow_name_change: bool,
    pub(in crate::kustomize) allow_kind_change: bool,
}

/// Which objects: group, version, kind, name and namespace are regular expressions for patches and targets of
/// replacements, plain texts for their sources.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Selector {
    pub(in crate::kustomize) group: String,
    pub(in crate::kustomize) version: String,
    pub(in crate::kustomize) kind: String,
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) annotation_selector: String,
    pub(in crate::kustomize) label_selector: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Image {
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) new_name: String,
    pub(in crate::kustomize) tag_suffix: String,
    pub(in crate::kustomize) new_tag: String,
    pub(in crate::kustomize) digest: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct Replica {
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) count: i64,
}

/// A replacement, or the file that holds some.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Replacement {
    pub(in crate::kustomize) source: Option<Source>,
    pub(in crate::kustomize) targets: Option<Vec<Target>>,
    pub(in crate::kustomize) source_value: Option<String>,
    pub(in crate::kustomize) path: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Source {
    pub(in crate::kustomize) group: String,
    pub(in crate::kustomize) version: String,
    pub(in crate::kustomize) kind: String,
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) field_path: String,
    pub(in crate::kustomize) options: Option<FieldOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct Target {
    pub(in crate::kustomize) select: Option<Selector>,
    pub(in crate::kustomize) reject: Vec<Selector>,
    pub(in crate::kustomize) field_paths: Vec<String>,
    pub(in crate::kustomize) options: Option<FieldOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct FieldOptions {
    pub(in crate::kustomize) delimiter: String,
    pub(in crate::kustomize) index: i64,
    pub(in crate::kustomize) create: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct Var {
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) objref: VarTarget,
    pub(in crate::kustomize) fieldref: VarField,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct VarTarget {
    pub(in crate::kustomize) api_version: String,
    pub(in crate::kustomize) group: String,
    pub(in crate::kustomize) version: String,
    pub(in crate::kustomize) kind: String,
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) namespace: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct VarField {
    pub(in crate::kustomize) field_path: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct SortOptions {
    pub(in crate::kustomize) order: String,
    pub(in crate::kustomize) legacy_sort_options: Option<LegacySortOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct LegacySortOptions {
    pub(in crate::kustomize) order_first: Vec<String>,
    pub(in crate::kustomize) order_last: Vec<String>,
}

/// What a config map or a secret is made of.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct GeneratorArgs {
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) behavior: String,
    pub(in crate::kustomize) literals: Vec<String>,
    pub(in crate::kustomize) files: Vec<String>,
    pub(in crate::kustomize) envs: Vec<String>,
    pub(in crate::kustomize) env: String,
    pub(in crate::kustomize) options: Option<GeneratorOptions>,
    /// Of a secret.
    #[serde(rename = "type")]
    pub(in crate::kustomize) secret_type: String,
    /// Where a plugin's configuration gives name and namespace.
    pub(in crate::kustomize) metadata: ObjectMeta,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct GeneratorOptions {
    pub(in crate::kustomize) labels: StringMap,
    pub(in crate::kustomize) annotations: StringMap,
    pub(in crate::kustomize) disable_name_suffix_hash: bool,
    pub(in crate::kustomize) immutable: bool,
}

/// What all charts of a kustomization have in common.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct HelmGlobals {
    pub(in crate::kustomize) chart_home: String,
    /// A folder for the helm program, which is not run here.
    pub(in crate::kustomize) config_home: String,
}

/// A chart and how it is inflated.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct HelmChart {
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) version: String,
    pub(in crate::kustomize) repo: String,
    pub(in crate::kustomize) release_name: String,
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) additional_values_files: Vec<String>,
    pub(in crate::kustomize) values_file: String,
    pub(in crate::kustomize) values_inline: Option<Map<String, Value>>,
    pub(in crate::kustomize) values_merge: String,
    #[serde(rename = "includeCRDs")]
    pub(in crate::kustomize) include_crds: bool,
    pub(in crate::kustomize) skip_hooks: bool,
    pub(in crate::kustomize) api_versions: Vec<String>,
    pub(in crate::kustomize) kube_version: String,
    pub(in crate::kustomize) name_template: String,
    pub(in crate::kustomize) skip_tests: bool,
    /// Makes the helm program say more where it fails.
    pub(in crate::kustomize) debug: bool,
    pub(in crate::kustomize) devel: bool,
}

/// A chart in its former spelling.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct LegacyHelmChart {
    pub(in crate::kustomize) chart_name: String,
    pub(in crate::kustomize) chart_version: String,
    pub(in crate::kustomize) chart_repo_url: String,
    pub(in crate::kustomize) chart_home: String,
    pub(in crate::kustomize) helm_home: String,
    pub(in crate::kustomize) values: String,
    pub(in crate::kustomize) values_local: Option<Map<String, Value>>,
    pub(in crate::kustomize) values_merge: String,
    pub(in crate::kustomize) release_name: String,
}

impl From<LegacyHelmChart> for HelmChart {
    fn from(old: LegacyHelmChart) -> Self {
        Self {
            name: old.chart_name,
            version: old.chart_version,
            repo: old.chart_repo_url,
            values_file: old.values,
            values_inline: old.values_local,
            values_merge: old.values_merge,
            release_name: old.release_name,
            ..Self::default()
        }
    }
}

/// The configuration of a chart as a plugin.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::kustomize) struct ChartPlugin {
    #[serde(flatten)]
    pub(in crate::kustomize) globals: HelmGlobals,
    #[serde(flatten)]
    pub(in crate::kustomize) chart: HelmChart,
}

/// The configuration of a built-in plugin; each reads the fields it knows.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct PluginConfig {
    pub(in crate::kustomize) metadata: ObjectMeta,
    pub(in crate::kustomize) field_specs: Option<Vec<WrittenFieldSpec>>,
    pub(in crate::kustomize) labels: StringMap,
    pub(in crate::kustomize) annotations: StringMap,
    pub(in crate::kustomize) prefix: String,
    pub(in crate::kustomize) suffix: String,
    pub(in crate::kustomize) unset_only: bool,
    pub(in crate::kustomize) set_role_binding_subjects: String,
    pub(in crate::kustomize) image_tag: Image,
    pub(in crate::kustomize) replica: Replica,
    pub(in crate::kustomize) target: Option<Selector>,
    pub(in crate::kustomize) path: String,
    pub(in crate::kustomize) patch: String,
    pub(in crate::kustomize) options: Option<PatchOptions>,
    pub(in crate::kustomize) json_op: String,
    pub(in crate::kustomize) paths: Vec<String>,
    pub(in crate::kustomize) patches: String,
    pub(in crate::kustomize) replacements: Vec<Replacement>,
    pub(in crate::kustomize) value: String,
    pub(in crate::kustomize) targets: Vec<ValueTarget>,
    pub(in crate::kustomize) target_file_path: String,
    pub(in crate::kustomize) sort_options: Option<SortOptions>,
    pub(in crate::kustomize) cloud: String,
    pub(in crate::kustomize) kubernetes_service: CloudAccount,
    pub(in crate::kustomize) service_account: CloudAccount,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct ValueTarget {
    pub(in crate::kustomize) selector: Option<Selector>,
    pub(in crate::kustomize) field_path: String,
    pub(in crate::kustomize) file_path_position: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kustomize) struct CloudAccount {
    pub(in crate::kustomize) name: String,
    pub(in crate::kustomize) namespace: String,
    pub(in crate::kustomize) project_id: String,
}
