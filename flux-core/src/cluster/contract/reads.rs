//! What reading promises.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;

use super::{Place, code, manager};
use crate::cluster::{ClusterError, DeleteOptions, ListOptions, WatchEvent, WatchOptions, WatchStream};
use crate::object::{Gvk, Object};

fn config_maps() -> Gvk {
    Gvk::new("", "v1", "ConfigMap")
}

fn names(items: &[Object]) -> Vec<String> {
    items.iter().map(|o| o.name().to_owned()).collect()
}

/// Lists: selectors and pages.
pub(super) async fn lists(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    for i in 0..5 {
        let mut object = p.config_map(&format!("list-{i}"), json!({}));
        object.set_label("set", if i % 2 == 0 { "even" } else { "odd" });
        c.apply(cx, &object, &manager("m")).await.expect("an apply");
    }
    let within = ListOptions { namespace: Some(p.namespace.clone()), ..ListOptions::default() };
    let odd = ListOptions { label_selector: Some("set=odd".to_owned()), ..within.clone() };
    assert_eq!(names(&c.list(cx, &config_maps(), &odd).await.expect("a list").items), ["list-1", "list-3"]);
    let one = ListOptions { field_selector: Some("metadata.name=list-2".to_owned()), ..within.clone() };
    let listed = c.list(cx, &config_maps(), &one).await.expect("a list");
    assert_eq!(names(&listed.items), ["list-2"]);
    assert_eq!(listed.items.first().map(|o| (o.kind(), o.api_version())), Some(("ConfigMap", "v1")));
    let wrong = ListOptions { label_selector: Some("set in".to_owned()), ..within.clone() };
    assert_eq!(code(&c.list(cx, &config_maps(), &wrong).await), 400, "a selector that cannot be read");

    let mut page = ListOptions { limit: Some(2), label_selector: Some("set".to_owned()), ..within };
    let mut seen = Vec::new();
    loop {
        let listed = c.list(cx, &config_maps(), &page).await.expect("a page");
        assert!(listed.items.len() <= 2);
        seen.extend(names(&listed.items));
        page.continue_token = listed.continue_token;
        if page.continue_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["list-0", "list-1", "list-2", "list-3", "list-4"]);
}

/// The next events that are about an object: what happened, and to what.
async fn next(stream: &mut WatchStream, count: usize) -> Vec<(&'static str, String)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let event = tokio::time::timeout(super::PATIENCE, stream.next()).await.expect("an event in time");
        let (what, object) = match event.expect("the watch goes on").expect("an event") {
            WatchEvent::Added(o) => ("added", o),
            WatchEvent::Modified(o) => ("modified", o),
            WatchEvent::Deleted(o) => ("deleted", o),
            WatchEvent::Bookmark(_) => continue,
        };
        assert!(object.resource_version().is_some());
        seen.push((what, object.name().to_owned()));
    }
    seen
}

/// Watches: from a version on or from the beginning, as a selector sees it.
pub(super) async fn watches(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let within = ListOptions { namespace: Some(p.namespace.clone()), ..ListOptions::default() };
    let from = c.list(cx, &config_maps(), &within).await.expect("a list").resource_version;
    let options = WatchOptions {
        namespace: Some(p.namespace.clone()),
        label_selector: Some("watched=yes".to_owned()),
        resource_version: Some(from),
        ..WatchOptions::default()
    };
    let mut stream = c.watch(cx, &config_maps(), &options).await.expect("a watch");
    let mut object = p.config_map("seen", json!({"a": "1"}));
    object.set_label("watched", "yes");
    c.apply(cx, &object, &manager("m")).await.expect("an apply");
    object.as_map_mut().insert("data".into(), json!({"a": "2"}));
    c.apply(cx, &object, &manager("m")).await.expect("an apply");
    object.set_label("watched", "no");
    c.apply(cx, &object, &manager("m")).await.expect("an apply");
    let seen = next(&mut stream, 3).await;
    assert_eq!(seen, [("added", "seen"), ("modified", "seen"), ("deleted", "seen")].map(|(k, n)| (k, n.to_owned())));

    let all = WatchOptions {
        namespace: Some(p.namespace.clone()),
        field_selector: Some("metadata.name=seen".to_owned()),
        ..WatchOptions::default()
    };
    let mut stream = c.watch(cx, &config_maps(), &all).await.expect("a watch from the beginning");
    assert_eq!(next(&mut stream, 1).await, [("added", "seen".to_owned())]);
    c.delete(cx, &object.object_ref(), &DeleteOptions::default()).await.expect("a delete");
    assert_eq!(next(&mut stream, 1).await, [("deleted", "seen".to_owned())]);
}

/// Work that is cut short says so.
pub(super) async fn interruptions(p: &Place) {
    let at = p.config_map("cm", json!({})).object_ref();
    let late = p.cx.clone().with_timeout(Duration::ZERO);
    let answer = p.cluster.get(&late, &at).await;
    assert!(matches!(answer, Err(ClusterError::Timeout)), "{answer:?}");
    let cancelled = p.cx.clone().with_cancel(tokio_util::sync::CancellationToken::new());
    cancelled.cancellation().cancel();
    let answer = p.cluster.get(&cancelled, &at).await;
    assert!(matches!(answer, Err(ClusterError::Cancelled)), "{answer:?}");
}
