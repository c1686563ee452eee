//! `Chart.yaml`.

use serde_json::Value as Json;

use super::error::ChartError;
use crate::helm::json::{field, mismatch, text};
use crate::helm::template::Value;
use crate::helm::template::gofmt::{is_printable, quote, shown};
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
    /// Name, e-mail and link of each maintainer; a null is refused by [`Metadata::validate`].
    pub maintainers: Vec<Option<[String; 3]>>,
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
    /// Whether the list has a null here, which no chart may have.
    is_null: bool,
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

fn sanitize(text: &mut String) {
    let is_odd = |c: char| (c.is_whitespace() && c != ' ') || !is_printable(c);
    if text.contains(is_odd) {
        let plain = |c: char| if c.is_whitespace() { ' ' } else { c };
        *text = text.chars().map(plain).filter(|c| is_printable(*c)).collect();
    }
}

/// The fields of a Go struct, as a decoded file gives them.
struct Fields<'a> {
    of: &'a Table,
    /// The path of the struct, for errors.
    path: String,
}

impl Fields<'_> {
    fn wrong(&self, name: &str, found: &Json, wanted: &str) -> String {
        mismatch(found, &format!("{}.{name}", self.path), wanted)
    }

    fn text(&self, name: &str, into: &mut String) -> Result<(), String> {
        match field(self.of, name) {
            None | Some(Json::Null) => {}
            Some(json) => *into = text(json).ok_or_else(|| self.wrong(name, json, "string"))?,
        }
        Ok(())
    }

    fn flag(&self, name: &str, into: &mut bool) -> Result<(), String> {
        match field(self.of, name) {
            None | Some(Json::Null) => {}
            Some(Json::Bool(b)) => *into = *b,
            Some(json) => return Err(self.wrong(name, json, "bool")),
        }
        Ok(())
    }

    fn list(&self, name: &str, wanted: &str) -> Result<Option<&[Json]>, String> {
        match field(self.of, name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(json) => Err(self.wrong(name, json, wanted)),
        }
    }

    fn texts(&self, name: &str, into: &mut Vec<String>) -> Result<(), String> {
        if let Some(items) = self.list(name, "[]string")? {
            let read = |(i, item)| text(item).ok_or_else(|| self.wrong(&format!("{name}.{i}"), item, "string"));
            *into = items.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

/// Name, e-mail and link; nothing for a null.
fn maintainer((i, json): (usize, &Json)) -> Result<Option<[String; 3]>, String> {
    let path = format!(".maintainers.{i}");
    let fields = match json {
        Json::Null => return Ok(None),
        Json::Object(fields) => Fields { of: fields, path },
        other => return Err(mismatch(other, &path, "v2.Maintainer")),
    };
    let [mut name, mut email, mut url] = <[String; 3]>::default();
    fields.text("name", &mut name)?;
    fields.text("email", &mut email)?;
    fields.text("url", &mut url)?;
    Ok(Some([name, email, url]))
}

impl Metadata {
    /// Whether the chart only lends its templates to others.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Takes what a decoded file says over what is known.
    pub(super) fn read(&mut self, file: &str, json: Json) -> Result<(), ChartError> {
        self.take(&json).map_err(|reason| ChartError::File { file: file.to_owned(), reason })
    }

    fn take(&mut self, json: &Json) -> Result<(), String> {
        let fields = match json {
            Json::Object(fields) => Fields { of: fields, path: String::new() },
            Json::Null => return Ok(()),
            other => return Err(mismatch(other, "", "loader.chartBase")),
        };
        fields.text("apiVersion", &mut self.api_version)?;
        fields.text("name", &mut self.name)?;
        fields.text("version", &mut self.version)?;
        fields.text("appVersion", &mut self.app_version)?;
        fields.text("description", &mut self.description)?;
        fields.text("kubeVersion", &mut self.kube_version)?;
        fields.text("type", &mut self.kind)?;
        for (name, slot) in ["home", "icon", "condition", "tags"].iter().zip(&mut self.texts) {
            fields.text(name, slot)?;
        }
        fields.flag("deprecated", &mut self.deprecated)?;
        fields.texts("sources", &mut self.sources)?;
        fields.texts("keywords", &mut self.keywords)?;
        if let Some(items) = fields.list("maintainers", "[]*v2.Maintainer")? {
            self.maintainers = items.iter().enumerate().map(maintainer).collect::<Result<_, _>>()?;
        }
        match field(fields.of, "annotations") {
            None | Some(Json::Null) => {}
            Some(Json::Object(annotations)) => {
                let read = |(key, value): (&String, &Json)| match text(value) {
                    Some(text) => Ok((key.clone(), text)),
                    None => Err(mismatch(value, &format!(".annotations.{key}"), "string")),
                };
                self.annotations = Some(annotations.iter().map(read).collect::<Result<_, _>>()?);
            }
            Some(other) => return Err(mismatch(other, ".annotations", "map[string]string")),
        }
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            self.dependencies = items.iter().enumerate().map(Dependency::read).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// Makes texts printable: spaces become plain ones, and what cannot be printed goes.
    pub(super) fn sanitize(&mut self) {
        let Self { name, description, app_version, kube_version, texts, sources, keywords, .. } = self;
        let single = [name, description, app_version, kube_version];
        single.into_iter().chain(texts).chain(sources).chain(keywords).for_each(sanitize);
        self.maintainers.iter_mut().flatten().flatten().for_each(sanitize);
        for dependency in &mut self.dependencies {
            let Dependency { name, version, repository, condition, tags, .. } = dependency;
            [name, version, repository, condition].into_iter().chain(tags).for_each(sanitize);
        }
    }

    /// Helm's own checks.
    pub(super) fn validate(&self) -> Result<(), ChartError> {
        let invalid = |reason: String| Err(ChartError::Invalid(format!("chart.metadata.{reason}")));
        if self.api_version.is_empty() {
            return invalid("apiVersion is required".to_owned());
        }
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
        if self.maintainers.contains(&None) {
            return Err(ChartError::Invalid("maintainers must not contain empty or null nodes".to_owned()));
        }
        let mut keys = Vec::new();
        for dependency in &self.dependencies {
            if dependency.is_null {
                return Err(ChartError::Invalid("dependencies must not contain empty or null nodes".to_owned()));
            }
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

impl Dependency {
    /// The name the dependency is known by in the parent.
    pub fn key(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// What a decoded file says; a null has no name, which is refused later.
    pub(super) fn read((i, json): (usize, &Json)) -> Result<Self, String> {
        let path = format!(".dependencies.{i}");
        let fields = match json {
            Json::Null => return Ok(Self { is_null: true, ..Self::default() }),
            Json::Object(fields) => Fields { of: fields, path },
            other => return Err(mismatch(other, &path, "v2.Dependency")),
        };
        let mut read = Self::default();
        fields.text("name", &mut read.name)?;
        fields.text("version", &mut read.version)?;
        fields.text("repository", &mut read.repository)?;
        fields.text("condition", &mut read.condition)?;
        fields.text("alias", &mut read.alias)?;
        fields.texts("tags", &mut read.tags)?;
        fields.flag("enabled", &mut false)?;
        let plain = |json: Option<&Json>| match json {
            None | Some(Json::Null) => "<nil>".to_owned(),
            Some(other) => shown('v', &Value::from(other)),
        };
        let imports = fields.list("import-values", "[]interface {}")?.unwrap_or_default();
        let imports = imports.iter().filter_map(|item| match item {
            Json::String(name) => Some(ImportValues::Exports(name.clone())),
            Json::Object(paths) => {
                Some(ImportValues::Path { child: plain(paths.get("child")), parent: plain(paths.get("parent")) })
            }
            _ => None,
        });
        read.import_values = imports.collect();
        Ok(read)
    }
}
