//! Where a pod may run: tolerations, affinity, spreading and gates.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::super::path::Path;
use super::super::{Errors, list, names, one_of, selector, text};
use crate::apiserver::status::FieldError;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn rules(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    tolerations(path.child("tolerations"), spec, errors);
    if let Some(affinity) = spec.get("affinity") {
        let path = path.child("affinity");
        node_affinity(path.child("nodeAffinity"), affinity.get("nodeAffinity"), errors);
        for kind in ["podAffinity", "podAntiAffinity"] {
            pod_affinity(path.child(kind), affinity.get(kind), errors);
        }
    }
    spread(path.child("topologySpreadConstraints"), spec, errors);
    gates(path.child("schedulingGates"), spec, errors);
}

pub(in super::super) fn tolerations(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    for (i, t) in list(spec, "tolerations").enumerate() {
        let path = path.index(i);
        let (key, operator, value, effect) = (text(t, "key"), text(t, "operator"), text(t, "value"), text(t, "effect"));
        if !key.is_empty() {
            for why in names::label_key_errors(key) {
                errors.push(FieldError::invalid(path.child("key"), &key.into(), &why));
            }
        } else if operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(FieldError::invalid(path.child("operator"), &operator.into(), why));
        }
        if t.get("tolerationSeconds").is_some() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(FieldError::invalid(path.child("effect"), &effect.into(), why));
        }
        match operator {
            "" | "Equal" => {
                let whys = names::label_value_errors(value);
                if !whys.is_empty() {
                    errors.push(FieldError::invalid(path.child("operator"), &value.into(), &whys.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                errors.push(FieldError::invalid(path.child("operator"), &value.into(), why));
            }
            "Exists" => {}
            other => {
                errors.push(FieldError::not_supported(path.child("operator"), &other.into(), &["Equal", "Exists"]));
            }
        }
        if !effect.is_empty() {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            one_of(path.child("effect"), t.get("effect"), &known, errors);
        }
    }
}

fn node_affinity(path: Path<'_>, affinity: Option<&Value>, errors: &mut Errors) {
    let Some(affinity) = affinity else { return };
    if let Some(required) = affinity.get(REQUIRED) {
        node_selector(path.child(REQUIRED), required, errors);
    }
    for (i, preferred) in list(affinity, PREFERRED).enumerate() {
        let path = path.child(PREFERRED);
        let path = path.index(i);
        weight(path, preferred, errors);
        if let Some(term) = preferred.get("preference") {
            node_term(path.child("preference"), term, errors);
        }
    }
}

/// Terms of which one must match a node.
pub(in super::super) fn node_selector(path: Path<'_>, v: &Value, errors: &mut Errors) {
    let path = path.child("nodeSelectorTerms");
    if list(v, "nodeSelectorTerms").next().is_none() {
        errors.push(FieldError::required(path, "must have at least one node selector term"));
    }
    for (i, term) in list(v, "nodeSelectorTerms").enumerate() {
        node_term(path.index(i), term, errors);
    }
}

fn weight(path: Path<'_>, v: &Value, errors: &mut Errors) {
    let weight = v.get("weight").and_then(Value::as_i64).unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.push(FieldError::invalid(path.child("weight"), &json!(weight), "must be in the range 1-100"));
    }
}

fn node_term(path: Path<'_>, term: &Value, errors: &mut Errors) {
    for (i, e) in list(term, "matchExpressions").enumerate() {
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
            "Gt" | "Lt" if values != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(FieldError::required(path.child("values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(path.child("operator"), &other.into(), why));
            }
        }
        for why in names::label_key_errors(text(e, "key")) {
            errors.push(FieldError::invalid(path.child("key"), &text(e, "key").into(), &why));
        }
    }
    for (i, e) in list(term, "matchFields").enumerate() {
        let path = path.child("matchFields");
        let path = path.index(i);
        match text(e, "operator") {
            "In" | "NotIn" if list(e, "values").count() != 1 => {
                let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.push(FieldError::required(path.child("values"), why));
            }
            "In" | "NotIn" => {}
            other => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(path.child("operator"), &other.into(), why));
            }
        }
        if text(e, "key") != "metadata.name" {
            let why = "not a valid field selector key";
            errors.push(FieldError::invalid(path.child("key"), &text(e, "key").into(), why));
        }
    }
}

fn pod_affinity(path: Path<'_>, affinity: Option<&Value>, errors: &mut Errors) {
    let Some(affinity) = affinity else { return };
    for (i, term) in list(affinity, REQUIRED).enumerate() {
        pod_term(path.child(REQUIRED).index(i), term, errors);
    }
    for (i, preferred) in list(affinity, PREFERRED).enumerate() {
        let path = path.child(PREFERRED);
        let path = path.index(i);
        weight(path, preferred, errors);
        if let Some(term) = preferred.get("podAffinityTerm") {
            pod_term(path.child("podAffinityTerm"), term, errors);
        }
    }
}

fn pod_term(path: Path<'_>, term: &Value, errors: &mut Errors) {
    for key in ["labelSelector", "namespaceSelector"] {
        if let Some(s) = term.get(key) {
            selector(path.child(key), s, errors);
        }
    }
    for namespace in list(term, "namespaces").filter_map(Value::as_str) {
        for why in names::label_errors(namespace) {
            errors.push(FieldError::invalid(path.child("namespace"), &namespace.into(), &why));
        }
    }
    let key = text(term, "topologyKey");
    if key.is_empty() {
        errors.push(FieldError::required(path.child("topologyKey"), "can not be empty"));
    }
    for why in names::label_key_errors(key) {
        errors.push(FieldError::invalid(path.child("topologyKey"), &key.into(), &why));
    }
}

fn spread(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    let all = path;
    for (i, c) in list(spec, "topologySpreadConstraints").enumerate() {
        let path = all.index(i);
        let skew = c.get("maxSkew").and_then(Value::as_i64).unwrap_or(0);
        if skew <= 0 {
            errors.push(FieldError::invalid(path.child("maxSkew"), &json!(skew), "must be greater than zero"));
        }
        let (key, action) = (text(c, "topologyKey"), text(c, "whenUnsatisfiable"));
        if key.is_empty() {
            errors.push(FieldError::required(path.child("topologyKey"), "can not be empty"));
        } else {
            for why in names::label_key_errors(key) {
                errors.push(FieldError::invalid(path.child("topologyKey"), &key.into(), &why));
            }
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        one_of(path.child("whenUnsatisfiable"), c.get("whenUnsatisfiable"), &actions, errors);
        match seen.entry((key, action)) {
            // It is told of the first of the two.
            Entry::Occupied(first) => {
                let shown = format!("{{{key}, {action}}}").into();
                let first = all.index(*first.get());
                errors.push(FieldError::duplicate(first.child("{topologyKey, whenUnsatisfiable}"), &shown));
            }
            Entry::Vacant(entry) => {
                entry.insert(i);
            }
        }
        if let Some(domains) = c.get("minDomains").and_then(Value::as_i64) {
            if domains <= 0 {
                errors.push(FieldError::invalid(
                    path.child("minDomains"),
                    &json!(domains),
                    "must be greater than zero",
                ));
            }
            if action != "DoNotSchedule" && !action.is_empty() {
                let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(FieldError::invalid(path.child("minDomains"), &json!(domains), &why));
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if c.get(policy).is_some() {
                one_of(path.child(policy), c.get(policy), &["Honor", "Ignore"], errors);
            }
        }
        if let Some(s) = c.get("labelSelector") {
            selector(path.child("labelSelector"), s, errors);
        }
    }
}

fn gates(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    let mut seen: HashSet<&str> = HashSet::new();
    for (i, gate) in list(spec, "schedulingGates").enumerate() {
        let name = text(gate, "name");
        for why in names::qualified_name_errors(name) {
            errors.push(FieldError::invalid(path.index(i), &name.into(), &why));
        }
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(path.index(i), &name.into()));
        }
    }
}
