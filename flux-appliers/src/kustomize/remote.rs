//! What lies outside the tree: bases, files and charts that the host may supply.

use bytes::Bytes;
use flux_core::Tree;

use super::chart::RemoteChart;

/// Supplies what lies outside the tree. Without one, everything remote is refused.
///
/// The engine itself reads nothing but the tree it is given; what comes from here is a tree as well, and kustomizations in
/// it may not read outside their own directories.
pub trait Remotes: Send + Sync + std::fmt::Debug {
    /// The tree that holds a base or a component, and the kustomization's directory in it.
    ///
    /// # Errors
    /// A text that says why there is none; it becomes the build's error.
    fn base(&self, base: &RemoteBase) -> Result<(Tree, String), String> {
        Err(format!("remote bases are not supplied; vendor {} into the source", base.repository))
    }

    /// The content of a file that is named by a web address.
    ///
    /// # Errors
    /// As for bases.
    fn file(&self, url: &str) -> Result<Bytes, String> {
        Err(format!("remote files are not supplied; vendor {url} into the source"))
    }

    /// The tree that holds an unpacked chart, and the chart's folder in it.
    ///
    /// # Errors
    /// As for bases.
    fn chart(&self, chart: &RemoteChart<'_>) -> Result<(Tree, String), String> {
        Err(format!(
            "charts are not pulled; vendor {} {} from {} into the source",
            chart.name, chart.version, chart.repo
        ))
    }
}

/// A base that is named by the address of a Git repository, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBase {
    /// The address as written.
    pub url: String,
    /// What to clone.
    pub repository: String,
    /// The kustomization's directory in the repository; empty for its root.
    pub path: String,
    /// The branch, tag or commit; empty for the repository's default.
    pub reference: String,
    /// Whether submodules belong to it.
    pub submodules: bool,
}

impl RemoteBase {
    /// Takes an address apart; `None` for a path that names no repository.
    pub(super) fn parse(url: &str) -> Option<Self> {
        if url.starts_with('/') {
            return None;
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (host, rest) = split_host(strip(address, "git::").unwrap_or(address))?;
        let all = host.starts_with("file://");
        let (repository, path) = split_path(rest, all)?;
        let path = path.trim_start_matches('/');
        let leaves = super::loader::join("", path).is_none();
        if repository.is_empty() || leaves {
            return None;
        }
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value).next()
        };
        Some(Self {
            url: url.to_owned(),
            repository: format!("{host}{repository}"),
            path: path.to_owned(),
            reference: value("ref").or_else(|| value("version")).unwrap_or_default().to_owned(),
            submodules: !matches!(value("submodules"), Some("false" | "0" | "f" | "F" | "FALSE" | "False")),
        })
    }
}

/// True for the address of a file.
pub(super) fn is_file_address(path: &str) -> bool {
    strip(path, "http://").or_else(|| strip(path, "https://")).is_some()
}

fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

/// The part up to the path: scheme, user and host, in the form that is cloned from.
fn split_host(address: &str) -> Option<(String, &str)> {
    const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];
    let found = SCHEMES.iter().find_map(|scheme| Some((*scheme, strip(address, scheme)?)));
    let (scheme, rest) = found.unwrap_or(("", address));
    if scheme == "file://" {
        return Some((scheme.to_owned(), rest));
    }
    let (user, rest) = split_user(rest);
    let github = strip(rest, "github.com/").or_else(|| strip(rest, "github.com:")).is_some();
    let colon_may_end_host = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !colon_may_end_host {
        return None;
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|_| colon_may_end_host);
    let end = match (slash, colon) {
        (Some(slash), Some(colon)) if colon > 0 && colon < slash => Some(colon),
        (None, colon) => colon,
        (slash, _) => slash,
    };
    let (host, path) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
    if github {
        let by_ssh = scheme == "ssh://" || !user.is_empty();
        let host = if by_ssh { format!("{user}github.com:") } else { "https://github.com/".to_owned() };
        return Some((host, path));
    }
    if host.is_empty() { None } else { Some((format!("{scheme}{user}{host}"), path)) }
}

/// A user's name with its `@`, and what follows.
fn split_user(text: &str) -> (&str, &str) {
    match text.find('@') {
        Some(at)
            if text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.get(..at).is_some_and(|user| user.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')) =>
        {
            text.split_at(at + 1)
        }
        _ => ("", text),
    }
}

/// The repository and the directory in it: at `_git/NAME`, `//`, `.git`, or after two parts.
fn split_path(path: &str, all: bool) -> Option<(&str, &str)> {
    const AZURE: &str = "_git/";
    if let Some(at) = path.find(AZURE) {
        let start = at + AZURE.len();
        let end = path.get(start..)?.find('/').map_or(path.len(), |end| start + end);
        return Some(path.split_at(end));
    }
    if let Some(at) = path.find("//") {
        return Some((path.get(..at)?, path.get(at + 2..)?));
    }
    if let Some(at) = path.find(".git") {
        return Some(path.split_at(at + ".git".len()));
    }
    if all {
        return Some((path, ""));
    }
    let first = path.find('/')?;
    let end = path.get(first + 1..)?.find('/').map_or(path.len(), |end| first + 1 + end);
    Some(path.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart() {
        for (url, repository, path, reference) in [
            ("https://github.com/a/b/c/d?ref=v1", "https://github.com/a/b", "c/d", "v1"),
            ("github.com/a/b?ref=v1", "https://github.com/a/b", "", "v1"),
            ("git@github.com:a/b.git/c", "git@github.com:a/b.git", "c", ""),
            ("ssh://git@x.io:22/a/b.git//c?version=2", "ssh://git@x.io:22/a/b.git", "c", "2"),
            ("https://dev.azure.com/o/p/_git/r/x/y", "https://dev.azure.com/o/p/_git/r", "x/y", ""),
            ("https://x.io/a/b//c?submodules=0", "https://x.io/a/b", "c", ""),
            ("file:///srv/r", "file:///srv/r", "", ""),
            ("git::https://x.io/a/b", "https://x.io/a/b", "", ""),
            ("user@x.io:a/b", "user@x.io:a/b", "", ""),
        ] {
            let base = RemoteBase::parse(url).unwrap();
            assert_eq!((&*base.repository, &*base.path, &*base.reference), (repository, path, reference), "{url}");
            assert_eq!(base.submodules, !url.contains("submodules=0"));
        }
        for path in ["../base", "a/b.yaml", "./x.gitops/y", "base", "a.git/b", "/abs", "https://x.io/a", "x:y", ""] {
            assert_eq!(RemoteBase::parse(path), None, "{path}");
        }
    }
}
