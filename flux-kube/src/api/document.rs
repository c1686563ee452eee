//! Reading Flux documents, with errors that say where.

use flux_core::yaml::{self, Dialect, ReadOptions};
use flux_core::{Object, Origin};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Bucket, GitRepository, HelmChart, HelmRepository, Kustomization, Metadata, OciRepository, bucket, git_repository,
    helm, oci_repository,
};

/// One Flux document and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// File and line.
    pub origin: Origin,
    /// What it is.
    pub resource: Resource,
}

/// A Flux document of a kind that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A Git repository to follow.
    GitRepository(Box<GitRepository>),
    /// An artifact in a registry to follow.
    OciRepository(Box<OciRepository>),
    /// A bucket to follow.
    Bucket(Box<Bucket>),
    /// Where charts are.
    HelmRepository(Box<HelmRepository>),
    /// A chart to follow.
    HelmChart(Box<HelmChart>),
    /// Objects to build and apply.
    Kustomization(Box<Kustomization>),
}

impl Resource {
    /// The kind of the document.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GitRepository(_) => "GitRepository",
            Self::OciRepository(_) => "OCIRepository",
            Self::Bucket(_) => "Bucket",
            Self::HelmRepository(_) => "HelmRepository",
            Self::HelmChart(_) => "HelmChart",
            Self::Kustomization(_) => "Kustomization",
        }
    }

    /// Its name, namespace, labels and annotations.
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::GitRepository(it) => &it.metadata,
            Self::OciRepository(it) => &it.metadata,
            Self::Bucket(it) => &it.metadata,
            Self::HelmRepository(it) => &it.metadata,
            Self::HelmChart(it) => &it.metadata,
            Self::Kustomization(it) => &it.metadata,
        }
    }
}

/// A document that cannot be carried out.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{origin}: {}{problem}", if .field.is_empty() { String::new() } else { format!("{}: ", .field) })]
pub struct DocumentError {
    /// File and line.
    pub origin: Origin,
    /// Which field; empty when it is the document as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Reads Flux documents. `file` is the name that errors use.
///
/// ```
/// # let text = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: app}\nspec: {url: x}\n";
/// let error = flux_kube::api::read("app.yaml", text.as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), "app.yaml:1: spec: missing field `interval`");
/// ```
///
/// # Errors
/// Broken YAML, a kind that is not known, a field that is missing, unknown, wrong or not carried out yet.
pub fn read(file: &str, text: &[u8]) -> Result<Vec<Document>, DocumentError> {
    let options = ReadOptions { dialect: Dialect::Strict, ..ReadOptions::default() };
    let documents = yaml::read_documents(text, &options).map_err(|error| DocumentError {
        origin: Origin::new(file, error.line),
        field: String::new(),
        problem: error.cause.to_string(),
    })?;
    let mut read = Vec::with_capacity(documents.len());
    for document in documents.into_iter().filter(|document| !document.value.is_null()) {
        let origin = Origin::new(file, document.line);
        let resource = resource(document.value).map_err(|(field, problem)| DocumentError {
            origin: origin.clone(),
            field,
            problem,
        })?;
        read.push(Document { origin, resource });
    }
    Ok(read)
}

/// A field and what is wrong with it.
type Problem = (String, String);

fn resource(value: Value) -> Result<Resource, Problem> {
    let object = Object::from_value(value).map_err(|error| (error.field.to_owned(), error.problem.to_owned()))?;
    if object.name().is_empty() {
        return Err(("metadata.name".to_owned(), "is missing".to_owned()));
    }
    match (object.gvk().group.as_str(), object.kind()) {
        ("source.toolkit.fluxcd.io", "GitRepository") => {
            decode(&object, git_repository::UNSUPPORTED).map(|git| Resource::GitRepository(Box::new(git)))
        }
        ("source.toolkit.fluxcd.io", "OCIRepository") => {
            decode(&object, oci_repository::UNSUPPORTED).map(|oci| Resource::OciRepository(Box::new(oci)))
        }
        ("source.toolkit.fluxcd.io", "Bucket") => {
            decode(&object, bucket::UNSUPPORTED).map(|bucket| Resource::Bucket(Box::new(bucket)))
        }
        ("source.toolkit.fluxcd.io", "HelmRepository") => {
            decode(&object, helm::REPOSITORY_UNSUPPORTED).map(|helm| Resource::HelmRepository(Box::new(helm)))
        }
        ("source.toolkit.fluxcd.io", "HelmChart") => {
            decode(&object, &[]).map(|chart| Resource::HelmChart(Box::new(chart)))
        }
        ("kustomize.toolkit.fluxcd.io", "Kustomization") => {
            decode(&object, &[]).map(|kustomization| Resource::Kustomization(Box::new(kustomization)))
        }
        (_, kind) => Err((
            "kind".to_owned(),
            format!(
                "`{kind}` of `{}` cannot be carried out; known are GitRepository, OCIRepository, Bucket, HelmRepository and \
                 HelmChart of source.toolkit.fluxcd.io/v1 and Kustomization of kustomize.toolkit.fluxcd.io/v1",
                object.api_version()
            ),
        )),
    }
}

fn decode<T: DeserializeOwned>(object: &Object, unsupported: &[(&str, &str)]) -> Result<T, Problem> {
    let spec = object.as_map().get("spec").and_then(Value::as_object);
    let spec = spec.ok_or_else(|| ("spec".to_owned(), "is missing".to_owned()))?;
    for (field, why) in unsupported {
        if spec.get(*field).is_some_and(says_something) {
            return Err((format!("spec.{field}"), (*why).to_owned()));
        }
    }
    let mut spec = spec.clone();
    spec.retain(|field, value| !value.is_null() && !unsupported.iter().any(|(known, _)| known == field));
    let mut map = Map::new();
    map.insert("metadata".into(), object.as_map().get("metadata").cloned().unwrap_or_default());
    map.insert("spec".into(), Value::Object(spec));
    serde_path_to_error::deserialize(Value::Object(map)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        (path, without_value(error.into_inner().to_string()))
    })
}

/// Whether a value asks for anything: the value that a field has by itself does not.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !matches!(text.as_str(), "" | "generic"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

/// A problem without the text that is of the wrong type: whatever stands in the wrong place may be a secret.
fn without_value(problem: String) -> String {
    let parts = ["invalid type: string \"", "invalid value: string \""].iter().find_map(|start| {
        let (_, expected) = problem.strip_prefix(start)?.rsplit_once("\", expected ")?;
        Some(format!("{}, expected {expected}", start.trim_end_matches(" \"")))
    });
    parts.unwrap_or(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTS: &str = "\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: my-app
spec:
  interval: 1m
  url: https://github.com/org/my-app
  ref:
    branch: main
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: my-app
spec:
  interval: 5m
  sourceRef:
    kind: GitRepository
    name: my-app
  path: ./deploy
  prune: true
";

    #[test]
    fn the_two_documents_of_every_introduction_are_read() {
        let read = read("app.yaml", DOCUMENTS.as_bytes()).unwrap();
        let [Resource::GitRepository(git), Resource::Kustomization(kustomization)] =
            [&read[0].resource, &read[1].resource]
        else {
            panic!("{read:?}")
        };
        assert_eq!(git.spec.interval.get().as_secs(), 60);
        assert_eq!(git.spec.reference.as_ref().unwrap().branch.as_deref(), Some("main"));
        assert_eq!(kustomization.spec.path, "./deploy");
        assert!(kustomization.spec.prune);
        assert_eq!(read[1].origin.line, 11);
    }

    #[test]
    fn what_is_wrong_is_said_by_file_line_and_field() {
        let says =
            |from: &str, to: &str| read("app.yaml", DOCUMENTS.replace(from, to).as_bytes()).unwrap_err().to_string();
        for (from, to, said) in [
            ("interval: 5m", "interval: 5 minutes", "app.yaml:11: spec.interval: `5 minutes` is not a duration"),
            ("  prune: true\n", "", "app.yaml:11: spec: missing field `prune`"),
            ("prune: true", "prune: yes please", "app.yaml:11: spec.prune: invalid type: string"),
            ("prune: true", "prun: true", "app.yaml:11: spec.prun: unknown field `prun`"),
            (
                "prune: true",
                "prune: true\n  ignore: [{paths: /spec}]",
                "app.yaml:11: spec.ignore[0].paths: invalid type",
            ),
            ("kind: Kustomization", "kind: HelmRelease", "app.yaml:11: kind: `HelmRelease` of"),
            ("  name: my-app\nspec:\n  interval: 1m", "spec:\n  interval: 1m", "app.yaml:1: metadata.name: is missing"),
            ("    branch: main", "  \tbranch: main", "app.yaml:"),
        ] {
            let error = says(from, to);
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn fields_at_their_defaults_ask_for_nothing() {
        let text = DOCUMENTS.replace("prune: true", "prune: true\n  deletionPolicy: MirrorPrune\n  healthChecks: []");
        assert!(read("app.yaml", text.as_bytes()).is_ok());
    }
}
