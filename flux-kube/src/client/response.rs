//! What answers mean.

use flux_core::cluster::{ClusterError, ObjectList, Status, StatusCause};
use flux_core::{Gvk, Object};
use http::Response;
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde_json::{Map, Value};

/// The largest answer that is read: far more than a page of a list may hold.
const MAX_BODY: usize = 256 << 20;

/// The reason that marks an answer about a path rather than about an object.
const NO_SUCH_PATH: &str = "NoSuchPath";

/// A request that got no answer.
pub(super) fn unreachable(error: kube::Error) -> ClusterError {
    ClusterError::Unreachable(Box::new(error))
}

/// Reads a whole answer: the object in it, or why there is none.
pub(super) async fn read(response: Response<Body>) -> Result<Map<String, Value>, ClusterError> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(ClusterError::Unreachable)?.to_bytes();
    let parsed: Result<Value, _> = serde_json::from_slice(&body);
    if parts.status.is_success() {
        return match parsed {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(ClusterError::Invalid("the server's answer is not a JSON object".into())),
        };
    }
    let retry_after = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut status = match parsed {
        Ok(value) if value.get("kind").and_then(Value::as_str) == Some("Status") => status(&value),
        _ => {
            let reason = if parts.status == 404 { NO_SUCH_PATH } else { "" };
            let message: String = String::from_utf8_lossy(&body).chars().take(512).collect();
            Status { reason: reason.into(), message: message.trim().into(), ..Status::default() }
        }
    };
    status.code = parts.status.as_u16();
    status.retry_after_seconds = status.retry_after_seconds.or(retry_after);
    Err(refusal(status))
}

/// A refusal from the server's own words.
pub(super) fn refusal(status: Status) -> ClusterError {
    if status.code == 410 { ClusterError::Expired } else { ClusterError::Api(status) }
}

/// Whether the server does not serve the kind at all, rather than not have the object.
pub(super) fn is_no_such_path(answer: &Result<Map<String, Value>, ClusterError>) -> bool {
    matches!(answer, Err(ClusterError::Api(status)) if status.code == 404 && status.reason == NO_SUCH_PATH)
}

/// A `Status` as the server wrote it.
pub(super) fn status(value: &Value) -> Status {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let details = value.get("details").unwrap_or(&Value::Null);
    let causes = details.get("causes").and_then(Value::as_array).into_iter().flatten();
    let mut reason = text(value, "reason");
    let code = value.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
    // What a server says of a path that it does not serve, as some proxies and aggregated servers wrap it.
    if code == 404 && text(value, "message") == "the server could not find the requested resource" {
        reason = NO_SUCH_PATH.to_owned();
    }
    Status {
        code,
        reason,
        message: text(value, "message"),
        causes: causes
            .map(|cause| StatusCause {
                reason: text(cause, "reason"),
                message: text(cause, "message"),
                field: text(cause, "field"),
            })
            .collect(),
        retry_after_seconds: details
            .get("retryAfterSeconds")
            .and_then(Value::as_u64)
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

/// A page of a list. Built-in kinds come without kind and version on each item; they are put back.
pub(super) fn list(mut map: Map<String, Value>, gvk: &Gvk) -> Result<ObjectList, ClusterError> {
    let metadata = |key: &str| {
        let value = map.get("metadata").and_then(|metadata| metadata.get(key)?.as_str());
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let (resource_version, continue_token) = (metadata("resourceVersion").unwrap_or_default(), metadata("continue"));
    let items = match map.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return Err(ClusterError::Invalid("the server's answer is not a list".into())),
    };
    let items = items.into_iter().map(|item| typed(item, gvk)).collect::<Result<_, _>>()?;
    Ok(ObjectList { items, resource_version, continue_token })
}

fn typed(item: Value, gvk: &Gvk) -> Result<Object, ClusterError> {
    let Value::Object(mut item) = item else {
        return Err(ClusterError::Invalid("an item of the server's list is no object".into()));
    };
    for (i, (key, value)) in [("apiVersion", gvk.api_version()), ("kind", gvk.kind.clone())].into_iter().enumerate() {
        if !item.contains_key(key) {
            item.shift_insert(i.min(item.len()), key.to_owned(), Value::String(value));
        }
    }
    super::object(item)
}
