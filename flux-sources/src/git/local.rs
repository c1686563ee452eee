//! A repository on this machine, read in place: no transport, no copy, and no program is run.

use std::path::Path;

use flux_core::Revision;
use flux_core::source::SourceError;
use gix::ObjectId;

use super::error;
use super::reference::{Listed, Reference};
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

    /// The references whose full name starts like this.
    pub(super) fn references(&self, prefix: &str) -> Result<Vec<Listed>, SourceError> {
        self.list(prefix).map_err(|error| error::broken(&self.shown, error))
    }

    /// The reference of exactly this full name.
    fn find(&self, name: &str) -> gix::Result<Vec<Listed>> {
        let found = self.repository.try_find_reference(name)?;
        found.into_iter().map(listed).collect()
    }

    fn list(&self, prefix: &str) -> gix::Result<Vec<Listed>> {
        self.repository.references()?.prefixed(prefix)?.map(|reference| listed(reference?)).collect()
    }

    /// The objects, if those that are wanted are among them.
    pub(super) fn into_objects(self, wants: &[ObjectId]) -> Result<gix::odb::Handle, SourceError> {
        match wants.iter().find(|want| !self.repository.has_object(**want)) {
            None => Ok(self.repository.objects.clone().into_inner()),
            Some(want) => Err(SourceError::NotFound { url: self.shown, what: format!("commit `{want}`") }),
        }
    }
}

fn listed(mut reference: gix::Reference<'_>) -> gix::Result<Listed> {
    let name = reference.name().as_bstr().to_string();
    let direct = reference.try_id().map(gix::Id::detach);
    let commit = reference.peel_to_id()?.detach();
    Ok(Listed { name, commit, tag: direct.filter(|direct| *direct != commit) })
}
