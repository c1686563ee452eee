//! How an artifact is shown.

use std::fmt::Write as _;

use clap::ValueEnum;
use flux_core::Artifact;
use flux_core::tree::Entry;
use serde_json::{Value, json};

use crate::Failure;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// Revision, digest, what the source says about it, and every file.
pub(super) fn artifact(artifact: &Artifact, output: Output) -> Result<String, Failure> {
    match output {
        Output::Text => Ok(text(artifact)),
        Output::Json => Ok(serde_json::to_string_pretty(&value(artifact))? + "\n"),
    }
}

fn text(artifact: &Artifact) -> String {
    let width = artifact.metadata.keys().map(|key| key.len()).max().unwrap_or_default().max("revision".len()) + 1;
    let (revision, digest) = (plain(artifact.revision.as_str()), artifact.digest());
    let mut text = format!("{:<width$} {revision}\n{:<width$} {digest}\n", "revision", "digest");
    for (key, value) in &artifact.metadata {
        let first = value.lines().next().unwrap_or_default();
        let _ = writeln!(text, "{:<width$} {}", plain(key), plain(first));
    }
    let _ = writeln!(text, "{:<width$} {}", "files", artifact.tree.file_count());
    for (path, entry) in artifact.tree.entries() {
        let path = plain(path);
        let _ = match entry {
            Entry::File { data, executable: false } => writeln!(text, "{:>9} {path}", data.len()),
            Entry::File { data, executable: true } => writeln!(text, "{:>9} {path}*", data.len()),
            Entry::Link { target } => writeln!(text, "     link {path} -> {}", plain(target)),
            Entry::Directory => writeln!(text, "      dir {path}/"),
        };
    }
    text
}

fn value(artifact: &Artifact) -> Value {
    let files = artifact.tree.entries().map(|(path, entry)| match entry {
        Entry::File { data, executable } => {
            json!({"path": path, "type": "file", "size": data.len(), "executable": executable})
        }
        Entry::Link { target } => json!({"path": path, "type": "link", "target": target}),
        Entry::Directory => json!({"path": path, "type": "directory"}),
    });
    json!({
        "revision": artifact.revision,
        "digest": artifact.digest(),
        "metadata": artifact.metadata,
        "files": files.collect::<Vec<_>>(),
    })
}

/// A text of a stranger without what a terminal would take for a command.
fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flux_core::{Revision, Tree};

    #[test]
    fn strangers_give_the_terminal_no_orders() {
        let tree = Tree::from_files([("a\x1b[2J", "x"), ("é", "")]).unwrap();
        let mut shown = Artifact::new(Revision::new("main@sha1:1"), tree);
        shown.metadata.insert("message".into(), "hello\x07\nsecond line".into());
        let text = text(&shown);
        assert!(!text.contains(['\x1b', '\x07']), "{text:?}");
        assert!(text.contains("message   hello\\u{7}\n") && text.contains("        0 é\n"), "{text}");
        assert_eq!(value(&shown)["files"][0]["path"], "a\x1b[2J");
    }
}
