//! `Chart.yaml`.

use serde_json::Value as Json;

use super::error::ChartError;
use crate::helm::template::gofmt::{is_printable, quote};
use crate::helm::values::Table;
use flux_core::semver::Version;

/// What `Chart.yaml` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// `v1` or `v2`.
    pub api_version: String,
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: String,
    /// The version of what the chart installs.
    pub app_version: String,
    /// One sentence about the chart.
    pub description: String,
    /// A range of Kubernetes versions.
    pub kube_version: String,
    /// `application`, `library` or nothing.
    pub kind: String,
    /// Whether the chart should no longer be used.
    pub deprecated: bool,
    /// Further texts, as written: home, icon, condition, tags.
    pub texts: [String; 4],
    /// Links to sources.
    pub sources: Vec<String>,
    /// Words to find the chart by.
    pub keywords: Vec<String>,
    /// Name, e-mail and link of each maintainer.
    pub maintainers: Vec<[String; 3]>,
    /// Annotations, if there are any.
    pub annotations: Option<Vec<(String, String)>>,
    /// The charts this one depends on.
    pub dependencies: Vec<Dependency>,
}

/// A dependency named in `Chart.yaml` or `requirements.yaml`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// The chart's name.
    pub name: String,
    /// A range of versions.
    pub version: String,
    /// Where the chart comes from.
    pub repository: String,
    /// Paths of values, separated by commas, of which the first that is a boolean switches the dependency.
    pub condition: String,
    /// Tags of which one must be true in `tags`, if any is there.
    pub tags: Vec<String>,
    /// What to take from the dependency's values.
    pub import_values: Vec<ImportValues>,
    /// Another name for this dependency.
    pub alias: String,
}

/// What a chart takes from the values of a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportValues {
    /// The table under `exports` of that name, into the root.
    Exports(String),
    /// One table into another.
    Path {
        /// The path of the table in the dependency.
        child: String,
        /// The path in the parent; `.` is its root.
        parent: String,
    },
}

/// Spaces become plain ones, and what cannot be printed goes.
fn sanitize(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_printable(*c)).collect()
}

impl Metadata {
    /// Whether the chart only lends its templates to others.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Takes what a decoded file says over what is known.
    pub(super) fn read(&mut self, file: &str, json: Json) -> Result<(), ChartError> {
        let fault = |reason: String| ChartError::File { file: file.to_owned(), reason };
        let fields = match json {
            Json::Object(fields) => fields,
            Json::Null => return Ok(()),
            other => {
                let kind = crate::helm::funcs::json_kind(&other);
                return Err(fault(format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type \
                     v2.Metadata"
                )));
            }
        };
        let wrong = |name: &str, json: &Json| {
            let kind = crate::helm::funcs::json_kind(json);
            fault(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go struct field \
                 Metadata.{name}"
            ))
        };
        let text = |name: &str, into: &mut String| match fields.get(name) {
            None | Some(Json::Null) => Ok(()),
            Some(Json::String(text)) => {
                *into = sanitize(text);
                Ok(())
            }
            // Go's reader makes strings of plain scalars where strings are wanted.
            Some(scalar @ (Json::Bool(_) | Json::Number(_))) => {
                *into = scalar.to_string();
                Ok(())
            }
            Some(other) => Err(wrong(name, other)),
        };
        text("apiVersion", &mut self.api_version)?;
        text("name", &mut self.name)?;
        text("version", &mut self.version)?;
        text("appVersion", &mut self.app_version)?;
        text("description", &mut self.description)?;
        text("kubeVersion", &mut self.kube_version)?;
        text("type", &mut self.kind)?;
        for (name, slot) in ["home", "icon", "condition", "tags"].iter().zip(&mut self.texts) {
            text(name, slot)?;
        }
        match fields.get("deprecated") {
            None | Some(Json::Null) => {}
            Some(Json::Bool(b)) => self.deprecated = *b,
            Some(other) => return Err(wrong("deprecated", other)),
        }
        if let Some(items) = texts(&fields, "sources") {
            self.sources = items;
        }
        if let Some(items) = texts(&fields, "keywords") {
            self.keywords = items;
        }
        if let Some(Json::Array(items)) = fields.get("maintainers") {
            let part = |item: &Json, key: &str| sanitize(item.get(key).and_then(Json::as_str).unwrap_or_default());
            self.maintainers =
                items.iter().map(|item| [part(item, "name"), part(item, "email"), part(item, "url")]).collect();
        }
        match fields.get("annotations") {
            Some(Json::Object(annotations)) => {
                let mut read = Vec::new();
                for (key, value) in annotations {
                    match value {
                        Json::String(text) => read.push((key.clone(), text.clone())),
                        Json::Null => read.push((key.clone(), String::new())),
                        Json::Bool(_) | Json::Number(_) => read.push((key.clone(), value.to_string())),
                        other => return Err(wrong("annotations", other)),
                    }
                }
                self.annotations = Some(read);
            }
            None | Some(Json::Null) => {}
            Some(other) => return Err(wrong("annotations", other)),
        }
        match fields.get("dependencies") {
            Some(Json::Array(items)) => {
                self.dependencies = items.iter().map(Dependency::read).collect::<Result<_, _>>()?
            }
            None | Some(Json::Null) => {}
            Some(other) => return Err(wrong("dependencies", other)),
        }
        Ok(())
    }

    /// Helm's own checks.
    pub(super) fn validate(&self) -> Result<(), ChartError> {
        let invalid = |reason: String| Err(ChartError::Invalid(format!("chart.metadata.{reason}")));
        if self.name.is_empty() {
            return invalid("name is required".to_owned());
        }
        let name = quote(self.name.as_bytes());
        if self.name == "." || self.name == ".." {
            return invalid(format!("name {name} is not allowed"));
        }
        if self.name.contains('/') {
            return invalid(format!("name {name} is invalid"));
        }
        if self.version.is_empty() {
            return invalid("version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return invalid(format!("version {} is invalid", quote(self.version.as_bytes())));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return invalid("type must be application or library".to_owned());
        }
        let mut keys = Vec::new();
        for dependency in &self.dependencies {
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !dependency.alias.chars().all(valid) {
                return Err(ChartError::Invalid(format!(
                    "dependency {} has disallowed characters in the alias",
                    quote(dependency.name.as_bytes())
                )));
            }
            let key = dependency.key();
            if keys.contains(&key) {
                return Err(ChartError::Invalid(format!(
                    "more than one dependency with name or alias {}",
                    quote(key.as_bytes())
                )));
            }
            keys.push(key);
        }
        Ok(())
    }
}

fn texts(fields: &Table, name: &str) -> Option<Vec<String>> {
    let items = fields.get(name)?.as_array()?;
    let text = |item: &Json| match item {
        Json::String(text) => sanitize(text),
        // Scalars of other types are taken as they are written in JSON.
        Json::Bool(_) | Json::Number(_) => item.to_string(),
        _ => String::new(),
    };
    Some(items.iter().map(text).collect())
}

impl Dependency {
    /// The name the dependency is known by in the parent.
    pub fn key(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    fn read(json: &Json) -> Result<Self, ChartError> {
        let Json::Object(fields) = json else {
            return Err(ChartError::Invalid("dependencies must not contain empty or null nodes".to_owned()));
        };
        let text = |name: &str| sanitize(fields.get(name).and_then(Json::as_str).unwrap_or_default());
        let plain = |json: Option<&Json>| match json {
            Some(Json::String(text)) => text.clone(),
            None | Some(Json::Null) => "<nil>".to_owned(),
            Some(other) => other.to_string(),
        };
        let imports = fields.get("import-values").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let imports = imports.iter().filter_map(|item| match item {
            Json::String(name) => Some(ImportValues::Exports(name.clone())),
            Json::Object(paths) => {
                Some(ImportValues::Path { child: plain(paths.get("child")), parent: plain(paths.get("parent")) })
            }
            _ => None,
        });
        Ok(Self {
            name: text("name"),
            version: text("version"),
            repository: text("repository"),
            condition: text("condition"),
            tags: texts(fields, "tags").unwrap_or_default(),
            import_values: imports.collect(),
            alias: text("alias"),
        })
    }
}
