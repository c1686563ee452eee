//! What was seen last of every object: enough to know an unchanged one again at a look.

use std::collections::HashMap;

use flux_core::{Digest, Object, ObjectId};

/// The live state that a desired object was last judged against, or made.
#[derive(Debug)]
struct Seen {
    digest: Digest,
    resource_version: String,
}

/// What was seen last of every object. Losing it costs dry runs and nothing else.
#[derive(Debug, Default)]
pub(super) struct Record(HashMap<ObjectId, Seen>);

impl Record {
    /// Whether a live object is still in the state in which it was as desired.
    pub(super) fn is_settled(&self, id: &ObjectId, digest: &Digest, live: &Object) -> bool {
        self.0.get(id).is_some_and(|seen| {
            Some(seen.resource_version.as_str()) == live.resource_version() && seen.digest == *digest
        })
    }

    /// Whether a desired object was brought about before as it is now: if the live one differs, somebody changed it.
    pub(super) fn was_desired(&self, id: &ObjectId, digest: &Digest) -> bool {
        self.0.get(id).is_some_and(|seen| seen.digest == *digest)
    }

    /// A live object is as desired.
    pub(super) fn settle(&mut self, id: ObjectId, digest: Digest, live: &Object) {
        if let Some(version) = live.resource_version() {
            self.0.insert(id, Seen { digest, resource_version: version.to_owned() });
        }
    }

    /// Forgets what is not wanted any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&ObjectId) -> bool) {
        self.0.retain(|id, _| wanted(id));
    }
}
