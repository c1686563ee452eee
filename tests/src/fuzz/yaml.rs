//! The YAML readers and writers.

use std::time::{Duration, Instant};

use flux_core::yaml::{self, Dialect, Layout, Limits, ReadOptions, YamlError};
use serde_json::Value;

const DIALECTS: [Dialect; 3] = [Dialect::Lax, Dialect::Strict, Dialect::V3];

/// Reads a text in every dialect, straight to JSON and by way of nodes, which must come to the same; what was read must
/// survive being written and read again.
pub(super) fn read_and_write(data: &[u8]) {
    heads(data);
    for dialect in DIALECTS {
        let options = ReadOptions::new(dialect);
        let documents = yaml::read_documents(data, &options)
            .map(|documents| documents.into_iter().map(|document| document.value).collect::<Vec<_>>());
        // Which of two faults comes first is another matter.
        assert_eq!(documents.as_ref().ok(), by_nodes(data, dialect).as_ref().ok(), "{dialect:?} {documents:?}");
        for value in documents.iter().flatten().filter(|value| reads_back(value)) {
            for layout in [Layout::Sigs, Layout::Wide, Layout::Compact] {
                let text = yaml::write(value, layout);
                let again = yaml::read(text.as_bytes(), &options);
                assert_eq!(again.as_ref(), Ok(value), "{dialect:?} {layout:?} wrote {text:?}");
            }
        }
    }
}

/// What is read of a document's root alone is what is in the whole document.
fn heads(data: &[u8]) {
    let wanted = |name: &str| matches!(name, "kind" | "metadata" | "a");
    let options = ReadOptions::default();
    let whole = yaml::read(data, &options).map(|mut value| {
        if let Value::Object(fields) = &mut value {
            fields.retain(|name, _| wanted(name));
        }
        value
    });
    assert_eq!(yaml::read_fields(data, &options, &wanted).ok(), whole.ok());
}

/// Repeats a part of the input until it is long, which shows what takes more than its share of time or memory: nesting,
/// aliases, long scalars, brackets, floods of markers.
pub(super) fn repeat(data: &[u8]) {
    const LENGTH: usize = 1 << 18;
    const PATIENCE: Duration = Duration::from_secs(15);
    let (head, rest) = data.split_at(data.iter().position(|byte| *byte == b'\x01').unwrap_or(0));
    let rest = rest.strip_prefix(b"\x01").unwrap_or(rest);
    let (unit, tail) = rest.split_at(rest.iter().position(|byte| *byte == b'\x01').unwrap_or(rest.len()));
    let mut text = head.to_vec();
    if !unit.is_empty() {
        text.extend(unit.iter().copied().cycle().take(LENGTH / unit.len() * unit.len()));
    }
    text.extend_from_slice(tail.strip_prefix(b"\x01").unwrap_or(tail));
    let start = Instant::now();
    for dialect in DIALECTS {
        let documents = yaml::read_documents(&text, &ReadOptions::new(dialect));
        let held: usize = documents.iter().flatten().map(|document| weight(&document.value)).sum();
        // What aliases may add: Go's budget of nodes, each a part of the text.
        assert!(held <= 64 * (text.len() + (1 << 20)), "{held} for {} bytes", text.len());
    }
    assert!(start.elapsed() < PATIENCE, "{:?} for {} bytes", start.elapsed(), text.len());
}

fn by_nodes(data: &[u8], dialect: Dialect) -> Result<Vec<Value>, YamlError> {
    yaml::read_nodes(data, Limits::default())?.iter().map(|node| node.to_value(dialect)).collect()
}

/// False for what Go's packages write in a way that they do not read back.
fn reads_back(value: &Value) -> bool {
    let is_odd = |text: &str| text.contains(['\u{2028}', '\u{2029}', '\u{85}', '\t']);
    match value {
        Value::String(text) => !is_odd(text),
        Value::Array(items) => items.iter().all(reads_back),
        Value::Object(map) => map.iter().all(|(key, value)| key != "<<" && !is_odd(key) && reads_back(value)),
        _ => true,
    }
}

/// How many values there are, and bytes of text.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>(),
        _ => 1,
    }
}
