//! Jobs, once and on a schedule.

use serde_json::{Value, json};

use super::path::Path;
use super::{Errors, at, immutable, list, names, not_negative, one_of, pod as pods, same, text};
use crate::apiserver::fields::Fields;
use crate::apiserver::selector::LabelSelector;
use crate::apiserver::status::FieldError;

const NOTHING: &Value = &Value::Null;
const UID: &str = "batch.kubernetes.io/controller-uid";

pub(super) fn job(object: &Fields, old: Option<&Fields>, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    job_spec(path, spec, errors);
    chosen(object, spec, errors);
    if text(spec, "completionMode") == "Indexed" {
        let last = spec.get("completions").and_then(Value::as_i64).unwrap_or(1).max(1) - 1;
        let name = text(at(object, "metadata"), "name");
        let pod = format!("{name}-{last}");
        if !name.is_empty() && !names::label_errors(&pod).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {pod}");
            errors.push(FieldError::invalid("metadata.name", &name.into(), &why));
        }
    }
    let Some(old) = old else { return };
    frozen(object, old, errors);
}

/// A job's selector is made for it, unless it says otherwise.
fn chosen(object: &Fields, spec: &Value, errors: &mut Errors) {
    let given = spec.get("selector");
    let labels = spec.get("template").and_then(|t| t.get("metadata")).and_then(|m| m.get("labels"));
    match given {
        None => errors.push(FieldError::required("spec.selector", "")),
        Some(given) => {
            super::selector(Path::new("spec.selector"), given, errors);
            let uid = text(at(object, "metadata"), "uid");
            let manual = spec.get("manualSelector") == Some(&Value::Bool(true));
            if !manual && !same(given, &json!({"matchLabels": {UID: uid}})) {
                let shown = super::shown_selector(given);
                errors.push(FieldError::invalid_shown("spec.selector", &shown, "`selector` not auto-generated"));
            }
        }
    }
    let empty = Fields::new();
    let labels_of = labels.and_then(Value::as_object).unwrap_or(&empty);
    if !given.is_some_and(|s| LabelSelector::from_object(s).matches_labels(labels_of)) {
        super::workloads::mismatch(labels, errors);
    }
}

/// What a job may not change: nearly all, once it has started.
fn frozen(object: &Fields, old: &Fields, errors: &mut Errors) {
    let (spec, before) = (at(object, "spec"), at(old, "spec"));
    let get = |s: &Value, key: &str| s.get(key).cloned().unwrap_or(Value::Null);
    for key in ["completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"] {
        let elastic = key == "completions"
            && text(spec, "completionMode") == "Indexed"
            && same(&get(spec, "completions"), &get(spec, "parallelism"))
            && same(&get(before, "completions"), &get(before, "parallelism"));
        if !elastic {
            immutable(&format!("spec.{key}"), &get(spec, key), &get(before, key), errors);
        }
    }
    let mut then = get(before, "template");
    if before.get("suspend") == Some(&Value::Bool(true)) && at(old, "status.startTime").is_null() {
        schedule_of(&get(spec, "template"), &mut then);
    }
    let now = get(spec, "template");
    if !same(&now, &then) {
        let shown = super::internal::show("core.PodTemplateSpec", &now);
        errors.push(FieldError::invalid_shown("spec.template", &shown, "field is immutable"));
    }
}

/// Puts where and when pods may run from one template into another: that may change before a job starts.
fn schedule_of(from: &Value, into: &mut Value) {
    let copy = |path: &str, keys: &[&str], into: &mut Value| {
        let Some(fields) = into.get_mut(path).and_then(Value::as_object_mut) else { return };
        for key in keys {
            match from.get(path).and_then(|f| f.get(*key)) {
                Some(v) => fields.insert((*key).to_owned(), v.clone()),
                None => fields.shift_remove(*key),
            };
        }
    };
    copy("spec", &["nodeSelector", "affinity", "tolerations", "schedulingGates"], into);
    copy("metadata", &["labels", "annotations"], into);
}

fn job_spec(path: Path<'_>, spec: &Value, errors: &mut Errors) {
    for key in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        not_negative(path.child(key), spec.get(key), errors);
    }
    let indexed = text(spec, "completionMode") == "Indexed";
    for key in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        let Some(v) = spec.get(key) else { continue };
        not_negative(path.child(key), Some(v), errors);
        if !indexed {
            errors.push(FieldError::invalid(path.child(key), v, "requires indexed completion mode"));
        }
    }
    if spec.get("completionMode").is_some() {
        one_of(path.child("completionMode"), spec.get("completionMode"), &["NonIndexed", "Indexed"], errors);
        if indexed && spec.get("completions").is_none() {
            let why = "when completion mode is Indexed";
            errors.push(FieldError::required(path.child("completions"), why));
        }
    }
    if let Some(by) = spec.get("managedBy").and_then(Value::as_str) {
        super::network::domain_path(path.child("managedBy"), by, errors);
    }
    let policy = spec.get("podFailurePolicy");
    if spec.get("podReplacementPolicy").is_some() {
        let may: &[&str] = if policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        one_of(path.child("podReplacementPolicy"), spec.get("podReplacementPolicy"), may, errors);
    }
    let template = spec.get("template").unwrap_or(NOTHING);
    let at = path.child("template");
    let labels = template.get("metadata").and_then(|m| m.get("labels")).and_then(Value::as_object);
    super::meta::labels(at.child("labels"), labels, errors);
    let pod = template.get("spec").unwrap_or(NOTHING);
    let at = at.child("spec");
    pods::spec(at, pod, errors);
    let restart = at.child("restartPolicy");
    match text(pod, "restartPolicy") {
        "" | "Always" => errors.push(FieldError::required(restart, "valid values: \"OnFailure\", \"Never\"")),
        other if policy.is_some() && other != "Never" => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(FieldError::invalid(restart, &other.into(), why));
        }
        "OnFailure" | "Never" => {}
        other => errors.push(FieldError::not_supported(restart, &other.into(), &["OnFailure", "Never"])),
    }
    if let Some(policy) = policy {
        for (i, rule) in list(policy, "rules").enumerate() {
            let path = path.child("podFailurePolicy.rules");
            failure_rule(path.index(i), rule, spec, pod, errors);
        }
    }
}

fn failure_rule(path: Path<'_>, rule: &Value, spec: &Value, pod: &Value, errors: &mut Errors) {
    one_of(path.child("action"), rule.get("action"), &["Count", "FailIndex", "FailJob", "Ignore"], errors);
    if text(rule, "action") == "FailIndex" && spec.get("backoffLimitPerIndex").is_none() {
        let why = "requires the backoffLimitPerIndex to be set";
        errors.push(FieldError::invalid(path.child("action"), &json!("FailIndex"), why));
    }
    let (codes, conditions) = (rule.get("onExitCodes"), rule.get("onPodConditions"));
    match (codes.is_some(), conditions.is_some()) {
        (false, false) => {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(FieldError::invalid_omitted(path, why));
        }
        (true, true) => {
            let why = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(FieldError::invalid_omitted(path, why));
        }
        _ => {}
    }
    if let Some(codes) = codes {
        let path = path.child("onExitCodes");
        one_of(path.child("operator"), codes.get("operator"), &["In", "NotIn"], errors);
        if let Some(name) = codes.get("containerName").and_then(Value::as_str) {
            let known = |kind: &str| list(pod, kind).any(|c| text(c, "name") == name);
            if !known("containers") && !known("initContainers") {
                let why = "must be one of the container or initContainer names in the pod template";
                errors.push(FieldError::invalid(path.child("containerName"), &name.into(), why));
            }
        }
        let values: Vec<i64> = list(codes, "values").filter_map(Value::as_i64).collect();
        if values.is_empty() {
            errors.push(FieldError::invalid(path.child("values"), &json!([]), "at least one value is required"));
        } else if values.len() > 255 {
            errors.push(FieldError::too_many(path.child("values"), values.len(), 255));
        } else if !values.is_sorted() {
            errors.push(FieldError::invalid(path.child("values"), &json!(values), "must be ordered"));
        }
    }
    for (i, condition) in list(rule, "onPodConditions").enumerate() {
        let path = path.child("onPodConditions");
        let path = path.index(i);
        let kind = text(condition, "type");
        for why in names::qualified_name_errors(kind) {
            errors.push(FieldError::invalid(path.child("type"), &kind.into(), &why));
        }
        one_of(path.child("status"), condition.get("status"), &["False", "True", "Unknown"], errors);
    }
}

pub(super) fn cron_job(object: &Fields, errors: &mut Errors) {
    let spec = at(object, "spec");
    let path = Path::new("spec");
    let name = text(at(object, "metadata"), "name");
    if name.len() > 52 {
        errors.push(FieldError::invalid("metadata.name", &name.into(), "must be no more than 52 characters"));
    }
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if schedule.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(FieldError::invalid("spec.schedule", &schedule.into(), why));
    } else if let Some(why) = super::super::schedule::error(schedule) {
        errors.push(FieldError::invalid("spec.schedule", &schedule.into(), &why));
    }
    match spec.get("timeZone").and_then(Value::as_str) {
        Some("") => {
            let why = "timeZone must be nil or non-empty string";
            errors.push(FieldError::invalid("spec.timeZone", &json!(""), why));
        }
        Some(zone) if zone.eq_ignore_ascii_case("local") => {
            let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            errors.push(FieldError::invalid("spec.timeZone", &zone.into(), why));
        }
        _ => {}
    }
    for key in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        not_negative(path.child(key), spec.get(key), errors);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    one_of(path.child("concurrencyPolicy"), spec.get("concurrencyPolicy"), &policies, errors);
    let job = spec.get("jobTemplate").and_then(|t| t.get("spec")).unwrap_or(NOTHING);
    let path = path.child("jobTemplate.spec");
    if job.get("manualSelector") == Some(&Value::Bool(true)) {
        let path = path.child("manualSelector");
        errors.push(FieldError::not_supported_shown(path, "true", &["nil", "false"]));
    }
    job_spec(path, job, errors);
}
