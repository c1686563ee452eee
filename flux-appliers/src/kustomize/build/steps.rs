//! What a kustomization does: generators, transformers and validators.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Build, Gathered, Target};
use crate::kustomize::chart::Inflation;
use crate::kustomize::config::{Config, merge_all, merge_one};
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::FieldSpec;
use crate::kustomize::generate::{self, Generated};
use crate::kustomize::id::Gvk;
use crate::kustomize::kustomization::{HelmChart, HelmGlobals, Label};
use crate::kustomize::load;
use crate::kustomize::plugin::{self, Plugin};
use crate::kustomize::resource::{Provenance, Resource};

impl Build<'_> {
    pub(super) fn generators(&mut self, target: &mut Target, gathered: &mut Gathered) -> Result<(), BuildError> {
        let kustomization = &target.kustomization;
        let defaults = kustomization.generator_options.as_ref();
        let mut made = Vec::new();
        for (what, list, kind) in [
            (Generated::ConfigMap, &kustomization.config_map_generator, "ConfigMapGenerator"),
            (Generated::Secret, &kustomization.secret_generator, "SecretGenerator"),
        ] {
            let place = target.provenance.as_ref().map(|place| place.builtin(target.file, kind));
            for args in Target::list(list) {
                let args = generate::with_defaults(args, defaults);
                let mut resource = generate::generate(what, &args, &target.loader)?;
                resource.set_provenance(place.clone());
                made.push(resource);
            }
        }
        let globals = kustomization.helm_globals.clone().unwrap_or_default();
        let place = target.provenance.as_ref().map(|place| place.builtin(target.file, "HelmChartInflationGenerator"));
        for chart in Target::list(&kustomization.helm_charts) {
            for mut resource in self.inflate(target, chart, &globals, target.chart_namespace())? {
                resource.set_provenance(place.clone());
                made.push(resource);
            }
        }
        let paths = Target::list(&kustomization.generators).to_vec();
        for (plugin, place) in self.plugins(target, &paths)? {
            match plugin {
                Plugin::Generator(resources) => made.extend(resources.into_iter().map(|mut resource| {
                    resource.set_provenance(place.clone());
                    resource
                })),
                Plugin::Transformer(kind, _) => {
                    return Err(Cause::transform(format!("plugin {kind} not a generator")).into());
                }
            }
        }
        self.budget.resources(made.len())?;
        let file: Arc<str> = Arc::from(target.file_name());
        for resource in &mut made {
            if resource.file.is_empty() {
                resource.file = Arc::clone(&file);
                resource.line = 0;
            }
            resource.chain.clone_from(&target.chain);
        }
        gathered.list.absorb_all(made, &self.schema)
    }

    /// The objects of a chart. The namespace counts where the chart's own configuration names none.
    pub(in crate::kustomize) fn inflate(
        &self,
        target: &Target,
        chart: &HelmChart,
        globals: &HelmGlobals,
        namespace: &str,
    ) -> Result<Vec<Resource>, Cause> {
        let (loader, schema, options) = (&target.loader, &self.schema, self.options);
        Inflation { chart, globals, namespace, loader, schema, options }.run()
    }

    pub(super) fn transformers(&mut self, target: &mut Target, gathered: &mut Gathered) -> Result<(), BuildError> {
        let builtin = plugin::of_kustomization(target, &gathered.config, self)?;
        let paths = Target::list(&target.kustomization.transformers).to_vec();
        let mut steps: Vec<(plugin::Transformer, Option<Provenance>)> = Vec::new();
        for (kind, transformer) in builtin {
            let place = target.provenance.as_ref().map(|place| place.builtin(target.file, kind));
            steps.push((transformer, place));
        }
        for (plugin, place) in self.plugins(target, &paths)? {
            match plugin {
                Plugin::Transformer(_, transformer) => steps.push((*transformer, place)),
                Plugin::Generator(_) => return Err(Cause::transform("a transformer must not be a generator").into()),
            }
        }
        for (transformer, place) in steps {
            self.check()?;
            transformer.apply(&mut gathered.list, &self.schema)?;
            if let Some(place) = place {
                for resource in gathered.list.iter_mut() {
                    match resource.provenance {
                        None => resource.set_provenance(Some(place.clone())),
                        Some(_) => resource.transformations.push(place.clone()),
                    }
                    resource.rewrite_annotations().map_err(|cause| resource.error(cause, &self.schema))?;
                }
            }
            gathered.list.drop_empties();
        }
        Ok(())
    }

    /// Validators are transformers that must not change anything.
    pub(super) fn validators(&mut self, target: &mut Target, gathered: &mut Gathered) -> Result<(), BuildError> {
        let paths = Target::list(&target.kustomization.validators).to_vec();
        for (plugin, _) in self.plugins(target, &paths)? {
            let Plugin::Transformer(_, transformer) = plugin else {
                return Err(Cause::transform("a validator must be a transformer").into());
            };
            let before = gathered.list.clone();
            transformer.apply(&mut gathered.list, &self.schema)?;
            let same = before.len() == gathered.list.len()
                && before.iter().zip(gathered.list.iter()).all(|(before, after)| unchanged(before, after));
            if !same {
                return Err(Cause::transform("validator shouldn't modify the resource map").into());
            }
        }
        Ok(())
    }

    /// The plugins that entries configure: inline, in files, or made by kustomizations.
    fn plugins(
        &mut self,
        target: &mut Target,
        entries: &[String],
    ) -> Result<Vec<(Plugin, Option<Provenance>)>, BuildError> {
        let mut configs = self.nothing();
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(inline) = load::resources(entry.as_bytes(), self.limits()) else {
                paths.push(entry.clone());
                continue;
            };
            for mut config in inline {
                config.provenance = target.provenance.as_ref().map(|place| Box::new(place.join(target.file)));
                config.file = Arc::from(target.file_name());
                configs.list.append(config, &self.schema)?;
            }
        }
        self.resources(target, &mut configs, &paths)?;
        let mut plugins = Vec::new();
        for config in configs.list.into_list() {
            let id = config.current_id(&self.schema);
            let place = config.provenance.as_ref().map(|place| Provenance {
                path: String::new(),
                configured_in: place.path.clone(),
                configured_by: [id.gvk.api_version(), id.gvk.kind.into(), id.name.into(), id.namespace.into()],
                ..(**place).clone()
            });
            let plugin = plugin::read(&config, target, self);
            plugins.push((plugin.map_err(|error| config.error(error, &self.schema))?, place));
        }
        Ok(plugins)
    }
}

/// The field specifications that an entry of `labels` works on.
pub(in crate::kustomize) fn label_specs(label: &Label, config: &Config) -> Result<Vec<FieldSpec>, Cause> {
    let mut specs: Vec<FieldSpec> = label.fields.iter().cloned().map(FieldSpec::from).collect();
    merge_all(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_all(&mut specs, &config.common_labels)?;
    } else {
        if label.include_templates {
            merge_all(&mut specs, &config.template_labels)?;
        }
        merge_one(&mut specs, &FieldSpec::new(Gvk::default(), "metadata/labels", true))?;
    }
    Ok(specs)
}

/// True where a validator left an object alone; it may only set the label that says so.
fn unchanged(before: &Resource, after: &Resource) -> bool {
    const VALIDATED: &str = "validated-by";
    let labels = after.labels();
    if !labels.iter().any(|(name, _)| *name == VALIDATED) {
        return before.node == after.node;
    }
    let others: BTreeMap<_, _> = labels.into_iter().filter(|(name, _)| *name != VALIDATED).collect();
    let others = others.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut after = after.clone();
    after.set_meta_map("labels", others).is_ok() && before.node == after.node
}
