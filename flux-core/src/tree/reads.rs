//! What was read of a tree, so that whoever read it need not read again while none of it has changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::Tree;
use crate::digest::{Digest, Hasher};

/// One question that a tree was asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// The content of a file.
    File(String),
    /// What is at a path, once links are followed.
    Entry(String),
    /// The names in a directory.
    Names(String),
    /// Everything below a directory.
    Below(String),
}

/// Notes what a [tracked](Tree::tracked) tree is asked.
#[derive(Clone, Default)]
pub struct Tracker(Arc<Mutex<BTreeMap<Question, Digest>>>);

impl Tracker {
    pub(super) fn note(&self, question: Question, answer: impl FnOnce(&Question) -> Digest) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let std::collections::btree_map::Entry::Vacant(vacant) = noted.entry(question) {
            let answer = answer(vacant.key());
            vacant.insert(answer);
        }
    }

    /// What was read so far.
    pub fn reads(&self) -> Reads {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Reads(noted.iter().map(|(question, answer)| (question.clone(), answer.clone())).collect())
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracker")
    }
}

/// What was read of a tree: every file, look-up and listing, with a digest of what was found.
///
/// Whatever depends on a tree only through these reads comes out the same for every tree in which they
/// [hold](Reads::hold_in): a commit that changes one application of a hundred concerns the readers of that one.
///
/// ```
/// use flux_core::Tree;
/// let first = Tree::from_files([("a/app.yaml", "replicas: 1"), ("b/app.yaml", "replicas: 1")])?;
/// let (tracked, tracker) = first.tracked();
/// tracked.read("a/app.yaml")?;
/// let reads = tracker.reads();
/// assert!(reads.hold_in(&Tree::from_files([("a/app.yaml", "replicas: 1"), ("b/app.yaml", "replicas: 2")])?));
/// assert!(!reads.hold_in(&Tree::from_files([("a/app.yaml", "replicas: 2"), ("b/app.yaml", "replicas: 1")])?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(Vec<(Question, Digest)>);

impl Reads {
    /// Whether all that was read is the same in `tree`.
    pub fn hold_in(&self, tree: &Tree) -> bool {
        self.0.iter().all(|(question, answer)| tree.answer(question) == *answer)
    }

    /// Whether a file, or everything below one of its directories, was read.
    pub fn covers(&self, file: &str) -> bool {
        self.0.iter().any(|(question, _)| match question {
            Question::File(path) => path == file,
            Question::Below(dir) => {
                dir.is_empty() || file.strip_prefix(dir.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            Question::Entry(_) | Question::Names(_) => false,
        })
    }

    /// The files that were read, and those that were looked for and not found.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(question, _)| match question {
            Question::File(path) => Some(path.as_str()),
            _ => None,
        })
    }
}

impl Tree {
    /// This tree, and a tracker that notes what is read of it.
    pub fn tracked(&self) -> (Self, Tracker) {
        let tracker = Tracker::default();
        (Self { inner: self.inner.clone(), tracker: Some(tracker.clone()) }, tracker)
    }

    /// The digest of the answer to a question.
    pub(super) fn answer(&self, question: &Question) -> Digest {
        let mut hasher = Hasher::default();
        match question {
            Question::File(path) => match self.find(path) {
                Ok(data) => hasher.update(data),
                Err(error) => {
                    hasher.field(b"error");
                    hasher.field(error.to_string().as_bytes());
                }
            },
            Question::Entry(path) => match self.locate(path) {
                Ok(resolved) => {
                    let kind: &[u8] = match self.inner.entries.get(&resolved) {
                        Some(super::Entry::File { .. }) => b"file",
                        _ if self.is_directory(&resolved) => b"directory",
                        _ => b"nothing",
                    };
                    hasher.field(kind);
                    hasher.field(resolved.as_bytes());
                }
                Err(error) => hasher.field(error.to_string().as_bytes()),
            },
            Question::Names(dir) => self.names(dir).iter().for_each(|name| hasher.field(name.as_bytes())),
            Question::Below(dir) => {
                let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
                super::digest_entries(&mut hasher, self.below(&prefix));
            }
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::from_files(files.iter().map(|(path, data)| (*path, data.as_bytes().to_vec()))).unwrap()
    }

    fn reads(tree: &Tree, read: impl Fn(&Tree)) -> Reads {
        let (tracked, tracker) = tree.tracked();
        read(&tracked.clone());
        tracker.reads()
    }

    #[test]
    fn what_was_not_found_is_a_read_too() {
        let before = tree(&[("a/x", "1")]);
        let reads = reads(&before, |tree| {
            assert!(tree.read("a/kustomization.yaml").is_err());
            assert!(!tree.is_file("b"));
        });
        assert!(reads.hold_in(&before) && reads.hold_in(&tree(&[("a/x", "2")])));
        assert!(!reads.hold_in(&tree(&[("a/x", "1"), ("a/kustomization.yaml", "")])));
        assert!(!reads.hold_in(&tree(&[("a/x", "1"), ("b", "")])));
    }

    #[test]
    fn listings_hold_whatever_the_content_and_walks_do_not() {
        let before = tree(&[("a/x", "1"), ("b/y", "1")]);
        let listed = reads(&before, |tree| drop(tree.list("a")));
        let walked = reads(&before, |tree| assert_eq!(tree.walk("a").count(), 1));
        let cut = reads(&before, |tree| drop(tree.subtree("a").unwrap()));
        let changed = tree(&[("a/x", "2"), ("b/y", "1")]);
        assert!(listed.hold_in(&changed) && !walked.hold_in(&changed) && !cut.hold_in(&changed));
        let elsewhere = tree(&[("a/x", "1"), ("b/y", "2"), ("c", "")]);
        assert!(listed.hold_in(&elsewhere) && walked.hold_in(&elsewhere) && cut.hold_in(&elsewhere));
        let more = tree(&[("a/x", "1"), ("a/z", "")]);
        assert!(!listed.hold_in(&more) && !walked.hold_in(&more));
    }
}
