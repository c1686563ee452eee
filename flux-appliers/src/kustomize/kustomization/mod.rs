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
    /// Reads a kustomization file and gives the legacy fields their present meaning.
    pub(super) fn read(text: &[u8], limits: Limits) -> Result<Self, BuildError> {
        let options = ReadOptions { limits, ..ReadOptions::default() };
        let value = yaml::read(text, &options).map_err(Cause::Yaml)?;
        let mut kustomization: Kustomization = decode(value).map_err(|cause| located(cause, text, limits))?;
        kustomization.check_empty()?;
        kustomization.settle()?;
        Ok(kustomization)
    }

    fn check_empty(&self) -> Result<(), Cause> {
        let bare = Kustomization { kind: self.kind.clone(), api_version: self.api_version.clone(), ..Self::default() };
        if *self == bare {
            return Err(invalid("", "kustomization.yaml is empty"));
        }
        Ok(())
    }

    /// Moves the legacy fields to where they are now, and checks kind and version.
    fn settle(&mut self) -> Result<(), Cause> {
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
        let moved = |list: &mut Option<Vec<String>>| list.take().unwrap_or_default();
        let bases = moved(&mut self.bases);
        self.resources.get_or_insert_default().extend(bases);
        let tags = self.image_tags.take().unwrap_or_default();
        self.images.get_or_insert_default().extend(tags);
        for args in self.config_map_generator.iter_mut().flatten() {
            args.settle();
        }
        for args in self.secret_generator.iter_mut().flatten() {
            args.settle();
        }
        Ok(())
    }

    /// True for a Component.
    pub(super) fn is_component(&self) -> bool {
        self.kind == "Component"
    }

    /// What `kustomize` warns of: fields that have been replaced by others.
    pub(super) fn deprecations(text: &[u8], limits: Limits) -> Vec<String> {
        const EDIT: &str = "Run 'kustomize edit fix' to update your Kustomization automatically.";
        let replaced = [
            ("bases", "resources", ""),
            ("commonLabels", "labels", ""),
            ("imageTags", "images", ""),
            ("patchesJson6902", "patches", ""),
            ("patchesStrategicMerge", "patches", ""),
            ("vars", "replacements", "[EXPERIMENTAL] "),
        ];
        let options = ReadOptions { limits, ..ReadOptions::default() };
        let Ok(value) = yaml::read(text, &options) else { return Vec::new() };
        let used = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
        let warning = |(old, new, how): (&str, &str, &str)| {
            format!("# Warning: '{old}' is deprecated. Please use '{new}' instead. {how}{EDIT}")
        };
        replaced.into_iter().filter(|(old, ..)| used(old)).map(warning).collect()
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
    line
}
