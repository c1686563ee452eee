//! Workloads, jobs, autoscalers and budgets.

use serde_json::{Value, json};

use super::{Errors, at, immutable, not_negative, pod as pods, same, selector, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::selector::LabelSelector;
use crate::apiserver::status::FieldError;

pub(super) fn pod(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let Some(old) = old else { return pods::spec("spec", spec, errors) };
    if !same(&pod_frozen(spec), &pod_frozen(at(old, "spec"))) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n";
        errors.push(FieldError::forbidden("spec", why));
    }
}

/// What of a pod's spec may not change.
fn pod_frozen(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        for key in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
            fields.shift_remove(key);
        }
        for key in ["containers", "initContainers"] {
            for c in fields.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(c) = c.as_object_mut() {
                    c.shift_remove("image");
                }
            }
        }
    }
    spec
}

/// A pod template under a selector.
fn template(path: &str, spec: &Value, kind: &str, errors: &mut Errors) {
    let template = spec.get("template").unwrap_or(&Value::Null);
    let labels = template.get("metadata").and_then(|m| m.get("labels"));
    let path_template = format!("{path}.template");
    let chosen = spec.get("selector").filter(|s| !s.is_null());
    match chosen {
        None => errors.push(FieldError::required(format!("{path}.selector"), "")),
        Some(s) => {
            selector(&format!("{path}.selector"), s, errors);
            if s.as_object().is_some_and(Fields::is_empty) {
                let why = format!("empty selector is invalid for {}", kind.to_lowercase());
                errors.push(FieldError::invalid(format!("{path}.selector"), s, &why));
            }
            let object = Fields::from_iter([("metadata".to_owned(), json!({ "labels": labels }))]);
            if !LabelSelector::from_object(s).matches(&object) {
                let shown = labels.cloned().unwrap_or(Value::Null);
                let why = "`selector` does not match template `labels`";
                errors.push(FieldError::invalid(format!("{path_template}.metadata.labels"), &shown, why));
            }
        }
    }
    super::meta::labels(&format!("{path_template}.labels"), labels.and_then(Value::as_object), errors);
    pods::spec(&format!("{path_template}.spec"), template.get("spec").unwrap_or(&Value::Null), errors);
    let restart = template.get("spec").map_or("", |s| text(s, "restartPolicy"));
    if restart != "Always" {
        errors.push(FieldError::not_supported(
            format!("{path_template}.spec.restartPolicy"),
            &restart.into(),
            &["Always"],
        ));
    }
}

pub(super) fn apps(kind: &str, object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    not_negative("spec.replicas".into(), spec.get("replicas").unwrap_or(&Value::Null), errors);
    not_negative("spec.minReadySeconds".into(), spec.get("minReadySeconds").unwrap_or(&Value::Null), errors);
    template("spec", spec, kind, errors);
    let Some(old) = old else { return };
    let before = at(old, "spec");
    if kind == "StatefulSet" {
        const MAY: [&str; 7] = [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ];
        let frozen = |spec: &Value| {
            let fields = spec.as_object().into_iter().flatten().filter(|(k, _)| !MAY.contains(&k.as_str()));
            Value::Object(fields.map(|(k, v)| (k.clone(), v.clone())).collect())
        };
        if !same(&frozen(spec), &frozen(before)) {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            errors.push(FieldError::forbidden("spec", why));
        }
    } else {
        let get = |s: &Value| s.get("selector").cloned().unwrap_or(Value::Null);
        immutable("spec.selector", &get(spec), &get(before), errors);
    }
}

pub(super) fn job(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    job_spec("spec", spec, errors);
    let Some(old) = old else { return };
    for key in ["completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"] {
        let get = |o: &Fields| at(o, &format!("spec.{key}")).clone();
        immutable(&format!("spec.{key}"), &get(object), &get(old), errors);
    }
    let (new, before) = (at(object, "spec.template"), at(old, "spec.template"));
    if !same(new, before) {
        let shown = super::internal::pod_template(new);
        errors.push(FieldError::invalid_shown("spec.template", &shown, "field is immutable"));
    }
}

fn job_spec(path: &str, spec: &Value, errors: &mut Errors) {
    for key in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        not_negative(format!("{path}.{key}"), spec.get(key).unwrap_or(&Value::Null), errors);
    }
    let template = spec.get("template").and_then(|t| t.get("spec")).unwrap_or(&Value::Null);
    pods::spec(&format!("{path}.template.spec"), template, errors);
    match text(template, "restartPolicy") {
        "" | "Always" => {
            let why = "valid values: \"OnFailure\", \"Never\"";
            errors.push(FieldError::required(format!("{path}.template.spec.restartPolicy"), why));
        }
        "OnFailure" | "Never" => {}
        other => errors.push(FieldError::not_supported(
            format!("{path}.template.spec.restartPolicy"),
            &other.into(),
            &["OnFailure", "Never"],
        )),
    }
}

pub(super) fn cron_job(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let name = text(at(object, "metadata"), "name");
    if name.len() > 52 {
        errors.push(FieldError::invalid("metadata.name", &name.into(), "must be no more than 52 characters"));
    }
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if let Some(why) = schedule_error(schedule) {
        errors.push(FieldError::invalid("spec.schedule", &schedule.into(), &why));
    }
    super::one_of(
        "spec.concurrencyPolicy".into(),
        spec.get("concurrencyPolicy").unwrap_or(&Value::Null),
        &["Allow", "Forbid", "Replace"],
        errors,
    );
    let job = spec.get("jobTemplate").and_then(|t| t.get("spec")).unwrap_or(&Value::Null);
    job_spec("spec.jobTemplate.spec", job, errors);
}

/// Why a cron schedule is none.
fn schedule_error(schedule: &str) -> Option<String> {
    if let Some(word) = schedule.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let known = known.contains(&word) || word.starts_with("every ");
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
    for (field, (low, high)) in fields.iter().zip(ranges) {
        for part in field.split(',') {
            let range = part.split('/').next().unwrap_or("");
            for bound in range.split('-').filter(|b| !matches!(*b, "*" | "?")) {
                match bound.parse::<u32>() {
                    Ok(n) if n < low => return Some(format!("beginning of range ({n}) below minimum ({low}): {part}")),
                    Ok(n) if n > high => return Some(format!("end of range ({n}) above maximum ({high}): {part}")),
                    Ok(_) => {}
                    Err(_) if bound.len() == 3 && bound.chars().all(char::is_alphabetic) => {}
                    Err(_) => {
                        return Some(format!(
                            "failed to parse int from {bound}: strconv.Atoi: parsing {bound:?}: invalid syntax"
                        ));
                    }
                }
            }
        }
    }
    None
}

pub(super) fn autoscaler(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let min = spec.get("minReplicas").and_then(Value::as_i64).unwrap_or(1);
    let max = spec.get("maxReplicas").and_then(Value::as_i64).unwrap_or(0);
    if min < 1 {
        errors.push(FieldError::invalid("spec.minReplicas", &json!(min), "must be greater than or equal to 1"));
    }
    if max < 1 {
        errors.push(FieldError::invalid("spec.maxReplicas", &json!(max), "must be greater than 0"));
    }
    if max < min {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &json!(max),
            "must be greater than or equal to `minReplicas`",
        ));
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&Value::Null);
    for key in ["kind", "name"] {
        if text(target, key).is_empty() {
            errors.push(FieldError::required(format!("spec.scaleTargetRef.{key}"), ""));
        }
    }
}

pub(super) fn budget(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid("spec", spec, why));
    }
    for key in ["minAvailable", "maxUnavailable"] {
        not_negative(format!("spec.{key}"), spec.get(key).unwrap_or(&Value::Null), errors);
    }
    if let Some(s) = spec.get("selector") {
        selector("spec.selector", s, errors);
    }
}
