//! Endpoints and their slices.

use std::collections::HashSet;

use serde_json::Value;

use super::path::Path;
use super::{Errors, at, immutable, list, names, one_of, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

/// An address that others can reach.
pub(super) fn public_ip(path: Path<'_>, address: &str, errors: &mut Errors) {
    let Ok(ip) = address.parse::<std::net::IpAddr>() else { return super::ip(path, address, errors) };
    reachable(path, address, ip, errors);
}

fn reachable(path: Path<'_>, address: &str, ip: std::net::IpAddr, errors: &mut Errors) {
    let local = match ip {
        std::net::IpAddr::V4(v4) => v4.is_link_local(),
        std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let why = if ip.is_unspecified() {
        format!("may not be unspecified ({ip})")
    } else if ip.is_loopback() {
        "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()
    } else if local {
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()
    } else {
        return;
    };
    errors.push(FieldError::invalid(path, &address.into(), &why));
}

pub(super) fn endpoints(object: &Fields, errors: &mut Errors) {
    let subsets = object.get("subsets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let path = Path::new("subsets");
    for (i, subset) in subsets.iter().enumerate() {
        let path = path.index(i);
        let mut any = false;
        for kind in ["addresses", "notReadyAddresses"] {
            for (j, address) in list(subset, kind).enumerate() {
                any = true;
                let path = path.child(kind);
                let path = path.index(j);
                let ip = text(address, "ip");
                match ip.parse() {
                    Ok(parsed) => reachable(path.child("ip"), ip, parsed, errors),
                    Err(_) => {
                        super::ip(path.child("ip"), ip, errors);
                        let why = "must be a valid IP address";
                        errors.push(FieldError::invalid(path.child("ip"), &ip.into(), why));
                    }
                }
            }
        }
        if !any {
            errors.push(FieldError::required(path, "must specify `addresses` or `notReadyAddresses`"));
        }
        let several = list(subset, "ports").count() > 1;
        for (j, port) in list(subset, "ports").enumerate() {
            let path = path.child("ports");
            let path = path.index(j);
            match text(port, "name") {
                "" if several => errors.push(FieldError::required(path.child("name"), "")),
                "" => {}
                name => label(path.child("name"), name, errors),
            }
            super::port(path.child("port"), port.get("port").and_then(Value::as_i64).unwrap_or(0), errors);
            one_of(path.child("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"], errors);
        }
    }
}

fn label(path: Path<'_>, name: &str, errors: &mut Errors) {
    for why in names::label_errors(name) {
        errors.push(FieldError::invalid(path, &name.into(), &why));
    }
}

pub(super) fn slice(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if let Some(old) = old
        && at(object, "addressType") != at(old, "addressType")
    {
        return immutable("addressType", at(object, "addressType"), at(old, "addressType"), errors);
    }
    let kind = at(object, "addressType").as_str().unwrap_or("");
    one_of(Path::new("addressType"), object.get("addressType"), &["FQDN", "IPv4", "IPv6"], errors);
    let all = |key: &str| object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let path = Path::new("endpoints");
    for (i, endpoint) in all("endpoints").iter().enumerate() {
        let path = path.index(i);
        if list(endpoint, "addresses").next().is_none() {
            errors.push(FieldError::required(path.child("addresses"), "must contain at least 1 address"));
        }
        for (j, address) in list(endpoint, "addresses").filter_map(Value::as_str).enumerate() {
            let all = path.child("addresses");
            let one = all.index(j);
            if kind == "FQDN" {
                for why in names::subdomain_errors(address) {
                    errors.push(FieldError::invalid(one, &address.into(), &why));
                }
                continue;
            }
            let Ok(ip) = address.parse::<std::net::IpAddr>() else {
                super::ip(one, address, errors);
                continue;
            };
            if (kind == "IPv4" && ip.is_ipv6()) || (kind == "IPv6" && ip.is_ipv4()) {
                let why = format!("must be an {kind} address");
                errors.push(FieldError::invalid(all, &address.into(), &why));
            }
            reachable(one, address, ip, errors);
        }
        if let Some(host) = endpoint.get("hostname").and_then(Value::as_str) {
            label(path.child("hostname"), host, errors);
        }
        if let Some(node) = endpoint.get("nodeName").and_then(Value::as_str) {
            for why in names::subdomain_errors(node) {
                errors.push(FieldError::invalid(path.child("nodeName"), &node.into(), &why));
            }
        }
    }
    let path = Path::new("ports");
    let mut seen: HashSet<&str> = HashSet::new();
    for (i, port) in all("ports").iter().enumerate() {
        let path = path.index(i);
        let name = text(port, "name");
        if !name.is_empty() {
            label(path.child("name"), name, errors);
        }
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(path.child("name"), &name.into()));
        }
        one_of(path.child("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"], errors);
    }
}
