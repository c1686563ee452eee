//! Reading from the disk what a build asks for, and no more: a build itself reads from a tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use flux_appliers::kustomize::{BuildError, Cause};
use flux_core::Tree;
use flux_core::tree::TreeError;
use flux_core::yaml::{self, ReadOptions};
use serde_json::Value;

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Longer texts are content, not names.
const LONGEST_NAME: usize = 4096;
const CHARTS: &str = "charts";

/// What was read so far, by absolute path.
pub(super) struct Files {
    /// The directory that is built.
    dir: PathBuf,
    found: BTreeMap<PathBuf, Found>,
}

enum Found {
    File(Vec<u8>),
    Link(PathBuf),
    Directory,
}

impl Files {
    /// What the kustomization in `dir`, an absolute path without links, names, and what that names in turn.
    pub(super) fn of(dir: &Path) -> Self {
        let mut files = Self { dir: dir.to_owned(), found: BTreeMap::new() };
        files.directory(dir);
        files
    }

    /// The tree of all that was read, and where it lies on the disk.
    pub(super) fn tree(&self) -> Result<(Tree, &Path), TreeError> {
        let root = self.dir.ancestors().find(|root| self.found.keys().all(|path| path.starts_with(root)));
        let root = root.unwrap_or(Path::new("/"));
        let mut builder = Tree::builder();
        for (path, found) in &self.found {
            let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str).filter(|name| !name.is_empty()) else {
                continue;
            };
            match found {
                Found::File(data) => builder.file(name, data.clone())?,
                Found::Link(target) => builder.link(name, target.to_string_lossy())?,
                Found::Directory => builder.directory(name)?,
            };
        }
        Ok((builder.build(), root))
    }

    /// Reads what a build has failed for; false where there is no such thing, or it was read before.
    pub(super) fn add_missing(&mut self, error: &BuildError, root: &Path) -> bool {
        let Some(path) = missing(&error.cause) else { return false };
        let before = self.found.len();
        let beside = Path::new(&*error.origin.file).parent().map(Path::to_owned);
        let dirs = error.origin.chain.last().map(|dir| PathBuf::from(&**dir)).into_iter().chain(beside);
        for dir in dirs {
            self.add(&root.join(dir), path);
        }
        self.found.len() > before
    }

    /// Reads a kustomization and what it names.
    fn directory(&mut self, dir: &Path) {
        if self.found.insert(dir.to_owned(), Found::Directory).is_some() {
            return;
        }
        for name in FILE_NAMES {
            self.add(dir, name);
            if let Some(Found::File(text)) = self.found.get(&dir.join(name))
                && let Ok(value) = yaml::read(text, &ReadOptions::default())
            {
                self.named(dir, &value);
            }
        }
    }

    /// Reads everything that a value may name.
    fn named(&mut self, dir: &Path, value: &Value) {
        match value {
            Value::String(text) => {
                // A generator may give a file another name: `key=path`.
                for name in [Some(text.as_str()), text.split_once('=').map(|(_, path)| path)].into_iter().flatten() {
                    self.add(dir, name);
                }
                if let Ok(inline @ Value::Object(_)) = yaml::read(text.as_bytes(), &ReadOptions::default()) {
                    self.named(dir, &inline);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.named(dir, item)),
            Value::Object(map) => {
                for (key, value) in map {
                    self.named(dir, value);
                    if ["generators", "transformers", "validators"].contains(&key.as_str()) {
                        self.configured(dir, value);
                    }
                }
                if let Some(home) = map.get("chartHome").and_then(Value::as_str) {
                    self.whole(&lexical(&dir.join(home)));
                }
                let inflates = map.get("kind").is_some_and(|kind| kind == "HelmChartInflationGenerator")
                    || map.contains_key("helmCharts")
                    || map.contains_key("helmChartInflationGenerator");
                if inflates {
                    self.whole(&dir.join(CHARTS));
                }
            }
            _ => {}
        }
    }

    /// Reads what the configuration files of plugins name.
    fn configured(&mut self, dir: &Path, list: &Value) {
        for path in list.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(Found::File(text)) = self.found.get(&lexical(&dir.join(path)))
                && let Ok(documents) = yaml::read_documents(text, &ReadOptions::default())
            {
                documents.iter().for_each(|document| self.named(dir, &document.value));
            }
        }
    }

    /// Reads one file, or one directory as a kustomization, where there is such a thing.
    fn add(&mut self, dir: &Path, name: &str) {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(['\n', '\0']) || name.contains("://") {
            return;
        }
        let path = lexical(&dir.join(name));
        let Ok(real) = path.canonicalize() else { return };
        if real != path {
            for link in path.ancestors().filter(|part| part.is_symlink()) {
                if let Some(target) = link.parent().zip(fs::read_link(link).ok()).map(|(at, to)| lexical(&at.join(to)))
                {
                    let target = relative(&target, link.parent().unwrap_or(link));
                    self.found.entry(link.to_owned()).or_insert(Found::Link(target));
                }
            }
        }
        if real.is_dir() {
            self.directory(&real);
        } else if real.is_file()
            && !self.found.contains_key(&real)
            && let Ok(data) = fs::read(&real)
        {
            self.found.insert(real, Found::File(data));
        }
    }

    /// Reads a directory with everything below it.
    fn whole(&mut self, dir: &Path) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        self.found.entry(dir.to_owned()).or_insert(Found::Directory);
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.whole(&entry.path()),
                _ => self.add(dir, &entry.file_name().to_string_lossy()),
            }
        }
    }
}

/// The path that a build has not found.
fn missing(cause: &Cause) -> Option<&str> {
    match cause {
        Cause::NotFound { path } | Cause::WrongKind { path, .. } | Cause::Outside { path, .. } => Some(path),
        Cause::Field { cause, .. } => missing(cause),
        _ => None,
    }
}

/// A path with its `.` and `..` taken out.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// The way from a directory to a path, both absolute.
fn relative(path: &Path, from: &Path) -> PathBuf {
    let common = path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}
