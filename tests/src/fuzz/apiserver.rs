//! The embedded API server: paths, queries, headers and bodies of any kind.

use std::collections::HashSet;

use bytes::Bytes;
use flux_kube::apiserver::{ApiServer, Config};
use futures::FutureExt;
use http_body_util::{BodyExt, Full};
use tower::Service;

/// What separates requests, each of which is a line `METHOD PATH MEDIA-TYPE` and a body.
const BETWEEN: &[u8] = b"\n%%\n";
const MOST_REQUESTS: usize = 12;
const MOST_FRAMES: usize = 64;

/// Sends the requests that the input spells to a new server.
///
/// # Panics
/// The server answers with something that is no answer, or gives two objects the same uid.
pub(super) fn requests(data: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let _inside = runtime.enter();
    let mut server = ApiServer::new(Config { history: 64, ..Config::default() });
    for one in split(data).into_iter().take(MOST_REQUESTS) {
        send(&mut server, one);
    }
    let everything = send(&mut server, b"GET /api/v1/configmaps application/json\n");
    let list: serde_json::Value = serde_json::from_slice(&everything).expect("a list is JSON");
    let mut seen = HashSet::new();
    for item in list.get("items").and_then(|i| i.as_array()).into_iter().flatten() {
        let uid =
            item.get("metadata").and_then(|m| m.get("uid")).and_then(|u| u.as_str()).expect("every object has a uid");
        assert!(seen.insert(uid.to_owned()), "two objects with the uid {uid}");
    }
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN) {
        out.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    out.push(rest);
    out
}

fn send(server: &mut ApiServer, spelt: &[u8]) -> Vec<u8> {
    let end = spelt.iter().position(|b| *b == b'\n').unwrap_or(spelt.len());
    let (line, body) = spelt.split_at(end);
    let line = String::from_utf8_lossy(line);
    let mut words = line.splitn(3, ' ');
    let mut next = || words.next().unwrap_or("").to_owned();
    let (method, path, media) = (next(), next(), next());
    let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
    let request = http::Request::builder().method(method.as_str()).uri(path).header("content-type", media);
    // What is no request does not reach a server.
    let Ok(request) = request.body(Full::new(body)) else { return Vec::new() };
    let response = server.call(request).now_or_never().expect("an answer at once").expect("an answer");
    assert!((200..600).contains(&response.status().as_u16()), "status {}", response.status());
    let mut body = response.into_body();
    let mut out = Vec::new();
    // Watches have no end; what there is of them now is enough.
    for _ in 0..MOST_FRAMES {
        let Some(Some(Ok(frame))) = body.frame().now_or_never() else { break };
        out.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d));
    }
    out
}
