//! Rules carried out: files of some trees become those of a new one.

use std::collections::BTreeMap;

use bytes::Bytes;
use flux_core::Tree;
use flux_core::tree::{Entry, TreeBuilder, TreeLimits, join, parent};
use flux_core::yaml::{self, Dialect, Layout, ReadOptions};
use serde_json::Value;

use super::rule::{CopyStrategy, From, Rule};
use crate::archive::read_tar_gz;
use crate::listing::Kind;
use crate::values::lay_over;

/// An artifact that is put together, file by file, under limits.
pub(super) struct Assembly {
    limits: TreeLimits,
    files: BTreeMap<String, (Bytes, bool)>,
    bytes: u64,
}

/// A file of a source, and where it goes.
struct Copy {
    from: String,
    to: String,
}

impl Assembly {
    pub(super) fn new(limits: TreeLimits) -> Self {
        Self { limits, files: BTreeMap::new(), bytes: 0 }
    }

    /// Carries out a rule on the tree of its source.
    ///
    /// # Errors
    /// In words: nothing that it matches, or what cannot be put where it is to go.
    pub(super) fn apply(&mut self, rule: &Rule, tree: &Tree) -> Result<(), String> {
        let single = matches!(&rule.from, From::Path(path) if tree.is_file(path));
        let mut copies = copies(rule, tree)?;
        copies.retain(|copy| !rule.exclude.iter().any(|pattern| pattern.matches(&copy.from)));
        if copies.is_empty() {
            return Err("no file is matched, or every one that is is excluded".into());
        }
        let entries: BTreeMap<&str, &Entry> = tree.entries().collect();
        for copy in copies {
            let data = tree.read(&copy.from).map_err(|error| error.to_string())?;
            let executable = matches!(entries.get(copy.from.as_str()), Some(Entry::File { executable: true, .. }));
            match rule.strategy {
                CopyStrategy::Overwrite => self.put(&copy.to, data, executable)?,
                CopyStrategy::Merge => {
                    let merged = self.merged(&copy.to, data)?;
                    self.put(&copy.to, merged, executable)?;
                }
                CopyStrategy::Extract if is_archive(&copy.from) => {
                    // A file that is put under a name of its own is unpacked into a directory of that name.
                    let dir = if single && !rule.into { copy.to.as_str() } else { parent(&copy.to) };
                    self.extract(&copy.from, dir, &data)?;
                }
                CopyStrategy::Extract if single => return Err(format!("`{}` is no .tar.gz or .tgz", copy.from)),
                // Among many files those that are no archives are passed over.
                CopyStrategy::Extract => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, path: &str, data: Bytes, executable: bool) -> Result<(), String> {
        let limits = self.limits;
        if path.is_empty() {
            return Err("a file needs a name in the artifact".into());
        }
        let mut above = parent(path);
        while !above.is_empty() {
            if self.files.contains_key(above) {
                return Err(format!("`{path}`: `{above}` is a file"));
            }
            above = parent(above);
        }
        let below = format!("{path}/");
        if self.files.range(below.clone()..).next().is_some_and(|(other, _)| other.starts_with(&below)) {
            return Err(format!("`{path}` is a directory"));
        }
        let replaced = self.files.get(path).map_or(0, |(data, _)| data.len() as u64);
        // A source may be copied many times over.
        self.bytes = self.bytes.saturating_sub(replaced).saturating_add(data.len() as u64);
        if self.bytes > limits.total_bytes {
            return Err(format!("`{path}`: more than {} bytes in all files", limits.total_bytes));
        }
        if self.files.len() >= limits.entries && !self.files.contains_key(path) {
            return Err(format!("`{path}`: more than {} entries", limits.entries));
        }
        self.files.insert(path.to_owned(), (data, executable));
        Ok(())
    }

    /// A YAML file laid over the one that is there.
    fn merged(&self, path: &str, data: Bytes) -> Result<Bytes, String> {
        let Some((below, _)) = self.files.get(path) else { return Ok(data) };
        if !matches!(path.rsplit('.').next(), Some("yaml" | "yml")) {
            return Err(format!("`{path}` is no YAML file, and only those are merged"));
        }
        let read = |text: &[u8]| match yaml::read(text, &ReadOptions::new(Dialect::Lax)) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(Value::Null) => Ok(serde_json::Map::new()),
            Ok(_) => Err(format!("`{path}` holds no map, and only those are merged")),
            Err(error) => Err(format!("`{path}`: {error}")),
        };
        let mut merged = read(below)?;
        lay_over(&mut merged, read(&data)?);
        Ok(yaml::write(&Value::Object(merged), Layout::Sigs).into())
    }

    fn extract(&mut self, archive: &str, dir: &str, data: &[u8]) -> Result<(), String> {
        let left = TreeLimits { total_bytes: self.limits.total_bytes.saturating_sub(self.bytes), ..self.limits };
        for found in read_tar_gz(archive, data, left).map_err(|error| error.to_string())? {
            if let Kind::File { executable } = found.kind {
                let path = join(dir, &found.path).map_err(|error| error.to_string())?;
                self.put(&path, found.handle, executable)?;
            }
        }
        Ok(())
    }

    pub(super) fn build(self) -> Result<Tree, String> {
        let mut builder = TreeBuilder::with_limits(self.limits);
        for (path, (data, executable)) in self.files {
            builder.entry(&path, Entry::File { data, executable }).map_err(|error| error.to_string())?;
        }
        Ok(builder.build())
    }
}

/// Every file that a rule means, before what it excludes. Links below directories are left out, as they are of every
/// artifact; one that is named is followed.
fn copies(rule: &Rule, tree: &Tree) -> Result<Vec<Copy>, String> {
    let under = |dir: &str, path: &str| join(dir, path).map_err(|error| error.to_string());
    let all = |dir: &str, to: &str| -> Result<Vec<Copy>, String> {
        let dir = tree.resolve(dir).map_err(|error| error.to_string())?;
        let start = if dir.is_empty() { 0 } else { dir.len() + 1 };
        let files = tree.walk(&dir).map(|(path, _)| (path, path.get(start..).unwrap_or_default()));
        files.map(|(path, rest)| Ok(Copy { from: path.to_owned(), to: under(to, rest)? })).collect()
    };
    let named = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        if rule.into { under(&rule.to, name) } else { Ok(rule.to.clone()) }
    };
    match &rule.from {
        From::Path(path) if tree.is_file(path) => Ok(vec![Copy { from: path.clone(), to: named(path)? }]),
        From::Path(path) if tree.is_dir(path) => all(path, &named(path)?),
        From::Path(path) => Err(format!("`{path}` is not in the source")),
        From::Contents(dir) if tree.is_dir(dir) => all(dir, &rule.to),
        From::Contents(dir) => Err(format!("`{dir}` is no directory of the source")),
        From::Matching(pattern) => {
            let files = tree.walk("").filter(|(path, _)| pattern.matches(path));
            files.map(|(path, _)| Ok(Copy { from: path.to_owned(), to: under(&rule.to, path)? })).collect()
        }
    }
}

fn is_archive(path: &str) -> bool {
    path.ends_with(".tar.gz") || path.ends_with(".tgz")
}
