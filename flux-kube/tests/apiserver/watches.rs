//! Watches that are slow, quiet or too old.

use std::time::Duration;

use flux_core::cluster::{ClusterError, ListOptions, WatchOptions};
use flux_core::{Cluster, Context};
use flux_kube::apiserver::{ApiServer, Config};
use futures::StreamExt;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::{apply, config_map, config_maps, server};

/// A watch that nobody reads holds nothing: what it missed is history, and when that is forgotten it has to begin again.
#[tokio::test(start_paused = true)]
async fn one_that_is_not_read_expires() {
    let server = ApiServer::new(Config { history: 100, ..Config::default() });
    let cx = Context::background();
    let mut slow = server.watch(&cx, &config_maps(), &WatchOptions::default()).await.unwrap();
    for i in 0..150 {
        apply(&server, &config_map("cm", &i.to_string())).await;
    }
    assert!(matches!(slow.next().await, Some(Err(ClusterError::Expired))));
    assert!(slow.next().await.is_none());
    let old = WatchOptions { resource_version: Some("20".to_owned()), ..WatchOptions::default() };
    let mut old = server.watch(&cx, &config_maps(), &old).await.unwrap();
    assert!(matches!(old.next().await, Some(Err(ClusterError::Expired))));
}

#[tokio::test(start_paused = true)]
async fn compaction_forgets_what_was_before() {
    let (cx, server) = (Context::background(), server());
    apply(&server, &config_map("cm", "1")).await;
    let page = ListOptions { limit: Some(1), ..ListOptions::default() };
    apply(&server, &config_map("other", "1")).await;
    let first = server.list(&cx, &config_maps(), &page).await.unwrap();
    server.compact();
    apply(&server, &config_map("cm", "2")).await;
    let next = ListOptions { continue_token: first.continue_token, ..page };
    let from = WatchOptions { resource_version: Some(first.resource_version), ..WatchOptions::default() };
    let mut watch = server.watch(&cx, &config_maps(), &from).await.unwrap();
    assert!(watch.next().await.unwrap().is_ok(), "what came after the compaction is known");
    server.compact();
    assert!(matches!(server.list(&cx, &config_maps(), &next).await, Err(ClusterError::Expired)));
    let mut watch = server.watch(&cx, &config_maps(), &from).await.unwrap();
    assert!(matches!(watch.next().await, Some(Err(ClusterError::Expired))));
}

/// A watch that asks for bookmarks gets one every minute that nothing happens, and ends when it said it would.
#[tokio::test(start_paused = true)]
async fn a_quiet_one_gets_bookmarks() {
    let server = server();
    let path = "/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion=";
    let path = format!("{path}{}", server.revision());
    let request = http::Request::get(path).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let mut body = server.clone().oneshot(request).await.unwrap().into_body();
    let began = tokio::time::Instant::now();
    let secret = crate::object(serde_json::json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default"}}));
    apply(&server, &secret).await;
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let event: Value = serde_json::from_slice(&frame.unwrap().into_data().unwrap()).unwrap();
        assert_eq!(event["object"]["metadata"]["resourceVersion"], server.revision().to_string());
        seen.push((event["type"].as_str().unwrap().to_owned(), began.elapsed()));
    }
    let bookmark = |seconds| ("BOOKMARK".to_owned(), Duration::from_secs(seconds));
    assert_eq!(seen, [bookmark(60), bookmark(120)]);
    assert_eq!(began.elapsed(), Duration::from_secs(150));
}
