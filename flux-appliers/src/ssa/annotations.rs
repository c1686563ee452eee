//! The labels and annotations by which people steer the applier.

use flux_core::Object;

/// The keys below one label group, such as `kustomize.toolkit.fluxcd.io`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directives<'a> {
    group: &'a str,
}

impl<'a> Directives<'a> {
    pub(super) fn new(group: &'a str) -> Self {
        Self { group }
    }

    /// Whether an object carries `<group>/<key>: <value>` as a label or annotation, in whatever case.
    fn has(self, object: &Object, key: &str, value: &str) -> bool {
        let found = |(name, text): (&str, &str)| {
            text.eq_ignore_ascii_case(value)
                && name.strip_prefix(self.group).and_then(|rest| rest.strip_prefix('/')) == Some(key)
        };
        object.annotations().any(found) || object.labels().any(found)
    }

    /// Why a desired object is not applied, if it is not.
    pub(super) fn skip(self, desired: &Object, live: Option<&Object>) -> Option<String> {
        let either = |key, value| self.has(desired, key, value) || live.is_some_and(|live| self.has(live, key, value));
        if either("reconcile", "disabled") {
            Some(format!("{}/reconcile: disabled", self.group))
        } else if either("ssa", "Ignore") {
            Some(format!("{}/ssa: Ignore", self.group))
        } else if live.is_some() && self.has(desired, "ssa", "IfNotPresent") {
            Some(format!("{}/ssa: IfNotPresent", self.group))
        } else {
            None
        }
    }

    /// Why a live object is not deleted, if it is not.
    pub(super) fn keep(self, live: &Object) -> Option<String> {
        [("prune", "disabled"), ("reconcile", "disabled"), ("ssa", "Ignore")]
            .into_iter()
            .find(|(key, value)| self.has(live, key, value))
            .map(|(key, value)| format!("{}/{key}: {value}", self.group))
    }

    /// Whether the health of a live object is nobody's business.
    pub(super) fn unwatched(self, live: &Object) -> bool {
        self.has(live, "reconcile", "disabled") || self.has(live, "ssa", "Ignore")
    }

    /// Whether the fields of other managers are left alone.
    pub(super) fn merges(self, desired: &Object, live: &Object) -> bool {
        self.has(desired, "ssa", "Merge") || self.has(live, "ssa", "Merge")
    }

    /// Whether the object may be made anew when a field cannot change.
    pub(super) fn forced(self, desired: &Object, live: &Object) -> bool {
        self.has(desired, "force", "enabled") || self.has(live, "force", "enabled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_compared_whatever_their_case_and_found_in_labels_too() {
        let object = |field: &str, value: &str| {
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a", field: {"kustomize.toolkit.fluxcd.io/ssa": value}}}))
            .unwrap()
        };
        let directives = Directives::new("kustomize.toolkit.fluxcd.io");
        let plain = object("labels", "Override");
        assert_eq!(directives.skip(&plain, Some(&plain)), None);
        assert!(directives.skip(&plain, Some(&object("annotations", "IGNORE"))).is_some());
        assert!(directives.skip(&object("labels", "ignore"), None).is_some());
        assert!(directives.skip(&object("annotations", "ifnotpresent"), None).is_none());
        assert!(directives.skip(&object("annotations", "ifnotpresent"), Some(&plain)).is_some());
        assert!(directives.skip(&plain, Some(&object("annotations", "IfNotPresent"))).is_none());
        assert!(directives.keep(&object("labels", "Ignore")).is_some());
        assert!(directives.keep(&object("labels", "IfNotPresent")).is_none());
    }
}
