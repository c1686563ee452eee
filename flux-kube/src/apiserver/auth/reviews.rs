//! Questions about access, and tokens: what is created to be answered and is not stored.

use serde_json::{Value, json};

use super::{Attributes, KnownToken, User};
use crate::apiserver::ApiServer;
use crate::apiserver::fields::Fields;
use crate::apiserver::registry::ResourceKey;
use crate::apiserver::status::{FieldError, Status};
use crate::apiserver::verbs::{DeleteOptions, Target};

fn text(v: Option<&Value>, key: &str) -> String {
    v.and_then(|v| v.get(key)).and_then(Value::as_str).unwrap_or("").to_owned()
}

/// Answers a review; `None` if the target is none.
pub(crate) fn answer(
    server: &ApiServer,
    user: &User,
    target: &Target,
    object: &Fields,
    dry_run: bool,
) -> Option<Result<Fields, Status>> {
    let resource = &target.resource;
    let spec = object.get("spec");
    let status = match (resource.group.as_str(), resource.kind.as_str()) {
        ("authorization.k8s.io", "SelfSubjectAccessReview") => access(server, user, spec, ""),
        ("authorization.k8s.io", kind @ ("SubjectAccessReview" | "LocalSubjectAccessReview")) => {
            let groups = spec.and_then(|s| s.get("groups")).and_then(Value::as_array).into_iter().flatten();
            let groups: Vec<String> = groups.filter_map(|g| g.as_str().map(str::to_owned)).collect();
            let other = User { name: text(spec, "user"), groups };
            let namespace = if kind == "LocalSubjectAccessReview" { target.namespace.as_str() } else { "" };
            access(server, &other, spec, namespace)
        }
        ("authorization.k8s.io", "SelfSubjectRulesReview") => rules(server, user, &text(spec, "namespace")),
        ("authentication.k8s.io", "SelfSubjectReview") => {
            json!({"userInfo": {"username": user.name, "groups": user.groups}})
        }
        ("authentication.k8s.io", "TokenReview") => match server.user_of_token(&text(spec, "token")) {
            Some(user) => json!({"authenticated": true, "user": {"username": user.name, "groups": user.groups}}),
            None => json!({"user": {}, "error": "token is not known"}),
        },
        ("", "ServiceAccount") if target.subresource == "token" => return Some(token(server, target, object)),
        ("", "Pod") if matches!(target.subresource.as_str(), "binding" | "eviction") => {
            return Some(act(server, target, object, dry_run));
        }
        ("", "Binding") => return Some(act(server, target, object, dry_run)),
        _ => return None,
    };
    let mut out = Fields::new();
    out.insert("kind".into(), json!(resource.kind));
    out.insert("apiVersion".into(), json!(resource.api_version));
    out.insert("metadata".into(), object.get("metadata").cloned().unwrap_or(json!({})));
    if let Some(spec) = spec {
        out.insert("spec".into(), spec.clone());
    }
    out.insert("status".into(), status);
    Some(Ok(out))
}

fn access(server: &ApiServer, user: &User, spec: Option<&Value>, namespace: &str) -> Value {
    let attributes = match spec.and_then(|s| s.get("nonResourceAttributes")) {
        Some(path) => {
            Attributes { verb: text(Some(path), "verb"), path: Some(text(Some(path), "path")), ..Attributes::default() }
        }
        None => {
            let r = spec.and_then(|s| s.get("resourceAttributes"));
            let sub = text(r, "subresource");
            let resource = if sub.is_empty() { text(r, "resource") } else { format!("{}/{sub}", text(r, "resource")) };
            let own = text(r, "namespace");
            Attributes {
                verb: text(r, "verb"),
                group: text(r, "group"),
                resource,
                namespace: if own.is_empty() { namespace.to_owned() } else { own },
                name: text(r, "name"),
                path: None,
            }
        }
    };
    let (allowed, reason) = server.lock().allows(user, &attributes);
    let mut status = json!({ "allowed": allowed });
    if let (false, Some(status)) = (reason.is_empty(), status.as_object_mut()) {
        status.insert("reason".into(), json!(reason));
    }
    status
}

fn rules(server: &ApiServer, user: &User, namespace: &str) -> Value {
    let mut found = server.lock().rules_of(user, namespace, &mut Vec::new());
    if user.is_master() {
        found.push(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}));
        found.push(json!({"nonResourceURLs": ["*"], "verbs": ["*"]}));
    }
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        found.into_iter().partition(|r| r.get("nonResourceURLs").is_some());
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

/// A token for a service account.
fn token(server: &ApiServer, target: &Target, object: &Fields) -> Result<Fields, Status> {
    let now = server.inner.clock.now();
    let mut state = server.lock();
    state.find(&Target { subresource: String::new(), ..target.clone() })?;
    let spec = object.get("spec");
    let seconds = spec.and_then(|s| s.get("expirationSeconds")).and_then(Value::as_i64).unwrap_or(3600);
    if seconds < 600 {
        let why = "may not specify a duration less than 10 minutes";
        let error = FieldError::invalid("spec.expirationSeconds", &json!(seconds), why);
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", "", &[error]));
    }
    let bound = spec.and_then(|s| s.get("boundObjectRef")).filter(|b| !b.is_null());
    if let Some(bound) = bound {
        let plural = format!("{}s", text(Some(bound), "kind").to_lowercase());
        let at = format!("{}/{}", target.namespace, text(Some(bound), "name"));
        if state.store.get(&ResourceKey::new("", &plural), &at).is_none() {
            return Err(Status::not_found("", &plural, &text(Some(bound), "name")));
        }
    }
    let audiences = spec.and_then(|s| s.get("audiences")).filter(|a| a.as_array().is_some_and(|a| !a.is_empty()));
    let audiences = audiences.cloned().unwrap_or_else(|| json!(["https://kubernetes.default.svc"]));
    let bound = bound.cloned().unwrap_or(Value::Null);
    let name = format!("system:serviceaccount:{}:{}", target.namespace, target.name);
    let token = format!("{}.{}.{}", state.ids.suffix(24), state.ids.suffix(24), state.ids.suffix(24));
    let until = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now);
    state.tokens.retain(|_, known| known.until.is_none_or(|until| until > now));
    state.tokens.insert(token.clone(), KnownToken { user: User::new(&name, &[]), until: Some(until) });
    let mut out = Fields::new();
    out.insert("kind".into(), json!("TokenRequest"));
    out.insert("apiVersion".into(), json!("authentication.k8s.io/v1"));
    out.insert("metadata".into(), json!({"name": target.name, "namespace": target.namespace}));
    out.insert("spec".into(), json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}));
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    out.insert("status".into(), json!({"token": token, "expirationTimestamp": until}));
    Ok(out)
}

/// Puts a pod on a node, or takes it off one.
fn act(server: &ApiServer, target: &Target, object: &Fields, dry_run: bool) -> Result<Fields, Status> {
    let stamp = server.inner.clock.stamp();
    server.change(&stamp, |state| {
        if target.subresource != "eviction" {
            return state.bind(target, object, &stamp);
        }
        let given = object.get("deleteOptions");
        let all = |v: &Value| v.as_array().is_some_and(|runs| runs.iter().any(|r| r == "All"));
        let options = DeleteOptions {
            now: Some(server.inner.clock.now()),
            grace: given.and_then(|o| o.get("gracePeriodSeconds")).and_then(Value::as_i64),
            dry_run: dry_run || given.and_then(|o| o.get("dryRun")).is_some_and(all),
            ..DeleteOptions::default()
        };
        state.evict(target, object, &options, &stamp)
    })
}
