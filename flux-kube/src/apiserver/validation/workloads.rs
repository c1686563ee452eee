//! Pods, and what makes them from a template.

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, immutable, int_or_percent, list, names, not_negative, one_of, percent, pod as pods, same};
use super::{selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::selector::LabelSelector;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;

/// The rules of a new pod.
pub(super) fn pod(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    pods::spec(Path::new("spec"), spec, errors);
    if list(spec, "ephemeralContainers").next().is_some() {
        errors.push(FieldError::forbidden("spec.ephemeralContainers", "cannot be set on create"));
    }
}

pub(super) fn pod_template(object: &Fields, errors: &mut Errors) {
    let path = Path::new("template");
    template_parts(path, at(object, "template"), errors);
}

/// The labels and the spec of a template.
fn template_parts(path: Path<'_>, template: &Value, errors: &mut Errors) {
    let labels = template.get("metadata").and_then(|m| m.get("labels"));
    super::meta::labels(path.child("labels"), labels.and_then(Value::as_object), errors);
    pods::spec(path.child("spec"), template.get("spec").unwrap_or(NOTHING), errors);
}

/// A template of pods that always run: what sets of pods are made of.
fn lasting_template(path: Path<'_>, template: &Value, kind: &str, errors: &mut Errors) {
    template_parts(path, template, errors);
    let spec = template.get("spec").unwrap_or(NOTHING);
    let policy = text(spec, "restartPolicy");
    if policy != "Always" && ["OnFailure", "Never"].contains(&policy) {
        errors.push(FieldError::not_supported(path.child("spec.restartPolicy"), &policy.into(), &["Always"]));
    }
    if spec.get("activeDeadlineSeconds").is_some() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(FieldError::forbidden(path.child("spec.activeDeadlineSeconds"), &why));
    }
}

/// A selector that chooses the pods of its template.
fn chooses(spec: &Value, kind: &str, errors: &mut Errors) {
    let labels = spec.get("template").and_then(|t| t.get("metadata")).and_then(|m| m.get("labels"));
    let Some(chosen) = spec.get("selector").filter(|s| !s.is_null()) else {
        errors.push(FieldError::required("spec.selector", ""));
        if !matches!(kind, "DaemonSet" | "StatefulSet") {
            mismatch(labels, errors);
        }
        return;
    };
    let wrong = errors.len();
    selector(Path::new("spec.selector"), chosen, errors);
    if errors.len() > wrong {
        let shown = super::shown_selector(chosen);
        match kind {
            "Deployment" | "ReplicaSet" => {
                errors.push(FieldError::invalid_shown("spec.selector", &shown, "invalid label selector"));
            }
            "StatefulSet" => errors.push(FieldError::invalid("spec.selector", chosen, "")),
            _ => {}
        }
        return;
    }
    if chosen.as_object().is_some_and(Fields::is_empty) {
        let of = if kind == "ReplicaSet" { "deployment".to_owned() } else { kind.to_lowercase() };
        let why = format!("empty selector is invalid for {of}");
        return errors.push(FieldError::invalid("spec.selector", chosen, &why));
    }
    let empty = Fields::new();
    if !LabelSelector::from_object(chosen).matches_labels(labels.and_then(Value::as_object).unwrap_or(&empty)) {
        mismatch(labels, errors);
    }
}

pub(super) fn mismatch(labels: Option<&Value>, errors: &mut Errors) {
    let why = "`selector` does not match template `labels`";
    errors.push(FieldError::invalid("spec.template.metadata.labels", labels.unwrap_or(NOTHING), why));
}

pub(super) fn apps(kind: &str, object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    for key in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        not_negative(path.child(key), spec.get(key), errors);
    }
    chooses(spec, kind, errors);
    let of = if kind == "Deployment" { "ReplicaSet" } else { kind };
    match kind {
        // Claims become volumes of the pods, and are checked as such.
        "StatefulSet" => {
            let template = with_claims(spec);
            lasting_template(path.child("template"), &template, of, errors);
            stateful(path, spec, errors);
        }
        _ => lasting_template(path.child("template"), spec.get("template").unwrap_or(NOTHING), of, errors),
    }
    match kind {
        "Deployment" => deployment(path, spec, errors),
        "DaemonSet" => daemon(path.child("updateStrategy"), spec.get("updateStrategy").unwrap_or(NOTHING), errors),
        _ => {}
    }
    let Some(old) = old else { return };
    let before = at(old, "spec");
    if kind == "StatefulSet" {
        frozen_stateful(spec, before, errors);
    } else if !same(spec.get("selector").unwrap_or(NOTHING), before.get("selector").unwrap_or(NOTHING)) {
        let shown = super::shown_selector(spec.get("selector").unwrap_or(NOTHING));
        errors.push(FieldError::invalid_shown("spec.selector", &shown, "field is immutable"));
    }
}

/// The value of a number or percentage; something that is neither counts as nothing.
fn amount(v: Option<&Value>) -> i64 {
    match v {
        Some(Value::String(s)) => percent(s).unwrap_or(0),
        Some(v) => v.as_i64().unwrap_or(0),
        None => 0,
    }
}

fn deployment(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    if let Some(deadline) = spec.get("progressDeadlineSeconds") {
        not_negative(path.child("progressDeadlineSeconds"), Some(deadline), errors);
        if deadline.as_i64().unwrap_or(0) <= spec.get("minReadySeconds").and_then(Value::as_i64).unwrap_or(0) {
            let why = "must be greater than minReadySeconds";
            errors.push(FieldError::invalid(path.child("progressDeadlineSeconds"), deadline, why));
        }
    }
    let path = path.child("strategy");
    let strategy = spec.get("strategy").unwrap_or(NOTHING);
    let rolling = strategy.get("rollingUpdate");
    match text(strategy, "type") {
        "Recreate" => {
            if rolling.is_some() {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                errors.push(FieldError::forbidden(path.child("rollingUpdate"), why));
            }
        }
        "RollingUpdate" => {
            let Some(rolling) = rolling else { return };
            let path = path.child("rollingUpdate");
            let (surge, missing) = (rolling.get("maxSurge"), rolling.get("maxUnavailable"));
            int_or_percent(path.child("maxUnavailable"), missing, errors);
            int_or_percent(path.child("maxSurge"), surge, errors);
            if amount(missing) == 0 && amount(surge) == 0 {
                let why = "may not be 0 when `maxSurge` is 0";
                errors.push(FieldError::invalid(path.child("maxUnavailable"), missing.unwrap_or(NOTHING), why));
            }
            super::at_most_all(path.child("maxUnavailable"), missing, errors);
        }
        _ => {
            let shown = super::internal::show("apps.DeploymentStrategy", strategy);
            errors.push(FieldError::not_supported_shown(path, &shown, &["Recreate", "RollingUpdate"]));
        }
    }
}

fn daemon(path: Path<'_>, strategy: &Value, errors: &mut Errors) {
    match text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let Some(rolling) = strategy.get("rollingUpdate") else {
                return errors.push(FieldError::required(path.child("rollingUpdate"), ""));
            };
            let path = path.child("rollingUpdate");
            let (surge, missing) = (rolling.get("maxSurge"), rolling.get("maxUnavailable"));
            for (key, v) in [("maxUnavailable", missing), ("maxSurge", surge)] {
                int_or_percent(path.child(key), v, errors);
                super::at_most_all(path.child(key), v, errors);
            }
            match (amount(missing) != 0, amount(surge) != 0) {
                (true, true) => {
                    let why = "may not be set when maxUnavailable is non-zero";
                    errors.push(FieldError::invalid(path.child("maxSurge"), surge.unwrap_or(NOTHING), why));
                }
                (false, false) => {
                    let why = "cannot be 0 when maxSurge is 0";
                    errors.push(FieldError::required(path.child("maxUnavailable"), why));
                }
                _ => {}
            }
        }
        _ => {
            let shown = super::internal::show("apps.DaemonSetUpdateStrategy", strategy);
            errors.push(FieldError::not_supported_shown(path, &shown, &["RollingUpdate", "OnDelete"]));
        }
    }
}

/// The template of a stateful set with the volumes that its claims become.
fn with_claims(spec: &Value) -> Value {
    let mut template = spec.get("template").cloned().unwrap_or(Value::Null);
    let names: Vec<&str> = list(spec, "volumeClaimTemplates").map(|c| text(at_or(c, "metadata"), "name")).collect();
    if names.is_empty() {
        return template;
    }
    let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) else { return template };
    let own = pod.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let claimed = names.iter().map(|n| json!({"name": n, "persistentVolumeClaim": {"claimName": n}}));
    let kept = own.into_iter().filter(|v| !names.contains(&text(v, "name")));
    let volumes: Vec<Value> = claimed.chain(kept).collect();
    pod.insert("volumes".to_owned(), volumes.into());
    template
}

fn at_or<'a>(v: &'a Value, key: &str) -> &'a Value {
    v.get(key).unwrap_or(NOTHING)
}

fn stateful(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    let policy = text(spec, "podManagementPolicy");
    match policy {
        "" => errors.push(FieldError::required(path.child("podManagementPolicy"), "")),
        "OrderedReady" | "Parallel" => {}
        _ => {
            let why = "must be 'OrderedReady' or 'Parallel'";
            errors.push(FieldError::invalid(path.child("podManagementPolicy"), &policy.into(), why));
        }
    }
    let at = path.child("updateStrategy");
    let strategy = at_or(spec, "updateStrategy");
    let rolling = strategy.get("rollingUpdate");
    match text(strategy, "type") {
        "" => errors.push(FieldError::required(at, "")),
        "OnDelete" => {
            if let Some(rolling) = rolling {
                let shown = super::internal::show("apps.RollingUpdateStatefulSetStrategy", rolling);
                let why = "only allowed for updateStrategy 'RollingUpdate'";
                errors.push(FieldError::invalid_shown(at.child("rollingUpdate"), &shown, why));
            }
        }
        "RollingUpdate" => {
            let partition = rolling.and_then(|r| r.get("partition"));
            not_negative(at.child("rollingUpdate.partition"), partition, errors);
        }
        _ => {
            let shown = super::internal::show("apps.StatefulSetUpdateStrategy", strategy);
            errors.push(FieldError::invalid_shown(at, &shown, "must be 'RollingUpdate' or 'OnDelete'"));
        }
    }
    if let Some(retention) = spec.get("persistentVolumeClaimRetentionPolicy") {
        let path = path.child("persistentVolumeClaimRetentionPolicy");
        for key in ["whenDeleted", "whenScaled"] {
            one_of(path.child(key), retention.get(key), &["Retain", "Delete"], errors);
        }
    }
    not_negative(path.child("ordinals.start"), at_or(spec, "ordinals").get("start"), errors);
    let service = text(spec, "serviceName");
    if !service.is_empty() {
        for why in names::label_errors(service) {
            errors.push(FieldError::invalid(path.child("serviceName"), &service.into(), &why));
        }
    }
    for (i, claim) in list(spec, "volumeClaimTemplates").enumerate() {
        let path = path.child("volumeClaimTemplates");
        super::storage::claim_spec(path.index(i).child("spec"), at_or(claim, "spec"), errors);
    }
}

fn frozen_stateful(spec: &Value, before: &Value, errors: &mut Errors) {
    const MAY: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let frozen = |spec: &Value| -> Fields {
        let fields = spec.as_object().into_iter().flatten().filter(|(k, _)| !MAY.contains(&k.as_str()));
        fields.map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    if !crate::apiserver::fields::equal_maps(&frozen(spec), &frozen(before)) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.push(FieldError::forbidden("spec", why));
    }
}

pub(super) fn deployment_status(object: &Fields, errors: &mut Errors) {
    let status = at(object, "status");
    let path = Path::new("status");
    let count = |key: &str| status.get(key).and_then(Value::as_i64).unwrap_or(0);
    for key in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"] {
        not_negative(path.child(key), status.get(key), errors);
    }
    for (key, most, of) in [
        ("updatedReplicas", count("replicas"), "status.replicas"),
        ("readyReplicas", count("replicas"), "status.replicas"),
        ("availableReplicas", count("replicas"), "status.replicas"),
        ("availableReplicas", count("readyReplicas"), "readyReplicas"),
    ] {
        if count(key) > most {
            let why = format!("cannot be greater than {of}");
            errors.push(FieldError::invalid(path.child(key), &json!(count(key)), &why));
        }
    }
}

/// A replication controller chooses by labels alone.
pub(super) fn controller(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    for key in ["replicas", "minReadySeconds"] {
        not_negative(path.child(key), spec.get(key), errors);
    }
    let Some(chosen) = spec.get("selector").and_then(Value::as_object).filter(|s| !s.is_empty()) else {
        return errors.push(FieldError::required("spec.selector", ""));
    };
    let template = at_or(spec, "template");
    let labels = template.get("metadata").and_then(|m| m.get("labels"));
    if !chosen.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v)) {
        mismatch(labels, errors);
    }
    lasting_template(path.child("template"), template, "ReplicationController", errors);
}

pub(super) fn revision(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    not_negative(Path::new("revision"), object.get("revision"), errors);
    if let Some(old) = old {
        immutable("data", at(object, "data"), at(old, "data"), errors);
    }
}
