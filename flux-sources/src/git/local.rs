//! A repository on this machine, read in place: no transport, no copy, and no program is run.

use std::path::Path;

use flux_core::source::SourceError;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use super::error;
use super::reference::Reference;
use super::remote::not_found;

/// A repository in a directory, bare or with a work tree.
pub(super) struct Local {
    repository: gix::Repository,
    shown: String,
}

impl Local {
    /// Opens the repository; only its own configuration is read, none of the user or the machine.
    pub(super) fn open(path: &Path, shown: &str) -> Result<Self, SourceError> {
        let repository = gix::open_opts(path, gix::open::Options::isolated()).map_err(|error| {
            if path.exists() && !error.is_not_found() {
                error::broken(shown, error)
            } else {
                SourceError::NotFound { url: shown.to_owned(), what: "repository".into() }
            }
        })?;
        Ok(Self { repository, shown: shown.to_owned() })
    }

    /// The commit that a reference is at.
    pub(super) fn resolve(&self, reference: &Reference) -> Result<ObjectId, SourceError> {
        let missing = || not_found(&self.shown, reference, self.branches());
        let name = reference.full_name().ok_or_else(missing)?;
        let broken = |error| error::broken(&self.shown, error);
        let found = self.repository.try_find_reference(name.as_str()).map_err(broken)?;
        // A short name finds more than it says: `refs/heads/x` must not find `refs/remotes/refs/heads/x`.
        let mut found = found.filter(|found| found.name().as_bstr() == name.as_str()).ok_or_else(missing)?;
        Ok(found.peel_to_id().map_err(broken)?.detach())
    }

    /// The objects, if the commit is among them.
    pub(super) fn objects(&self, commit: ObjectId) -> Result<&gix::odb::Handle, SourceError> {
        if self.repository.has_object(commit) {
            return Ok(&self.repository.objects);
        }
        Err(SourceError::NotFound { url: self.shown.clone(), what: format!("commit `{commit}`") })
    }

    fn branches(&self) -> Vec<String> {
        let Ok(references) = self.repository.references() else { return Vec::new() };
        let Ok(branches) = references.local_branches() else { return Vec::new() };
        branches.flatten().map(|branch| branch.name().shorten().to_str_lossy().into_owned()).collect()
    }
}
