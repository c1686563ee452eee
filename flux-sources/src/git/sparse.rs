//! Which directories are checked out: `spec.sparseCheckout`.

use flux_core::source::SourceError;

use crate::listing::Found;

/// The parts of a repository that are wanted; all of it when nothing is said.
///
/// As in Flux, a path is wanted when it starts with one of the texts: `apps` wants `apps-old` too, `apps/` does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparse(Vec<String>);

impl Sparse {
    pub(super) fn new(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let trimmed = |path: String| path.strip_prefix("./").map(str::to_owned).unwrap_or(path);
        Self(paths.into_iter().map(Into::into).map(trimmed).collect())
    }

    /// Whether a file or directory is wanted, or something below it may be.
    pub(super) fn wants(&self, path: &str) -> bool {
        let below = |wanted: &str| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.0.is_empty() || self.0.iter().any(|wanted| path.starts_with(wanted.as_str()) || below(wanted))
    }

    /// Whether a file is wanted.
    pub(super) fn wants_file(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| path.starts_with(wanted.as_str()))
    }

    /// Every path that is named has to be there.
    pub(super) fn check<T>(&self, url: &str, found: &[Found<T>]) -> Result<(), SourceError> {
        for wanted in &self.0 {
            let path = wanted.trim_end_matches('/');
            let is_there = |entry: &Found<T>| {
                entry.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !path.is_empty() && !found.iter().any(is_there) {
                return Err(SourceError::NotFound {
                    url: url.to_owned(),
                    what: format!("`{wanted}` of the sparse checkout"),
                });
            }
        }
        Ok(())
    }
}
