//! Values over values, as Helm lays them.

use serde_json::{Map, Value};

/// Lays a map over another: maps are merged deeply, all else is replaced.
pub(crate) fn lay_over(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}
