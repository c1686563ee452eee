//! The hash chain.

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::digest::{Digest, Hasher};

/// One line of the journal: an entry, its number, and the hash over all lines up to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the line, from 1.
    pub seq: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 over the hash of the line before, the number and the entry.
    pub hash: Digest,
}

/// The end of a journal: how many lines and the hash of the last. Kept apart from the journal it shows that lines were
/// cut off the end, which the chain alone cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many lines there are.
    pub seq: u64,
    /// The hash of the last line.
    pub hash: Digest,
}

/// A journal that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Tampered {
    /// The first line that is wrong, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

impl Default for Head {
    /// The head of an empty journal.
    fn default() -> Self {
        Self { seq: 0, hash: Digest::sha256(b"") }
    }
}

impl Head {
    /// The line that puts an entry after this head.
    pub fn line(&self, entry: Entry) -> Line {
        let seq = self.seq + 1;
        let hash = hash(&self.hash, seq, &entry);
        Line { seq, entry, hash }
    }
}

fn hash(previous: &Digest, seq: u64, entry: &Entry) -> Digest {
    let mut hasher = Hasher::default();
    hasher.field(previous.hex().as_bytes());
    hasher.field(&seq.to_be_bytes());
    // Written and read back the entry has the same text: every part of it is a string, a number or a map in its order.
    hasher.field(&serde_json::to_vec(entry).unwrap_or_default());
    hasher.finish()
}

/// Checks a journal line by line and gives its head. With `expected`, the head kept apart, the journal must reach at
/// least that far and agree with it there.
///
/// # Errors
/// The first line that was removed, inserted, moved, edited or cut off.
pub fn verify(text: &str, expected: Option<&Head>) -> Result<Head, Tampered> {
    let mut head = Head::default();
    for (i, line) in text.lines().enumerate() {
        let number = i as u64 + 1;
        let tampered = |problem: String| Tampered { line: number, problem };
        let line: Line =
            serde_json::from_str(line).map_err(|error| tampered(format!("not a journal line: {error}")))?;
        if line.seq != number {
            return Err(tampered(format!("numbered {}; lines were removed, added or moved", line.seq)));
        }
        if line.hash != hash(&head.hash, number, &line.entry) {
            return Err(tampered("the hash does not match; this line or the one before was changed".into()));
        }
        head = Head { seq: number, hash: line.hash };
        if expected.is_some_and(|expected| expected.seq == number && expected.hash != head.hash) {
            return Err(tampered("the journal was written anew: it differs from the head kept apart".into()));
        }
    }
    match expected {
        Some(expected) if expected.seq > head.seq => Err(Tampered {
            line: head.seq + 1,
            problem: format!("{} lines were cut off the end", expected.seq - head.seq),
        }),
        _ => Ok(head),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::object::ObjectId;
    use crate::plan::{Action, FieldChange};
    use crate::time::Timestamp;

    pub(crate) fn entry(name: &str) -> Entry {
        Entry {
            time: Timestamp::from_unix_seconds(1),
            subject: "Kustomization/app".into(),
            by: "kustomize-controller".into(),
            revision: None,
            digest: None,
            object: ObjectId::new("", "ConfigMap", "default", name),
            action: Action::Update,
            fields: vec![FieldChange { path: "data.x".into(), before: Some(1.5.into()), after: None }],
        }
    }

    fn journal() -> Vec<String> {
        let mut head = Head::default();
        ["a", "b", "c", "d"]
            .map(|name| {
                let line = head.line(entry(name));
                head = Head { seq: line.seq, hash: line.hash.clone() };
                serde_json::to_string(&line).unwrap()
            })
            .to_vec()
    }

    #[test]
    fn every_kind_of_tampering_is_found_on_its_line() {
        let lines = journal();
        let head = verify(&lines.join("\n"), None).unwrap();
        assert_eq!(head.seq, 4);
        let found = |lines: &[String]| verify(&lines.join("\n"), Some(&head)).unwrap_err().line;

        let mut edited = lines.clone();
        edited[1] = edited[1].replace("configmap", "x").replace("data.x", "data.y");
        assert_eq!(found(&edited), 2);
        assert_eq!(found(&[&lines[..1], &lines[2..]].concat()), 2, "removed from the middle");
        assert_eq!(found(&lines[1..]), 1, "removed from the start");
        assert_eq!(found(&lines[..2]), 3, "cut off the end");
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        assert_eq!(found(&swapped), 2, "moved");
        let mut torn = lines.clone();
        torn[3].truncate(20);
        assert_eq!(found(&torn), 4, "torn");
    }

    #[test]
    fn a_journal_written_anew_differs_from_its_head() {
        let head = verify(&journal().join("\n"), None).unwrap();
        let mut other = Head::default();
        let lines: Vec<String> = (0..5)
            .map(|i| {
                let line = other.line(entry(&i.to_string()));
                other = Head { seq: line.seq, hash: line.hash.clone() };
                serde_json::to_string(&line).unwrap()
            })
            .collect();
        assert_eq!(verify(&lines.join("\n"), Some(&head)).unwrap_err().line, 4);
    }
}
