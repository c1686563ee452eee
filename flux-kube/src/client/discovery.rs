//! What the server said about kinds.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flux_core::Gvk;
use flux_core::cluster::Resource;
use serde_json::{Map, Value};

/// The kinds that the server is known to serve. Only what it serves is remembered: a kind that is not known is asked for
/// each time, since a definition may arrive at any moment.
#[derive(Debug, Default)]
pub(super) struct Discovery(Mutex<HashMap<Gvk, Resource>>);

impl Discovery {
    pub(super) fn get(&self, gvk: &Gvk) -> Option<Resource> {
        self.lock().get(gvk).cloned()
    }

    /// Takes in an `APIResourceList` of a group and version.
    pub(super) fn learn(&self, of: &Gvk, list: &Map<String, Value>) {
        let mut known = self.lock();
        known.retain(|gvk, _| (&gvk.group, &gvk.version) != (&of.group, &of.version));
        for entry in list.get("resources").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            let (plural, kind) = (text("name"), text("kind"));
            // Subresources such as `deployments/scale` have kinds of their own.
            if plural.is_empty() || kind.is_empty() || plural.contains('/') {
                continue;
            }
            let gvk = Gvk::new(&of.group, &of.version, kind);
            let namespaced = entry.get("namespaced").and_then(Value::as_bool).unwrap_or_default();
            known.entry(gvk.clone()).or_insert(Resource { gvk, plural: plural.to_owned(), namespaced });
        }
    }

    /// The server no longer serves a kind.
    pub(super) fn forget(&self, gvk: &Gvk) {
        self.lock().remove(gvk);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Gvk, Resource>> {
        // Every change under this lock leaves a whole map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
