//! Keeping secrets out of what a server says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::cluster::{Status, StatusCause};
use flux_core::{ClusterError, Object};
use serde_json::Value;

/// The error of a request about an object, fit to be shown: a server's words about a Secret may repeat what is in it.
pub(super) fn redact(error: ClusterError, object: &Object) -> ClusterError {
    match error {
        ClusterError::Api(status) if object.is_secret() => ClusterError::Api(masked(status, object)),
        other => other,
    }
}

fn masked(status: Status, secret: &Object) -> Status {
    // Who may do what, what is not there and what was changed meanwhile is said in fixed words, which are worth
    // keeping; everything else may come from a decoder or a webhook that shows what it was given.
    let fixed = matches!((status.code, status.reason.as_str()), (401 | 404 | 409 | 429, _))
        || (status.code == 403 && status.message.contains(" cannot "));
    let message = if fixed {
        without_values(status.message, secret)
    } else {
        let fields: Vec<&str> =
            status.causes.iter().map(|cause| cause.field.as_str()).filter(|f| !f.is_empty()).collect();
        let at = if fields.is_empty() { String::new() } else { format!(" at {}", fields.join(", ")) };
        format!("the server refuses the Secret{at}; its own words are withheld, since they may show what is in it")
    };
    let causes = status
        .causes
        .into_iter()
        .map(|cause| StatusCause { message: String::new(), ..cause })
        .map(|cause| StatusCause { field: without_values(cause.field, secret), ..cause });
    Status { message, causes: causes.collect(), ..status }
}

/// A text with every value of a Secret, encoded or plain, starred.
fn without_values(mut text: String, secret: &Object) -> String {
    for field in ["data", "stringData"] {
        let values = secret.as_map().get(field).and_then(Value::as_object);
        for value in values.into_iter().flat_map(|values| values.values()).filter_map(Value::as_str) {
            let plain = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            for shown in [Some(value.to_owned()), plain].into_iter().flatten().filter(|shown| shown.len() > 2) {
                text = text.replace(&shown, "***");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn h39_a_server_that_repeats_a_secret_is_not_repeated() {
        let secret = Object::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
            "data": {"k": STANDARD.encode("canary")}}))
        .unwrap();
        let cause = StatusCause { field: "data[k]".into(), message: "canary".into(), ..StatusCause::default() };
        for (code, reason, message) in [
            (422, "Invalid", "Secret \"a\" is invalid: data[k]: Invalid value: \"canary\""),
            (400, "BadRequest", "illegal base64 Y2FuYXJ5"),
            (403, "Forbidden", "admission webhook denied the request: canary"),
            (409, "Conflict", "canary Y2FuYXJ5"),
            (500, "InternalError", "canary"),
        ] {
            let status = Status {
                code,
                reason: reason.into(),
                message: message.into(),
                causes: vec![cause.clone()],
                retry_after_seconds: None,
            };
            let error = redact(ClusterError::Api(status), &secret);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{shown}");
            assert!(shown.contains("data[k]"), "{shown}");
        }
    }

    #[test]
    fn what_is_said_about_other_kinds_is_kept() {
        let map =
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).unwrap();
        assert_eq!(redact(ClusterError::api(422, "Invalid", "no"), &map).to_string(), "no");
    }
}
