//! What the server calls its kinds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use flux_core::Gvk;
use flux_core::cluster::{ClusterError, Resource};
use serde_json::Value;

/// What the server said about its kinds. A kind that is known stays what it is; one that is not is asked for again, since
/// its definition may have come meanwhile.
#[derive(Debug, Default)]
pub(super) struct Discovery(Mutex<HashMap<Gvk, Resource>>);

impl Discovery {
    pub(super) fn get(&self, gvk: &Gvk) -> Option<Resource> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(gvk).cloned()
    }

    /// Takes an `APIResourceList` in and answers with the kind that was asked for.
    pub(super) fn learn(&self, gvk: &Gvk, list: &Value) -> Result<Resource, ClusterError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in list.get("resources").and_then(Value::as_array).into_iter().flatten() {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            // Subresources are named `pods/status` and may have a kind of another group.
            if text("name").contains('/') || text("name").is_empty() {
                continue;
            }
            let gvk = Gvk::new(&gvk.group, &gvk.version, text("kind"));
            let namespaced = entry.get("namespaced").and_then(Value::as_bool).unwrap_or_default();
            known.insert(gvk.clone(), Resource { gvk, plural: text("name").to_owned(), namespaced });
        }
        known.get(gvk).cloned().ok_or_else(|| ClusterError::UnknownKind(gvk.clone()))
    }
}
