//! Role-based access control: what the roles bound to a user allow.

use std::sync::Arc;

use serde_json::Value;

use super::{Attributes, User};
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::verbs::State;

const GROUP: &str = "rbac.authorization.k8s.io";

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The strings of a list.
pub(super) fn texts<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = &'a str> + Clone {
    v.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str)
}

/// Whether a rule allows it.
pub(super) fn rule_allows(rule: &Value, a: &Attributes) -> bool {
    let has = |key: &str, wanted: &str| texts(rule, key).any(|v| v == "*" || v == wanted);
    if !has("verbs", &a.verb) {
        return false;
    }
    if let Some(path) = &a.path {
        return texts(rule, "nonResourceURLs")
            .any(|p| p == "*" || p == path || p.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix)));
    }
    let subresource = a.resource.split_once('/').map(|(_, s)| s);
    let resource = texts(rule, "resources")
        .any(|r| r == "*" || r == a.resource || subresource.is_some_and(|s| r.strip_prefix("*/") == Some(s)));
    let mut names = texts(rule, "resourceNames").peekable();
    has("apiGroups", &a.group) && resource && (names.peek().is_none() || names.any(|n| n == a.name))
}

impl State {
    /// Whether `user` may; if not, what was wrong with the roles, if anything.
    pub(crate) fn allows(&self, user: &User, a: &Attributes) -> (bool, String) {
        if user.is_master() {
            return (true, String::new());
        }
        let mut missing = Vec::new();
        for rule in self.rules_of(user, &a.namespace, &mut missing) {
            if rule_allows(&rule, a) {
                return (true, String::new());
            }
        }
        let reason = match missing.as_slice() {
            [] => String::new(),
            [only] => format!("RBAC: {only}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        };
        (false, reason)
    }

    /// The rules that apply to a user in a namespace (none: cluster-wide only).
    pub(super) fn rules_of(&self, user: &User, namespace: &str, missing: &mut Vec<String>) -> Vec<Value> {
        let mut out = Vec::new();
        let bindings = |plural: &str, prefix: &str| -> Vec<Arc<Fields>> {
            let key = ResourceKey::new(GROUP, plural);
            let table = self.store.table(&key);
            table.into_iter().flat_map(|t| t.range(prefix)).map(|(_, r)| r.object.clone()).collect()
        };
        for binding in bindings("clusterrolebindings", "") {
            if bound(&binding, user, "") {
                self.role_rules(&binding, "", &mut out, missing);
            }
        }
        if !namespace.is_empty() {
            for binding in bindings("rolebindings", &format!("{namespace}/")) {
                if bound(&binding, user, namespace) {
                    self.role_rules(&binding, namespace, &mut out, missing);
                }
            }
        }
        out
    }

    fn role_rules(&self, binding: &Fields, namespace: &str, out: &mut Vec<Value>, missing: &mut Vec<String>) {
        let Some(role) = binding.get("roleRef") else { return };
        match self.rules_of_role(text(role, "kind"), namespace, text(role, "name")) {
            Some(rules) => out.extend(rules),
            None => {
                let kind = text(role, "kind").to_lowercase();
                missing.push(format!("{kind}.{GROUP} {:?} not found", text(role, "name")));
            }
        }
    }

    /// The rules of a role; `None` if there is none of the name.
    pub(super) fn rules_of_role(&self, kind: &str, namespace: &str, name: &str) -> Option<Vec<Value>> {
        let (plural, key) = match kind {
            "Role" => ("roles", format!("{namespace}/{name}")),
            _ => ("clusterroles", name.to_owned()),
        };
        let record = self.store.get(&ResourceKey::new(GROUP, plural), &key)?;
        let rules = record.object.get("rules").and_then(Value::as_array);
        Some(rules.cloned().unwrap_or_default())
    }
}

/// Whether a binding is about the user.
fn bound(binding: &Fields, user: &User, namespace: &str) -> bool {
    let subjects = binding.get("subjects").and_then(Value::as_array).into_iter().flatten();
    subjects.into_iter().any(|s| match text(s, "kind") {
        "User" => text(s, "name") == user.name,
        "Group" => user.in_group(text(s, "name")),
        "ServiceAccount" => {
            let of = if text(s, "namespace").is_empty() { namespace } else { text(s, "namespace") };
            user.name == format!("system:serviceaccount:{of}:{}", text(s, "name"))
        }
        _ => false,
    })
}
