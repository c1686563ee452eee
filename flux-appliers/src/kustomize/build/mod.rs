//! A build: from a kustomization through its bases to the list of objects.

mod finish;
mod gather;
mod steps;

use std::sync::Arc;

use flux_core::yaml::Limits as YamlLimits;

use super::BuildOptions;
use super::budget::Budget;
use super::config::Config;
use super::error::{BuildError, Cause};
use super::kustomization::Kustomization;
use super::loader::Loader;
use super::resmap::ResMap;
use super::resource::{Provenance, Resource};
use super::schema::Schema;
use super::transform::vars;

pub(super) use steps::label_specs;

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What is shared by all kustomizations of a build.
pub(super) struct Build<'o> {
    options: &'o BuildOptions,
    pub(super) schema: Schema,
    schema_is_set: bool,
    pub(super) warnings: Vec<String>,
    budget: Budget,
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
    /// The namespace that an overlay gives to charts which name none.
    helm_namespace: String,
}

/// What a kustomization has gathered: objects, the fields that its transformers know, and variables.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) list: ResMap,
    pub(super) config: Arc<Config>,
    vars: vars::Vars,
}

impl Target {
    /// On the heap, since bases lie inside each other a hundred deep.
    fn new(kustomization: Kustomization, file: &'static str, loader: Loader, chain: &[Arc<str>]) -> Box<Self> {
        let mut chain = chain.to_vec();
        chain.push(Arc::from(if loader.root().is_empty() { "." } else { loader.root() }));
        Box::new(Self {
            kustomization,
            file,
            loader,
            build_metadata: Vec::new(),
            provenance: None,
            chain,
            helm_namespace: String::new(),
        })
    }

    /// The namespace of charts that name none.
    pub(super) fn chart_namespace(&self) -> &str {
        match self.kustomization.namespace.as_str() {
            "" => &self.helm_namespace,
            own => own,
        }
    }

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
    pub(super) fn new(options: &'o BuildOptions, budget: Budget) -> Self {
        Self { options, schema: Schema::default(), schema_is_set: false, warnings: Vec::new(), budget }
    }

    pub(super) fn limits(&self) -> YamlLimits {
        self.options.limits.yaml
    }

    fn check(&self) -> Result<(), Cause> {
        if self.options.is_cancelled() { Err(Cause::Cancelled) } else { Ok(()) }
    }

    /// Nothing gathered yet.
    fn nothing(&self) -> Gathered {
        Gathered { list: ResMap::new(self.budget.clone()), ..Gathered::default() }
    }

    /// Builds the kustomization at a loader's root, or the one given in its place.
    pub(super) fn run(&mut self, loader: Loader, given: Option<Kustomization>) -> Result<Vec<Resource>, BuildError> {
        let mut target = match given {
            Some(kustomization) => Target::new(kustomization, FILE_NAMES[0], loader, &[]),
            None => self.load(loader, &[])?,
        };
        self.set_schema(&target, true).map_err(|error| target.locate(error))?;
        target.build_metadata = Target::list(&target.kustomization.build_metadata).to_vec();
        if !target.build_metadata.is_empty() {
            target.provenance = Some(Provenance::default());
        }
        let mut gathered = self.gather(&mut target, self.nothing())?;
        let finished = self.finish(&target, &mut gathered);
        finished.map_err(|error| target.locate(error))?;
        Ok(gathered.list.into_list())
    }

    /// Reads the kustomization at a loader's root.
    fn load(&mut self, loader: Loader, chain: &[Arc<str>]) -> Result<Box<Target>, BuildError> {
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
        let (kustomization, warnings) = Kustomization::read(&text, self.limits()).map_err(|mut error| {
            error.origin.chain = chain.to_vec();
            let line = error.origin.line;
            let mut error = error.in_file(&name);
            error.origin.line = error.origin.line.max(line);
            error
        })?;
        self.warnings.extend(warnings);
        Ok(Target::new(kustomization, file, loader, chain))
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
}
