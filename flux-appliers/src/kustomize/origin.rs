//! The values of the origin and transformer annotations.

use flux_core::yaml::{self, Layout};
use serde_json::json;

use super::remote::RemoteBase;
use super::resource::Provenance;

/// The annotation that says where an object came from.
pub(super) const ORIGIN: &str = "config.kubernetes.io/origin";
/// The annotation that says what changed it.
pub(super) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

impl Provenance {
    /// This place with a path added.
    pub(super) fn join(&self, path: &str) -> Self {
        match RemoteBase::parse(path) {
            Some(RemoteBase { repository, path, reference, .. }) => {
                Self { path, repository, reference, ..self.clone() }
            }
            None => Self { path: joined(&self.path, path), ..self.clone() },
        }
    }

    /// A built-in generator or transformer that a kustomization file configures.
    pub(super) fn builtin(&self, file: &str, kind: &str) -> Self {
        let configured_by = ["builtin".to_owned(), kind.to_owned(), String::new(), String::new()];
        Self { path: String::new(), configured_in: joined(&self.path, file), configured_by, ..self.clone() }
    }

    /// The annotation's text.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let mut put = |indent: &str, name: &str, value: &str| {
            if !value.is_empty() {
                let line = yaml::write(&json!({ name: value }), Layout::Compact);
                out.push_str(indent);
                out.push_str(&line);
            }
        };
        put("", "path", &self.path);
        put("", "repo", &self.repository);
        put("", "ref", &self.reference);
        put("", "configuredIn", &self.configured_in);
        if self.configured_by.iter().any(|part| !part.is_empty()) {
            out.push_str("configuredBy:\n");
            let mut put = |name: &str, value: &str| {
                if !value.is_empty() {
                    out.push_str("  ");
                    out.push_str(&yaml::write(&json!({ name: value }), Layout::Compact));
                }
            };
            let [api_version, kind, name, namespace] = &self.configured_by;
            put("apiVersion", api_version);
            put("kind", kind);
            put("name", name);
            put("namespace", namespace);
        }
        if out.is_empty() { "{}\n".into() } else { out }
    }
}

/// The text of a list of transformations.
pub(super) fn list_text(transformations: &[Provenance]) -> String {
    let mut out = String::new();
    for one in transformations {
        for (i, line) in one.text().lines().enumerate() {
            out.push_str(if i == 0 { "- " } else { "  " });
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Joins paths and takes out what cancels.
fn joined(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
