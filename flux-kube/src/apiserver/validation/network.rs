//! Ingresses and network policies.

use serde_json::{Value, json};

use super::{Errors, at, immutable, list, names, selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

pub(super) fn ingress(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let default = spec.get("defaultBackend");
    if default.is_none() && list(spec, "rules").next().is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", &Value::Null, why));
    }
    if let Some(backend) = default {
        self::backend("spec.defaultBackend", backend, errors);
    }
    for (i, tls) in list(spec, "tls").enumerate() {
        for (j, host) in list(tls, "hosts").filter_map(Value::as_str).enumerate() {
            host_errors(&format!("spec.tls[{i}].hosts[{j}]"), host, errors);
        }
    }
    for (i, rule) in list(spec, "rules").enumerate() {
        let path = format!("spec.rules[{i}]");
        let host = text(rule, "host");
        if !host.is_empty() {
            host_errors(&format!("{path}.host"), host, errors);
        }
        let Some(http) = rule.get("http") else { continue };
        if list(http, "paths").next().is_none() {
            errors.push(FieldError::required(format!("{path}.http.paths"), ""));
        }
        for (j, p) in list(http, "paths").enumerate() {
            let path = format!("{path}.http.paths[{j}]");
            let at = text(p, "path");
            match p.get("pathType").and_then(Value::as_str) {
                None => errors.push(FieldError::required(format!("{path}.pathType"), "pathType must be specified")),
                Some("Exact" | "Prefix") => {
                    if !at.starts_with('/') {
                        errors.push(FieldError::invalid(
                            format!("{path}.path"),
                            &at.into(),
                            "must be an absolute path",
                        ));
                    }
                    for bad in ["//", "/./", "/../", "%2f", "%2F"] {
                        if at.contains(bad) {
                            let why = format!("must not contain '{bad}'");
                            errors.push(FieldError::invalid(format!("{path}.path"), &at.into(), &why));
                        }
                    }
                    for bad in ["/..", "/."] {
                        if at.ends_with(bad) {
                            let why = format!("cannot end with '{bad}'");
                            errors.push(FieldError::invalid(format!("{path}.path"), &at.into(), &why));
                        }
                    }
                }
                Some("ImplementationSpecific") => {
                    if !at.is_empty() && !at.starts_with('/') {
                        errors.push(FieldError::invalid(
                            format!("{path}.path"),
                            &at.into(),
                            "must be an absolute path",
                        ));
                    }
                }
                Some(other) => {
                    let supported = ["Exact", "ImplementationSpecific", "Prefix"];
                    errors.push(FieldError::not_supported(format!("{path}.pathType"), &other.into(), &supported));
                }
            }
            backend(&format!("{path}.backend"), p.get("backend").unwrap_or(&Value::Null), errors);
        }
    }
}

fn host_errors(path: &str, host: &str, errors: &mut Errors) {
    let plain = host.strip_prefix("*.").unwrap_or(host);
    for why in names::subdomain_errors(plain) {
        errors.push(FieldError::invalid(path, &host.into(), &why));
    }
}

fn backend(path: &str, b: &Value, errors: &mut Errors) {
    let (service, resource) = (b.get("service"), b.get("resource"));
    match (service, resource) {
        (None, None) => errors.push(FieldError::invalid(path, &json!(""), "resource or service backend is required")),
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(path, &json!(""), "cannot set both resource and service backends"));
        }
        (Some(service), None) => {
            let name = text(service, "name");
            if name.is_empty() {
                errors.push(FieldError::required(format!("{path}.service.name"), ""));
            } else {
                for why in names::label_1035_errors(name) {
                    errors.push(FieldError::invalid(format!("{path}.service.name"), &name.into(), &why));
                }
            }
            let port = service.get("port").unwrap_or(&Value::Null);
            let number = port.get("number").and_then(Value::as_i64).unwrap_or(0);
            match (text(port, "name").is_empty(), number) {
                (true, 0) => errors.push(FieldError::required(path, "port name or number is required")),
                (false, n) if n != 0 => {
                    errors.push(FieldError::invalid(path, &json!(""), "cannot set both port name & port number"));
                }
                (true, n) if !(1..=65535).contains(&n) => {
                    let why = "must be between 1 and 65535, inclusive";
                    errors.push(FieldError::invalid(format!("{path}.service.port.number"), &json!(n), why));
                }
                _ => {}
            }
        }
        (None, Some(_)) => {}
    }
}

pub(super) fn ingress_class(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if let Some(old) = old {
        immutable("spec.controller", at(object, "spec.controller"), at(old, "spec.controller"), errors);
    }
}

pub(super) fn policy(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    selector("spec.podSelector", spec.get("podSelector").unwrap_or(&Value::Null), errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in list(spec, direction).enumerate() {
            let path = format!("spec.{direction}[{i}]");
            for (j, port) in list(rule, "ports").enumerate() {
                self::port(&format!("{path}.ports[{j}]"), port, errors);
            }
            for (j, peer) in list(rule, peers).enumerate() {
                self::peer(&format!("{path}.{peers}[{j}]"), peer, errors);
            }
        }
    }
    for (i, kind) in list(spec, "policyTypes").enumerate() {
        let kind = kind.as_str().unwrap_or("");
        if !matches!(kind, "Ingress" | "Egress") {
            errors.push(FieldError::not_supported(
                format!("spec.policyTypes[{i}]"),
                &kind.into(),
                &["Ingress", "Egress"],
            ));
        }
    }
}

fn port(path: &str, port: &Value, errors: &mut Errors) {
    let protocol = text(port, "protocol");
    if !matches!(protocol, "TCP" | "UDP" | "SCTP" | "") {
        errors.push(FieldError::not_supported(format!("{path}.protocol"), &protocol.into(), &["TCP", "UDP", "SCTP"]));
    }
    if let Some(number) = port.get("port").and_then(Value::as_i64)
        && !(1..=65535).contains(&number)
    {
        let why = "must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(format!("{path}.port"), &json!(number), why));
    }
}

fn peer(path: &str, peer: &Value, errors: &mut Errors) {
    let mut peers = 0;
    for key in ["podSelector", "namespaceSelector"] {
        if let Some(s) = peer.get(key) {
            peers += 1;
            selector(&format!("{path}.{key}"), s, errors);
        }
    }
    if let Some(block) = peer.get("ipBlock") {
        peers += 1;
        let cidr = text(block, "cidr");
        let net = parse_cidr(cidr);
        if cidr.is_empty() {
            errors.push(FieldError::required(format!("{path}.ipBlock.cidr"), ""));
        } else if net.is_none() {
            let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            errors.push(FieldError::invalid(format!("{path}.ipBlock.cidr"), &cidr.into(), why));
        }
        for (i, except) in list(block, "except").filter_map(Value::as_str).enumerate() {
            let inside = match (net, parse_cidr(except)) {
                (Some((a, n)), Some((b, m))) => m > n && mask(b, n) == mask(a, n),
                _ => false,
            };
            if !inside {
                let why = "must be a strict subset of `cidr`";
                errors.push(FieldError::invalid(format!("{path}.ipBlock.except[{i}]"), &except.into(), why));
            }
        }
        if peers > 1 {
            errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
        }
    }
    if peers == 0 {
        errors.push(FieldError::required(path, "must specify a peer"));
    }
}

/// The bits of an address, at the top of 128, and the length of its prefix.
fn parse_cidr(text: &str) -> Option<(u128, u32)> {
    let (address, bits) = text.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match address.parse().ok()? {
        std::net::IpAddr::V4(a) => (bits <= 32).then(|| (u128::from(u32::from(a)) << 96, bits)),
        std::net::IpAddr::V6(a) => (bits <= 128).then(|| (u128::from(a), bits)),
    }
}

fn mask(bits: u128, length: u32) -> u128 {
    if length == 0 { 0 } else { bits >> (128 - length.min(128)) }
}
