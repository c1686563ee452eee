//! What a kustomization takes in: files of objects, bases and components.

use std::sync::Arc;

use flux_core::yaml::{self, Dialect, ReadOptions};

use super::{Build, Gathered, Target};
use crate::kustomize::config::{Config, WrittenConfig};
use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::kustomization::decode_plugin;
use crate::kustomize::loader::Loader;
use crate::kustomize::remote::{RemoteBase, is_file_address};
use crate::kustomize::transform::vars;
use crate::kustomize::{crds, load};

impl Build<'_> {
    /// Gathers the objects of one kustomization. A component works on what its parent has gathered so far.
    pub(super) fn gather(&mut self, target: &mut Target, mut gathered: Gathered) -> Result<Gathered, BuildError> {
        let paths = Target::list(&target.kustomization.resources).to_vec();
        self.resources(target, &mut gathered, &paths)?;
        let own = self.own_config(target).map_err(|error| target.locate(error))?;
        let merged = Config::merged(std::mem::take(&mut gathered.config), own);
        gathered.config = merged.map_err(|cause| target.locate(cause))?;
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

    fn own_config(&mut self, target: &Target) -> Result<Arc<Config>, BuildError> {
        let configurations = Target::list(&target.kustomization.configurations);
        let crds = Target::list(&target.kustomization.crds);
        if configurations.is_empty() && crds.is_empty() {
            return Ok(Config::standard());
        }
        let mut config = Config::clone(Config::defaults());
        let mut files = Config::default();
        for path in configurations {
            let text = target.loader.load(path)?;
            let options = ReadOptions { dialect: Dialect::Strict, limits: self.limits() };
            let name = target.loader.file_name(path);
            let in_file = |cause: Cause| BuildError::from(cause).in_file(&name);
            let value = yaml::read(&text, &options).map_err(|error| in_file(error.into()))?;
            let written: WrittenConfig = decode_plugin(value).map_err(in_file)?;
            files.merge(&Config::from(written)).map_err(in_file)?;
        }
        config.merge(&files)?;
        for path in crds {
            let text = target.loader.load(path)?;
            let name = target.loader.file_name(path);
            let found = crds::read(&text, self.limits()).map_err(|cause| BuildError::from(cause).in_file(&name))?;
            config.merge(&found)?;
        }
        Ok(Arc::new(config))
    }

    /// Adds what a list of paths names: files of objects, and directories with kustomizations.
    pub(super) fn resources(
        &mut self,
        target: &mut Target,
        gathered: &mut Gathered,
        paths: &[String],
    ) -> Result<(), BuildError> {
        for path in paths {
            self.check()?;
            if target.loader.is_file(path) {
                self.file(target, gathered, path).map_err(|error| target.locate(error))?;
                continue;
            }
            if is_file_address(path) {
                match target.loader.load(path) {
                    Ok(text) => {
                        self.objects(target, gathered, path, &text).map_err(|error| target.locate(error))?;
                        continue;
                    }
                    Err(cause) if RemoteBase::parse(path).is_none() => return Err(target.locate(cause)),
                    // What is no file may still be a repository.
                    Err(_) => {}
                }
            }
            let loader = target.loader.enter(path).map_err(|cause| target.locate(cause))?;
            *gathered = self.directory(target, std::mem::take(gathered), loader, path, false)?;
        }
        Ok(())
    }

    fn file(&mut self, target: &Target, gathered: &mut Gathered, path: &str) -> Result<(), BuildError> {
        let text = target.loader.load(path)?;
        self.objects(target, gathered, path, &text)
    }

    /// Adds the objects of a text that a path or an address named.
    fn objects(&mut self, target: &Target, gathered: &mut Gathered, path: &str, text: &[u8]) -> Result<(), BuildError> {
        let name: Arc<str> = match is_file_address(path) {
            true => Arc::from(path),
            false => Arc::from(target.loader.file_name(path)),
        };
        let read = load::resources(text, self.limits());
        let resources = read.map_err(|cause| BuildError::from(cause).in_file(&name))?;
        self.budget.resources(resources.len())?;
        for mut resource in resources {
            resource.file = Arc::clone(&name);
            resource.chain.clone_from(&target.chain);
            resource.set_provenance(target.provenance.as_ref().map(|place| place.join(path)));
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
        target.helm_namespace = parent.chart_namespace().to_owned();
        self.set_schema(&target, false).map_err(|error| target.locate(error))?;
        if component != target.kustomization.is_component() {
            let (relation, kind) = (if component { "" } else { "!= " }, &target.kustomization.kind);
            let message = format!("expected kind {relation}'Component' for path '{path}' but got '{kind}'");
            return Err(target.locate(Cause::transform(message)));
        }
        if component {
            return self.gather(&mut target, gathered);
        }
        let base = self.gather(&mut target, self.nothing())?;
        let merged = (|| {
            gathered.list.append_all(base.list, &self.schema)?;
            gathered.config = Config::merged(std::mem::take(&mut gathered.config), base.config)?;
            vars::merge(&mut gathered.vars, base.vars)?;
            Ok(())
        })();
        merged.map_err(|error: BuildError| parent.locate(error))?;
        Ok(gathered)
    }
}
