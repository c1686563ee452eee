//! One file of manifests.

use flux_core::yaml::{self, Content, Dialect, Limits, Node};
use flux_core::{Manifest, Object, Origin, RenderError};
use serde_json::Value;

/// Lists inside lists inside lists: deeper than anybody writes.
const MAX_LIST_DEPTH: usize = 8;

/// Whether a file may hold manifests, by its name.
pub(super) fn is_manifest(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|extension| path.ends_with(extension))
}

/// Adds the objects of one file.
pub(super) fn file(path: &str, data: &[u8], manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
    let file = File { path: path.into() };
    if path.ends_with(".json") { file.json(data, manifests) } else { file.yaml(data, manifests) }
}

struct File {
    path: std::sync::Arc<str>,
}

/// Where a value stands: its line, its node if the text was YAML, and the field that leads to it.
#[derive(Clone, Copy)]
struct Place<'a> {
    line: usize,
    node: Option<&'a Node>,
    field: &'a str,
    depth: usize,
}

impl File {
    fn yaml(&self, data: &[u8], manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
        let broken = |error: yaml::YamlError| self.error(error.line, "", error.cause.to_string());
        for node in yaml::read_nodes(data, Limits::default()).map_err(broken)? {
            let value = node.to_value(Dialect::Strict).map_err(broken)?;
            self.object(value, Place { line: node.line as usize, node: Some(&node), field: "", depth: 0 }, manifests)?;
        }
        Ok(())
    }

    fn json(&self, data: &[u8], manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
        let mut documents = serde_json::Deserializer::from_slice(data).into_iter::<Value>();
        loop {
            let line = 1 + line_breaks(data, documents.byte_offset());
            let Some(document) = documents.next() else { return Ok(()) };
            let value = document.map_err(|error| self.error(error.line(), "", format!("not JSON: {error}")))?;
            self.object(value, Place { line, node: None, field: "", depth: 0 }, manifests)?;
        }
    }

    /// One document, or one item of a list.
    fn object(&self, value: Value, place: Place<'_>, manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
        let map = match value {
            Value::Null if place.depth == 0 => return Ok(()),
            Value::Object(map) if map.is_empty() && place.depth == 0 => return Ok(()),
            Value::Object(map) => map,
            _ => return Err(self.error(place.line, place.field, "must be a Kubernetes object: a map")),
        };
        let object = Object::from_map(map).map_err(|invalid| {
            self.error(line_of(place, invalid.field), &field(place, invalid.field), invalid.problem)
        })?;
        if object.kind().ends_with("List") && object.as_map().get("items").is_some_and(Value::is_array) {
            return self.list(object, place, manifests);
        }
        if object.kind() == "Kustomization" && object.api_version().starts_with("kustomize.config.k8s.io/") {
            let message = "is a kustomization; render this path with kustomize";
            return Err(self.error(line_of(place, "kind"), &field(place, "kind"), message));
        }
        if object.name().is_empty() {
            let line = line_of(place, "metadata.name");
            return Err(self.error(line, &field(place, "metadata.name"), "is missing; an applied object needs a name"));
        }
        let origin = Origin { file: self.path.clone(), line: place.line, chain: Vec::new() };
        manifests.push(Manifest { object, origin });
        Ok(())
    }

    fn list(&self, list: Object, place: Place<'_>, manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
        if place.depth >= MAX_LIST_DEPTH {
            let origin = Origin { file: self.path.clone(), line: place.line, chain: Vec::new() };
            return Err(RenderError::Limit { origin, what: "the depth of lists", limit: MAX_LIST_DEPTH as u64 });
        }
        let Value::Object(mut map) = list.into_value() else { return Ok(()) };
        let Some(Value::Array(items)) = map.shift_remove("items") else { return Ok(()) };
        let nodes = place.node.and_then(|node| child(node, "items"));
        for (i, item) in items.into_iter().enumerate() {
            let node = nodes.and_then(|nodes| match &nodes.content {
                Content::Sequence(nodes) => nodes.get(i),
                _ => None,
            });
            let field = field(place, &format!("items[{i}]"));
            let line = node.map_or(place.line, |node| node.line as usize);
            self.object(item, Place { line, node, field: &field, depth: place.depth + 1 }, manifests)?;
        }
        Ok(())
    }

    fn error(&self, line: usize, field: &str, message: impl Into<String>) -> RenderError {
        RenderError::Input {
            origin: Origin { file: self.path.clone(), line, chain: Vec::new() },
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

fn field(place: Place<'_>, field: &str) -> String {
    if place.field.is_empty() { field.to_owned() } else { format!("{}.{field}", place.field) }
}

/// The line of a field, or of the innermost thing on the way to it that is there.
fn line_of(place: Place<'_>, field: &str) -> usize {
    let mut line = place.line;
    let mut node = place.node;
    for key in field.split('.') {
        let Some(Content::Mapping(entries)) = node.map(|node| &node.content) else { break };
        let Some((at, value)) = entries.iter().find(|(name, _)| is_key(name, key)) else { break };
        line = at.line as usize;
        node = Some(value);
    }
    line
}

fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.content {
        Content::Mapping(entries) => entries.iter().find(|(name, _)| is_key(name, key)).map(|(_, value)| value),
        _ => None,
    }
}

fn is_key(node: &Node, key: &str) -> bool {
    matches!(&node.content, Content::Scalar(scalar) if scalar.text == key)
}

/// How many lines end before the first thing that is not space at or after `offset`.
fn line_breaks(data: &[u8], offset: usize) -> usize {
    let rest = data.get(offset..).unwrap_or_default();
    let start = offset + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    data.iter().take(start).filter(|byte| **byte == b'\n').count()
}
