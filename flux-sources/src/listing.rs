//! From what a source holds to the tree of its artifact: ignore rules are gathered, then only what is kept is read.

use std::collections::BTreeSet;

use bytes::Bytes;
use flux_core::source::SourceError;
use flux_core::tree::{Entry, Tree, TreeBuilder, TreeError, TreeLimits, parent};

use crate::ignore::{IGNORE_FILE, IgnoreRules};

/// One entry that a source holds, not read yet.
pub(crate) struct Found<T> {
    pub(crate) path: String,
    pub(crate) kind: Kind,
    /// How the source finds its content again.
    pub(crate) handle: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File { executable: bool },
    Link,
    Directory,
}

/// What is wanted of a source's files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// `spec.ignore`: patterns that outrank every `.sourceignore`.
    pub(crate) ignore: Option<String>,
    pub(crate) limits: TreeLimits,
}

impl Selection {
    /// Reads what the ignore rules keep into a tree. A directory is kept by its own verdict, not by what is in it.
    pub(crate) fn read<T>(
        &self,
        url: &str,
        found: &[Found<T>],
        mut read: impl FnMut(&Found<T>) -> Result<Bytes, SourceError>,
    ) -> Result<Tree, SourceError> {
        let rules = self.rules(found, &mut read)?;
        let mut builder = TreeBuilder::with_limits(self.limits);
        let (mut directories, mut files) = (BTreeSet::new(), Vec::new());
        let mut occupied = BTreeSet::new();
        let in_tree = |source: TreeError| SourceError::Tree { url: url.to_owned(), source };
        for entry in found.iter().filter(|entry| !rules.ignores(&entry.path, entry.kind == Kind::Directory)) {
            if entry.kind != Kind::Directory {
                files.push(entry.path.as_str());
            }
            match entry.kind {
                Kind::Directory => drop(directories.insert(entry.path.as_str())),
                Kind::File { executable } => {
                    let data = read(entry)?;
                    builder.entry(&entry.path, Entry::File { data, executable }).map_err(in_tree)?;
                }
                Kind::Link => {
                    let target = read(entry)?;
                    let target = String::from_utf8(target.into()).map_err(|_| SourceError::Rejected {
                        url: url.to_owned(),
                        problem: format!("`{}`: the target of the link is not UTF-8", entry.path),
                    })?;
                    builder.link(&entry.path, target).map_err(in_tree)?;
                }
            }
            occupied.insert(parent(&entry.path));
        }
        let mut above = BTreeSet::new();
        for mut directory in occupied.iter().copied() {
            while !directory.is_empty() && above.insert(directory) {
                directory = parent(directory);
            }
        }
        if let Some(path) = files.into_iter().find(|path| above.contains(path)) {
            let problem = format!("`{path}` is a file and a directory");
            return Err(SourceError::Rejected { url: url.to_owned(), problem });
        }
        for directory in directories {
            // One that holds something needs no entry of its own.
            if !occupied.contains(directory) {
                builder.directory(directory).map_err(in_tree)?;
            }
        }
        Ok(builder.build())
    }

    /// The rules of every `.sourceignore`, outermost first, then `spec.ignore`, above the defaults.
    fn rules<T>(
        &self,
        found: &[Found<T>],
        read: &mut impl FnMut(&Found<T>) -> Result<Bytes, SourceError>,
    ) -> Result<IgnoreRules, SourceError> {
        let mut files: Vec<&Found<T>> = found
            .iter()
            .filter(|entry| matches!(entry.kind, Kind::File { .. }))
            .filter(|entry| entry.path.rsplit('/').next() == Some(IGNORE_FILE))
            .filter(|entry| entry.path.split('/').all(|part| part != ".git"))
            .collect();
        files.sort_by_key(|entry| entry.path.split('/').count());
        let mut rules = IgnoreRules::default();
        for file in files {
            rules.add_text(&String::from_utf8_lossy(&read(file)?), parent(&file.path));
        }
        rules.add_text(self.ignore.as_deref().unwrap_or_default(), "");
        Ok(rules.with_defaults())
    }
}
