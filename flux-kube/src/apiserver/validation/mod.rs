//! The rules that objects must keep, for the kinds that GitOps meets.

mod admission;
mod batch;
mod config;
mod endpoints;
mod internal;
pub(crate) mod meta;
pub(crate) mod names;
mod network;
mod node;
pub(crate) mod path;
mod pod;
mod pod_update;
mod policy;
mod rbac;
mod service;
mod storage;
mod workloads;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::fields::{Fields, equal_values};
use super::quantity::Quantity;
use super::registry::Resource;
use super::status::FieldError;
use path::Path;

type Errors = Vec<FieldError>;

/// The rules a new object breaks.
pub(crate) fn create(resource: &Resource, object: &Fields) -> Errors {
    let mut errors = Vec::new();
    meta::create(resource, object, &mut errors);
    kind(resource, object, None, &mut errors);
    errors
}

/// The rules a change breaks.
pub(crate) fn update(resource: &Resource, object: &Fields, old: &Fields, subresource: &str) -> Errors {
    let mut errors = Vec::new();
    meta::update(resource, object, old, &mut errors);
    match subresource {
        "" => kind(resource, object, Some(old), &mut errors),
        "status" if resource.custom.is_some() => kind(resource, object, Some(old), &mut errors),
        "status" => status(resource, object, &mut errors),
        "ephemeralcontainers" => pod_update::ephemeral(object, old, &mut errors),
        "resize" => pod_update::resize(object, old, &mut errors),
        _ => {}
    }
    errors
}

fn kind(resource: &Resource, object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    if resource.custom.is_some() {
        return super::crd::validate(resource, object, old, errors);
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "ConfigMap") => config::config_map(object, old, errors),
        ("", "Secret") => config::secret(object, old, errors),
        ("", "Event") => config::event(object, errors),
        ("events.k8s.io", "Event") => config::new_event(object, old, errors),
        ("", "Service") => service::service(object, old, errors),
        ("", "Endpoints") => endpoints::endpoints(object, errors),
        ("", "PersistentVolume") => storage::volume(object, old, errors),
        ("", "PersistentVolumeClaim") => storage::claim(object, old, errors),
        ("", "Pod") => match old {
            Some(old) => pod_update::pod(object, old, errors),
            None => workloads::pod(object, errors),
        },
        ("", "PodTemplate") => workloads::pod_template(object, errors),
        ("", "ReplicationController") => workloads::controller(object, errors),
        ("", "LimitRange") => policy::limits(object, errors),
        ("", "ResourceQuota") => policy::quota(object, old, errors),
        ("", "Node") => node::node(object, old, errors),
        ("apps", "ControllerRevision") => workloads::revision(object, old, errors),
        ("apps", _) => workloads::apps(&resource.kind, object, old, errors),
        ("batch", "Job") => batch::job(object, old, errors),
        ("batch", "CronJob") => batch::cron_job(object, errors),
        ("autoscaling", _) => policy::autoscaler(object, errors),
        ("policy", "PodDisruptionBudget") => policy::budget(object, errors),
        ("scheduling.k8s.io", "PriorityClass") => policy::priority_class(object, old, errors),
        ("node.k8s.io", "RuntimeClass") => node::runtime_class(object, old, errors),
        ("coordination.k8s.io", "Lease") => policy::lease(object, errors),
        ("discovery.k8s.io", "EndpointSlice") => endpoints::slice(object, old, errors),
        ("networking.k8s.io", "Ingress") => network::ingress(object, old, errors),
        ("networking.k8s.io", "IngressClass") => network::ingress_class(object, old, errors),
        ("networking.k8s.io", "NetworkPolicy") => network::policy(object, errors),
        ("networking.k8s.io", "IPAddress") => network::address(object, errors),
        ("networking.k8s.io", "ServiceCIDR") => network::service_cidr(object, errors),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => rbac::role(&resource.kind, object, errors),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            rbac::binding(&resource.kind, object, old, errors);
        }
        ("storage.k8s.io", kind) => storage::classes(kind, object, old, errors),
        ("admissionregistration.k8s.io", kind) => admission::registration(kind, object, errors),
        ("apiregistration.k8s.io", "APIService") => admission::api_service(object, errors),
        ("certificates.k8s.io", "CertificateSigningRequest") => admission::signing_request(object, errors),
        ("flowcontrol.apiserver.k8s.io", kind) => admission::flow_control(kind, object, errors),
        ("resource.k8s.io", "ResourceClaim") => admission::device_claim(object, old, errors),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => super::crd::validate_definition(object, old, errors),
        _ => {}
    }
}

/// The rules of a status that is written.
fn status(resource: &Resource, object: &Fields, errors: &mut Errors) {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment") => workloads::deployment_status(object, errors),
        ("policy", "PodDisruptionBudget") => {
            let path = Path::new("status");
            for key in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
                not_negative(path.child(key), at(object, "status").get(key), errors);
            }
        }
        ("", "Service") | ("networking.k8s.io", "Ingress") => {
            let path = Path::new("status.loadBalancer.ingress");
            for (i, ingress) in list(at(object, "status.loadBalancer"), "ingress").enumerate() {
                if let Some(address) = ingress.get("ip").and_then(Value::as_str) {
                    ip(path.index(i).child("ip"), address, errors);
                }
            }
        }
        _ => {}
    }
}

/// What is worth a warning in an object that is created or changed.
pub(crate) fn warnings(resource: &Resource, object: &Fields) -> Vec<String> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Service") => service::warnings(object),
        ("", "Endpoints") => {
            vec!["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned()]
        }
        ("discovery.k8s.io", "EndpointSlice") if at(object, "addressType") == "FQDN" => {
            vec!["spec.addressType: FQDN endpoints are deprecated".to_owned()]
        }
        ("storage.k8s.io", "CSIDriver")
            if list(at(object, "spec"), "tokenRequests").next().is_some()
                && at(object, "spec.serviceAccountTokenInSecrets").is_null() =>
        {
            vec!["spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes".to_owned()]
        }
        _ => Vec::new(),
    }
}

/// The value at a path such as `spec.template`.
fn at<'a>(object: &'a Fields, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let mut parts = path.split('.');
    let mut v = match parts.next().and_then(|p| object.get(p)) {
        Some(v) => v,
        None => return NOTHING,
    };
    for part in parts {
        match v.get(part) {
            Some(next) => v = next,
            None => return NOTHING,
        }
    }
    v
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + Clone {
    v.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

fn same(a: &Value, b: &Value) -> bool {
    equal_values(a, b)
}

/// A field that may not change.
fn immutable(path: &str, new: &Value, old: &Value, errors: &mut Errors) {
    if !same(new, old) {
        errors.push(FieldError::invalid(path, new, "field is immutable"));
    }
}

fn not_negative(path: Path<'_>, v: Option<&Value>, errors: &mut Errors) {
    if let Some(v) = v
        && v.as_i64().is_some_and(|n| n < 0)
    {
        errors.push(FieldError::invalid(path, v, "must be greater than or equal to 0"));
    }
}

fn within(path: Path<'_>, n: i64, low: i64, high: i64, errors: &mut Errors) {
    if !(low..=high).contains(&n) {
        errors.push(FieldError::invalid(path, &json!(n), &format!("must be between {low} and {high}, inclusive")));
    }
}

/// The number of a port.
fn port(path: Path<'_>, n: i64, errors: &mut Errors) {
    within(path, n, 1, 65535, errors);
}

/// One of a few values.
fn one_of(path: Path<'_>, v: Option<&Value>, supported: &[&str], errors: &mut Errors) {
    let given = v.and_then(Value::as_str).unwrap_or("");
    if !supported.contains(&given) {
        errors.push(FieldError::not_supported(path, &given.into(), supported));
    }
}

fn ip(path: Path<'_>, text: &str, errors: &mut Errors) {
    if text.parse::<std::net::IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.push(FieldError::invalid(path, &text.into(), why));
    }
}

/// A range of addresses: its bits, at the top of 128, and the length of its prefix.
fn cidr(path: Path<'_>, text: &str, errors: &mut Errors) -> Option<(u128, u32)> {
    let net = parse_cidr(text);
    if net.is_none() {
        let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.push(FieldError::invalid(path, &text.into(), why));
    }
    net
}

fn parse_cidr(text: &str) -> Option<(u128, u32)> {
    let (address, bits) = text.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match address.parse().ok()? {
        std::net::IpAddr::V4(a) => (bits <= 32).then(|| (u128::from(u32::from(a)) << 96, bits)),
        std::net::IpAddr::V6(a) => (bits <= 128).then(|| (u128::from(a), bits)),
    }
}

/// A number that is not negative, or a percentage.
fn int_or_percent(path: Path<'_>, v: Option<&Value>, errors: &mut Errors) {
    match v {
        Some(Value::String(s)) if percent(s).is_none() => {
            let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.push(FieldError::invalid(path, &s.as_str().into(), why));
        }
        Some(Value::Number(_)) => not_negative(path, v, errors),
        _ => {}
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// A percentage is of a whole.
fn at_most_all(path: Path<'_>, v: Option<&Value>, errors: &mut Errors) {
    if let Some(Value::String(s)) = v
        && percent(s).is_some_and(|p| p > 100)
    {
        errors.push(FieldError::invalid(path, &s.as_str().into(), "must not be greater than 100%"));
    }
}

/// What base64 stands for; lines may be broken. Nothing if it is none, which is said elsewhere.
fn decoded(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD.decode(text).unwrap_or_default()
}

fn quantity(v: Option<&Value>) -> Option<Quantity> {
    v.and_then(Value::as_str).and_then(Quantity::parse)
}

/// A selector with its fields in the order in which the API writes them.
fn ordered_selector(v: &Value) -> Value {
    const KEYS: [&str; 5] = ["matchLabels", "matchExpressions", "key", "operator", "values"];
    match v {
        Value::Object(m) if m.keys().all(|k| KEYS.contains(&k.as_str())) => {
            let fields = KEYS.iter().filter_map(|k| Some(((*k).to_owned(), ordered_selector(m.get(*k)?))));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(ordered_selector).collect(),
        other => super::fields::sorted(other),
    }
}

fn shown_selector(v: &Value) -> String {
    ordered_selector(v).to_string()
}

/// The rules of a label selector.
fn selector(path: Path<'_>, v: &Value, errors: &mut Errors) {
    meta::labels(path.child("matchLabels"), v.get("matchLabels").and_then(Value::as_object), errors);
    for (i, e) in list(v, "matchExpressions").enumerate() {
        let path = path.child("matchExpressions");
        let path = path.index(i);
        let values = list(e, "values").count();
        match text(e, "operator") {
            "In" | "NotIn" if values == 0 => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(path.child("values"), why));
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(path.child("values"), why));
            }
            "In" | "NotIn" => {
                for (j, value) in list(e, "values").filter_map(Value::as_str).enumerate() {
                    for why in names::label_value_errors(value) {
                        errors.push(FieldError::invalid(path.child("values").index(j), &value.into(), &why));
                    }
                }
            }
            "Exists" | "DoesNotExist" => {}
            other => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(path.child("operator"), &other.into(), why));
            }
        }
        for why in names::label_key_errors(text(e, "key")) {
            errors.push(FieldError::invalid(path.child("key"), &text(e, "key").into(), &why));
        }
    }
}
