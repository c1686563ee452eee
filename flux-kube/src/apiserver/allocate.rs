//! What the server hands out to services: cluster addresses and node ports.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::fields::Fields;
use super::registry::{Resource, ResourceKey};
use super::status::{FieldError, Status};
use super::verbs::{State, meta_str};

const FIRST_PORT: i64 = 30000;
const LAST_PORT: i64 = 32767;

impl State {
    /// Gives a service its addresses and ports, or takes them back, as its type asks.
    pub(crate) fn allocate(
        &mut self,
        resource: &Resource,
        object: &mut Fields,
        old: Option<&Fields>,
        _dry_run: bool,
    ) -> Result<(), Status> {
        if resource.kind != "Service" || !resource.group.is_empty() {
            return Ok(());
        }
        let name = meta_str(object, "name").to_owned();
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let old_spec = old.and_then(|o| o.get("spec")).and_then(Value::as_object);
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
        let external = kind == "ExternalName";
        if external {
            // Such a service has no addresses.
            let was = old_spec.and_then(|s| s.get("type")).and_then(Value::as_str).unwrap_or("");
            if was != "ExternalName" && old_spec.is_some() {
                for gone in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
                    spec.shift_remove(gone);
                }
            }
        } else {
            self.address(spec, old_spec, &name)?;
        }
        self.node_ports(spec, &kind)
    }

    fn services(&self) -> impl Iterator<Item = &Fields> {
        let key = ResourceKey::new("", "services");
        let table = self.store.table(&key);
        let records: Vec<_> = table.into_iter().flat_map(|t| t.range("")).map(|(_, r)| &*r.object).collect();
        records.into_iter()
    }

    fn address(&mut self, spec: &mut Fields, old: Option<&Fields>, name: &str) -> Result<(), Status> {
        let text = |s: &Fields, key: &str| s.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let before = old.map(|o| text(o, "clusterIP")).unwrap_or_default();
        let mut ip = text(spec, "clusterIP");
        if ip.is_empty() {
            ip.clone_from(&before);
        }
        let taken: HashSet<String> =
            self.services().filter_map(|s| s.get("spec")?.get("clusterIP")?.as_str().map(str::to_owned)).collect();
        if ip.is_empty() {
            // From the lower part of 10.0.0.0/24, past what the server itself would use.
            let mut n = 2u32;
            let address = |n: u32| format!("10.0.{}.{}", (n >> 8) & 0xff, n & 0xff);
            while taken.contains(&address(n)) && n < 65_000 {
                n += 1;
            }
            ip = address(n);
        } else if ip != "None" && ip != before && taken.contains(&ip) {
            let why = "failed to allocate IP ".to_owned() + &ip + ": provided IP is already allocated";
            let error = FieldError::invalid("spec.clusterIPs", &json!([ip]), &why);
            return Err(Status::invalid("", "Service", name, &[error]));
        }
        spec.insert("clusterIP".into(), json!(ip));
        spec.insert("clusterIPs".into(), json!([ip]));
        for (key, value) in [("ipFamilies", json!(["IPv4"])), ("ipFamilyPolicy", json!("SingleStack"))] {
            if !spec.contains_key(key) {
                let value = old.and_then(|o| o.get(key)).cloned().unwrap_or(value);
                spec.insert(key.into(), value);
            }
        }
        Ok(())
    }

    fn node_ports(&mut self, spec: &mut Fields, kind: &str) -> Result<(), Status> {
        let wants = kind == "NodePort"
            || (kind == "LoadBalancer" && spec.get("allocateLoadBalancerNodePorts") != Some(&json!(false)));
        let mut taken: HashSet<i64> = HashSet::new();
        if wants {
            for service in self.services() {
                let ports = service.get("spec").and_then(|s| s.get("ports")).and_then(Value::as_array);
                taken.extend(ports.into_iter().flatten().filter_map(|p| p.get("nodePort")?.as_i64()));
            }
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(port) = port.as_object_mut() else { continue };
            if !wants {
                if kind != "LoadBalancer" {
                    port.shift_remove("nodePort");
                }
            } else if port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0 {
                let next = (FIRST_PORT..=LAST_PORT).find(|p| !taken.contains(p)).unwrap_or(LAST_PORT);
                taken.insert(next);
                port.insert("nodePort".into(), json!(next));
            }
        }
        Ok(())
    }
}
