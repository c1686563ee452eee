//! Get and list.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{State, Target, served};
use crate::apiserver::fields::Fields;
use crate::apiserver::selector::{FieldSelector, LabelSelector};
use crate::apiserver::status::Status;
use crate::apiserver::store::Record;

/// What a list or watch selects.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListOptions {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    /// The most objects to answer; 0 is all.
    pub(crate) limit: usize,
    pub(crate) continue_token: Option<String>,
    pub(crate) resource_version: Option<u64>,
    /// `resourceVersionMatch=Exact`.
    pub(crate) exact: bool,
}

/// A list's answer.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Arc<Fields>>,
    pub(crate) resource_version: u64,
    pub(crate) continue_token: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl ListOptions {
    pub(crate) fn matches(&self, object: &Fields) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }

    pub(crate) fn selects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }
}

/// The prefix of the keys of a collection.
pub(crate) fn prefix(target: &Target) -> String {
    if target.namespace.is_empty() { String::new() } else { format!("{}/", target.namespace) }
}

impl State {
    pub(crate) fn get(&self, target: &Target) -> Result<Arc<Fields>, Status> {
        Ok(served(&self.find(target)?.object, &target.resource))
    }

    pub(crate) fn list(&self, target: &Target, options: &ListOptions) -> Result<Listed, Status> {
        let prefix = prefix(target);
        let current = self.store.revision();
        let token = options.continue_token.as_deref().map(decode_token).transpose()?;
        if token.is_some() && options.resource_version.is_some_and(|v| v != 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let (at, start) = match &token {
            Some((revision, start)) => (*revision, start.as_str()),
            None => match options.resource_version {
                Some(v) if v > current => return Err(too_large(v, current)),
                Some(v) if options.exact => (v, ""),
                _ => (current, ""),
            },
        };
        let table = self.store.table(target.resource.key());
        let then;
        let records: Box<dyn Iterator<Item = (&String, &Arc<Record>)>> = match table {
            None => Box::new(std::iter::empty()),
            Some(table) if at >= current => Box::new(table.range(&prefix)),
            Some(table) => match table.at(at, &prefix) {
                Some(objects) => {
                    then = objects;
                    Box::new(then.iter())
                }
                None if token.is_some() => {
                    return Err(Status::expired(
                        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
                    ));
                }
                None => {
                    return Err(Status::expired("The resourceVersion for the provided list is too old.".to_string()));
                }
            },
        };
        let mut items = Vec::new();
        let mut last = String::new();
        let mut more = 0usize;
        for (key, record) in records.skip_while(|(k, _)| !start.is_empty() && k.as_str() <= start) {
            if options.limit > 0 && items.len() >= options.limit {
                more += 1;
                // With a selector the rest is not counted, only known to be there.
                if options.selects() {
                    break;
                }
                continue;
            }
            last.clone_from(key);
            let object = served(&record.object, &target.resource);
            if options.matches(&object) {
                items.push(object);
            }
        }
        let continue_token = (more > 0).then(|| encode_token(at, &last));
        let remaining = (more > 0 && !options.selects()).then_some(more);
        Ok(Listed { items, resource_version: at, continue_token, remaining })
    }
}

pub(crate) fn too_large(asked: u64, current: u64) -> Status {
    let mut status =
        Status::new(504, "Timeout", format!("Timeout: Too large resource version: {asked}, current: {current}"));
    let details = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
    if let Value::Object(details) = details {
        status.details = Some(details);
    }
    status
}

fn encode_token(revision: u64, last: &str) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": format!("{last}\u{0}")}).to_string();
    URL_SAFE_NO_PAD.encode(token)
}

fn decode_token(token: &str) -> Result<(u64, String), Status> {
    let bad = |why: String| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    if token.len() % 4 == 1 || token.bytes().any(|b| !(b.is_ascii_alphanumeric() || b == b'-' || b == b'_')) {
        let at = token
            .bytes()
            .position(|b| !(b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
            .unwrap_or(token.len() - token.len() % 4);
        return Err(bad(format!("illegal base64 data at input byte {at}")));
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad("illegal base64 data at input byte 0".to_owned()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| {
        let first = String::from_utf8_lossy(&bytes).chars().find(|c| !c.is_whitespace());
        match first.filter(|c| e.is_syntax() && !"{[\"-0123456789tfn".contains(*c)) {
            Some(c) => bad(format!("invalid character {c:?} looking for beginning of value")),
            None => bad(e.to_string()),
        }
    })?;
    let revision = value
        .get("rv")
        .and_then(Value::as_u64)
        .ok_or_else(|| bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned()))?;
    let start = value.get("start").and_then(Value::as_str).unwrap_or("").trim_end_matches('\u{0}').to_owned();
    Ok((revision, start))
}
