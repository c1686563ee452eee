//! What form an answer takes: JSON or YAML; whole objects, tables or metadata alone.

use ::http::HeaderMap;

use crate::apiserver::status::Status;

/// The encoding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Yaml,
}

/// What is shown of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Whole,
    /// A `Table`; `v1` or `v1beta1`.
    Table(String),
    /// `PartialObjectMetadata`.
    Metadata(String),
    /// Aggregated discovery.
    Discovery,
}

/// What the client accepts, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) encoding: Encoding,
    pub(super) shape: Shape,
}

const AVAILABLE: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Weight, place, media type and parameters of a part of an Accept header.
type Clause<'a> = (f32, usize, &'a str, Vec<(&'a str, &'a str)>);

/// Reads `Accept`.
///
/// # Errors
/// Nothing in it can be had.
pub(super) fn accept(headers: &HeaderMap, discovery: bool) -> Result<Accepted, Status> {
    let given: Vec<&str> = headers.get_all("accept").iter().filter_map(|v| v.to_str().ok()).collect();
    let text = given.join(",");
    if text.trim().is_empty() {
        return Ok(Accepted { encoding: Encoding::Json, shape: Shape::Whole });
    }
    let mut clauses: Vec<Clause<'_>> = Vec::new();
    for (i, clause) in text.split(',').enumerate() {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or("");
        let params: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once('=')).collect();
        let q = params.iter().find(|(k, _)| *k == "q").and_then(|(_, v)| v.parse().ok()).unwrap_or(1.0);
        clauses.push((q, i, media, params));
    }
    clauses.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, _, media, params) in &clauses {
        let encoding = match *media {
            "application/json" | "*/*" | "application/*" => Encoding::Json,
            "application/yaml" => Encoding::Yaml,
            _ => continue,
        };
        let param = |key: &str| params.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        if param("stream").is_some_and(|s| s != "watch") {
            continue;
        }
        let shape = match (param("as"), param("g"), param("v")) {
            (None, _, _) => Shape::Whole,
            (Some("Table"), Some("meta.k8s.io"), Some(v @ ("v1" | "v1beta1"))) if !discovery => {
                Shape::Table(v.to_owned())
            }
            (
                Some("PartialObjectMetadata" | "PartialObjectMetadataList"),
                Some("meta.k8s.io"),
                Some(v @ ("v1" | "v1beta1")),
            ) if !discovery => Shape::Metadata(v.to_owned()),
            (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2" | "v2beta1")) if discovery => {
                Shape::Discovery
            }
            _ => continue,
        };
        return Ok(Accepted { encoding, shape });
    }
    let known = |media: &str| matches!(media, "application/json" | "application/yaml" | "*/*" | "application/*");
    if clauses.iter().any(|(_, _, media, _)| known(media)) {
        // The encoding would do, but not what is asked to be in it.
        let message = format!("only the following media types are accepted: {AVAILABLE}");
        return Err(Status::new(406, "NotAcceptable", message));
    }
    Err(Status::not_acceptable(AVAILABLE))
}

/// Whether the first choice is OpenAPI v2 in protocol buffers, in either spelling of its media type.
pub(super) fn wants_protobuf(headers: &HeaderMap) -> bool {
    let first = headers.get("accept").and_then(|v| v.to_str().ok()).and_then(|text| text.split([',', ';']).next());
    first.is_some_and(|media| {
        let media = media.trim();
        media.starts_with("application/com.github.proto-openapi.spec.v2") && media.ends_with("+protobuf")
    })
}
