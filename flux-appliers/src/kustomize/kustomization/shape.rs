//! The shapes of the configuration types, to read them as Go's decoder does: keys in any case, nulls as nothing.

/// The shape of a value.
#[derive(Debug, Clone, Copy)]
pub(in crate::kustomize) enum Shape {
    Text,
    Bool,
    Int,
    /// Names to texts.
    TextMap,
    /// Names to anything.
    Map,
    List(&'static Shape),
    Struct(&'static [(&'static str, Shape)]),
}

use Shape::{Bool, Int, List, Map, Struct, Text, TextMap};

const TEXTS: Shape = List(&Text);
const META: Shape = Struct(&[("name", Text), ("namespace", Text), ("labels", TextMap), ("annotations", TextMap)]);
const FIELD_SPEC: Shape =
    Struct(&[("group", Text), ("version", Text), ("kind", Text), ("path", Text), ("create", Bool)]);
const FIELD_SPECS: Shape = List(&FIELD_SPEC);
const SELECTOR: Shape = Struct(&[
    ("group", Text),
    ("version", Text),
    ("kind", Text),
    ("name", Text),
    ("namespace", Text),
    ("annotationSelector", Text),
    ("labelSelector", Text),
]);
const PATCH_OPTIONS: Shape = Struct(&[("allowNameChange", Bool), ("allowKindChange", Bool)]);
const PATCH: Shape = Struct(&[("path", Text), ("patch", Text), ("target", SELECTOR), ("options", PATCH_OPTIONS)]);
const LABEL: Shape =
    Struct(&[("pairs", TextMap), ("includeSelectors", Bool), ("includeTemplates", Bool), ("fields", FIELD_SPECS)]);
const IMAGE: Shape =
    Struct(&[("name", Text), ("newName", Text), ("tagSuffix", Text), ("newTag", Text), ("digest", Text)]);
const REPLICA: Shape = Struct(&[("name", Text), ("count", Int)]);
const FIELD_OPTIONS: Shape = Struct(&[("delimiter", Text), ("index", Int), ("encoding", Text), ("create", Bool)]);
const TARGET: Shape =
    Struct(&[("select", SELECTOR), ("reject", List(&SELECTOR)), ("fieldPaths", TEXTS), ("options", FIELD_OPTIONS)]);
const SOURCE: Shape = Struct(&[
    ("group", Text),
    ("version", Text),
    ("kind", Text),
    ("name", Text),
    ("namespace", Text),
    ("fieldPath", Text),
    ("options", FIELD_OPTIONS),
]);
/// A replacement.
pub(super) const REPLACEMENT: Shape =
    Struct(&[("source", SOURCE), ("targets", List(&TARGET)), ("sourceValue", Text), ("path", Text)]);
const VAR: Shape = Struct(&[
    ("name", Text),
    (
        "objref",
        Struct(&[
            ("apiVersion", Text),
            ("group", Text),
            ("version", Text),
            ("kind", Text),
            ("name", Text),
            ("namespace", Text),
        ]),
    ),
    ("fieldref", Struct(&[("fieldPath", Text)])),
]);
const SORT_OPTIONS: Shape =
    Struct(&[("order", Text), ("legacySortOptions", Struct(&[("orderFirst", TEXTS), ("orderLast", TEXTS)]))]);
const GENERATOR_OPTIONS: Shape =
    Struct(&[("labels", TextMap), ("annotations", TextMap), ("disableNameSuffixHash", Bool), ("immutable", Bool)]);
const CONFIG_MAP: Shape = Struct(&[
    ("namespace", Text),
    ("name", Text),
    ("behavior", Text),
    ("literals", TEXTS),
    ("files", TEXTS),
    ("envs", TEXTS),
    ("env", Text),
    ("options", GENERATOR_OPTIONS),
]);
const SECRET: Shape = Struct(&[
    ("namespace", Text),
    ("name", Text),
    ("behavior", Text),
    ("literals", TEXTS),
    ("files", TEXTS),
    ("envs", TEXTS),
    ("env", Text),
    ("options", GENERATOR_OPTIONS),
    ("type", Text),
]);
/// The configuration of the config map and secret generators as plugins.
pub(super) const GENERATOR: Shape = Struct(&[
    ("metadata", META),
    ("namespace", Text),
    ("name", Text),
    ("behavior", Text),
    ("literals", TEXTS),
    ("files", TEXTS),
    ("envs", TEXTS),
    ("env", Text),
    ("options", GENERATOR_OPTIONS),
    ("type", Text),
]);
const HELM_CHART: &[(&str, Shape)] = &[
    ("name", Text),
    ("version", Text),
    ("repo", Text),
    ("releaseName", Text),
    ("namespace", Text),
    ("additionalValuesFiles", TEXTS),
    ("valuesFile", Text),
    ("valuesInline", Map),
    ("valuesMerge", Text),
    ("includeCRDs", Bool),
    ("skipHooks", Bool),
    ("apiVersions", TEXTS),
    ("kubeVersion", Text),
    ("nameTemplate", Text),
    ("skipTests", Bool),
    ("debug", Bool),
    ("devel", Bool),
];
const LEGACY_HELM_CHART: Shape = Struct(&[
    ("chartName", Text),
    ("chartVersion", Text),
    ("chartRepoUrl", Text),
    ("chartHome", Text),
    ("chartRepoName", Text),
    ("helmBin", Text),
    ("helmHome", Text),
    ("values", Text),
    ("valuesLocal", Map),
    ("valuesMerge", Text),
    ("releaseName", Text),
    ("releaseNamespace", Text),
    ("extraArgs", TEXTS),
]);
/// A kustomization.
pub(super) const KUSTOMIZATION: Shape = Struct(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("metadata", META),
    ("openapi", TextMap),
    ("namePrefix", Text),
    ("nameSuffix", Text),
    ("namespace", Text),
    ("commonLabels", TextMap),
    ("labels", List(&LABEL)),
    ("commonAnnotations", TextMap),
    ("patchesStrategicMerge", TEXTS),
    ("patchesJson6902", List(&PATCH)),
    ("patches", List(&PATCH)),
    ("images", List(&IMAGE)),
    ("imageTags", List(&IMAGE)),
    ("replacements", List(&REPLACEMENT)),
    ("replicas", List(&REPLICA)),
    ("vars", List(&VAR)),
    ("sortOptions", SORT_OPTIONS),
    ("resources", TEXTS),
    ("components", TEXTS),
    ("crds", TEXTS),
    ("bases", TEXTS),
    ("configMapGenerator", List(&CONFIG_MAP)),
    ("secretGenerator", List(&SECRET)),
    ("helmGlobals", Struct(&[("chartHome", Text), ("configHome", Text)])),
    ("helmCharts", List(&Struct(HELM_CHART))),
    ("helmChartInflationGenerator", List(&LEGACY_HELM_CHART)),
    ("generatorOptions", GENERATOR_OPTIONS),
    ("configurations", TEXTS),
    ("generators", TEXTS),
    ("transformers", TEXTS),
    ("validators", TEXTS),
    ("buildMetadata", TEXTS),
]);
const CLOUD_ACCOUNT: Shape = Struct(&[("name", Text), ("namespace", Text), ("projectId", Text)]);
const VALUE_TARGET: Shape = Struct(&[("selector", SELECTOR), ("fieldPath", Text), ("filePathPosition", Int)]);
/// The targets of a value transformer in a file of their own.
pub(super) const VALUE_TARGETS: Shape = Struct(&[("targets", List(&VALUE_TARGET))]);
/// The configuration of a built-in transformer.
pub(super) const PLUGIN: Shape = Struct(&[
    ("metadata", META),
    ("fieldSpecs", FIELD_SPECS),
    ("labels", TextMap),
    ("annotations", TextMap),
    ("prefix", Text),
    ("suffix", Text),
    ("unsetOnly", Bool),
    ("setRoleBindingSubjects", Text),
    ("imageTag", IMAGE),
    ("replica", REPLICA),
    ("target", SELECTOR),
    ("path", Text),
    ("patch", Text),
    ("options", PATCH_OPTIONS),
    ("jsonOp", Text),
    ("paths", TEXTS),
    ("patches", Text),
    ("replacements", List(&REPLACEMENT)),
    ("value", Text),
    ("targets", List(&VALUE_TARGET)),
    ("targetFilePath", Text),
    ("sortOptions", SORT_OPTIONS),
    ("cloud", Text),
    ("kubernetesService", CLOUD_ACCOUNT),
    ("serviceAccount", CLOUD_ACCOUNT),
]);
const NAME_REFERENCE: Shape =
    Struct(&[("group", Text), ("version", Text), ("kind", Text), ("fieldSpecs", FIELD_SPECS)]);
/// A file of `configurations`.
pub(super) const CONFIG: Shape = Struct(&[
    ("namePrefix", FIELD_SPECS),
    ("nameSuffix", FIELD_SPECS),
    ("namespace", FIELD_SPECS),
    ("commonLabels", FIELD_SPECS),
    ("labels", FIELD_SPECS),
    ("templateLabels", FIELD_SPECS),
    ("commonAnnotations", FIELD_SPECS),
    ("nameReference", List(&NAME_REFERENCE)),
    ("varReference", FIELD_SPECS),
    ("images", FIELD_SPECS),
    ("replicas", FIELD_SPECS),
]);
/// The configuration of a chart as a plugin.
pub(super) const CHART_PLUGIN: Shape = Struct(&CHART_PLUGIN_FIELDS);
const CHART_PLUGIN_FIELDS: [(&str, Shape); HELM_CHART.len() + 2] = {
    let mut fields = [("chartHome", Text); HELM_CHART.len() + 2];
    fields[1] = ("configHome", Text);
    let mut i = 0;
    while i < HELM_CHART.len() {
        fields[i + 2] = HELM_CHART[i];
        i += 1;
    }
    fields
};
