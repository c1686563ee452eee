//! The kustomization file: its fields, how they are read, and what the legacy spellings mean.

mod decode;
mod fields;
mod shape;

pub(super) use decode::{ValueTargets, decode, decode_plugin};
pub(super) use fields::*;

use super::error::{BuildError, Cause};
use flux_core::yaml::{self, Limits, ReadOptions};

const VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

impl Kustomization {
    /// Reads a kustomization file and gives the legacy fields their present meaning; with it, what kustomize warns of.
    pub(super) fn read(text: &[u8], limits: Limits) -> Result<(Self, Vec<String>), BuildError> {
        let options = ReadOptions { limits, ..ReadOptions::default() };
        let value = yaml::read(text, &options).map_err(Cause::Yaml)?;
        let mut kustomization: Kustomization = decode(value).map_err(|cause| located(cause, text, limits))?;
        let warnings = kustomization.deprecations();
        kustomization.move_legacy();
        kustomization.check_empty()?;
        kustomization.settle()?;
        Ok((kustomization, warnings))
    }

    fn check_empty(&self) -> Result<(), Cause> {
        let bare = Kustomization { kind: self.kind.clone(), api_version: self.api_version.clone(), ..Self::default() };
        if *self == bare {
            return Err(invalid("", "kustomization.yaml is empty"));
        }
        Ok(())
    }

    /// Fills in kind and version and checks them; moves legacy fields to where they are now.
    pub(super) fn settle(&mut self) -> Result<(), Cause> {
        self.move_legacy();
        if self.kind.is_empty() {
            self.kind = "Kustomization".into();
        }
        let wanted = if self.is_component() { COMPONENT_VERSION } else { VERSION };
        if self.api_version.is_empty() {
            self.api_version = wanted.into();
        }
        if self.kind != "Kustomization" && self.kind != "Component" {
            return Err(invalid("kind", "kind should be Kustomization or Component"));
        }
        if self.api_version != wanted {
            return Err(invalid("apiVersion", &format!("apiVersion for {} should be {wanted}", self.kind)));
        }
        Ok(())
    }

    /// Moves the fields that have other names now.
    fn move_legacy(&mut self) {
        append(&mut self.resources, self.bases.take());
        append(&mut self.images, self.image_tags.take());
        let charts = self.helm_chart_inflation_generator.take().unwrap_or_default();
        let last = |field: fn(&LegacyHelmChart) -> &String| {
            charts.iter().rev().map(field).find(|text| !text.is_empty()).cloned().unwrap_or_default()
        };
        let globals = HelmGlobals { chart_home: last(|c| &c.chart_home), config_home: last(|c| &c.helm_home) };
        if self.helm_globals.is_none() && globals != HelmGlobals::default() {
            self.helm_globals = Some(globals);
        }
        append(&mut self.helm_charts, Some(charts.into_iter().map(HelmChart::from).collect()));
        for args in self.config_map_generator.iter_mut().flatten() {
            args.settle();
        }
        for args in self.secret_generator.iter_mut().flatten() {
            args.settle();
        }
    }

    /// True for a Component.
    pub(super) fn is_component(&self) -> bool {
        self.kind == "Component"
    }

    /// What `kustomize` warns of: fields that have been replaced by others.
    fn deprecations(&self) -> Vec<String> {
        const EDIT: &str = "Run 'kustomize edit fix' to update your Kustomization automatically.";
        let replaced = [
            (self.bases.is_some(), "bases", "resources", ""),
            (self.common_labels.is_some(), "commonLabels", "labels", ""),
            (self.image_tags.is_some(), "imageTags", "images", ""),
            (self.patches_json6902.is_some(), "patchesJson6902", "patches", ""),
            (self.patches_strategic_merge.is_some(), "patchesStrategicMerge", "patches", ""),
            (self.vars.is_some(), "vars", "replacements", "[EXPERIMENTAL] "),
        ];
        let warning = |(_, old, new, how): (bool, &str, &str, &str)| {
            format!("# Warning: '{old}' is deprecated. Please use '{new}' instead. {how}{EDIT}")
        };
        replaced.into_iter().filter(|(used, ..)| *used).map(warning).collect()
    }
}

/// Adds to a list that need not be there; nothing added leaves it so.
fn append<T>(list: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
    if let Some(more) = more.filter(|more| !more.is_empty()) {
        list.get_or_insert_default().extend(more);
    }
}

impl GeneratorArgs {
    fn settle(&mut self) {
        if !self.env.is_empty() {
            self.envs.push(std::mem::take(&mut self.env));
        }
    }
}

pub(super) fn invalid(field: &str, message: &str) -> Cause {
    let field = if field.is_empty() { "kustomization" } else { field };
    Cause::Kustomization { field: field.to_owned(), message: message.to_owned() }
}

/// Finds the line of the field that an error names.
fn located(cause: Cause, text: &[u8], limits: Limits) -> BuildError {
    let line = match &cause {
        Cause::Kustomization { field, .. } => line_of(text, field, limits),
        _ => 0,
    };
    let mut error = BuildError::from(cause);
    error.origin.line = line;
    error
}

fn line_of(text: &[u8], field: &str, limits: Limits) -> usize {
    let Ok(Some(root)) = yaml::read_first_node(text, limits) else { return 0 };
    let (mut node, mut line) = (&root, root.line);
    for part in field.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let next = match part.parse::<usize>() {
            Ok(index) => super::node::items(node).get(index).map(|item| (item.line, item)),
            Err(_) => {
                let entries = super::node::entries(node);
                let found = entries.iter().find(|(key, _)| super::node::text(key).eq_ignore_ascii_case(part));
                found.map(|(key, value)| (key.line, value))
            }
        };
        match next {
            Some((at, next)) => (line, node) = (at, next),
            None => break,
        }
    }
    line as usize
}
