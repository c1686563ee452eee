//! Post-build substitution: `${variables}` in rendered objects, as `spec.postBuild` of a Flux Kustomization has it.
//!
//! | expression | stands for |
//! |---|---|
//! | `${v}` | the value; in strict mode an error if there is none |
//! | `$v`, `$$`, `$${v}` | `$v`, `$` and `${v}`: without braces, or escaped, nothing is replaced |
//! | `${v:-d}`, `${v:=d}`, `${v=d}` | the value, or `d` where it is empty or not set; `d` may hold variables |
//! | `${v:?d}`, `${v:+d}` | the same, unlike in a shell |
//! | `${#v}` | the length in bytes |
//! | `${v^}`, `${v^^}`, `${v,}`, `${v,,}` | the first or all characters in upper or lower case |
//! | `${v:offset}`, `${v:offset:length}` | a part, in bytes |
//! | `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}` | without the shortest or longest prefix or suffix that a pattern matches |
//! | `${v/a/b}`, `${v//a/b}`, `${v/#a/b}`, `${v/%a/b}` | with the first, all, or the leading or trailing `a` replaced; `a` is text, not a pattern |
//!
//! ```
//! use flux_appliers::substitute::{Substitution, Variables};
//!
//! let mut variables = Variables::new();
//! variables.set("cluster", "production")?;
//! let substitution = Substitution::new(variables);
//! assert_eq!(substitution.text("host: ${cluster:0:4}.${domain:-example.org}")?, b"host: prod.example.org");
//! assert!(substitution.text("host: ${domain}").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In objects
//! The text that is substituted is the object as YAML, and what comes out is read as YAML again: a value of `3` in
//! `replicas: ${n}` is a number, also where the file had it in quotes, which are gone by then. To keep it a text, a variable
//! must bring the quotes: `${quote}${n}${quote}` with `"` as the value of `quote`.
//!
//! # Unlike Flux
//! The schemas of custom resource definitions are left as they are: their descriptions speak of variables and mean none.
//! Without this, strict mode refuses the definition of Flux's own Kustomization.

mod error;
mod expand;
mod glob;
mod renderer;
mod template;
mod variables;

#[cfg(test)]
mod conformance;

use flux_core::object::InvalidObject;
use flux_core::yaml::{self, Layout, ReadOptions, YamlCause, YamlError};
use flux_core::{Manifest, Manifests, Object, Origin};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use error::{ExpandError, Syntax};
pub use renderer::SubstitutingRenderer;
pub use variables::{InvalidName, SourceKind, SubstituteFrom, Variables, VariablesError};

/// The label or annotation by which an object is left alone when its value is `disabled`.
const DIRECTIVE: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// When objects are substituted at all (`spec.postBuild.substituteStrategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// When there is at least one variable.
    #[default]
    WithVariables,
    /// Always: defaults are filled in also where there is no variable.
    Always,
}

/// What one text may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the result.
    pub bytes: usize,
    /// Comparisons of characters with patterns.
    pub steps: usize,
}

impl Default for Limits {
    /// 16 MiB and ten million comparisons.
    fn default() -> Self {
        Self { bytes: 16 << 20, steps: 10_000_000 }
    }
}

/// Replaces variables in objects and texts.
#[derive(Debug, Clone)]
pub struct Substitution {
    variables: Variables,
    strategy: Strategy,
    strict: bool,
    limits: Limits,
}

/// Why an object could not be substituted. Says which object and field, never a value of a variable.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {object}: {}{cause}", if .field.is_empty() { String::new() } else { format!("{}: ", .field) })]
pub struct SubstituteError {
    /// Where the object comes from.
    pub origin: Origin,
    /// Which object.
    pub object: String,
    /// Which field; empty when it is the object as a whole.
    pub field: String,
    /// What went wrong.
    #[source]
    pub cause: SubstituteCause,
}

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum SubstituteCause {
    /// A text in it.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// The result is not YAML. The text that was substituted is not shown: it may hold secrets.
    #[error("what is substituted is not YAML any more: {}; quote the variable", without_text(.0))]
    Yaml(YamlError),
    /// The result is not an object.
    #[error("what is substituted is not an object any more: {0}")]
    Object(#[from] InvalidObject),
}

impl Substitution {
    /// Strict, with these variables.
    pub fn new(variables: Variables) -> Self {
        Self { variables, strategy: Strategy::default(), strict: true, limits: Limits::default() }
    }

    /// When objects are substituted at all.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Whether a variable that has neither value nor default is an error, as it is by default; otherwise it stands for
    /// nothing (Flux: the feature gate `StrictPostBuildSubstitutions`).
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// What one object may take.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A text with its variables replaced. The result is not always UTF-8: substrings count bytes.
    ///
    /// # Errors
    /// The text is no template, a variable is not set, or a limit is passed.
    pub fn text(&self, text: &str) -> Result<Vec<u8>, ExpandError> {
        expand::expand(&template::parse(text)?, &self.variables, self.strict, self.limits)
    }

    /// Objects with their variables replaced; those that say `kustomize.toolkit.fluxcd.io/substitute: disabled` in a label
    /// or an annotation stay as they are.
    ///
    /// # Errors
    /// The first object that cannot be substituted, with file, line and field.
    pub fn manifests(&self, manifests: &Manifests) -> Result<Manifests, SubstituteError> {
        if self.strategy == Strategy::WithVariables && self.variables.is_empty() {
            return Ok(manifests.clone());
        }
        manifests.iter().map(|manifest| self.manifest(manifest)).collect()
    }

    fn manifest(&self, manifest: &Manifest) -> Result<Manifest, SubstituteError> {
        let Manifest { object, origin } = manifest;
        let failed =
            |(field, cause)| SubstituteError { origin: origin.clone(), object: object.id().to_string(), field, cause };
        Ok(Manifest { object: self.object(object).map_err(failed)?, origin: origin.clone() })
    }

    fn object(&self, object: &Object) -> Result<Object, (String, SubstituteCause)> {
        let disabled = |value: Option<&str>| value.is_some_and(|value| value.eq_ignore_ascii_case("disabled"));
        let untouched = disabled(object.label(DIRECTIVE)) || disabled(object.annotation(DIRECTIVE));
        if untouched || !object.as_map().iter().any(|(_, value)| mentions_dollar(value)) {
            return Ok(object.clone());
        }
        let (value, schemas) = without_schemas(object);
        let whole = |cause: SubstituteCause| (String::new(), cause);
        let text = Zeroizing::new(yaml::write(&value, Layout::Sigs));
        let text = self.text(&text).map(Zeroizing::new).map_err(|error| (self.blame(&value), error.into()))?;
        let value = yaml::read(&text, &ReadOptions::default()).map_err(|error| whole(SubstituteCause::Yaml(error)))?;
        Object::from_value(with_schemas(value, schemas)).map_err(|error| whole(error.into()))
    }

    /// The field whose text is at fault, where one is by itself.
    fn blame(&self, value: &Value) -> String {
        let mut todo = vec![(String::new(), value)];
        while let Some((path, value)) = todo.pop() {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            match value {
                Value::String(text) if text.contains("${") && self.text(text).is_err() => return path,
                Value::Object(map) => todo.extend(map.iter().rev().map(|(key, value)| (below(key), value))),
                Value::Array(items) => {
                    todo.extend(items.iter().enumerate().rev().map(|(i, value)| (format!("{path}[{i}]"), value)));
                }
                _ => {}
            }
        }
        String::new()
    }
}

fn without_text(error: &YamlError) -> String {
    match &error.cause {
        YamlCause::Syntax(problem) => problem.to_string(),
        YamlCause::InvalidKey(_) => "invalid map key".into(),
        _ => "a value cannot be read".into(),
    }
}

fn mentions_dollar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Array(items) => items.iter().any(mentions_dollar),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('$') || mentions_dollar(value)),
        _ => false,
    }
}

fn versions_of(value: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let versions = value.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    versions.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// An object as a value, and apart from it the schemas of its versions if it defines a custom resource.
fn without_schemas(object: &Object) -> (Value, Vec<Option<Value>>) {
    let mut value = Value::Object(object.as_map().clone());
    let defines = object.kind() == "CustomResourceDefinition" && object.gvk().group == "apiextensions.k8s.io";
    let schemas =
        if defines { versions_of(&mut value).map(|version| version.remove("schema")).collect() } else { Vec::new() };
    (value, schemas)
}

fn with_schemas(mut value: Value, schemas: Vec<Option<Value>>) -> Value {
    for (version, schema) in versions_of(&mut value).zip(schemas) {
        version.extend(schema.map(|schema| ("schema".to_owned(), schema)));
    }
    value
}
