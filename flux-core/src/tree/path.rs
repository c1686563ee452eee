//! Paths inside a tree.

/// A path that leaves the tree or cannot name a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path `{path}` {problem}")]
pub struct InvalidPath {
    /// The path as given.
    pub path: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The canonical form of a relative path: parts joined by `/`, without `.`, empty parts or `..`. The root is the empty
/// text. `..` may climb as far as the root and no further.
///
/// # Errors
/// An absolute path, a NUL byte, or a climb above the root.
pub fn normalize(path: &str) -> Result<String, InvalidPath> {
    if path.starts_with('/') {
        return Err(invalid(path, "is absolute; paths start at the root of the tree"));
    }
    join("", path)
}

/// `path` as seen from the directory `base`, canonical. A leading `/` means the root of the tree.
///
/// # Errors
/// A NUL byte, or a climb above the root.
pub fn join(base: &str, path: &str) -> Result<String, InvalidPath> {
    if path.contains('\0') {
        return Err(invalid(path, "holds a NUL byte"));
    }
    let base = if path.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| invalid(path, "leads outside the tree"))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The directory that holds `path`; the root for a path without `/`.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn invalid(path: &str, problem: &'static str) -> InvalidPath {
    InvalidPath { path: path.chars().take(256).collect(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h01_paths_never_leave_the_tree() {
        for path in ["..", "../x", "a/../..", "a/../../b", "/etc/passwd", "a\0b"] {
            assert!(normalize(path).is_err(), "{path:?}");
        }
        assert_eq!(normalize("./a//b/../c/.").as_deref(), Ok("a/c"));
        assert_eq!(normalize("").as_deref(), Ok(""));
        assert_eq!(join("a/b", "../c").as_deref(), Ok("a/c"));
        assert_eq!(join("a/b", "/c").as_deref(), Ok("c"));
    }
}
