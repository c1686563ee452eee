//! Watches: one JSON document a line.

use bytes::{Bytes, BytesMut};
use flux_core::cluster::{ClusterError, WatchEvent, WatchStream};
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::response;

/// The longest line that is read: more than an object may weigh in etcd.
const MAX_LINE: usize = 16 << 20;

/// The events of a watch.
pub(super) fn events(body: Body) -> WatchStream {
    let lines = Lines { body: Some(body), buffer: BytesMut::new(), searched: 0 };
    futures::stream::unfold(lines, |mut lines| async move {
        loop {
            let line = match lines.next().await? {
                Ok(line) if line.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(line) => line,
                Err(error) => return Some((Err(error), lines)),
            };
            let event = event(&line);
            if event.is_err() {
                // After an error nothing that follows can be trusted.
                lines.body = None;
            }
            return Some((event, lines));
        }
    })
    .boxed()
}

fn event(line: &[u8]) -> Result<WatchEvent, ClusterError> {
    let broken = || ClusterError::Invalid("an event of the watch cannot be read".into());
    let mut value: Value = serde_json::from_slice(line).map_err(|_| broken())?;
    let object = value.get_mut("object").map(Value::take).unwrap_or_default();
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "ERROR" {
        return Err(response::refusal(response::status(&object)));
    }
    if kind == "BOOKMARK" {
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        return Ok(WatchEvent::Bookmark(version.to_owned()));
    }
    let Value::Object(object) = object else { return Err(broken()) };
    let object = super::object(object)?;
    match kind {
        "ADDED" => Ok(WatchEvent::Added(object)),
        "MODIFIED" => Ok(WatchEvent::Modified(object)),
        "DELETED" => Ok(WatchEvent::Deleted(object)),
        _ => Err(broken()),
    }
}

/// A body, line by line.
struct Lines {
    body: Option<Body>,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line break.
    searched: usize,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<Bytes, ClusterError>> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                return Some(Ok(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > MAX_LINE {
                self.body = None;
                self.buffer.clear();
                self.searched = 0;
                return Some(Err(ClusterError::Invalid("an event of the watch is too large".into())));
            }
            match self.body.as_mut()?.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Some(Err(ClusterError::Unreachable(Box::new(error))));
                }
                // The server ends a watch when it likes; half a line is no event.
                None => self.body = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static str) -> Vec<Result<WatchEvent, ClusterError>> {
        events(Body::from(text.as_bytes().to_vec())).collect().await
    }

    #[tokio::test]
    async fn events_are_read_line_by_line() {
        let events = read(concat!(
            r#"{"type":"ADDED","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}}"#,
            "\n\n",
            r#"{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"7"}}}"#,
            "\n",
            r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#,
            "\n",
            r#"{"type":"ADDED","object""#,
        ))
        .await;
        assert!(matches!(&events[0], Ok(WatchEvent::Added(object)) if object.name() == "a"));
        assert!(matches!(&events[1], Ok(WatchEvent::Bookmark(version)) if version == "7"));
        assert!(matches!(&events[2], Err(ClusterError::Expired)));
        assert_eq!(events.len(), 3);
    }

    #[tokio::test]
    async fn h43_a_line_that_is_no_event_ends_the_watch() {
        for text in ["nonsense\n", "{\"type\":\"ADDED\",\"object\":1}\n", "{\"type\":\"NEW\",\"object\":{}}\n"] {
            let events = read(text).await;
            assert!(matches!(events.as_slice(), [Err(ClusterError::Invalid(_))]), "{text}: {events:?}");
        }
    }
}
