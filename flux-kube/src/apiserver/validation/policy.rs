//! What bounds workloads: autoscalers, budgets, limits, quotas, priorities and leases.

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, immutable, int_or_percent, list, names, not_negative, one_of, quantity, same, selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;

pub(super) fn autoscaler(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    let min = spec.get("minReplicas").and_then(Value::as_i64).unwrap_or(1);
    let max = spec.get("maxReplicas").and_then(Value::as_i64).unwrap_or(0);
    if min < 1 {
        errors.push(FieldError::invalid("spec.minReplicas", &json!(min), "must be greater than or equal to 1"));
    }
    if max < 1 {
        errors.push(FieldError::required("spec.maxReplicas", "must be set and greater than 0"));
    } else if max < min {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid("spec.maxReplicas", &json!(max), why));
    }
    let target = spec.get("scaleTargetRef").unwrap_or(NOTHING);
    for key in ["kind", "name"] {
        match text(target, key) {
            "" => errors.push(FieldError::required(format!("spec.scaleTargetRef.{key}"), "")),
            given => {
                for why in names::path_segment_errors(given) {
                    errors.push(FieldError::invalid(format!("spec.scaleTargetRef.{key}"), &given.into(), &why));
                }
            }
        }
    }
    if text(target, "apiVersion").is_empty() && text(target, "kind") != "ReplicationController" {
        let why = "apiVersion must specify API group";
        errors.push(FieldError::invalid("spec.scaleTargetRef.apiVersion", &json!(""), why));
    }
    if min == 0 && !list(spec, "metrics").any(|m| matches!(text(m, "type"), "Object" | "External")) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(FieldError::forbidden("spec.metrics", why));
    }
    for (i, metric) in list(spec, "metrics").enumerate() {
        let path = path.child("metrics");
        self::metric(path.index(i), metric, errors);
    }
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = spec.get("behavior").and_then(|b| b.get(direction)) {
            scaling(path.child("behavior").child(direction), rules, errors);
        }
    }
}

/// The sources of metrics and where each has its data.
const METRICS: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn metric(path: Path<'_>, m: &Value, errors: &mut Errors) {
    let kind = text(m, "type");
    let own = METRICS.iter().find(|(k, _)| *k == kind).map(|(_, field)| *field);
    let Some(own) = own else {
        let known = METRICS.map(|(k, _)| k);
        for _ in 0..2 {
            // Said when it is looked up and when its source is.
            errors.push(FieldError::not_supported(path.child("type"), &kind.into(), &known));
        }
        return;
    };
    if m.get(own).is_none() {
        let why = "must populate information for the given metric source";
        errors.push(FieldError::required(path.child(own), why));
    }
    for (_, field) in METRICS {
        let Some(source) = m.get(field) else { continue };
        let path = path.child(field);
        if matches!(field, "resource" | "containerResource") {
            if text(source, "name").is_empty() {
                errors.push(FieldError::required(path.child("name"), "must specify a resource name"));
            }
            if field == "containerResource" && text(source, "container").is_empty() {
                errors.push(FieldError::required(path.child("container"), "must specify a container"));
            }
            resource_target(path.child("target"), source.get("target").unwrap_or(NOTHING), errors);
        } else if text(source.get("metric").unwrap_or(NOTHING), "name").is_empty() {
            errors.push(FieldError::required(path.child("metric.name"), "must specify a metric name"));
        }
    }
}

fn resource_target(path: Path<'_>, target: &Value, errors: &mut Errors) {
    let kind = text(target, "type");
    if kind.is_empty() {
        errors.push(FieldError::required(path.child("type"), "must specify a metric target type"));
    } else if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(path.child("type"), &kind.into(), why));
    }
    let utilization = target.get("averageUtilization").and_then(Value::as_i64);
    if let Some(n) = utilization.filter(|n| *n < 1) {
        errors.push(FieldError::invalid(path.child("averageUtilization"), &json!(n), "must be greater than 0"));
    }
    match (utilization.is_some(), target.get("averageValue").is_some()) {
        (false, false) => {
            let why = "must set either a target raw value or a target utilization";
            errors.push(FieldError::required(path.child("averageUtilization"), why));
        }
        (true, true) => {
            let why = "may not set both a target raw value and a target utilization";
            errors.push(FieldError::forbidden(path.child("averageValue"), why));
        }
        _ => {}
    }
}

fn scaling(path: Path<'_>, rules: &Value, errors: &mut Errors) {
    if let Some(window) = rules.get("stabilizationWindowSeconds").and_then(Value::as_i64) {
        let at = path.child("stabilizationWindowSeconds");
        if window < 0 {
            errors.push(FieldError::invalid(at, &json!(window), "must be greater than or equal to zero"));
        } else if window > 3600 {
            errors.push(FieldError::invalid(at, &json!(window), "must be less than or equal to 3600"));
        }
    }
    if rules.get("selectPolicy").is_some() {
        one_of(path.child("selectPolicy"), rules.get("selectPolicy"), &["Disabled", "Max", "Min"], errors);
    }
    for (i, policy) in list(rules, "policies").enumerate() {
        let path = path.child("policies");
        let path = path.index(i);
        one_of(path.child("type"), policy.get("type"), &["Percent", "Pods"], errors);
        for key in ["value", "periodSeconds"] {
            let n = policy.get(key).and_then(Value::as_i64).unwrap_or(0);
            if n <= 0 {
                errors.push(FieldError::invalid(path.child(key), &json!(n), "must be greater than zero"));
            } else if key == "periodSeconds" && n > 1800 {
                errors.push(FieldError::invalid(path.child(key), &json!(n), "must be less than or equal to 1800"));
            }
        }
    }
}

pub(super) fn budget(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        let shown = super::internal::show("policy.PodDisruptionBudgetSpec", spec);
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid_shown("spec", &shown, why));
    }
    for key in ["minAvailable", "maxUnavailable"] {
        int_or_percent(path.child(key), spec.get(key), errors);
        super::at_most_all(path.child(key), spec.get(key), errors);
    }
    if let Some(s) = spec.get("selector") {
        selector(path.child("selector"), s, errors);
    }
    if spec.get("unhealthyPodEvictionPolicy").is_some() {
        let known = ["AlwaysAllow", "IfHealthyBudget"];
        one_of(path.child("unhealthyPodEvictionPolicy"), spec.get("unhealthyPodEvictionPolicy"), &known, errors);
    }
}

pub(super) fn priority_class(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let name = text(at(object, "metadata"), "name");
    let own = !name.starts_with("system-");
    if !own && !matches!(name, "system-cluster-critical" | "system-node-critical") {
        let why = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class"
        );
        errors.push(FieldError::forbidden("metadata.name", &why));
    }
    if own && at(object, "value").as_i64().unwrap_or(0) > 1_000_000_000 {
        let why = "maximum allowed value of a user defined priority is 1000000000";
        errors.push(FieldError::forbidden("value", why));
    }
    if object.contains_key("preemptionPolicy") {
        let known = ["PreemptLowerPriority", "Never"];
        one_of(Path::new("preemptionPolicy"), object.get("preemptionPolicy"), &known, errors);
    }
    let Some(old) = old else { return };
    if !same(at(object, "value"), at(old, "value")) {
        errors.push(FieldError::forbidden("value", "may not be changed in an update."));
    }
    immutable("preemptionPolicy", at(object, "preemptionPolicy"), at(old, "preemptionPolicy"), errors);
}

pub(super) fn limits(object: &Fields, errors: &mut Errors) {
    let path = Path::new("spec.limits");
    for (i, limit) in list(at(object, "spec"), "limits").enumerate() {
        let path = path.index(i);
        let kind = text(limit, "type");
        if !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") && !kind.contains('/') {
            let why = "must be a standard limit type or fully qualified";
            errors.push(FieldError::invalid(path.child("type"), &kind.into(), why));
        }
        if kind == "Pod" {
            for key in ["default", "defaultRequest"] {
                if limit.get(key).is_some() {
                    let why = "may not be specified when `type` is 'Pod'";
                    errors.push(FieldError::forbidden(path.child(key), why));
                }
            }
        }
        let amount = |part: &str, key: &str| limit.get(part).and_then(|p| p.get(key));
        if kind == "PersistentVolumeClaim" && amount("min", "storage").is_none() && amount("max", "storage").is_none() {
            let why = "either minimum or maximum storage value is required, but neither was provided";
            errors.push(FieldError::required(path.child("limits"), why));
        }
        bounds(path, limit, errors);
    }
}

/// Least, default request, default and most come in that order.
fn bounds(path: Path<'_>, limit: &Value, errors: &mut Errors) {
    const PARTS: [&str; 4] = ["min", "max", "default", "defaultRequest"];
    let mut resources: Vec<&String> = Vec::new();
    for part in PARTS {
        for (key, _) in limit.get(part).and_then(Value::as_object).into_iter().flatten() {
            if !resources.contains(&key) {
                resources.push(key);
            }
        }
    }
    for key in resources {
        let get = |part: &str| limit.get(part).and_then(|p| p.get(key));
        // The part whose bound is broken, what it is called, the other part; and whose value the error shows.
        for (part, what, most, its, shown) in [
            ("min", "min", "max", "max", "min"),
            ("defaultRequest", "default request", "max", "max", "defaultRequest"),
            ("defaultRequest", "default request", "default", "default limit", "defaultRequest"),
            ("default", "default", "max", "max", "max"),
        ] {
            if let (Some(a), Some(b)) = (get(part), get(most))
                && let (Some(low), Some(high)) = (quantity(Some(a)), quantity(Some(b)))
                && low > high
            {
                let why = format!("{what} value {low} is greater than {its} value {high}");
                errors.push(FieldError::invalid(path.child(part).key(key), get(shown).unwrap_or(a), &why));
            }
        }
        for (part, what) in [("defaultRequest", "default request"), ("default", "default")] {
            if let (Some(a), Some(b)) = (get("min"), get(part))
                && let (Some(least), Some(given)) = (quantity(Some(a)), quantity(Some(b)))
                && given < least
            {
                let why = format!("min value {least} is greater than {what} value {given}");
                errors.push(FieldError::invalid(path.child(part).key(key), b, &why));
            }
        }
    }
}

pub(super) fn quota(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    for (name, value) in spec.get("hard").and_then(Value::as_object).into_iter().flatten() {
        let path = path.child("hard");
        if !name.contains('/') && !is_quota_resource(name) {
            let why = "must be a standard resource for quota";
            errors.push(FieldError::invalid(path.key(name), &name.as_str().into(), why));
        }
        super::pod::quantity(path.key(name), name, value, errors);
    }
    scopes(spec, errors);
    for e in list(spec.get("scopeSelector").unwrap_or(NOTHING), "matchExpressions") {
        let path = path.child("scopeSelector.matchExpressions");
        if matches!(text(e, "operator"), "In" | "NotIn") && list(e, "values").next().is_none() {
            let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.push(FieldError::required(path.child("values"), why));
        }
    }
    let Some(old) = old else { return };
    let before = at(old, "spec");
    let get = |s: &Value| s.get("scopes").cloned().unwrap_or(Value::Null);
    immutable("spec.scopes", &get(spec), &get(before), errors);
}

const QUOTA_SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

fn scopes(spec: &Value, errors: &mut Errors) {
    let given: Vec<&str> = list(spec, "scopes").filter_map(Value::as_str).collect();
    let shown = spec.get("scopes").unwrap_or(NOTHING);
    let hard: Vec<&String> =
        spec.get("hard").and_then(Value::as_object).into_iter().flatten().map(|(k, _)| k).collect();
    for scope in &given {
        if !QUOTA_SCOPES.contains(scope) {
            errors.push(FieldError::invalid("spec.scopes", shown, "unsupported scope"));
        }
        for resource in &hard {
            let pods = matches!(resource.as_str(), "pods" | "cpu" | "memory")
                || resource.starts_with("requests.")
                || resource.starts_with("limits.");
            if !pods || (*scope == "BestEffort" && *resource != "pods") {
                errors.push(FieldError::invalid("spec.scopes", shown, "unsupported scope applied to resource"));
            }
        }
    }
    for (a, b) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if given.contains(&a) && given.contains(&b) {
            errors.push(FieldError::invalid("spec.scopes", shown, "conflicting scopes"));
        }
    }
    if let Some(chosen) = spec.get("scopeSelector") {
        for _ in hard.iter().filter(|h| !matches!(h.as_str(), "pods" | "cpu" | "memory") && !h.contains('.')) {
            let shown = super::internal::show("core.ScopeSelector", chosen);
            let why = "unsupported scope applied to resource";
            errors.push(FieldError::invalid_shown("spec.scopeSelector.matchExpressions", &shown, why));
        }
    }
}

fn is_quota_resource(name: &str) -> bool {
    const KNOWN: [&str; 13] = [
        "cpu",
        "memory",
        "ephemeral-storage",
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
        "storage",
    ];
    KNOWN.contains(&name)
        || name.starts_with("requests.")
        || name.starts_with("limits.")
        || name.starts_with("hugepages-")
}

pub(super) fn lease(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    if let Some(n) = spec.get("leaseDurationSeconds").and_then(Value::as_i64).filter(|n| *n <= 0) {
        errors.push(FieldError::invalid(path.child("leaseDurationSeconds"), &json!(n), "must be greater than 0"));
    }
    not_negative(path.child("leaseTransitions"), spec.get("leaseTransitions"), errors);
}
