//! Post-build substitution.

use flux_appliers::substitute::{Limits, Substitution, Variables};
use flux_core::{Manifest, Manifests, Object, Origin};

fn variables() -> Variables {
    let mut variables = Variables::new();
    for (name, value) in
        [("A", "alpha"), ("E", ""), ("N", "-2"), ("P", "/usr/lib/x.tar.gz"), ("U", "Ünï→日"), ("q", "*[a-z]?\\")]
    {
        let _ = variables.set(name, value);
    }
    variables
}

/// Expands a text, alone and inside an object; what has no `$` in it stays as it is.
pub(super) fn expand(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for strict in [true, false] {
        let limits = Limits { bytes: 1 << 20, steps: 200_000 };
        let substitution = Substitution::new(variables()).strict(strict).limits(limits);
        let expanded = substitution.text(&text);
        if !text.contains(['$', '\0']) {
            assert_eq!(expanded.as_deref(), Ok(text.as_bytes()));
        }
        let value = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": text}});
        let Ok(object) = Object::from_value(value) else { continue };
        let manifests = Manifests::new(vec![Manifest { object, origin: Origin::new("a.yaml", 1) }]);
        let _ = substitution.manifests(&manifests);
    }
}
