//! YAML as the Go ecosystem reads and writes it.
//!
//! Kubernetes tools read YAML through two generations of one Go package, and each has its own mind: `y: 1` is the key
//! `"true"` to Helm and the controllers (`sigs.k8s.io/yaml`, YAML 1.1 booleans) and the key `"y"` to kustomize (YAML
//! 1.2 booleans, timestamps). [`Dialect`] chooses the reader and [`Layout`] the writer; the JSON in between keeps the
//! order of the text.
//!
//! ```
//! use flux_core::yaml::{self, Dialect, Layout, ReadOptions};
//!
//! let value = yaml::read(b"replicas: 0b11\non: off\n", &ReadOptions::default())?;
//! assert_eq!(value, serde_json::json!({"replicas": 3, "true": false}));
//! assert_eq!(yaml::write(&value, Layout::Sigs), "replicas: 3\n\"true\": false\n");
//!
//! let options = ReadOptions { dialect: Dialect::V3, ..ReadOptions::default() };
//! let documents = yaml::read_documents(b"a: 1\n---\nb: 2\n", &options)?;
//! assert_eq!((documents.len(), documents[1].line), (2, 3));
//! # Ok::<(), yaml::YamlError>(())
//! ```
//!
//! Every reader works under [`Limits`]; the budget for aliases is Go's. Texts are accepted and refused as Go's packages do
//! it, which descend from libyaml; [`YamlError::in_go`] has their words. One thing differs: the tag `!` by itself
//! (`! 12`) is passed over in every dialect, where Go's second generation makes a string.

mod analysis;
mod compose;
mod direct;
mod emit;
mod error;
mod events;
mod node;
mod number;
mod order;
mod scalar;
mod scan;
mod skim;
mod source;
mod text;
mod value;

pub use error::{Syntax, YamlCause, YamlError};
pub use node::{Content, Node, Scalar, Style, Tag};
pub use order::key_order;
pub use text::Text;

use compose::Composer;
use serde_json::{Map, Value};
use source::Source;

/// Which of Go's readers to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// `sigs.k8s.io/yaml`'s `Unmarshal`: YAML 1.1 booleans, the last of two equal keys wins.
    #[default]
    Lax,
    /// `sigs.k8s.io/yaml`'s `UnmarshalStrict`: the same, but a key that is set twice is an error.
    Strict,
    /// go-yaml's third generation, which kustomize builds on: YAML 1.2 booleans, timestamps become RFC 3339, equal
    /// keys are an error, booleans and floats cannot be keys.
    V3,
}

/// How to lay out what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// As `sigs.k8s.io/yaml` (kubectl, kustomize, Helm's `toYaml`): sequences not indented, long lines folded.
    #[default]
    Sigs,
    /// As go-yaml's third generation with an indent of two: sequences indented, nothing folded.
    Wide,
    /// The same with sequences not indented, as kustomize's own packages set it.
    Compact,
}

/// What a text may take to read; past it, reading fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text, and as many again that aliases may stand for in one document.
    pub bytes: usize,
    /// Documents in one text.
    pub documents: usize,
    /// Levels of nesting.
    pub depth: usize,
}

impl Default for Limits {
    /// 64 MiB, 100,000 documents and 500 levels.
    fn default() -> Self {
        Self { bytes: 64 << 20, documents: 100_000, depth: 500 }
    }
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The reader to be.
    pub dialect: Dialect,
    /// The limits to hold.
    pub limits: Limits,
}

impl ReadOptions {
    /// The default limits with `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }
}

/// One document of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it holds; null where it is empty.
    pub value: Value,
    /// The line its content starts on, from one.
    pub line: usize,
}

/// Reads the first document of a text; null where there is none.
///
/// # Errors
/// Where the text is not YAML, cannot be JSON, or passes a limit. What follows the first document is not looked at.
pub fn read(text: &[u8], options: &ReadOptions) -> Result<Value, YamlError> {
    let source = Source::new(text, options.limits)?;
    let first = Composer::new(&source, options.limits).next_value(options.dialect, None)?;
    Ok(first.map_or(Value::Null, |(value, _)| value))
}

/// Reads the first document of a text as [`read`] does, but keeps only those fields of its root that are wanted: what an
/// object is takes less time to learn than what it holds.
///
/// ```
/// use flux_core::yaml::{self, ReadOptions};
///
/// let text = b"kind: Secret\ndata: {a: b}\n";
/// let head = yaml::read_fields(text, &ReadOptions::default(), &|name| name == "kind")?;
/// assert_eq!(head, serde_json::json!({"kind": "Secret"}));
/// assert!(yaml::read_fields(b"kind: Secret\ndata: [\n", &ReadOptions::default(), &|name| name == "kind").is_err());
/// # Ok::<(), yaml::YamlError>(())
/// ```
///
/// # Errors
/// As [`read`], also for what is in the other fields.
pub fn read_fields(text: &[u8], options: &ReadOptions, wanted: &dyn Fn(&str) -> bool) -> Result<Value, YamlError> {
    let source = Source::new(text, options.limits)?;
    if options.dialect == Dialect::Lax
        && source.fault.is_none()
        && let Some(heads) = skim::heads(&source.text, wanted, options.limits.depth)
        && let Ok(Value::Object(found)) =
            if heads.is_empty() { Ok(Value::Object(Map::new())) } else { read(heads.as_bytes(), options) }
    {
        return Ok(Value::Object(found));
    }
    let first = Composer::new(&source, options.limits).next_value(options.dialect, Some(wanted))?;
    let mut value = first.map_or(Value::Null, |(value, _)| value);
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| wanted(name));
    }
    Ok(value)
}

/// Reads every document of a text, in order; documents without content are null.
///
/// # Errors
/// As [`read`]; lines count from the start of the text.
pub fn read_documents(text: &[u8], options: &ReadOptions) -> Result<Vec<Document>, YamlError> {
    let source = Source::new(text, options.limits)?;
    let mut composer = Composer::new(&source, options.limits);
    let mut documents = Vec::new();
    while let Some((value, line)) = composer.next_value(options.dialect, None)? {
        documents.push(Document { value, line });
    }
    Ok(documents)
}

/// Reads the first document of a text as a node; `None` where there is none.
///
/// # Errors
/// As [`read_nodes`]. What follows the first document is not looked at.
pub fn read_first_node(text: &[u8], limits: Limits) -> Result<Option<Node>, YamlError> {
    let source = Source::new(text, limits)?;
    Composer::new(&source, limits).next_document()
}

/// Reads every document of a text as nodes, which keep positions and the spelling of scalars.
///
/// # Errors
/// Where the text is not YAML or passes a limit.
pub fn read_nodes(text: &[u8], limits: Limits) -> Result<Vec<Node>, YamlError> {
    let source = Source::new(text, limits)?;
    let mut composer = Composer::new(&source, limits);
    let mut nodes = Vec::new();
    while let Some(node) = composer.next_document()? {
        nodes.push(node);
    }
    Ok(nodes)
}

/// Writes one document, with the keys of every mapping in Go's order, ending in a line break.
pub fn write(value: &Value, layout: Layout) -> String {
    emit::emit(value, layout)
}

/// Writes one node as a document, with its order and styles as they were, ending in a line break.
///
/// Comments are gone.
pub fn write_node(node: &Node, layout: Layout) -> String {
    emit::emit_node(node, layout)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_end_inside_a_line() {
        for (text, value) in [
            ("a: |\n  x", json!({"a": "x"})),
            ("a: |\n  x\n\n  y", json!({"a": "x\n\ny"})),
            ("a: |+\n  x", json!({"a": "x"})),
            ("a: >\n  x\n  y", json!({"a": "x y"})),
            ("a: |\n  x\n  ", json!({"a": "x\n"})),
            ("a: |\n  x\n# c", json!({"a": "x\n"})),
            ("a: |", json!({"a": ""})),
            ("a: \"é \\\"\"", json!({"a": "é \""})),
        ] {
            assert_eq!(read(text.as_bytes(), &ReadOptions::default()), Ok(value), "{text:?}");
        }
    }

    #[test]
    fn errors_in_the_words_of_go() {
        for (text, dialect, words) in [
            ("a: b: c", Dialect::Lax, "yaml: mapping values are not allowed in this context"),
            ("a:\n  b: [\n", Dialect::Lax, "yaml: line 2: did not find expected node content"),
            ("a: [1, 2\n", Dialect::Lax, "yaml: line 1: did not find expected ',' or ']'"),
            ("a: x\u{85}y\n", Dialect::Lax, "yaml: line 3: could not find expected ':'"),
            ("a: x\u{85}y\n", Dialect::V3, "yaml: line 2: could not find expected ':'"),
            (
                "x:\n  a: 1\n  a: 2\n",
                Dialect::Strict,
                "yaml: unmarshal errors:\n  line 3: key \"a\" already set in map",
            ),
            ("a: .inf", Dialect::Lax, "json: unsupported value: +Inf"),
            ("a: \u{7}", Dialect::Lax, "yaml: control characters are not allowed"),
        ] {
            let error = read(text.as_bytes(), &ReadOptions::new(dialect)).unwrap_err();
            assert_eq!(error.in_go(dialect), words, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_still_checked() {
        let head = |text: &str| read_fields(text.as_bytes(), &ReadOptions::default(), &|name| name == "kind");
        for rest in [
            "a: {b: [1, c, {d: e}]}",
            "a: &x [1]\nb: *x",
            "a: {<<: {b: 1}}",
            "yes: no",
            "a: ! 1",
            "a:\n- b\n-\n- c: 1\n  d:\n",
            "a: 1\na: 2",
            "\"a b\": 'x'",
        ] {
            assert_eq!(head(&format!("{rest}\nkind: K\n")), Ok(json!({"kind": "K"})), "{rest:?}");
        }
        for fault in
            ["a: .inf", "a: [1, .nan]", "a: {null: 1}", "a: {[b]: 1}", "a: !!int b", "a: [", "a: *x", "a: b: c"]
        {
            let text = format!("kind: K\n{fault}\n");
            assert_eq!(head(&text), read(text.as_bytes(), &ReadOptions::default()), "{fault:?}");
            assert!(head(&text).is_err(), "{fault:?}");
        }
    }

    #[test]
    fn nodes_keep_their_styles() {
        let text = "a: {x: \"1\", 'y z': [1, b, \"c\"]}\nl:\n- |-\n  t\n  u\n- 'q'\n- {}\ne:\n";
        let node = read_first_node(text.as_bytes(), Limits::default()).unwrap().unwrap();
        assert_eq!(write_node(&node, Layout::Compact), text);
    }

    #[test]
    fn hostile_texts_are_errors() {
        for text in ["a: \"\\", "[!x, y", "a: !%C3%28 x", "a: \"é\\/\"", "- [\n- ]", "%TAG"] {
            assert!(read(text.as_bytes(), &ReadOptions::default()).is_err(), "{text:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(
            read(deep.as_bytes(), &ReadOptions::default()),
            Err(YamlError { cause: YamlCause::Limit { .. }, .. })
        ));
    }
}
