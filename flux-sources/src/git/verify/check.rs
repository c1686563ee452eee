//! Holding what is fetched against the keyring.

use flux_core::Revision;
use flux_core::source::SourceError;
use gix::ObjectId;
use gix::objs::{FindExt as _, Kind};

use super::super::{Inner, Work, error};

impl Inner {
    /// The tag whose signature is wanted, by name and by the id of its object. It has to lead to the commit still.
    pub(in crate::git) fn tag_to_verify(
        &self,
        own: &Revision,
        commit: ObjectId,
        work: &Work<'_>,
    ) -> Result<Option<(String, ObjectId)>, SourceError> {
        if !self.verification.as_ref().is_some_and(|(mode, _)| mode.wants_tag()) {
            return Ok(None);
        }
        let url = self.shown.clone();
        let moved = || SourceError::NotFound { url: url.clone(), what: format!("revision `{own}`") };
        let name = self.reference.tag_of(own).ok_or_else(moved)?;
        let listed = self.list(&format!("refs/tags/{name}"), work)?;
        let full = format!("refs/tags/{name}");
        let tag = listed.into_iter().find(|listed| listed.name == full && listed.commit == commit).ok_or_else(moved)?;
        let object = tag.tag.ok_or_else(|| SourceError::Unverified {
            url: url.clone(),
            problem: format!("tag `{name}` has no signature: it is not annotated"),
        })?;
        Ok(Some((name.to_owned(), object)))
    }

    /// Who signed what has to be signed; an error if not all of it is.
    pub(in crate::git) fn verify(
        &self,
        objects: &gix::odb::Handle,
        commit: ObjectId,
        tag: Option<&(String, ObjectId)>,
        work: &Work<'_>,
    ) -> Result<Option<String>, SourceError> {
        let Some((mode, keyring)) = &self.verification else { return Ok(None) };
        let now = work.cx.now().unix_seconds();
        let unverified = |problem: String| SourceError::Unverified { url: self.shown.clone(), problem };
        let mut signers = Vec::new();
        if let Some((name, id)) = tag {
            let raw = self.raw(objects, *id, Kind::Tag)?;
            let signer = keyring.verify_tag(&raw, name, now);
            signers.push(format!("tag: {}", signer.map_err(|why| unverified(format!("tag `{name}` {why}")))?));
        }
        if mode.wants_commit() {
            let raw = self.raw(objects, commit, Kind::Commit)?;
            let signer = keyring.verify_commit(&raw, commit.kind() == gix::hash::Kind::Sha256, now);
            signers.push(format!("commit: {}", signer.map_err(|why| unverified(format!("commit `{commit}` {why}")))?));
        }
        if signers.is_empty() {
            return Err(unverified("there is no tag to verify".into()));
        }
        Ok(Some(signers.join(", ")))
    }

    /// An object as it is stored, held against its id.
    fn raw(&self, objects: &gix::odb::Handle, id: ObjectId, kind: Kind) -> Result<Vec<u8>, SourceError> {
        let mut data = Vec::new();
        let found = objects.find(&id, &mut data).map_err(|error| error::broken(&self.shown, error))?.kind;
        let hash = gix::objs::compute_hash(id.kind(), found, &data).ok();
        if found != kind || hash != Some(id) {
            let problem = format!("`{id}` is not the {kind} that it should be");
            return Err(SourceError::Unverified { url: self.shown.clone(), problem });
        }
        Ok(data)
    }
}
