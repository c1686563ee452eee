//! What the server hands out to services: cluster addresses and node ports.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::fields::Fields;
use super::registry::{Resource, ResourceKey};
use super::status::{FieldError, Status};
use super::verbs::{State, meta_str};

const FIRST_PORT: i64 = 30000;
const LAST_PORT: i64 = 32767;

/// What was handed out last: the next one is another, though the last may be free again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    address: u32,
    port: i64,
}

fn text<'a>(spec: &'a Fields, key: &str) -> &'a str {
    spec.get(key).and_then(Value::as_str).unwrap_or("")
}

fn has_address(spec: &Fields) -> bool {
    text(spec, "type") != "ExternalName"
}

fn has_node_ports(spec: &Fields) -> bool {
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)),
        _ => false,
    }
}

fn has_health_port(spec: &Fields) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

fn is_reachable(spec: &Fields) -> bool {
    let external = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|e| !e.is_empty());
    matches!(text(spec, "type"), "NodePort" | "LoadBalancer") || (text(spec, "type") == "ClusterIP" && external)
}

fn node_port(port: &Value) -> i64 {
    port.get("nodePort").and_then(Value::as_i64).unwrap_or(0)
}

fn ports(spec: &Fields) -> impl Iterator<Item = &Value> {
    spec.get("ports").and_then(Value::as_array).into_iter().flatten()
}

fn ports_mut(spec: &mut Fields) -> impl Iterator<Item = &mut Fields> {
    spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// A service that changes keeps what it was given where it says nothing of it, and loses what its new type has not.
pub(crate) fn carry_over(object: &mut Fields, old: &Fields) {
    let (Some(spec), Some(old)) =
        (object.get_mut("spec").and_then(Value::as_object_mut), old.get("spec").and_then(Value::as_object))
    else {
        return;
    };
    if has_address(spec) && has_address(old) && text(spec, "clusterIP").is_empty() {
        for key in ["clusterIP", "clusterIPs"] {
            if let Some(v) = old.get(key) {
                spec.insert(key.to_owned(), v.clone());
            }
        }
    }
    if has_node_ports(spec) && has_node_ports(old) {
        for port in ports_mut(spec) {
            let alike = |p: &&Value| ["protocol", "port"].iter().all(|k| p.get(*k) == port.get(*k));
            let missing = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0;
            if let Some(before) = ports(old).find(alike).filter(|p| missing && node_port(p) != 0) {
                port.insert("nodePort".into(), json!(node_port(before)));
            }
        }
    }
    if has_health_port(spec)
        && has_health_port(old)
        && let (None, Some(port)) = (spec.get("healthCheckNodePort"), old.get("healthCheckNodePort"))
    {
        spec.insert("healthCheckNodePort".into(), port.clone());
    }
    drop_what_the_type_has_not(spec, old);
}

fn drop_what_the_type_has_not(spec: &mut Fields, old: &Fields) {
    let balancer = |s: &Fields| text(s, "type") == "LoadBalancer";
    let mut gone: Vec<&str> = Vec::new();
    if has_address(old) && !has_address(spec) {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    if has_health_port(old) && !has_health_port(spec) {
        gone.push("healthCheckNodePort");
    }
    if balancer(old) && !balancer(spec) {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if is_reachable(old) && !is_reachable(spec) {
        gone.push("externalTrafficPolicy");
    }
    for key in gone {
        // What was changed along with the type is the client's own mistake.
        if spec.get(key) == old.get(key) {
            spec.shift_remove(key);
        }
    }
    let same_ports = ports(spec).map(node_port).eq(ports(old).map(node_port));
    if has_node_ports(old) && !has_node_ports(spec) && same_ports {
        for port in ports_mut(spec) {
            port.shift_remove("nodePort");
        }
    }
}

impl State {
    /// Gives a service its addresses and ports, as its type asks.
    pub(crate) fn allocate(
        &mut self,
        resource: &Resource,
        object: &mut Fields,
        old: Option<&Fields>,
    ) -> Result<(), Status> {
        if resource.kind != "Service" || !resource.group.is_empty() {
            return Ok(());
        }
        let name = meta_str(object, "name").to_owned();
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        let old = old.and_then(|o| o.get("spec")).and_then(Value::as_object);
        let mut errors = Vec::new();
        if has_address(spec) {
            families(spec, &mut errors);
            if errors.is_empty() {
                self.address(spec, old, &mut errors);
            }
        }
        if errors.is_empty() && (has_node_ports(spec) || has_health_port(spec)) {
            self.node_ports(spec, old, &mut errors);
        }
        if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "Service", &name, &errors)) }
    }

    fn specs(&self) -> impl Iterator<Item = &Fields> {
        let table = self.store.table(&ResourceKey::new("", "services"));
        let records = table.into_iter().flat_map(|t| t.range("")).map(|(_, r)| &*r.object);
        records.filter_map(|o| o.get("spec").and_then(Value::as_object))
    }

    fn address(&mut self, spec: &mut Fields, old: Option<&Fields>, errors: &mut Vec<FieldError>) {
        let before = old.map(|o| text(o, "clusterIP")).unwrap_or("");
        let mut ip = text(spec, "clusterIP").to_owned();
        if ip.is_empty() {
            let first = spec.get("clusterIPs").and_then(Value::as_array).and_then(|a| a.first());
            ip = first.and_then(Value::as_str).unwrap_or("").to_owned();
        }
        let taken: HashSet<&str> = self.specs().map(|s| text(s, "clusterIP")).collect();
        if ip.is_empty() {
            // From 10.0.0.0/16, past what the server itself would use and what people like to ask for.
            let address = |n: u32| format!("10.0.{}.{}", (n >> 8) & 0xff, n & 0xff);
            let first = self.handed_out.address.max(129) + 1;
            let next = (first..65_000).chain(2..first).find(|n| !taken.contains(address(*n).as_str()));
            let next = next.unwrap_or(first);
            self.handed_out.address = next;
            ip = address(next);
        } else if ip != "None" && ip != before {
            let refused = if taken.contains(ip.as_str()) {
                Some("provided IP is already allocated")
            } else if !ip.starts_with("10.0.") {
                Some("the provided network does not match the current range")
            } else {
                None
            };
            if let Some(why) = refused {
                let why = format!("failed to allocate IP {ip}: {why}");
                return errors.push(FieldError::invalid("spec.clusterIPs", &json!([ip]), &why));
            }
        }
        spec.insert("clusterIP".into(), json!(ip));
        spec.insert("clusterIPs".into(), json!([ip]));
    }

    /// Ports of a node; the same port by another protocol is the same there.
    fn node_ports(&mut self, spec: &mut Fields, old: Option<&Fields>, errors: &mut Vec<FieldError>) {
        let own: HashSet<i64> = old.into_iter().flat_map(ports).map(node_port).collect();
        let mut taken: HashSet<i64> = self.specs().flat_map(ports).map(node_port).collect();
        taken.extend(self.specs().filter_map(|s| s.get("healthCheckNodePort")?.as_i64()));
        taken.retain(|p| !own.contains(p));
        let mut here: Vec<(i64, i64, Value)> = Vec::new();
        if has_node_ports(spec) {
            for (i, port) in ports(spec).enumerate() {
                let node = node_port(port);
                if node == 0 {
                    continue;
                }
                let field = format!("spec.ports[{i}].nodePort");
                if !(FIRST_PORT..=LAST_PORT).contains(&node) {
                    let why = format!(
                        "provided port is not in the valid range. The range of valid ports is {FIRST_PORT}-{LAST_PORT}"
                    );
                    errors.push(FieldError::invalid(field, &json!(node), &why));
                } else if taken.contains(&node) {
                    errors.push(FieldError::invalid(field, &json!(node), "provided port is already allocated"));
                }
                here.push((
                    port.get("port").and_then(Value::as_i64).unwrap_or(0),
                    node,
                    port.get("protocol").cloned().unwrap_or(Value::Null),
                ));
            }
            if !errors.is_empty() {
                return;
            }
            taken.extend(here.iter().map(|(_, node, _)| *node));
            let mut last = self.handed_out.port;
            for port in ports_mut(spec) {
                if port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) != 0 {
                    continue;
                }
                let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
                let protocol = port.get("protocol").cloned().unwrap_or(Value::Null);
                let shared = here.iter().find(|(p, n, o)| {
                    *p == number && !here.iter().any(|(_, m, q)| m == n && *q == protocol) && *o != protocol
                });
                let node = match shared {
                    Some((_, node, _)) => *node,
                    None => next_port(&mut last, &mut taken),
                };
                here.push((number, node, protocol));
                port.insert("nodePort".into(), json!(node));
            }
            self.handed_out.port = last;
        }
        if has_health_port(spec) && spec.get("healthCheckNodePort").and_then(Value::as_i64).unwrap_or(0) == 0 {
            let node = next_port(&mut self.handed_out.port, &mut taken);
            spec.insert("healthCheckNodePort".into(), json!(node));
        }
    }
}

fn next_port(last: &mut i64, taken: &mut HashSet<i64>) -> i64 {
    let first = (*last + 1).clamp(FIRST_PORT + 200, LAST_PORT);
    let next = (first..=LAST_PORT).chain(FIRST_PORT..first).find(|p| !taken.contains(p)).unwrap_or(LAST_PORT);
    taken.insert(next);
    *last = next;
    next
}

/// The families of a service's addresses: this cluster has IPv4 alone, but headless services without a selector may say
/// anything.
fn families(spec: &mut Fields, errors: &mut Vec<FieldError>) {
    let selects = spec.get("selector").and_then(Value::as_object).is_some_and(|s| !s.is_empty());
    if text(spec, "clusterIP") == "None" && !selects {
        if !spec.contains_key("ipFamilies") && !spec.contains_key("ipFamilyPolicy") {
            spec.insert("ipFamilies".into(), json!(["IPv4", "IPv6"]));
            spec.insert("ipFamilyPolicy".into(), json!("RequireDualStack"));
        }
    } else {
        if text(spec, "ipFamilyPolicy") == "RequireDualStack" {
            let why = "this cluster is not configured for dual-stack services";
            errors.push(FieldError::invalid("spec.ipFamilyPolicy", &json!("RequireDualStack"), why));
        }
        let given = spec.get("ipFamilies").and_then(Value::as_array).into_iter().flatten();
        for (i, family) in given.enumerate().filter(|(_, f)| *f == "IPv6") {
            errors.push(FieldError::invalid(format!("spec.ipFamilies[{i}]"), family, "not configured on this cluster"));
        }
    }
    for (key, value) in [("ipFamilies", json!(["IPv4"])), ("ipFamilyPolicy", json!("SingleStack"))] {
        spec.entry(key).or_insert(value);
    }
}
