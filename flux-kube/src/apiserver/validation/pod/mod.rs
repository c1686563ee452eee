//! Pod specs.

mod container;
mod probe;
mod resources;
mod scheduling;
mod security;
mod volume;

use std::collections::HashSet;

use serde_json::Value;

pub(super) use resources::{quantity, resource_list};
pub(super) use scheduling::{node_selector, tolerations};

use super::path::Path;
use super::{Errors, list, names, one_of, text};
use crate::apiserver::status::FieldError;

/// The most that fits into 32 bits, which several fields may not exceed.
const MAX_INT32: i64 = i32::MAX as i64;

/// The rules of a pod's spec.
pub(super) fn spec(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    volume::volumes(path.child("volumes"), spec, errors);
    containers(path, spec, errors);
    one_of(path.child("restartPolicy"), spec.get("restartPolicy"), &["Always", "OnFailure", "Never"], errors);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(path.child("dnsPolicy"), spec.get("dnsPolicy"), &policies, errors);
    super::meta::labels(path.child("nodeSelector"), spec.get("nodeSelector").and_then(Value::as_object), errors);
    names_of(path, spec, errors);
    dns_config(path.child("dnsConfig"), spec, errors);
    security::pod(path, spec, errors);
    scheduling::rules(path, spec, errors);
    if let Some(n) = spec.get("activeDeadlineSeconds").and_then(Value::as_i64) {
        super::within(path.child("activeDeadlineSeconds"), n, 1, MAX_INT32, errors);
    }
    if let Some(overhead) = spec.get("overhead") {
        resource_list(path.child("overhead"), overhead, errors);
    }
}

fn containers(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    if list(spec, "containers").next().is_none() {
        errors.push(FieldError::required(path.child("containers"), ""));
    }
    let volumes: Vec<&str> = list(spec, "volumes").map(|v| text(v, "name")).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    for kind in ["containers", "initContainers"] {
        let path = path.child(kind);
        let mut taken: Vec<(&str, &str, i64)> = Vec::new();
        for (i, c) in list(spec, kind).enumerate() {
            let path = path.index(i);
            container::name(path, c, &mut seen, errors);
            container::rules(path, c, &volumes, errors);
            container::host_ports(path.child("ports"), spec, c, &mut taken, errors);
            if kind == "initContainers" {
                taken.clear();
                container::init(path, c, errors);
            }
            probe::of_container(path, c, kind == "initContainers" && text(c, "restartPolicy") != "Always", errors);
        }
    }
    let path = path.child("ephemeralContainers");
    for (i, c) in list(spec, "ephemeralContainers").enumerate() {
        let path = path.index(i);
        container::name(path, c, &mut seen, errors);
        container::rules(path, c, &volumes, errors);
        let target = text(c, "targetContainerName");
        if !target.is_empty() && !list(spec, "containers").any(|c| text(c, "name") == target) {
            errors.push(FieldError::not_found(path.child("targetContainerName"), &target.into()));
        }
    }
}

fn names_of(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    type Rule = fn(&str) -> Vec<String>;
    let rules: [(&str, Rule); 6] = [
        ("serviceAccountName", names::subdomain_errors),
        ("nodeName", names::subdomain_errors),
        ("hostname", names::label_errors),
        ("subdomain", names::label_errors),
        ("priorityClassName", names::subdomain_errors),
        ("runtimeClassName", names::subdomain_errors),
    ];
    for (key, rule) in rules {
        if let Some(name) = spec.get(key).and_then(Value::as_str).filter(|n| !n.is_empty()) {
            for why in rule(name) {
                errors.push(FieldError::invalid(path.child(key), &name.into(), &why));
            }
        }
    }
    for (i, secret) in list(spec, "imagePullSecrets").enumerate() {
        if text(secret, "name").is_empty() {
            let path = path.child("imagePullSecrets");
            errors.push(FieldError::required(path.index(i).child("name"), ""));
        }
    }
    for (i, alias) in list(spec, "hostAliases").enumerate() {
        let path = path.child("hostAliases");
        let path = path.index(i);
        super::ip(path.child("ip"), text(alias, "ip"), errors);
        for (j, name) in list(alias, "hostnames").filter_map(Value::as_str).enumerate() {
            for why in names::subdomain_errors(name) {
                errors.push(FieldError::invalid(path.child("hostnames").index(j), &name.into(), &why));
            }
        }
    }
    for (i, gate) in list(spec, "readinessGates").enumerate() {
        let kind = text(gate, "conditionType");
        for why in names::qualified_name_errors(kind) {
            let path = path.child("readinessGates");
            errors.push(FieldError::invalid(path.index(i).child("conditionType"), &kind.into(), &why));
        }
    }
}

/// A pod that does without the cluster's name service must say what it uses.
fn dns_config(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    let config = spec.get("dnsConfig").filter(|c| !c.is_null());
    let own = text(spec, "dnsPolicy") == "None";
    let Some(config) = config else {
        if own {
            errors.push(FieldError::required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
        }
        return;
    };
    let servers = list(config, "nameservers").count();
    if own && servers == 0 {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(FieldError::required(path.child("nameservers"), why));
    }
    if servers > 3 {
        let shown = config.get("nameservers").unwrap_or(&Value::Null);
        errors.push(FieldError::invalid(path.child("nameservers"), shown, "must not have more than 3 nameservers"));
    }
    for (i, server) in list(config, "nameservers").filter_map(Value::as_str).enumerate() {
        super::ip(path.child("nameservers").index(i), server, errors);
    }
    for (i, search) in list(config, "searches").filter_map(Value::as_str).enumerate() {
        if search == "." {
            continue;
        }
        for why in names::search_domain_errors(search.strip_suffix('.').unwrap_or(search)) {
            errors.push(FieldError::invalid(path.child("searches").index(i), &search.into(), &why));
        }
    }
    for (i, option) in list(config, "options").enumerate() {
        if text(option, "name").is_empty() {
            errors.push(FieldError::required(path.child("options").index(i), "must not be empty"));
        }
    }
}

/// The source of a volume that is no pod's.
pub(super) fn volume_source(path: Path<'_>, source: &Value, errors: &mut Errors) {
    volume::source(path, source, true, errors);
}
