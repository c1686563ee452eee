//! The whole state, kept and brought back.

use std::time::{Duration, Instant};

use flux_core::cluster::{ListOptions, WatchOptions};
use flux_core::{Cluster, Context};
use flux_kube::apiserver::{Behaviour, Objects, Workloads};
use futures::StreamExt;

use crate::{apply, at, config_map, config_maps, deployment, get, server};

#[tokio::test(start_paused = true)]
async fn a_restore_brings_everything_back() {
    let (cx, server) = (Context::background(), server());
    let first = apply(&server, &config_map("kept", "1")).await;
    let before = server.snapshot();
    let revision = server.revision();
    apply(&server, &config_map("kept", "2")).await;
    apply(&server, &config_map("new", "1")).await;
    let mut watch = server.watch(&cx, &config_maps(), &WatchOptions::default()).await.unwrap();
    server.restore(&before);
    assert_eq!(server.revision(), revision);
    // Running watches end, once they have told what was there when they began.
    assert_eq!(watch.by_ref().filter(|event| std::future::ready(event.is_ok())).count().await, 2);
    assert_eq!(get(&server, &first.object_ref()).await.as_map(), first.as_map());
    assert!(server.get(&cx, &config_map("new", "").object_ref()).await.unwrap().is_none());
    // The same happens again, to the last byte.
    let again = apply(&server, &config_map("new", "1")).await;
    server.restore(&before);
    assert_eq!(apply(&server, &config_map("new", "1")).await.uid(), again.uid());
}

#[tokio::test(start_paused = true)]
async fn servers_from_a_snapshot_are_on_their_own() {
    let (cx, server) = (Context::background(), server());
    apply(&server, &config_map("shared", "1")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let start = server.snapshot();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (one, two, three) = (start.start(1), start.start(2), start.start(1));
    let made = [apply(&one, &config_map("a", "1")).await, apply(&two, &config_map("a", "1")).await];
    assert_ne!(made[0].uid(), made[1].uid());
    assert_eq!(apply(&three, &config_map("a", "1")).await.as_map(), made[0].as_map());
    assert_eq!(made[0].pointer("/metadata/creationTimestamp").unwrap(), "2026-01-01T00:01:00Z");
    let all = ListOptions::default();
    let counts = [server.list(&cx, &config_maps(), &all).await, one.list(&cx, &config_maps(), &all).await];
    assert_eq!(counts.map(|list| list.unwrap().items.len()), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_simulated_goes_on_after_a_restore() {
    let server = server();
    server.simulate(
        Workloads::ready_after(Duration::from_secs(10))
            .when(Objects::of("Deployment").name("never"), Behaviour::NeverReady),
    );
    apply(&server, &deployment("web", "i:1", 1)).await;
    let early = server.snapshot();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let ready = |o: flux_core::Object| o.pointer("/status/readyReplicas").and_then(|v| v.as_i64()).unwrap_or(0);
    let web = at("apps", "v1", "Deployment", "web");
    assert_eq!(ready(get(&server, &web).await), 1);
    server.restore(&early);
    assert_eq!(ready(get(&server, &web).await), 0);
    let other = early.start(5);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!((ready(get(&server, &web).await), ready(get(&other, &web).await)), (1, 1));
}

/// Cheap enough for thousands of runs. The limits are far above what it takes, for builds without optimisation.
#[tokio::test]
async fn snapshots_are_cheap() {
    let server = server();
    for i in 0..500 {
        apply(&server, &config_map(&format!("cm-{i}"), "1")).await;
    }
    let began = Instant::now();
    let snapshot = server.snapshot();
    let servers: Vec<_> = (0..100).map(|seed| snapshot.start(seed)).collect();
    let took = began.elapsed();
    assert!(servers.len() == 100 && took < Duration::from_secs(2), "{took:?} for 100 starts");
}
