//! Query parameters, and the options that bodies of deletes carry.

use std::time::Duration;

use serde_json::Value;

use super::route::decode;
use crate::apiserver::registry::Resource;
use crate::apiserver::selector::{FieldSelector, LabelSelector};
use crate::apiserver::status::{FieldError, Status, go_quote};
use crate::apiserver::verbs::{DeleteOptions, ListOptions, Propagation, Validation};
use crate::apiserver::watch::WatchOptions;

/// The parameters of a query, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or("").split('&').filter(|p| !p.is_empty()).filter_map(|p| {
            let (key, value) = p.split_once('=').unwrap_or((p, ""));
            Some((decode(key, true)?, decode(value, true)?))
        });
        Query(pairs.collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(k, _)| k == key).map(|(_, v)| v.as_str()).collect()
    }

    /// A boolean as the API reads them: anything but `false` and `0` is true.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| !matches!(v.to_lowercase().as_str(), "false" | "0"))
    }
}

/// The options of a create, update or patch.
pub(super) struct Write {
    pub(super) dry_run: bool,
    pub(super) manager: String,
    pub(super) validation: Validation,
    pub(super) force: bool,
}

/// Reads and checks the options of a write; `kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`.
pub(super) fn write(query: &Query, kind: &str, apply: bool, agent: &str) -> Result<Write, Status> {
    let mut errors = Vec::new();
    let given = query.get("fieldManager").unwrap_or("");
    if kind == "PatchOptions" {
        if apply && given.is_empty() {
            errors.push(FieldError::required("fieldManager", "is required for apply patch"));
        }
        if !apply && query.get("force").is_some() {
            errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
    }
    if given.len() > 128 {
        errors.push(FieldError::too_long("fieldManager", 128));
    }
    if let Some((at, c)) = given.char_indices().find(|(_, c)| c.is_control()) {
        let why = format!("invalid character U+{:04X} (at position {at})", c as u32);
        errors.push(FieldError::invalid_shown("fieldManager", &go_quote(given), &why));
    }
    let dry_run = dry_run(query, &mut errors);
    let validation = match query.get("fieldValidation").unwrap_or("") {
        "" | "Warn" => Validation::Warn,
        "Ignore" => Validation::Ignore,
        "Strict" => Validation::Strict,
        other => {
            let supported = ["", "Ignore", "Strict", "Warn"];
            errors.push(FieldError::not_supported("fieldValidation", &other.into(), &supported));
            Validation::Warn
        }
    };
    if !errors.is_empty() {
        return Err(Status::invalid("meta.k8s.io", kind, "", &errors));
    }
    let manager = if given.is_empty() { manager_of_agent(agent) } else { given.to_owned() };
    Ok(Write { dry_run, manager, validation, force: query.flag("force") })
}

fn dry_run(query: &Query, errors: &mut Vec<FieldError>) -> bool {
    let given = query.all("dryRun");
    let wrong: Vec<&&str> = given.iter().filter(|v| **v != "All").collect();
    if !wrong.is_empty() {
        let value = Value::Array(given.iter().map(|v| Value::from(*v)).collect());
        errors.push(FieldError::not_supported("dryRun", &value, &["All"]));
    }
    given.contains(&"All")
}

/// The manager's name when none is given: the user agent up to its first slash.
fn manager_of_agent(agent: &str) -> String {
    let name: String = agent.split('/').next().unwrap_or("").chars().filter(|c| !c.is_control()).collect();
    let mut name = name;
    while name.len() > 128 {
        name.pop();
    }
    name
}

pub(super) fn list(query: &Query, resource: &Resource, name: &str) -> Result<ListOptions, Status> {
    let labels = match query.get("labelSelector") {
        None | Some("") => LabelSelector::default(),
        Some(text) => LabelSelector::parse(text).map_err(Status::bad_request)?,
    };
    let mut text = query.get("fieldSelector").unwrap_or("").to_owned();
    if !name.is_empty() {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str("metadata.name=");
        text.push_str(name);
    }
    let selectable = resource.custom.as_ref().map(|c| c.selectable.as_slice());
    let fields = FieldSelector::parse(&text, &resource.kind, &resource.group, selectable)?;
    let number = |key: &str| match query.get(key) {
        None | Some("") => Ok(0i64),
        Some(v) => v
            .parse::<i64>()
            .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {v:?}: invalid syntax"))),
    };
    let limit = number("limit")?;
    let resource_version = match query.get("resourceVersion") {
        None | Some("") => None,
        Some(v) if query.flag("watch") && v.parse::<u64>().is_err() => {
            return Err(Status::internal(format!(
                "resourceVersion: Invalid value: {v:?}: strconv.ParseUint: parsing {v:?}: invalid syntax"
            )));
        }
        Some(v) => Some(v.parse::<u64>().map_err(|_| {
            Status::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {v:?}: strconv.ParseUint: parsing {v:?}: invalid syntax"
            ))
        })?),
    };
    let matching = query.get("resourceVersionMatch").unwrap_or("");
    let watching = query.flag("watch");
    let mut errors = Vec::new();
    if !matching.is_empty() {
        let field = "resourceVersionMatch";
        if watching && !query.flag("sendInitialEvents") {
            errors.push(FieldError::forbidden(
                field,
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        } else if !watching && resource_version.is_none() {
            errors.push(FieldError::forbidden(
                field,
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ));
        }
        if query.get("continue").is_some_and(|c| !c.is_empty()) {
            errors.push(FieldError::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            errors.push(FieldError::not_supported(field, &matching.into(), &["Exact", "NotOlderThan", ""]));
        }
        if matching == "Exact" && resource_version == Some(0) {
            errors.push(FieldError::forbidden(
                field,
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ));
        }
    }
    if query.get("sendInitialEvents").is_some() {
        if !watching {
            errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        } else if matching == "Exact" || (matching.is_empty() && query.flag("sendInitialEvents")) {
            errors.push(FieldError::forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
    }
    if !errors.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "ListOptions", "", &errors));
    }
    Ok(ListOptions {
        labels,
        fields,
        limit: usize::try_from(limit).unwrap_or(0),
        continue_token: query.get("continue").filter(|c| !c.is_empty()).map(str::to_owned),
        resource_version,
        exact: matching == "Exact" || (matching.is_empty() && limit > 0 && resource_version.is_some_and(|v| v > 0)),
    })
}

pub(super) fn watch(query: &Query, list: ListOptions) -> WatchOptions {
    let timeout = query.get("timeoutSeconds").and_then(|v| v.parse::<u64>().ok());
    WatchOptions {
        from: list.resource_version,
        list,
        initial: query.flag("sendInitialEvents"),
        bookmarks: query.flag("allowWatchBookmarks"),
        timeout: timeout.filter(|t| *t > 0).map(|t| Duration::from_secs(t.min(86_400))),
        disturbance: None,
    }
}

/// The options of a delete, of the query or of the body.
pub(super) fn delete(query: &Query, body: Option<&Value>) -> Result<DeleteOptions, Status> {
    let mut out = DeleteOptions::default();
    let mut errors = Vec::new();
    let policy = |text: &str, errors: &mut Vec<FieldError>| match text {
        "" => None,
        "Orphan" => Some(Propagation::Orphan),
        "Background" => Some(Propagation::Background),
        "Foreground" => Some(Propagation::Foreground),
        other => {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(FieldError::not_supported("propagationPolicy", &other.into(), &supported));
            None
        }
    };
    if let Some(body) = body {
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or("");
        out.propagation = policy(text("propagationPolicy"), &mut errors);
        if let Some(orphan) = body.get("orphanDependents").and_then(Value::as_bool) {
            if out.propagation.is_some() {
                errors.push(FieldError::invalid(
                    "propagationPolicy",
                    &text("propagationPolicy").into(),
                    "orphanDependents and deletionPropagation cannot be both set",
                ));
            }
            out.propagation = Some(if orphan { Propagation::Orphan } else { Propagation::Background });
        }
        out.grace = body.get("gracePeriodSeconds").and_then(Value::as_i64);
        let precondition =
            |key: &str| body.get("preconditions").and_then(|p| p.get(key)).and_then(Value::as_str).map(str::to_owned);
        out.uid = precondition("uid");
        out.resource_version = precondition("resourceVersion");
        let runs = body.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let runs: Vec<&str> = runs.collect();
        if runs.iter().any(|r| *r != "All") {
            errors.push(FieldError::not_supported("dryRun", body.get("dryRun").unwrap_or(&Value::Null), &["All"]));
        }
        out.dry_run = runs.contains(&"All");
    }
    if body.is_none() || !query.0.is_empty() {
        if let Some(text) = query.get("propagationPolicy") {
            out.propagation = policy(text, &mut errors);
        }
        if query.get("orphanDependents").is_some() {
            out.propagation =
                Some(if query.flag("orphanDependents") { Propagation::Orphan } else { Propagation::Background });
        }
        if let Some(grace) = query.get("gracePeriodSeconds").and_then(|g| g.parse().ok()) {
            out.grace = Some(grace);
        }
        out.dry_run |= dry_run(query, &mut errors);
    }
    if out.grace.is_some_and(|g| g < 0) {
        out.grace = Some(1);
    }
    if !errors.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors));
    }
    Ok(out)
}
