//! The built-in generators and transformers, configured by fields of a kustomization or as objects of their own.

use super::build::{Build, Target, label_specs};
use super::config::Config;
use super::error::{BuildError, Cause};
use super::fieldspec::FieldSpec;
use super::generate::{self, Generated};
use super::json;
use super::kustomization::{
    ChartPlugin, GeneratorArgs, Image, PluginConfig, Replacement, Replica, StringMap, ValueTarget, ValueTargets,
    decode, decode_plugin,
};
use super::loader::Loader;
use super::resmap::ResMap;
use super::resource::Resource;
use super::schema::Schema;
use super::transform::namespace::{Namespace, Subjects};
use super::transform::patch::{self, Ready};
use super::transform::{fields, image, names, namespace, replacement, value};

/// A plugin that is ready to run.
#[derive(Debug)]
pub(super) enum Plugin {
    /// What a generator made.
    Generator(Vec<Resource>),
    /// A transformer and its kind.
    Transformer(String, Box<Transformer>),
}

/// A transformer that is ready to run.
#[derive(Debug)]
pub(super) enum Transformer {
    Patches(Vec<Ready>),
    Namespace { name: String, specs: Vec<FieldSpec>, subjects: Subjects, unset_only: bool },
    Affixes { prefix: String, suffix: String, prefix_specs: Vec<FieldSpec>, suffix_specs: Vec<FieldSpec> },
    Entries { entries: StringMap, specs: Vec<FieldSpec> },
    Replicas { replica: Replica, specs: Vec<FieldSpec> },
    Image { image: Image, specs: Vec<FieldSpec> },
    Replacements(Vec<Replacement>),
    Value { value: String, targets: Vec<ValueTarget> },
    Hash,
}

impl Transformer {
    pub(super) fn apply(self, list: &mut ResMap, schema: &Schema) -> Result<(), BuildError> {
        match self {
            Transformer::Patches(patches) => {
                patches.into_iter().try_for_each(|patch| patch::apply(list, patch, schema))
            }
            Transformer::Namespace { name, specs, subjects, unset_only } => {
                let namespace = Namespace { name: &name, specs: &specs, subjects, unset_only };
                namespace::set_namespace(list, &namespace, schema)
            }
            Transformer::Affixes { prefix, suffix, prefix_specs, suffix_specs } => {
                names::affix(list, names::End::Prefix, &prefix, &prefix_specs, schema)?;
                names::affix(list, names::End::Suffix, &suffix, &suffix_specs, schema)
            }
            Transformer::Entries { entries, specs } => fields::set_entries(list, &entries, &specs, schema),
            Transformer::Replicas { replica, specs } => fields::set_replicas(list, &replica, &specs, schema),
            Transformer::Image { image, specs } => image::set_image(list, &image, &specs, schema),
            Transformer::Replacements(replacements) => replacement::apply(list, &replacements, schema),
            Transformer::Value { value, targets } => value::add_value(list, &value, &targets, schema),
            Transformer::Hash => names::add_hashes(list, schema),
        }
    }
}

type Steps = Vec<(&'static str, Transformer)>;

/// The transformers that a kustomization's own fields ask for, in kustomize's order.
pub(super) fn of_kustomization(target: &Target, config: &Config, build: &mut Build<'_>) -> Result<Steps, BuildError> {
    let (kustomization, loader, limits) = (&target.kustomization, &target.loader, build.limits());
    let mut steps: Steps = Vec::new();
    if let Some(paths) = kustomization.patches_strategic_merge.as_ref().filter(|paths| !paths.is_empty()) {
        let ready = patch::read_merges(paths, "", loader, limits)?;
        steps.push(("PatchStrategicMergeTransformer", Transformer::Patches(ready)));
    }
    for one in kustomization.patches.iter().flatten() {
        let ready = patch::read(one, loader, limits)?;
        steps.push(("PatchTransformer", Transformer::Patches(vec![ready])));
    }
    if !kustomization.namespace.is_empty() {
        let transformer = Transformer::Namespace {
            name: kustomization.namespace.clone(),
            specs: config.namespace.clone(),
            subjects: Subjects::Default,
            unset_only: false,
        };
        steps.push(("NamespaceTransformer", transformer));
    }
    let affixes = |prefix: &str, suffix: &str| Transformer::Affixes {
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        prefix_specs: if prefix.is_empty() { Vec::new() } else { config.name_prefix.clone() },
        suffix_specs: if suffix.is_empty() { Vec::new() } else { config.name_suffix.clone() },
    };
    if !kustomization.name_prefix.is_empty() {
        steps.push(("PrefixTransformer", affixes(&kustomization.name_prefix, "")));
    }
    if !kustomization.name_suffix.is_empty() {
        steps.push(("SuffixTransformer", affixes("", &kustomization.name_suffix)));
    }
    let labels = kustomization.labels.as_deref().unwrap_or_default();
    for label in labels {
        let specs = label_specs(label, config)?;
        steps.push(("LabelTransformer", Transformer::Entries { entries: label.pairs.clone(), specs }));
    }
    let common = kustomization.common_labels.clone().unwrap_or_default();
    if !labels.is_empty() || !common.is_empty() {
        let specs = config.common_labels.clone();
        steps.push(("LabelTransformer", Transformer::Entries { entries: common, specs }));
    }
    if let Some(entries) = kustomization.common_annotations.clone().filter(|entries| !entries.is_empty()) {
        let specs = config.common_annotations.clone();
        steps.push(("AnnotationsTransformer", Transformer::Entries { entries, specs }));
    }
    for one in kustomization.patches_json6902.iter().flatten() {
        let ready = patch::read_json(one.target.as_ref(), &one.path, &one.patch, loader)?;
        steps.push(("PatchJson6902Transformer", Transformer::Patches(vec![ready])));
    }
    for replica in kustomization.replicas.iter().flatten() {
        let specs = config.replicas.clone();
        steps.push(("ReplicaCountTransformer", Transformer::Replicas { replica: replica.clone(), specs }));
    }
    for image in kustomization.images.iter().flatten() {
        let specs = config.images.clone();
        steps.push(("ImageTagTransformer", Transformer::Image { image: image.clone(), specs }));
    }
    if let Some(list) = kustomization.replacements.as_ref().filter(|list| !list.is_empty()) {
        let list = load_replacements(list, loader, build)?;
        steps.push(("ReplacementTransformer", Transformer::Replacements(list)));
    }
    Ok(steps)
}

/// Reads a plugin's configuration.
pub(super) fn read(config: &Resource, target: &Target, build: &mut Build<'_>) -> Result<Plugin, BuildError> {
    let loader = &target.loader;
    let gvk = config.gvk();
    if !gvk.group.is_empty() || gvk.version != "builtin" {
        return Err(Cause::Unsupported(format!(
            "external plugins disabled; unable to load external plugin '{}': exec, container and Go plugins are not run",
            gvk.kind
        ))
        .into());
    }
    let value = json::to_value(&config.node)?;
    if let Some(resources) = generator(&gvk.kind, &value, target, build)? {
        return Ok(Plugin::Generator(resources));
    }
    let config: PluginConfig = decode_plugin(value)?;
    let transformer = transformer(&gvk.kind, config, loader, build)?;
    Ok(Plugin::Transformer(gvk.kind.into(), Box::new(transformer)))
}

fn generator(
    kind: &str,
    value: &serde_json::Value,
    target: &Target,
    build: &Build<'_>,
) -> Result<Option<Vec<Resource>>, Cause> {
    let what = match kind {
        "ConfigMapGenerator" => Generated::ConfigMap,
        "SecretGenerator" => Generated::Secret,
        "IAMPolicyGenerator" => {
            return generate::iam_policy(&decode_plugin(value.clone())?).map(|made| Some(vec![made]));
        }
        "HelmChartInflationGenerator" => {
            let ChartPlugin { globals, chart } = decode(value.clone())?;
            return build.inflate(target, &chart, &globals, "").map(Some);
        }
        _ => return Ok(None),
    };
    let mut args: GeneratorArgs = decode_plugin(value.clone())?;
    if args.name.is_empty() {
        args.name.clone_from(&args.metadata.name);
    }
    if args.namespace.is_empty() {
        args.namespace.clone_from(&args.metadata.namespace);
    }
    generate::generate(what, &args, &target.loader).map(|made| Some(vec![made]))
}

fn transformer(
    kind: &str,
    config: PluginConfig,
    loader: &Loader,
    build: &Build<'_>,
) -> Result<Transformer, BuildError> {
    let limits = build.limits();
    let given = config.field_specs.is_some();
    let specs: Vec<FieldSpec> = config.field_specs.unwrap_or_default().into_iter().map(FieldSpec::from).collect();
    let needs_specs = || -> Result<(), Cause> {
        if given { Ok(()) } else { Err(Cause::transform("fieldSpecs is not expected to be nil")) }
    };
    Ok(match kind {
        "AnnotationsTransformer" => Transformer::Entries { entries: config.annotations, specs },
        "LabelTransformer" => Transformer::Entries { entries: config.labels, specs },
        "NamespaceTransformer" => Transformer::Namespace {
            name: config.metadata.namespace,
            specs,
            subjects: Subjects::read(&config.set_role_binding_subjects)?,
            unset_only: config.unset_only,
        },
        "PrefixTransformer" => {
            needs_specs()?;
            Transformer::Affixes {
                prefix: config.prefix,
                suffix: String::new(),
                prefix_specs: specs,
                suffix_specs: Vec::new(),
            }
        }
        "SuffixTransformer" => {
            needs_specs()?;
            Transformer::Affixes {
                prefix: String::new(),
                suffix: config.suffix,
                prefix_specs: Vec::new(),
                suffix_specs: specs,
            }
        }
        "PrefixSuffixTransformer" => {
            needs_specs()?;
            Transformer::Affixes {
                prefix: config.prefix,
                suffix: config.suffix,
                prefix_specs: specs.clone(),
                suffix_specs: specs,
            }
        }
        "ImageTagTransformer" => Transformer::Image { image: config.image_tag, specs },
        "ReplicaCountTransformer" => Transformer::Replicas { replica: config.replica, specs },
        "PatchTransformer" => {
            let one = super::kustomization::Patch {
                path: config.path,
                patch: config.patch,
                target: config.target,
                options: config.options,
            };
            Transformer::Patches(vec![patch::read(&one, loader, limits)?])
        }
        "PatchJson6902Transformer" => {
            Transformer::Patches(vec![patch::read_json(config.target.as_ref(), &config.path, &config.json_op, loader)?])
        }
        "PatchStrategicMergeTransformer" => {
            Transformer::Patches(patch::read_merges(&config.paths, &config.patches, loader, limits)?)
        }
        "ReplacementTransformer" => Transformer::Replacements(load_replacements(&config.replacements, loader, build)?),
        "ValueAddTransformer" => {
            value_transformer(&config.value, config.targets, &config.target_file_path, loader, build)?
        }
        "HashTransformer" => Transformer::Hash,
        other => return Err(Cause::transform(format!("unable to load builtin {other}.builtin.[noGrp]")).into()),
    })
}

fn value_transformer(
    value: &str,
    mut targets: Vec<ValueTarget>,
    file: &str,
    loader: &Loader,
    build: &Build<'_>,
) -> Result<Transformer, BuildError> {
    let value = match value.trim() {
        "" => loader.root().rsplit('/').next().unwrap_or_default().to_owned(),
        value => value.to_owned(),
    };
    if !file.is_empty() {
        let more: ValueTargets = decode_plugin(read_yaml(file, loader, build)?)?;
        targets.extend(more.targets);
    }
    let fail = |message: String| Err(Cause::transform(message).into());
    if targets.is_empty() {
        return fail("must specify at least one target".into());
    }
    for target in &targets {
        if target.field_path.is_empty() {
            return fail("fieldPath cannot be empty".into());
        }
        if target.file_path_position < 0 {
            return fail(format!("value of FilePathPosition ({}) cannot be negative", target.file_path_position));
        }
    }
    Ok(Transformer::Value { value, targets })
}

fn read_yaml(path: &str, loader: &Loader, build: &Build<'_>) -> Result<serde_json::Value, BuildError> {
    let text = loader.load(path)?;
    let options = flux_core::yaml::ReadOptions { limits: build.limits(), ..Default::default() };
    let value = flux_core::yaml::read(&text, &options);
    value.map_err(|error| BuildError::from(Cause::Yaml(error)).in_file(&loader.file_name(path)))
}

/// Replaces the entries that name files by what the files hold.
fn load_replacements(list: &[Replacement], loader: &Loader, build: &Build<'_>) -> Result<Vec<Replacement>, BuildError> {
    let mut all = Vec::with_capacity(list.len());
    for one in list {
        if one.path.is_empty() {
            all.push(one.clone());
            continue;
        }
        if one.source.is_some() || one.targets.as_ref().is_some_and(|targets| !targets.is_empty()) {
            return Err(Cause::transform("cannot specify both path and inline replacement").into());
        }
        let value = read_yaml(&one.path, loader, build)?;
        match value {
            serde_json::Value::Array(_) => all.extend(decode_plugin::<Vec<Replacement>>(value)?),
            serde_json::Value::Object(_) => all.push(decode_plugin(value)?),
            _ => {
                let message = "unsupported replacement type encountered within replacement path";
                return Err(BuildError::from(Cause::transform(message)).in_file(&loader.file_name(&one.path)));
            }
        }
    }
    Ok(all)
}
