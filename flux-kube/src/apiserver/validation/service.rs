//! Services.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, list, names, one_of, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;

pub(super) fn service(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    if list(spec, "ports").next().is_none() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    one_of(path.child("type"), spec.get("type"), &kinds, errors);
    affinity(path, spec, errors);
    if kind == "ExternalName" {
        external_name(spec, errors);
    }
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let why = format!("may not be set to 'None' for {kind} services");
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!("None"), &why));
    }
    ports(path.child("ports"), spec, kind, errors);
    super::meta::labels(path.child("selector"), spec.get("selector").and_then(Value::as_object), errors);
    addresses(path, spec, old.map(|o| at(o, "spec")), errors);
    balancing(path, spec, kind, errors);
    policies(path, spec, kind, errors);
    if let Some(old) = old {
        fixed(spec, at(old, "spec"), errors);
    }
}

fn affinity(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    one_of(path.child("sessionAffinity"), spec.get("sessionAffinity"), &["ClientIP", "None"], errors);
    let seconds = at_path(spec, &["sessionAffinityConfig", "clientIP", "timeoutSeconds"]);
    if text(spec, "sessionAffinity") == "ClientIP"
        && let Some(seconds) = seconds.as_i64()
        && !(1..=86_400).contains(&seconds)
    {
        let path = path.child("sessionAffinityConfig.clientIP.timeoutSeconds");
        errors.push(FieldError::invalid(path, &json!(seconds), "must be greater than 0 and less than 86400"));
    }
}

fn at_path<'a>(v: &'a Value, keys: &[&str]) -> &'a Value {
    keys.iter().try_fold(v, |v, key| v.get(*key)).unwrap_or(NOTHING)
}

fn external_name(spec: &Value, errors: &mut Errors) {
    let name = text(spec, "externalName");
    if name.is_empty() {
        errors.push(FieldError::required("spec.externalName", ""));
    } else {
        for why in names::subdomain_errors(name.strip_suffix('.').unwrap_or(name)) {
            errors.push(FieldError::invalid("spec.externalName", &name.into(), &why));
        }
    }
    if !text(spec, "clusterIP").is_empty() || list(spec, "clusterIPs").next().is_some() {
        errors.push(FieldError::forbidden("spec.clusterIPs", "may not be set for ExternalName services"));
    }
}

fn ports(path: Path<'_>, spec: &Value, kind: &str, errors: &mut Errors) {
    let ports: Vec<&Value> = list(spec, "ports").collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut pairs = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        let path = path.index(i);
        let name = text(port, "name");
        if ports.len() > 1 && name.is_empty() {
            errors.push(FieldError::required(path.child("name"), ""));
        } else if !name.is_empty() {
            for why in names::label_errors(name) {
                errors.push(FieldError::invalid(path.child("name"), &name.into(), &why));
            }
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(path.child("name"), &name.into()));
            }
        }
        super::port(path.child("port"), port.get("port").and_then(Value::as_i64).unwrap_or(0), errors);
        one_of(path.child("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"], errors);
        match port.get("targetPort") {
            Some(Value::String(name)) => port_name(path.child("targetPort"), name, errors),
            Some(number) => super::port(path.child("targetPort"), number.as_i64().unwrap_or(0), errors),
            None => {}
        }
        let protocol = text(port, "appProtocol");
        if !protocol.is_empty() {
            for why in names::qualified_name_errors(protocol) {
                errors.push(FieldError::invalid(path.child("appProtocol"), &protocol.into(), &why));
            }
        }
        let node = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
        if node != 0 && kind == "ClusterIP" {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(path.child("nodePort"), why));
        }
        if !pairs.insert((port.get("port").and_then(Value::as_i64), text(port, "protocol"))) {
            let mut shown = Fields::new();
            for key in ["protocol", "port"] {
                shown.insert(key.to_owned(), port.get(key).cloned().unwrap_or(Value::Null));
            }
            let shown = super::internal::show("core.ServicePort", &Value::Object(shown));
            errors.push(FieldError::duplicate_shown(path, &shown));
        }
    }
}

fn addresses(path: Path<'_>, spec: &Value, old: Option<&Value>, errors: &mut Errors) {
    for (i, address) in list(spec, "externalIPs").filter_map(Value::as_str).enumerate() {
        let path = path.child("externalIPs");
        super::endpoints::public_ip(path.index(i), address, errors);
    }
    let first = list(spec, "clusterIPs").next().and_then(Value::as_str).unwrap_or("");
    let own = text(spec, "clusterIP");
    let moved = old.is_some_and(|o| text(o, "clusterIP") != own);
    if !own.is_empty() && !first.is_empty() && own != first && !moved {
        let shown = spec.get("clusterIPs").unwrap_or(NOTHING);
        errors.push(FieldError::invalid("spec.clusterIPs", shown, "first value must match `clusterIP`"));
    } else if !own.is_empty() && own != "None" && text(spec, "type") != "ExternalName" {
        super::ip(Path::new("spec.clusterIPs[0]"), own, errors);
    }
    let mut seen: HashSet<&str> = HashSet::new();
    for (i, family) in list(spec, "ipFamilies").filter_map(Value::as_str).enumerate() {
        let path = path.child("ipFamilies");
        let path = path.index(i);
        if !matches!(family, "IPv4" | "IPv6") {
            errors.push(FieldError::not_supported(path, &family.into(), &["IPv4", "IPv6"]));
        } else if !seen.insert(family) {
            errors.push(FieldError::duplicate(path, &family.into()));
        }
    }
    if spec.get("ipFamilyPolicy").is_some() {
        let known = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        one_of(path.child("ipFamilyPolicy"), spec.get("ipFamilyPolicy"), &known, errors);
    }
}

fn balancing(path: Path<'_>, spec: &Value, kind: &str, errors: &mut Errors) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let balancer = kind == "LoadBalancer";
    // This one is named as the server's code does.
    let ranges = path.child("LoadBalancerSourceRanges");
    for (i, range) in list(spec, "loadBalancerSourceRanges").filter_map(Value::as_str).enumerate() {
        if !balancer {
            errors.push(FieldError::forbidden(ranges, ONLY));
            break;
        }
        super::cidr(ranges.index(i), range.trim(), errors);
    }
    if spec.get("allocateLoadBalancerNodePorts").is_some() && !balancer {
        errors.push(FieldError::forbidden(path.child("allocateLoadBalancerNodePorts"), ONLY));
    }
    if let Some(class) = spec.get("loadBalancerClass").and_then(Value::as_str) {
        let path = path.child("loadBalancerClass");
        if !balancer {
            errors.push(FieldError::forbidden(path, ONLY));
        }
        for why in names::qualified_name_errors(class) {
            errors.push(FieldError::invalid(path, &class.into(), &why));
        }
    }
}

fn policies(path: Path<'_>, spec: &Value, kind: &str, errors: &mut Errors) {
    let external = spec.get("externalTrafficPolicy").and_then(Value::as_str);
    let reachable = matches!(kind, "NodePort" | "LoadBalancer") || list(spec, "externalIPs").next().is_some();
    if let Some(policy) = external {
        let path = path.child("externalTrafficPolicy");
        if reachable {
            one_of(path, spec.get("externalTrafficPolicy"), &["Cluster", "Local"], errors);
        } else {
            let why = "may only be set for externally-accessible services";
            errors.push(FieldError::invalid(path, &policy.into(), why));
        }
    }
    if spec.get("internalTrafficPolicy").is_some() {
        let path = path.child("internalTrafficPolicy");
        one_of(path, spec.get("internalTrafficPolicy"), &["Cluster", "Local"], errors);
    }
    let health = spec.get("healthCheckNodePort").and_then(Value::as_i64).unwrap_or(0);
    if health != 0 && !(kind == "LoadBalancer" && external == Some("Local")) {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.push(FieldError::invalid(path.child("healthCheckNodePort"), &json!(health), why));
    }
    if spec.get("trafficDistribution").is_some() {
        let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
        one_of(path.child("trafficDistribution"), spec.get("trafficDistribution"), &known, errors);
    }
}

/// What stays as it was given out.
fn fixed(spec: &Value, old: &Value, errors: &mut Errors) {
    let (was, kind) = (text(old, "type"), text(spec, "type"));
    let (before, now) = (text(old, "clusterIP"), text(spec, "clusterIP"));
    if was != "ExternalName" && kind != "ExternalName" && !before.is_empty() && now != before {
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!([now]), "may not change once set"));
    }
    let class = |s: &Value| s.get("loadBalancerClass").cloned().unwrap_or(Value::Null);
    if was == "LoadBalancer" && kind == "LoadBalancer" && class(spec) != class(old) {
        errors.push(FieldError::invalid("spec.loadBalancerClass", &class(spec), "may not change once set"));
    }
}

/// What of a service is on its way out.
pub(super) fn warnings(object: &Fields) -> Vec<String> {
    let spec = at(object, "spec");
    let mut out = Vec::new();
    if list(spec, "externalIPs").next().is_some() {
        out.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned());
    }
    if text(spec, "trafficDistribution") == "PreferClose" {
        out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
    out
}

/// The grammar of a named port.
pub(super) fn port_name(path: Path<'_>, name: &str, errors: &mut Errors) {
    let mut whys = Vec::new();
    if name.len() > 15 {
        whys.push("must be no more than 15 characters");
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        whys.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        whys.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        whys.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        whys.push("must not begin or end with a hyphen");
    }
    for why in whys {
        errors.push(FieldError::invalid(path, &name.into(), why));
    }
}
