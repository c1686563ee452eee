//! A repository on this machine, read in place: no transport, no copy, and no program is run.

use std::path::Path;

use flux_core::Revision;
use flux_core::source::SourceError;
use gix::ObjectId;

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

    /// The revision of a reference.
    pub(super) fn resolve(&self, reference: &Reference) -> Result<Revision, SourceError> {
        let prefix = reference.prefix().unwrap_or_default();
        let references = match reference {
            Reference::Semver(_) => self.list(&prefix),
            _ => self.find(&prefix),
        };
        let references = references.map_err(|error| error::broken(&self.shown, error))?;
        reference
            .pick(&references)
            .ok_or_else(|| not_found(&self.shown, reference, &self.list("refs/heads/").unwrap_or_default()))
    }

    /// The reference of exactly this full name.
    fn find(&self, name: &str) -> gix::Result<Vec<(String, ObjectId)>> {
        let found = self.repository.try_find_reference(name)?;
        found.into_iter().map(named_commit).collect()
    }

    /// The references whose full name starts like this.
    fn list(&self, prefix: &str) -> gix::Result<Vec<(String, ObjectId)>> {
        self.repository.references()?.prefixed(prefix)?.map(|reference| named_commit(reference?)).collect()
    }

    /// The objects, if the commit is among them.
    pub(super) fn objects(&self, commit: ObjectId) -> Result<&gix::odb::Handle, SourceError> {
        if self.repository.has_object(commit) {
            return Ok(&self.repository.objects);
        }
        Err(SourceError::NotFound { url: self.shown.clone(), what: format!("commit `{commit}`") })
    }
}

/// A reference's full name and the commit it leads to.
fn named_commit(mut reference: gix::Reference<'_>) -> gix::Result<(String, ObjectId)> {
    Ok((reference.name().as_bstr().to_string(), reference.peel_to_id()?.detach()))
}
