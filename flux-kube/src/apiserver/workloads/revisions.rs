//! Templates and their revisions: hashes, and the history of stateful and daemon sets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::simulation::{owner_reference, part};
use crate::apiserver::fields::sorted;
use crate::apiserver::store::Record;
use crate::apiserver::verbs::State;

/// The label by which deployments know the pods of a template.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";
/// The label by which stateful and daemon sets do.
pub(super) const REVISION_HASH: &str = "controller-revision-hash";

/// A short text that is the same for the same template. It is not the one a real controller finds, which hashes memory
/// as Go lays it out.
pub(super) fn hash(template: &Value) -> String {
    // FNV-1a, and the digits of its value in letters that make no words.
    let text = sorted(template).to_string();
    let hash = text.bytes().fold(0x811c_9dc5u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = |b: u8| char::from(LETTERS.get(usize::from(b) % LETTERS.len()).copied().unwrap_or(b'x'));
    hash.to_string().bytes().map(letter).collect()
}

/// The template of a set's pods.
pub(super) fn template(set: &Record) -> &Value {
    part(set, "spec", "/template")
}

impl State {
    /// The name of the revision that a set's template is, which is recorded if it is new.
    pub(super) fn revision_of(&mut self, set: &Arc<Record>, now: &Arc<str>) -> (String, String) {
        let hash = hash(template(set));
        let name = format!("{}-{hash}", set.meta_str("name"));
        let revisions = self.controlled(set.meta_str("uid"), "controllerrevisions");
        if !revisions.iter().any(|(_, r)| r.meta_str("name") == name) {
            let last = revisions.iter().filter_map(|(_, r)| r.object.get("revision").and_then(Value::as_i64)).max();
            let mut labels = part(set, "spec", "/template/metadata/labels").clone();
            if let Some(labels) = labels.as_object_mut() {
                labels.insert(REVISION_HASH.into(), json!(hash));
            }
            let revision = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
                "metadata": {"name": name, "labels": labels, "ownerReferences": [owner_reference(set)]},
                "data": {"spec": {"template": template(set)}}, "revision": last.unwrap_or(0) + 1});
            self.make("apps", "ControllerRevision", set.meta_str("namespace"), revision, now);
        }
        (name, hash)
    }
}
