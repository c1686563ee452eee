//! Ingresses, network policies and what names their addresses.

use serde_json::{Value, json};

use super::path::Path;
use super::service::port_name;
use super::{Errors, at, cidr, immutable, list, names, one_of, parse_cidr, selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;
const CLASS: &str = "kubernetes.io/ingress.class";

pub(super) fn ingress(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    let default = spec.get("defaultBackend");
    if default.is_none() && list(spec, "rules").next().is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", &Value::Null, why));
    }
    if let Some(backend) = default {
        self::backend(path.child("defaultBackend"), backend, errors);
    }
    for (i, tls) in list(spec, "tls").enumerate() {
        let path = path.child("tls");
        let path = path.index(i);
        for (j, host) in list(tls, "hosts").filter_map(Value::as_str).enumerate() {
            host_errors(path.child("hosts").index(j), host, errors);
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            for why in names::subdomain_errors(secret) {
                errors.push(FieldError::invalid(path.child("secretName"), &secret.into(), &why));
            }
        }
    }
    for (i, rule) in list(spec, "rules").enumerate() {
        let path = path.child("rules");
        let path = path.index(i);
        let host = text(rule, "host");
        if host.parse::<std::net::IpAddr>().is_ok() {
            let why = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(path.child("host"), &host.into(), why));
        } else if !host.is_empty() {
            host_errors(path.child("host"), host, errors);
        }
        if let Some(http) = rule.get("http") {
            paths(path.child("http.paths"), http, errors);
        }
    }
    let class = text(spec, "ingressClassName");
    if !class.is_empty() {
        for why in names::subdomain_errors(class) {
            errors.push(FieldError::invalid("spec.ingressClassName", &class.into(), &why));
        }
    }
    let annotated = at(object, "metadata").get("annotations").map_or("", |a| text(a, CLASS));
    if old.is_none() && !class.is_empty() && !annotated.is_empty() && annotated != class {
        let why = "must match `ingressClassName` when both are specified";
        errors.push(FieldError::invalid(format!("annotations.{CLASS}"), &annotated.into(), why));
    }
}

fn paths(path: Path<'_>, http: &Value, errors: &mut Errors) {
    if list(http, "paths").next().is_none() {
        errors.push(FieldError::required(path, ""));
    }
    for (i, p) in list(http, "paths").enumerate() {
        let path = path.index(i);
        let at = text(p, "path");
        let mut wrong = |why: &str| errors.push(FieldError::invalid(path.child("path"), &at.into(), why));
        match p.get("pathType").and_then(Value::as_str) {
            None => errors.push(FieldError::required(path.child("pathType"), "pathType must be specified")),
            Some("Exact" | "Prefix") => {
                if !at.starts_with('/') {
                    wrong("must be an absolute path");
                }
                for bad in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|b| at.contains(b)) {
                    wrong(&format!("must not contain '{bad}'"));
                }
                for bad in ["/..", "/."].into_iter().filter(|b| at.ends_with(b)) {
                    wrong(&format!("cannot end with '{bad}'"));
                }
            }
            Some("ImplementationSpecific") => {
                if !at.is_empty() && !at.starts_with('/') {
                    wrong("must be an absolute path");
                }
            }
            Some(_) => {
                let known = ["Exact", "ImplementationSpecific", "Prefix"];
                one_of(path.child("pathType"), p.get("pathType"), &known, errors);
            }
        }
        backend(path.child("backend"), p.get("backend").unwrap_or(NOTHING), errors);
    }
}

fn host_errors(path: Path<'_>, host: &str, errors: &mut Errors) {
    let whys = if host.contains('*') { names::wildcard_errors(host) } else { names::subdomain_errors(host) };
    for why in whys {
        errors.push(FieldError::invalid(path, &host.into(), &why));
    }
}

fn backend(path: Path<'_>, b: &Value, errors: &mut Errors) {
    let (service, resource) = (b.get("service"), b.get("resource"));
    match (service, resource) {
        (None, None) => errors.push(FieldError::invalid(path, &json!(""), "resource or service backend is required")),
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(path, &json!(""), "cannot set both resource and service backends"));
        }
        (Some(service), None) => service_backend(path, service, errors),
        (None, Some(resource)) => {
            for key in ["kind", "name"] {
                if text(resource, key).is_empty() {
                    errors.push(FieldError::required(path.child("resource").child(key), ""));
                }
            }
        }
    }
}

fn service_backend(path: Path<'_>, service: &Value, errors: &mut Errors) {
    let own = path.child("service");
    let name = text(service, "name");
    if name.is_empty() {
        errors.push(FieldError::required(own.child("name"), ""));
    } else {
        for why in names::label_errors(name) {
            errors.push(FieldError::invalid(own.child("name"), &name.into(), &why));
        }
    }
    let port = service.get("port").unwrap_or(NOTHING);
    let number = port.get("number").and_then(Value::as_i64).unwrap_or(0);
    match (text(port, "name"), number) {
        ("", 0) => errors.push(FieldError::required(path, "port name or number is required")),
        ("", n) => super::port(own.child("port.number"), n, errors),
        (name, 0) => port_name(own.child("port.name"), name, errors),
        _ => errors.push(FieldError::invalid(path, &json!(""), "cannot set both port name & port number")),
    }
}

/// A name such as `acme.io/foo`.
pub(super) fn domain_path(path: Path<'_>, text: &str, errors: &mut Errors) {
    let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
    let Some((domain, rest)) = text.split_once('/').filter(|(d, r)| !d.is_empty() && !r.is_empty()) else {
        return errors.push(FieldError::invalid(path, &text.into(), why));
    };
    for why in names::subdomain_errors(domain) {
        errors.push(FieldError::invalid(path, &domain.into(), &why));
    }
    if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b)) {
        errors.push(FieldError::invalid(path, &rest.into(), "Invalid path"));
    }
}

pub(super) fn ingress_class(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let controller = text(spec, "controller");
    if let Some(old) = old {
        return immutable("spec.controller", at(object, "spec.controller"), at(old, "spec.controller"), errors);
    }
    let path = Path::new("spec");
    if !controller.is_empty() {
        domain_path(path.child("controller"), controller, errors);
    }
    let Some(parameters) = spec.get("parameters") else { return };
    let path = path.child("parameters");
    for key in ["kind", "name"] {
        if text(parameters, key).is_empty() {
            errors.push(FieldError::required(path.child(key), ""));
        }
    }
    let scope = text(parameters, "scope");
    let namespace = text(parameters, "namespace");
    match scope {
        "Namespace" if namespace.is_empty() => {
            errors.push(FieldError::required(path.child("namespace"), "`parameters.scope` is set to 'Namespace'"));
        }
        "Cluster" if !namespace.is_empty() => {
            let why = "`parameters.scope` is set to 'Cluster'";
            errors.push(FieldError::forbidden(path.child("namespace"), why));
        }
        "Namespace" | "Cluster" => {}
        other => errors.push(FieldError::not_supported(path.child("scope"), &other.into(), &["Cluster", "Namespace"])),
    }
}

pub(super) fn policy(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    selector(path.child("podSelector"), spec.get("podSelector").unwrap_or(NOTHING), errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in list(spec, direction).enumerate() {
            let path = path.child(direction);
            let path = path.index(i);
            for (j, port) in list(rule, "ports").enumerate() {
                policy_port(path.child("ports").index(j), port, errors);
            }
            for (j, peer) in list(rule, peers).enumerate() {
                self::peer(path.child(peers).index(j), peer, errors);
            }
        }
    }
    if list(spec, "policyTypes").count() > 2 {
        let shown = spec.get("policyTypes").unwrap_or(NOTHING);
        let why = "may not specify more than two policyTypes";
        return errors.push(FieldError::invalid("spec.policyTypes", shown, why));
    }
    for (i, kind) in list(spec, "policyTypes").enumerate() {
        one_of(path.child("policyTypes").index(i), Some(kind), &["Ingress", "Egress"], errors);
    }
}

fn policy_port(path: Path<'_>, port: &Value, errors: &mut Errors) {
    if !text(port, "protocol").is_empty() {
        one_of(path.child("protocol"), port.get("protocol"), &["TCP", "UDP", "SCTP"], errors);
    }
    let end = port.get("endPort").and_then(Value::as_i64);
    let mut at_end = |end: i64, why: &str| errors.push(FieldError::invalid(path.child("endPort"), &json!(end), why));
    match (port.get("port"), end) {
        (None, Some(end)) => at_end(end, "may not be specified when `port` is not specified"),
        (Some(Value::String(name)), end) => {
            if let Some(end) = end {
                at_end(end, "may not be specified when `port` is non-numeric");
            }
            port_name(path.child("port"), name, errors);
        }
        (Some(number), end) => {
            let number = number.as_i64().unwrap_or(0);
            if let Some(end) = end {
                if end < number {
                    // The server shows the port here, not the end.
                    at_end(number, "must be greater than or equal to `port`");
                }
                super::port(path.child("endPort"), end, errors);
            }
            super::port(path.child("port"), number, errors);
        }
        (None, None) => {}
    }
}

fn peer(path: Path<'_>, peer: &Value, errors: &mut Errors) {
    let mut peers = 0;
    for key in ["podSelector", "namespaceSelector"] {
        if let Some(s) = peer.get(key) {
            peers += 1;
            selector(path.child(key), s, errors);
        }
    }
    if let Some(block) = peer.get("ipBlock") {
        peers += 1;
        ip_block(path.child("ipBlock"), block, errors);
        if peers > 1 {
            errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
        }
    }
    if peers == 0 {
        errors.push(FieldError::required(path, "must specify a peer"));
    }
}

fn ip_block(path: Path<'_>, block: &Value, errors: &mut Errors) {
    let range = text(block, "cidr");
    if range.is_empty() {
        return errors.push(FieldError::required(path.child("cidr"), ""));
    }
    let Some((base, length)) = cidr(path.child("cidr"), range, errors) else { return };
    for (i, except) in list(block, "except").filter_map(Value::as_str).enumerate() {
        let path = path.child("except");
        let Some((bits, n)) = cidr(path.index(i), except, errors) else { continue };
        if n <= length || mask(bits, length) != mask(base, length) {
            let why = "must be a strict subset of `cidr`";
            errors.push(FieldError::invalid(path.index(i), &except.into(), why));
        }
    }
}

fn mask(bits: u128, length: u32) -> u128 {
    if length == 0 { 0 } else { bits >> (128 - length.min(128)) }
}

pub(super) fn address(object: &Fields, errors: &mut Errors) {
    super::ip(Path::new("metadata.name"), text(at(object, "metadata"), "name"), errors);
    let parent = at(object, "spec.parentRef");
    let path = Path::new("spec.parentRef");
    if parent.is_null() {
        return errors.push(FieldError::required(path, ""));
    }
    for key in ["resource", "name"] {
        if text(parent, key).is_empty() {
            errors.push(FieldError::required(path.child(key), ""));
        }
    }
}

pub(super) fn service_cidr(object: &Fields, errors: &mut Errors) {
    let path = Path::new("spec.cidrs");
    let ranges: Vec<&str> = list(at(object, "spec"), "cidrs").filter_map(Value::as_str).collect();
    if ranges.is_empty() {
        errors.push(FieldError::required(path, "at least one CIDR required"));
    }
    for (i, range) in ranges.iter().enumerate() {
        if parse_cidr(range).is_none() {
            cidr(path.index(i), range, errors);
        }
    }
}
