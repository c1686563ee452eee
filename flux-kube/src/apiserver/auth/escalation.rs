//! Nobody grants what they do not hold.

use serde_json::Value;

use super::rbac::{rule_allows, texts};
use super::{Attributes, User};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::Status;
use crate::apiserver::verbs::{State, Target, meta_str};

impl State {
    /// Refuses a role or binding by which `user` would grant more than they have.
    pub(crate) fn check_escalation(&self, user: &User, target: &Target, object: &Fields) -> Result<(), Status> {
        let resource = &target.resource;
        if user.is_master() || resource.group != "rbac.authorization.k8s.io" {
            return Ok(());
        }
        let may = |verb: &str, plural: &str, name: &str| {
            let attributes = Attributes {
                verb: verb.to_owned(),
                group: resource.group.clone(),
                resource: plural.to_owned(),
                namespace: target.namespace.clone(),
                name: name.to_owned(),
                path: None,
            };
            self.allows(user, &attributes).0
        };
        let wanted = match resource.kind.as_str() {
            "Role" | "ClusterRole" => {
                if may("escalate", &resource.plural, meta_str(object, "name")) {
                    return Ok(());
                }
                object.get("rules").and_then(Value::as_array).cloned().unwrap_or_default()
            }
            _ => {
                let text =
                    |key: &str| object.get("roleRef").and_then(|r| r.get(key)).and_then(Value::as_str).unwrap_or("");
                let plural = if text("kind") == "Role" { "roles" } else { "clusterroles" };
                if may("bind", plural, text("name")) {
                    return Ok(());
                }
                self.rules_of_role(text("kind"), &target.namespace, text("name")).unwrap_or_default()
            }
        };
        let held = self.rules_of(user, &target.namespace, &mut Vec::new());
        let lacking: Vec<&Value> = wanted.iter().filter(|rule| !covered(rule, &held)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = lacking.iter().map(|r| show(r)).collect();
        let groups: Vec<String> = user.groups.iter().map(|g| format!("{g:?}")).collect();
        let why = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            groups.join(" "),
            shown.join("\n")
        );
        Err(Status::forbidden(&resource.group, &resource.plural, meta_str(object, "name"), &why))
    }
}

/// Whether everything a rule allows is allowed by `held`.
fn covered(rule: &Value, held: &[Value]) -> bool {
    let list = |key: &str| -> Vec<&str> { texts(rule, key).collect() };
    let allowed = |a: &Attributes| held.iter().any(|h| rule_allows(h, a));
    for verb in list("verbs") {
        for path in list("nonResourceURLs") {
            let a = Attributes { verb: verb.to_owned(), path: Some(path.to_owned()), ..Attributes::default() };
            if !allowed(&a) {
                return false;
            }
        }
        for group in list("apiGroups") {
            for resource in list("resources") {
                let mut names = list("resourceNames");
                if names.is_empty() {
                    names.push("");
                }
                for name in names {
                    let a = Attributes {
                        verb: verb.to_owned(),
                        group: group.to_owned(),
                        resource: resource.to_owned(),
                        name: name.to_owned(),
                        ..Attributes::default()
                    };
                    if !allowed(&a) {
                        return false;
                    }
                }
            }
        }
    }
    true
}

fn show(rule: &Value) -> String {
    let mut parts = Vec::new();
    for (key, name) in [
        ("apiGroups", "APIGroups"),
        ("resources", "Resources"),
        ("resourceNames", "ResourceNames"),
        ("nonResourceURLs", "NonResourceURLs"),
        ("verbs", "Verbs"),
    ] {
        let values: Vec<String> = texts(rule, key).map(|v| format!("{v:?}")).collect();
        if !values.is_empty() {
            parts.push(format!("{name}:[{}]", values.join(" ")));
        }
    }
    format!("{{{}}}", parts.join(", "))
}
