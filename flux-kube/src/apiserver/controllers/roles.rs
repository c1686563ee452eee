//! Cluster roles that gather the rules of others.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::apiserver::registry::ResourceKey;
use crate::apiserver::selector::LabelSelector;
use crate::apiserver::store::Record;
use crate::apiserver::verbs::State;

impl State {
    /// Brings the rules of aggregated cluster roles up to date.
    pub(super) fn aggregate_roles(&mut self, now: &Arc<str>) {
        let key = ResourceKey::new("rbac.authorization.k8s.io", "clusterroles");
        let all: Vec<(String, Arc<Record>)> =
            self.store.table(&key).into_iter().flat_map(|t| t.range("")).map(|(k, r)| (k.clone(), r.clone())).collect();
        for (name, role) in &all {
            let selectors = role.object.get("aggregationRule").and_then(|a| a.get("clusterRoleSelectors"));
            let Some(selectors) = selectors.and_then(Value::as_array) else { continue };
            let selectors: Vec<LabelSelector> = selectors.iter().map(LabelSelector::from_object).collect();
            let mut rules: Vec<Value> = Vec::new();
            for selector in &selectors {
                for (_, part) in all.iter().filter(|(n, r)| n != name && selector.matches(&r.object)) {
                    let own = part.object.get("rules").and_then(Value::as_array).into_iter().flatten();
                    for rule in own {
                        if !rules.contains(rule) {
                            rules.push(rule.clone());
                        }
                    }
                }
            }
            let current = role.object.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if current == rules.as_slice() {
                continue;
            }
            let at = (key.clone(), name.clone());
            self.write_at(&at, "clusterrole-aggregation-controller", "", now, |object| {
                object.insert("rules".to_owned(), json!(rules));
            });
        }
    }
}
