//! Services of type LoadBalancer: they get an address.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Behaviour;
use super::simulation::part;
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::State;

impl State {
    pub(super) fn advance_service(&mut self, at: &Address, service: &Arc<Record>, now: &Arc<str>) {
        let balances = part(service, "spec", "/type") == "LoadBalancer" && service.meta("deletionTimestamp").is_none();
        let has_address = part(service, "status", "/loadBalancer/ingress").as_array().is_some_and(|i| !i.is_empty());
        if !balances {
            if has_address {
                self.report_status(at, json!({"loadBalancer": {}}), now);
            }
            return;
        }
        let Behaviour::ReadyAfter(delay) = self.behaviour(service) else { return };
        if has_address || !self.waited(at, service, delay) {
            return;
        }
        let wanted = part(service, "spec", "/loadBalancerIP").as_str().filter(|ip| !ip.is_empty());
        let address = match wanted {
            Some(wanted) => wanted.to_owned(),
            // Of the range that is for documentation only.
            None => format!("203.0.113.{}", 1 + self.ids.next() % 254),
        };
        let status: Value = json!({"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}});
        self.report_status(at, status, now);
    }
}
