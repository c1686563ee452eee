//! One object of a build with what the build must remember about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use flux_core::manifests::Origin;
use flux_core::yaml::{Content, Node, Tag};
use smol_str::SmolStr;

use super::error::{BuildError, Cause};
use super::id::{Gvk, Id};
use super::node::{self, field, field_mut, field_text, text};
use super::origin::ORIGIN;
use super::schema::Schema;
use super::share::Shares;
use super::{Built, json};

/// What a generated object does to one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Behavior {
    /// Nothing: it must be new.
    Create,
    /// It takes its place.
    Replace,
    /// Its data are added.
    Merge,
    /// Not given.
    #[default]
    Unspecified,
}

/// A name, namespace and kind that an object once had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Previous {
    pub(super) name: SmolStr,
    pub(super) namespace: SmolStr,
    pub(super) kind: SmolStr,
}

/// What the build remembers about an object. Kustomize keeps this in annotations that it removes in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub(super) previous: Vec<Previous>,
    pub(super) prefixes: Vec<String>,
    pub(super) suffixes: Vec<String>,
    pub(super) needs_hash: bool,
    pub(super) behavior: Behavior,
    pub(super) allow_name_change: bool,
    pub(super) allow_kind_change: bool,
    /// Anything was remembered: empty annotations then go in the end.
    pub(super) annotated: bool,
}

/// Where an object came from, or what changed it: the values of the origin and transformer annotations.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Provenance {
    pub(super) path: String,
    /// The repository of a remote base, and the reference it was taken at.
    pub(super) repository: String,
    pub(super) reference: String,
    pub(super) configured_in: String,
    /// apiVersion, kind, name, namespace.
    pub(super) configured_by: [String; 4],
}

/// The annotation that stands for the memory.
pub(super) const REMEMBERED: &str = "internal.config.kubernetes.io/remembered";

/// One object of a build.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) node: Node,
    pub(super) memory: Memory,
    pub(super) provenance: Option<Box<Provenance>>,
    pub(super) transformations: Vec<Provenance>,
    /// The values that several of its fields share.
    pub(super) shares: Shares,
    /// The variables that take their value from this object.
    pub(super) vars: Vec<String>,
    /// The file it was read from, or the kustomization that generated it.
    pub(super) file: Arc<str>,
    pub(super) line: usize,
    /// The kustomizations that led to the file.
    pub(super) chain: Vec<Arc<str>>,
}

impl Resource {
    pub(super) fn new(node: Node) -> Self {
        let line = node.line as usize;
        Self {
            node,
            memory: Memory::default(),
            provenance: None,
            transformations: Vec::new(),
            shares: Shares::default(),
            vars: Vec::new(),
            file: Arc::from(""),
            line,
            chain: Vec::new(),
        }
    }

    /// Takes over what an earlier build remembered in annotations.
    pub(super) fn recall(&mut self) -> Result<(), Cause> {
        const PREFIX: &str = "internal.config.kubernetes.io/";
        if !self.annotations().iter().any(|(name, _)| name.starts_with(PREFIX)) {
            return Ok(());
        }
        let list = |name: &str| -> Option<Vec<String>> {
            let value = self.annotation(&format!("{PREFIX}{name}"))?;
            Some(value.split(',').map(str::to_owned).collect())
        };
        let mut memory = Memory {
            prefixes: list("prefixes").unwrap_or_default(),
            suffixes: list("suffixes").unwrap_or_default(),
            needs_hash: list("needsHashSuffix").is_some_and(|value| value == ["enabled"]),
            behavior: match list("generatorBehavior").unwrap_or_default().first().map(String::as_str) {
                Some("merge") => Behavior::Merge,
                Some("replace") => Behavior::Replace,
                Some("create") => Behavior::Create,
                _ => Behavior::Unspecified,
            },
            annotated: true,
            ..Memory::default()
        };
        if let Some(names) = list("previousNames") {
            let namespaces = list("previousNamespaces").unwrap_or_default();
            let kinds = list("previousKinds").unwrap_or_default();
            if names.len() != namespaces.len() || names.len() != kinds.len() {
                let message =
                    "number of previous names, number of previous namespaces, number of previous kinds not equal";
                return Err(Cause::Object { message: message.into(), line: self.line });
            }
            let each = names.into_iter().zip(namespaces).zip(kinds);
            memory.previous = each
                .map(|((name, namespace), kind)| Previous {
                    name: name.into(),
                    namespace: namespace.into(),
                    kind: kind.into(),
                })
                .collect();
        }
        self.memory = memory;
        self.annotate();
        Ok(())
    }

    pub(super) fn api_version(&self) -> &str {
        field_text(&self.node, "apiVersion")
    }

    pub(super) fn kind(&self) -> &str {
        field_text(&self.node, "kind")
    }

    pub(super) fn name(&self) -> &str {
        self.meta_text("name")
    }

    pub(super) fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }

    fn meta_text(&self, name: &str) -> &str {
        let value = field(&self.node, "metadata").and_then(|meta| field(meta, name));
        value.filter(|value| !node::is_null(value)).map_or("", text)
    }

    pub(super) fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// Its identity now.
    pub(super) fn current_id(&self, schema: &Schema) -> Id {
        let (api_version, kind) = (self.api_version(), self.kind());
        Id {
            gvk: Gvk::new(api_version, kind),
            name: self.name().into(),
            namespace: self.namespace().into(),
            cluster_scoped: schema.is_cluster_scoped(api_version, kind),
        }
    }

    /// The identities it had, oldest first.
    pub(super) fn previous_ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.memory.previous.iter().map(|previous| Id {
            gvk: Gvk::new(self.api_version(), &previous.kind),
            name: previous.name.clone(),
            namespace: previous.namespace.clone(),
            cluster_scoped: false,
        })
    }

    /// The identity it was read with.
    pub(super) fn original_id(&self, schema: &Schema) -> Id {
        self.previous_ids().next().unwrap_or_else(|| self.current_id(schema))
    }

    /// Every identity, oldest first.
    pub(super) fn ids(&self, schema: &Schema) -> Vec<Id> {
        self.previous_ids().chain([self.current_id(schema)]).collect()
    }

    /// Remembers the present identity before a change.
    pub(super) fn remember_id(&mut self, schema: &Schema) {
        let id = self.current_id(schema);
        self.remember(id);
    }

    /// Remembers an identity before a change.
    pub(super) fn remember(&mut self, id: Id) {
        let (gvk, name, namespace) = id.key();
        self.memory.previous.push(Previous { namespace, name, kind: gvk.kind });
        self.annotate();
    }

    /// Notes that something is remembered. Kustomize keeps its memory in annotations: from now on there are some, and what
    /// removes them all takes the memory along.
    pub(super) fn annotate(&mut self) {
        self.memory.annotated = true;
        // An object whose metadata are no map fails where it is written.
        let _ = self.set_annotation(REMEMBERED, "");
    }

    /// Says where the object came from, where that is to be annotated.
    pub(super) fn set_provenance(&mut self, place: Option<Provenance>) {
        if place.is_some() {
            let _ = self.set_annotation(ORIGIN, "");
        }
        self.provenance = place.map(Box::new);
    }

    /// Forgets what a patch has removed the annotations of.
    pub(super) fn forget_if_removed(&mut self) {
        if self.memory.annotated && self.annotation(REMEMBERED).is_none() {
            self.memory = Memory::default();
        }
        if self.provenance.is_some() && self.annotation(ORIGIN).is_none() {
            self.provenance = None;
            self.transformations.clear();
        }
    }

    pub(super) fn set_kind(&mut self, kind: &str) -> Result<(), Cause> {
        node::set_field(&mut self.node, "kind", node::untagged(kind))
    }

    pub(super) fn set_api_version(&mut self, api_version: &str) -> Result<(), Cause> {
        node::set_field(&mut self.node, "apiVersion", node::untagged(api_version))
    }

    pub(super) fn set_name(&mut self, name: &str) -> Result<(), Cause> {
        self.set_meta("name", node::untagged(name))
    }

    /// An empty namespace removes the field.
    pub(super) fn set_namespace(&mut self, namespace: &str) -> Result<(), Cause> {
        if namespace.is_empty() {
            if let Some(meta) = field_mut(&mut self.node, "metadata") {
                node::clear(meta, "namespace");
            }
            return Ok(());
        }
        self.set_meta("namespace", node::untagged(namespace))
    }

    fn set_meta(&mut self, name: &str, value: Node) -> Result<(), Cause> {
        match node::field_or_insert(&mut self.node, "metadata", node::mapping)? {
            Some(meta) => node::set_field(meta, name, value),
            None => Ok(()),
        }
    }

    fn meta_map(&self, name: &str) -> Vec<(&str, &str)> {
        let map = field(&self.node, "metadata").and_then(|meta| field(meta, name));
        map.map(|map| node::entries(map).iter().map(|(k, v)| (text(k), text(v))).collect()).unwrap_or_default()
    }

    pub(super) fn labels(&self) -> Vec<(&str, &str)> {
        self.meta_map("labels")
    }

    pub(super) fn annotations(&self) -> Vec<(&str, &str)> {
        self.meta_map("annotations")
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        let annotations = field(&self.node, "metadata").and_then(|meta| field(meta, "annotations"))?;
        field(annotations, name).map(text)
    }

    /// Sets one annotation.
    pub(super) fn set_annotation(&mut self, name: &str, value: &str) -> Result<(), Cause> {
        let Some(meta) = node::field_or_insert(&mut self.node, "metadata", node::mapping)? else { return Ok(()) };
        let Some(annotations) = node::field_or_insert(meta, "annotations", node::mapping)? else { return Ok(()) };
        if node::is_null(annotations) {
            *annotations = node::mapping();
        }
        node::set_field(annotations, name, node::tagged(value, Tag::Str))
    }

    /// Makes all annotations strings, which goes for whatever sets them as a whole; none at all are removed.
    pub(super) fn rewrite_annotations(&mut self) -> Result<(), Cause> {
        let own = self.annotations().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sorted: BTreeMap<String, String> = own.collect();
        self.set_meta_map("annotations", sorted.into_iter().collect())
    }

    /// Replaces labels or annotations; none at all removes the field.
    pub(super) fn set_meta_map(&mut self, name: &str, map: Vec<(String, String)>) -> Result<(), Cause> {
        let Some(meta) = node::field_or_insert(&mut self.node, "metadata", node::mapping)? else { return Ok(()) };
        node::clear(meta, name);
        if map.is_empty() {
            return Ok(());
        }
        let entries = map.into_iter().map(|(key, value)| (Node::string(key), node::tagged(value, Tag::Str)));
        node::put_field(meta, name, Node::new(Content::Mapping(entries.collect())));
        Ok(())
    }

    /// The object as the build hands it out.
    pub(super) fn finish(self, schema: &Schema) -> Result<Built, BuildError> {
        let id = self.current_id(schema);
        let origin = Origin { file: self.file, line: self.line, chain: self.chain };
        match json::into_value(self.node) {
            Ok(mut value) => {
                json::printed(&mut value);
                Ok(Built { value, origin })
            }
            Err(cause) => Err(located(cause.into(), id, &origin.file, origin.line, &origin.chain)),
        }
    }

    /// Where an error about this object should point.
    pub(super) fn error(&self, error: impl Into<BuildError>, schema: &Schema) -> BuildError {
        located(error.into(), self.current_id(schema), &self.file, self.line, &self.chain)
    }
}

fn located(error: BuildError, id: Id, file: &Arc<str>, line: usize, chain: &[Arc<str>]) -> BuildError {
    let mut error = error.of(id, file, line);
    if error.origin.chain.is_empty() {
        error.origin.chain = chain.to_vec();
    }
    error
}
