//! The documents of rendered files: told apart, put in order, hooks set aside.

use flux_core::yaml::{self, ReadOptions};
use serde_json::Value as Json;

use super::error::HelmError;
use crate::helm::json::{field, mismatch, text};
use crate::helm::values::Table;
use crate::helm::warning::{Level, Warning};

/// Kinds in the order they are installed; others follow by name.
const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// One document that a template made.
#[derive(Clone, PartialEq)]
pub struct RenderedManifest {
    /// The template, such as `chart/templates/cm.yaml`.
    pub path: String,
    /// The document's text.
    pub content: String,
    /// The document's `kind`.
    pub kind: String,
    /// What the document holds.
    pub value: Json,
    /// The line of the template's output on which the document begins, from 1.
    pub line: usize,
}

impl std::fmt::Debug for RenderedManifest {
    /// Without the content, which may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RenderedManifest({} {}:{})", self.kind, self.path, self.line)
    }
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

impl HookEvent {
    /// The event of that name in `helm.sh/hook`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }

    /// The name in `helm.sh/hook`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
        }
    }
}

/// A document that runs at certain moments rather than being kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// The document.
    pub manifest: RenderedManifest,
    /// Its `metadata.name`.
    pub name: String,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Where it stands among hooks of one event; smaller first.
    pub weight: i64,
    /// When it is deleted, as written in `helm.sh/hook-delete-policy`.
    pub delete_policies: Vec<String>,
    /// When its logs are shown, as written in `helm.sh/hook-output-log-policy`.
    pub output_log_policies: Vec<String>,
}

/// Splits rendered files into documents and sorts them for installation; with `text_only` what they hold is not kept.
pub(super) fn sort(
    mut files: Vec<(String, Vec<u8>)>,
    text_only: bool,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Hook>, Vec<RenderedManifest>), HelmError> {
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sorter = Sorter { text_only, ..Sorter::default() };
    for (path, content) in files {
        let content = String::from_utf8(content).map_err(|_| HelmError::Yaml {
            file: path.clone(),
            reason: "error converting YAML to JSON: yaml: invalid leading UTF-8 octet".to_owned(),
        })?;
        for (line, document) in split(&content) {
            sorter.add(read(&path, line, document, text_only)?, warnings);
        }
    }
    Ok(sorter.finish())
}

/// Sets hooks aside, and puts both in the order of installation.
#[derive(Default)]
pub(super) struct Sorter {
    text_only: bool,
    hooks: Vec<Hook>,
    manifests: Vec<RenderedManifest>,
}

impl Sorter {
    pub(super) fn add(&mut self, mut manifest: RenderedManifest, warnings: &mut Vec<Warning>) {
        let Some(types) = annotation(&manifest.value, "helm.sh/hook") else {
            if self.text_only {
                manifest.value = Json::Null;
            }
            return self.manifests.push(manifest);
        };
        match hook(manifest, &types) {
            Some(mut hook) => {
                if self.text_only {
                    hook.manifest.value = Json::Null;
                }
                self.hooks.push(hook);
            }
            // A hook of an unknown kind is left out altogether.
            None => {
                warnings.push(Warning::new(Level::Info, "skipping unknown hooks").with("hookTypes", types.as_str()));
            }
        }
    }

    pub(super) fn finish(mut self) -> (Vec<Hook>, Vec<RenderedManifest>) {
        self.hooks.sort_by_cached_key(|hook| order(&hook.manifest.kind));
        self.manifests.sort_by_cached_key(|manifest| order(&manifest.kind));
        (self.hooks, self.manifests)
    }
}

/// Sorts by the install order, unknown kinds behind it by their names.
fn order(kind: &str) -> (usize, String) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(position) => (position, String::new()),
        None => (INSTALL_ORDER.len(), kind.to_owned()),
    }
}

/// The documents of a text, each with the line it begins on. What follows `---` on its line belongs to the document.
pub(super) fn split(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let start = text.len() - text.trim_start().len();
    let mut begin = start;
    let (mut line, mut counted) = (1, 0);
    let mut push = |from: usize, to: usize| {
        let body = text.get(from..to).unwrap_or("");
        let trimmed = body.trim_start();
        if !trimmed.is_empty() {
            let offset = to - trimmed.len();
            let passed = text.as_bytes().get(counted..offset).unwrap_or_default();
            line += memchr::memchr_iter(b'\n', passed).count();
            counted = offset;
            documents.push((line, trimmed));
        }
    };
    let mut at = start;
    while let Some(line) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = memchr::memchr(b'\n', line.as_bytes()).map_or(line.len(), |newline| newline + 1);
        if line.starts_with("---") {
            push(begin, at);
            let rest = line.get(3..length).unwrap_or("");
            begin = at + 3 + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
        }
        at += length;
    }
    push(begin, text.len());
    documents
}

/// The Go type that a document's `metadata` is read as.
const METADATA_TYPE: &str =
    r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#;

/// The fields that tell what an object is.
fn is_head(name: &str) -> bool {
    ["apiVersion", "kind", "metadata"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Reads a document; with `text_only` no more of it than tells what it is.
pub(super) fn read(path: &str, line: usize, document: &str, text_only: bool) -> Result<RenderedManifest, HelmError> {
    let fault = |reason: String| HelmError::Yaml { file: path.to_owned(), reason };
    let (bytes, options) = (document.as_bytes(), ReadOptions::default());
    let value = if text_only { yaml::read_fields(bytes, &options, &is_head) } else { yaml::read(bytes, &options) };
    let value = value.map_err(|error| fault(crate::helm::values::yaml_fault(&error)))?;
    let text = |json: Option<&Json>, path: &str| match json {
        None => Ok(String::new()),
        Some(json) => text(json).ok_or_else(|| fault(mismatch(json, path, "string"))),
    };
    let head = match &value {
        Json::Object(fields) => fields,
        Json::Null => &Table::new(),
        other => return Err(fault(mismatch(other, "", "util.SimpleHead"))),
    };
    text(field(head, "apiVersion"), ".apiVersion")?;
    let kind = text(field(head, "kind"), ".kind")?;
    match field(head, "metadata") {
        None | Some(Json::Null) => {}
        Some(Json::Object(metadata)) => {
            text(field(metadata, "name"), ".metadata.name")?;
            match field(metadata, "annotations") {
                None | Some(Json::Null) => {}
                Some(Json::Object(annotations)) => {
                    for (key, annotation) in annotations {
                        text(Some(annotation), &format!(".metadata.annotations.{key}"))?;
                    }
                }
                Some(other) => return Err(fault(mismatch(other, ".metadata.annotations", "map[string]string"))),
            }
        }
        Some(other) => return Err(fault(mismatch(other, ".metadata", METADATA_TYPE))),
    }
    Ok(RenderedManifest { path: path.to_owned(), content: document.to_owned(), kind, value, line })
}

fn annotation(value: &Json, name: &str) -> Option<String> {
    let annotation = value.get("metadata")?.get("annotations")?.get(name)?;
    text(annotation)
}

fn hook(manifest: RenderedManifest, types: &str) -> Option<Hook> {
    let words = |text: String| text.split(',').map(|word| word.trim().to_lowercase()).collect::<Vec<_>>();
    let events = words(types.to_owned()).iter().map(|name| HookEvent::parse(name)).collect::<Option<Vec<_>>>()?;
    let weight = annotation(&manifest.value, "helm.sh/hook-weight").and_then(|weight| weight.parse().ok());
    let policies = |name: &str| annotation(&manifest.value, name).map(words).unwrap_or_default();
    Some(Hook {
        name: manifest.value.pointer("/metadata/name").and_then(text).unwrap_or_default(),
        events,
        weight: weight.unwrap_or(0),
        delete_policies: policies("helm.sh/hook-delete-policy"),
        output_log_policies: policies("helm.sh/hook-output-log-policy"),
        manifest,
    })
}
