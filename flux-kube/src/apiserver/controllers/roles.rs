//! Aggregated cluster roles: made of the rules of others.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::apiserver::registry::ResourceKey;
use crate::apiserver::selector::LabelSelector;
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::State;

const MANAGER: &str = "clusterrole-aggregation-controller";

impl State {
    /// A cluster role changed: those that may be made of it are made again.
    pub(super) fn cluster_role_changed(&mut self, now: &Arc<str>) {
        let key = ResourceKey::new("rbac.authorization.k8s.io", "clusterroles");
        let table = self.store.table(&key);
        let roles: Vec<Arc<Record>> = table.into_iter().flat_map(|t| t.range("")).map(|(_, r)| r.clone()).collect();
        for role in &roles {
            let Some(rule) = role.object.get("aggregationRule") else { continue };
            let selectors = rule.get("clusterRoleSelectors").and_then(Value::as_array);
            let selectors: Vec<LabelSelector> =
                selectors.into_iter().flatten().map(LabelSelector::from_object).collect();
            let mut rules: Vec<&Value> = Vec::new();
            for selector in &selectors {
                let others = roles.iter().filter(|r| r.meta_str("name") != role.meta_str("name"));
                let parts =
                    others.filter(|r| selector.matches(&r.object)).filter_map(|r| r.object.get("rules")?.as_array());
                for rule in parts.flatten() {
                    if !rules.contains(&rule) {
                        rules.push(rule);
                    }
                }
            }
            let rules = json!(rules);
            let at: Address = (key.clone(), role.meta_str("name").to_owned());
            self.write_at(&at, MANAGER, "", now, |role| {
                role.insert("rules".into(), rules);
            });
        }
    }
}
