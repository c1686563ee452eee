//! A build: from a kustomization through its bases to the list of objects.

use std::sync::Arc;

use flux_core::yaml::Limits as YamlLimits;

use super::config::{Config, WrittenConfig, merge_all, merge_one};
use super::error::{BuildError, Cause};
use super::fieldspec::FieldSpec;
use super::generate::{self, Generated};
use super::id::Gvk;
use super::kustomization::{Kustomization, decode_plugin};
use super::loader::Loader;
use super::plugin::{self, Plugin};
use super::resmap::ResMap;
use super::resource::{Provenance, Resource};
use super::schema::Schema;
use super::transform::{names, reference, sort, vars};
use super::{BuildOptions, Order, crds, load, node, origin};

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What is shared by all kustomizations of a build.
pub(super) struct Build<'o> {
    options: &'o BuildOptions,
    pub(super) schema: Schema,
    schema_is_set: bool,
    pub(super) warnings: Vec<String>,
    resources: usize,
    bytes: usize,
}

/// One kustomization being built.
pub(super) struct Target {
    pub(super) kustomization: Kustomization,
    pub(super) file: &'static str,
    pub(super) loader: Loader,
    build_metadata: Vec<String>,
    /// Where this kustomization lies as the origin annotations say; absent where nothing is annotated.
    provenance: Option<Provenance>,
    /// The directories that led here, this one included.
    chain: Vec<Arc<str>>,
}

/// What a kustomization has gathered: objects, the fields that its transformers know, and variables.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) list: ResMap,
    pub(super) config: Config,
    vars: vars::Vars,
}

impl Target {
    /// The file's name from the root of the tree.
    fn file_name(&self) -> String {
        self.loader.file_name(self.file)
    }

    fn list<T>(list: &Option<Vec<T>>) -> &[T] {
        list.as_deref().unwrap_or_default()
    }

    /// Says where a build was when it failed.
    fn locate(&self, error: impl Into<BuildError>) -> BuildError {
        let mut error = error.into();
        if error.origin.chain.is_empty() {
            error.origin.chain.clone_from(&self.chain);
        }
        error.in_file(&self.file_name())
    }
}

impl<'o> Build<'o> {
    pub(super) fn new(options: &'o BuildOptions) -> Self {
        Self { options, schema: Schema::default(), schema_is_set: false, warnings: Vec::new(), resources: 0, bytes: 0 }
    }

    pub(super) fn limits(&self) -> YamlLimits {
        self.options.limits.yaml
    }

    pub(super) fn helm_enabled(&self) -> bool {
        self.options.enable_helm
    }

    fn check(&self) -> Result<(), Cause> {
        if self.options.is_cancelled() { Err(Cause::Cancelled) } else { Ok(()) }
    }

    fn count(&mut self, more: usize, bytes: usize) -> Result<(), Cause> {
        let limits = &self.options.limits;
        self.resources += more;
        self.bytes += bytes;
        if self.resources > limits.resources {
            return Err(Cause::Limit { what: "resources", limit: limits.resources });
        }
        if self.bytes > limits.bytes {
            return Err(Cause::Limit { what: "bytes of resources", limit: limits.bytes });
        }
        Ok(())
    }

    /// Builds the kustomization at a loader's root, or the one given in its place.
    pub(super) fn run(&mut self, loader: Loader, given: Option<Kustomization>) -> Result<Vec<Resource>, BuildError> {
        let mut target = match given {
            Some(kustomization) => self.target(kustomization, FILE_NAMES[0], loader, &[]),
            None => self.load(loader, &[])?,
        };
        self.set_schema(&target, true).map_err(|error| target.locate(error))?;
        target.build_metadata = Target::list(&target.kustomization.build_metadata).to_vec();
        if !target.build_metadata.is_empty() {
            target.provenance = Some(Provenance::default());
        }
        let mut gathered = self.gather(&mut target, Gathered::default())?;
        let finished = self.finish(&target, &mut gathered);
        finished.map_err(|error| target.locate(error))?;
        Ok(gathered.list.into_list())
    }

    /// What is done once, after everything is gathered.
    fn finish(&mut self, target: &Target, gathered: &mut Gathered) -> Result<(), BuildError> {
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
            super::transform::fields::set_entries(list, &label.into_iter().collect(), &specs, &self.schema)?;
        }
        for resource in list.iter_mut() {
            write_annotations(resource, has("originAnnotations"), has("transformerAnnotations"))
                .map_err(|cause| resource.error(cause, &self.schema))?;
        }
        Ok(())
    }

    /// Reads the kustomization at a loader's root.
    fn load(&mut self, loader: Loader, chain: &[Arc<str>]) -> Result<Target, BuildError> {
        self.check()?;
        let dir = || format!("/{}", loader.root());
        let located = |cause: Cause| {
            let mut error = BuildError::from(cause);
            error.origin.chain = chain.to_vec();
            error
        };
        let mut files = FILE_NAMES.iter().filter(|name| loader.is_file(name));
        let file = match (files.next(), files.next()) {
            (Some(file), None) => *file,
            (None, _) => return Err(located(Cause::NoKustomization { dir: dir() })),
            (Some(_), Some(_)) => return Err(located(Cause::SeveralKustomizations { dir: dir() })),
        };
        let text = loader.load(file).map_err(located)?;
        let name = loader.file_name(file);
        let kustomization = Kustomization::read(&text, self.limits()).map_err(|mut error| {
            error.origin.chain = chain.to_vec();
            let line = error.origin.line;
            let mut error = error.in_file(&name);
            error.origin.line = error.origin.line.max(line);
            error
        })?;
        self.warnings.extend(Kustomization::deprecations(&text, self.limits()));
        Ok(self.target(kustomization, file, loader, chain))
    }

    fn target(
        &mut self,
        kustomization: Kustomization,
        file: &'static str,
        loader: Loader,
        chain: &[Arc<str>],
    ) -> Target {
        let mut chain = chain.to_vec();
        chain.push(Arc::from(if loader.root().is_empty() { "." } else { loader.root() }));
        Target { kustomization, file, loader, build_metadata: Vec::new(), provenance: None, chain }
    }

    /// The first kustomization that names a schema sets it for the whole build.
    fn set_schema(&mut self, target: &Target, first: bool) -> Result<(), BuildError> {
        let Some(openapi) = &target.kustomization.openapi else { return Ok(()) };
        let text = openapi.get("path").map(|path| target.loader.load(path)).transpose()?;
        if self.schema_is_set && !first {
            return Ok(());
        }
        let version = openapi.get("version").map(String::as_str).unwrap_or_default();
        match text {
            Some(_) if openapi.contains_key("version") => {
                Err(Cause::transform("builtin version and custom schema provided, cannot use both").into())
            }
            Some(text) => {
                self.schema = self.schema.with_custom(&text).map_err(|why| {
                    let path = openapi.get("path").map(String::as_str).unwrap_or_default();
                    BuildError::from(Cause::Object { message: why, line: 0 }).in_file(&target.loader.file_name(path))
                })?;
                self.schema_is_set = true;
                Ok(())
            }
            None if version.is_empty() => Ok(()),
            None if version != "v1.21.2" => {
                Err(Cause::transform("the specified OpenAPI version is not built in").into())
            }
            None => {
                self.schema_is_set = true;
                Ok(())
            }
        }
    }

    /// Gathers the objects of one kustomization. A component works on what its parent has gathered so far.
    fn gather(&mut self, target: &mut Target, mut gathered: Gathered) -> Result<Gathered, BuildError> {
        let paths = Target::list(&target.kustomization.resources).to_vec();
        self.resources(target, &mut gathered, &paths)?;
        let own = self.own_config(target).map_err(|error| target.locate(error))?;
        gathered.config.merge(&own).map_err(|cause| target.locate(cause))?;
        self.generators(target, &mut gathered).map_err(|error| target.locate(error))?;
        for path in Target::list(&target.kustomization.components).to_vec() {
            let loader = target.loader.enter(&path).map_err(|cause| target.locate(cause))?;
            gathered = self.directory(target, gathered, loader, &path, true)?;
        }
        self.transformers(target, &mut gathered).map_err(|error| target.locate(error))?;
        self.validators(target, &mut gathered).map_err(|error| target.locate(error))?;
        let own_vars = Target::list(&target.kustomization.vars);
        vars::collect(&mut gathered.vars, &mut gathered.list, own_vars, &self.schema)
            .map_err(|cause| target.locate(cause))?;
        Ok(gathered)
    }

    fn own_config(&mut self, target: &Target) -> Result<Config, BuildError> {
        let mut config = Config::defaults().clone();
        let mut files = Config::default();
        for path in Target::list(&target.kustomization.configurations) {
            let text = target.loader.load(path)?;
            let options =
                flux_core::yaml::ReadOptions { dialect: flux_core::yaml::Dialect::Strict, limits: self.limits() };
            let name = target.loader.file_name(path);
            let in_file = |cause: Cause| BuildError::from(cause).in_file(&name);
            let value = flux_core::yaml::read(&text, &options).map_err(|error| in_file(error.into()))?;
            let written: WrittenConfig = decode_plugin(value).map_err(in_file)?;
            files.merge(&Config::from(written)).map_err(in_file)?;
        }
        config.merge(&files)?;
        for path in Target::list(&target.kustomization.crds) {
            let text = target.loader.load(path)?;
            let name = target.loader.file_name(path);
            let found = crds::read(&text, self.limits()).map_err(|cause| BuildError::from(cause).in_file(&name))?;
            config.merge(&found)?;
        }
        Ok(config)
    }

    /// Adds what a list of paths names: files of objects, and directories with kustomizations.
    fn resources(&mut self, target: &mut Target, gathered: &mut Gathered, paths: &[String]) -> Result<(), BuildError> {
        for path in paths {
            self.check()?;
            if target.loader.is_file(path) {
                self.file(target, gathered, path).map_err(|error| target.locate(error))?;
                continue;
            }
            let loader = target.loader.enter(path).map_err(|cause| target.locate(cause))?;
            *gathered = self.directory(target, std::mem::take(gathered), loader, path, false)?;
        }
        Ok(())
    }

    fn file(&mut self, target: &Target, gathered: &mut Gathered, path: &str) -> Result<(), BuildError> {
        let text = target.loader.load(path)?;
        let name: Arc<str> = Arc::from(target.loader.file_name(path));
        let read = load::resources(&text, self.limits());
        let resources = read.map_err(|cause| BuildError::from(cause).in_file(&name))?;
        self.count(resources.len(), text.len())?;
        for mut resource in resources {
            resource.file = Arc::clone(&name);
            resource.chain.clone_from(&target.chain);
            resource.provenance = target.provenance.as_ref().map(|place| place.join(path));
            gathered.list.append(resource, &self.schema)?;
        }
        Ok(())
    }

    /// Adds a base or a component.
    fn directory(
        &mut self,
        parent: &Target,
        mut gathered: Gathered,
        loader: Loader,
        path: &str,
        component: bool,
    ) -> Result<Gathered, BuildError> {
        if parent.chain.len() >= self.options.limits.depth {
            let limit = self.options.limits.depth;
            return Err(parent.locate(Cause::Limit { what: "kustomizations inside each other", limit }));
        }
        let mut target = self.load(loader, &parent.chain).map_err(|error| parent.locate(error))?;
        target.build_metadata.clone_from(&parent.build_metadata);
        target.provenance = parent.provenance.as_ref().map(|place| place.join(path));
        self.set_schema(&target, false).map_err(|error| target.locate(error))?;
        if component != target.kustomization.is_component() {
            let (relation, kind) = (if component { "==" } else { "!=" }, &target.kustomization.kind);
            let message = format!("expected kind {relation} 'Component' for path '{path}' but got '{kind}'");
            return Err(target.locate(Cause::transform(message)));
        }
        if component {
            return self.gather(&mut target, gathered);
        }
        let base = self.gather(&mut target, Gathered::default())?;
        let merged = (|| {
            gathered.list.append_all(base.list, &self.schema)?;
            gathered.config.merge(&base.config)?;
            vars::merge(&mut gathered.vars, base.vars)?;
            Ok(())
        })();
        merged.map_err(|error: BuildError| parent.locate(error))?;
        Ok(gathered)
    }

    fn generators(&mut self, target: &mut Target, gathered: &mut Gathered) -> Result<(), BuildError> {
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
                resource.provenance.clone_from(&place);
                made.push(resource);
            }
        }
        let charts = [&kustomization.helm_charts, &kustomization.helm_chart_inflation_generator];
        if charts.iter().any(|charts| charts.as_ref().is_some_and(|charts| !charts.is_empty())) {
            return Err(plugin::helm_refused(self.helm_enabled()).into());
        }
        let paths = Target::list(&kustomization.generators).to_vec();
        for (plugin, place) in self.plugins(target, &paths)? {
            match plugin {
                Plugin::Generator(mut resource) => {
                    resource.provenance = place;
                    made.push(*resource);
                }
                Plugin::Transformer(kind, _) => {
                    return Err(Cause::transform(format!("plugin {kind} not a generator")).into());
                }
            }
        }
        self.count(made.len(), 0)?;
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

    fn transformers(&mut self, target: &mut Target, gathered: &mut Gathered) -> Result<(), BuildError> {
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
                Plugin::Generator(resource) => {
                    let id = resource.current_id(&self.schema);
                    return Err(Cause::transform(format!("plugin {id} not a transformer")).into());
                }
            }
        }
        for (transformer, place) in steps {
            self.check()?;
            transformer.apply(&mut gathered.list, &self.schema)?;
            if let Some(place) = place {
                for resource in gathered.list.iter_mut() {
                    match resource.provenance {
                        None => resource.provenance = Some(place.clone()),
                        Some(_) => resource.transformations.push(place.clone()),
                    }
                }
            }
            gathered.list.drop_empties();
        }
        Ok(())
    }

    /// Validators are transformers that must not change anything.
    fn validators(&mut self, target: &mut Target, gathered: &mut Gathered) -> Result<(), BuildError> {
        let paths = Target::list(&target.kustomization.validators).to_vec();
        for (plugin, _) in self.plugins(target, &paths)? {
            let Plugin::Transformer(_, transformer) = plugin else {
                return Err(Cause::transform("a validator must be a transformer").into());
            };
            let mut copy = gathered.list.clone();
            transformer.apply(&mut copy, &self.schema)?;
            let same = copy.len() == gathered.list.len()
                && copy.iter().zip(gathered.list.iter()).all(|(a, b)| a.node == b.node);
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
        let mut configs = Gathered::default();
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(inline) = load::resources(entry.as_bytes(), self.limits()) else {
                paths.push(entry.clone());
                continue;
            };
            for mut config in inline {
                config.provenance = target.provenance.as_ref().map(|place| place.join(target.file));
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
                configured_by: [id.gvk.api_version(), id.gvk.kind.clone(), id.name.clone(), id.namespace.clone()],
            });
            let plugin = plugin::read(&config, &target.loader, self);
            plugins.push((plugin.map_err(|error| config.error(error, &self.schema))?, place));
        }
        Ok(plugins)
    }
}

/// The field specifications that an entry of `labels` works on.
pub(super) fn label_specs(label: &super::kustomization::Label, config: &Config) -> Result<Vec<FieldSpec>, Cause> {
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
    "kustomize.config.k8s.io/helm-generated",
];

/// Makes all annotations strings, removes internal ones and adds those that say where an object came from.
fn write_annotations(resource: &mut Resource, origins: bool, transformations: bool) -> Result<(), Cause> {
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
