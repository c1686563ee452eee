//! Where a kustomization may read: its own directory and below, of the tree it lies in.

use std::sync::Arc;

use bytes::Bytes;
use flux_core::Tree;

use super::budget::Budget;
use super::chart::RemoteChart;
use super::error::Cause;
use super::remote::{RemoteBase, Remotes, is_file_address};

/// What a build reads a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose<'a> {
    /// Manifests, patches, kustomizations.
    Manifest,
    /// An entry of a generated Secret.
    SecretFile {
        /// The entry.
        key: &'a str,
    },
    /// An environment file of a generated Secret.
    SecretEnv,
    /// Anything else, such as an entry of a generated ConfigMap.
    Other,
}

/// Changes files when a build reads them: decryption.
pub trait FileFilter: Send + Sync + std::fmt::Debug {
    /// The content that is read in place of a file's own. `path` counts from the root of the tree.
    ///
    /// # Errors
    /// A text that says why there is none; it becomes the build's error.
    fn read(&self, path: &str, purpose: Purpose<'_>, content: Bytes) -> Result<Bytes, String>;
}

/// The view that one kustomization has of its tree.
#[derive(Debug, Clone)]
pub(super) struct Loader {
    tree: Tree,
    root: String,
    /// The directories that led here, outermost first, in this tree.
    visited: Vec<String>,
    /// Whether files outside the root are refused.
    restricted: bool,
    /// The addresses of the remote bases that led here.
    addresses: Vec<String>,
    remotes: Option<Arc<dyn Remotes>>,
    budget: Budget,
    filter: Option<Arc<dyn FileFilter>>,
}

/// The directory that a path leads to from another; `None` where it leaves the tree. A leading slash is the tree's root.
pub(super) fn join(root: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = match path.starts_with('/') {
        true => Vec::new(),
        false => root.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// True where `path` is `dir` or lies below it.
fn is_within(path: &str, dir: &str) -> bool {
    dir.is_empty() || path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

impl Loader {
    pub(super) fn new(
        tree: Tree,
        path: &str,
        restricted: bool,
        remotes: Option<Arc<dyn Remotes>>,
        budget: Budget,
    ) -> Result<Self, Cause> {
        let root = join("", path).ok_or_else(|| Cause::NotFound { path: path.to_owned() })?;
        let root = tree.resolve(&root).map_err(|_| Cause::NotFound { path: path.to_owned() })?;
        if !tree.is_dir(&root) {
            return Err(match tree.is_file(&root) {
                true => Cause::WrongKind { path: path.to_owned(), wanted: "a directory to be a root" },
                false => Cause::NotFound { path: path.to_owned() },
            });
        }
        Ok(Self { tree, root, visited: Vec::new(), restricted, addresses: Vec::new(), remotes, budget, filter: None })
    }

    /// The same, with files changed when they are read.
    pub(super) fn filtered(self, filter: Option<Arc<dyn FileFilter>>) -> Self {
        Self { filter, ..self }
    }

    /// The kustomization's directory, without a leading slash.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// The file that a path names, from the tree's root.
    pub(super) fn file_name(&self, path: &str) -> String {
        join(&self.root, path).unwrap_or_else(|| path.to_owned())
    }

    /// True where a path names a file, whether it may be read or not.
    pub(super) fn is_file(&self, path: &str) -> bool {
        join(&self.root, path).is_some_and(|path| self.tree.is_file(&path))
    }

    /// Reads a file of manifests.
    pub(super) fn load(&self, path: &str) -> Result<Bytes, Cause> {
        self.load_for(path, Purpose::Manifest)
    }

    /// Reads a file.
    pub(super) fn load_for(&self, path: &str, purpose: Purpose<'_>) -> Result<Bytes, Cause> {
        if is_file_address(path) {
            return self.remote_file(path);
        }
        let outside = || Cause::Outside { path: path.to_owned(), root: format!("/{}", self.root) };
        let joined = join(&self.root, path).ok_or_else(outside)?;
        let resolved = self.tree.resolve(&joined).map_err(|_| outside())?;
        if self.tree.is_dir(&resolved) {
            return Err(Cause::WrongKind { path: path.to_owned(), wanted: "a file" });
        }
        let missing = || Cause::NotFound { path: path.to_owned() };
        if !self.tree.is_file(&resolved) {
            return Err(missing());
        }
        let dir = resolved.rsplit_once('/').map_or("", |(dir, _)| dir);
        if self.restricted && !is_within(dir, &self.root) {
            return Err(outside());
        }
        let data = self.tree.read(&resolved).map_err(|_| missing())?;
        self.budget.file(data.len())?;
        match &self.filter {
            Some(filter) => {
                let failed = |problem| Cause::Filter { path: resolved.clone(), problem };
                filter.read(&resolved, purpose, data).map_err(failed)
            }
            None => Ok(data),
        }
    }

    /// The view of a kustomization that this one names.
    pub(super) fn enter(&self, path: &str) -> Result<Loader, Cause> {
        if path.is_empty() {
            return Err(Cause::NotFound { path: String::new() });
        }
        if let Some(base) = RemoteBase::parse(path) {
            return self.enter_remote(&base);
        }
        let missing = || Cause::NotFound { path: path.to_owned() };
        if path.starts_with('/') {
            return Err(Cause::Outside { path: path.to_owned(), root: format!("/{}", self.root) });
        }
        let joined = join(&self.root, path).ok_or_else(missing)?;
        let root = self.tree.resolve(&joined).map_err(|_| missing())?;
        if self.tree.is_file(&root) {
            return Err(Cause::WrongKind { path: path.to_owned(), wanted: "a directory to be a root" });
        }
        if !self.tree.is_dir(&root) {
            return Err(missing());
        }
        for visited in self.visited.iter().chain([&self.root]) {
            if is_within(visited, &root) {
                return Err(Cause::Cycle { candidate: format!("/{root}"), visited: format!("/{visited}") });
            }
        }
        let mut visited = self.visited.clone();
        visited.push(self.root.clone());
        Ok(Loader { root, visited, ..self.clone() })
    }

    fn enter_remote(&self, base: &RemoteBase) -> Result<Loader, Cause> {
        let url = &base.url;
        if let Some(visited) = self.addresses.iter().find(|visited| visited.starts_with(url)) {
            return Err(Cause::Cycle { candidate: url.clone(), visited: visited.clone() });
        }
        let Some(remotes) = &self.remotes else {
            return Err(Cause::Unsupported(format!(
                "'{url}' is a remote base, and no resolver for remote bases was given; vendor it into the source"
            )));
        };
        let (tree, path) = remotes.base(base).map_err(|why| Cause::Unsupported(format!("'{url}': {why}")))?;
        let loader = Loader::new(tree, &path, true, Some(Arc::clone(remotes)), self.budget.clone())?;
        let mut loader = loader.filtered(self.filter.clone());
        loader.addresses = self.addresses.iter().chain([url]).cloned().collect();
        Ok(loader)
    }

    fn remote_file(&self, url: &str) -> Result<Bytes, Cause> {
        let refused = |why: &str| Cause::Unsupported(format!("'{url}' is a remote file: {why}"));
        match &self.remotes {
            None => Err(refused("only files of the source are read")),
            Some(remotes) => {
                let data = remotes.file(url).map_err(|why| refused(&why))?;
                self.budget.file(data.len())?;
                Ok(data)
            }
        }
    }

    /// A directory of the tree, inside the kustomization's bounds or not, with its resolved path.
    pub(super) fn directory(&self, path: &str) -> Option<(Tree, String)> {
        let resolved = self.tree.resolve(&join(&self.root, path)?).ok()?;
        self.tree.is_dir(&resolved).then(|| (self.tree.clone(), resolved))
    }

    /// True where a tree is the one that this kustomization lies in.
    pub(super) fn holds(&self, tree: &Tree) -> bool {
        self.tree.ptr_eq(tree)
    }

    /// A chart that is not in the tree.
    pub(super) fn chart(&self, chart: &RemoteChart<'_>) -> Result<(Tree, String), String> {
        match &self.remotes {
            Some(remotes) => remotes.chart(chart),
            None => Err(format!(
                "it is not in the tree, and charts are not pulled; vendor it from {} into the source",
                chart.repo
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(join("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(join("a", "/x").as_deref(), Some("x"));
        assert_eq!(join("a", "../../x"), None);
        assert!(is_within("a/b", "a") && !is_within("ab", "a") && is_within("a", ""));
    }
}
