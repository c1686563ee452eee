//! What goes wrong on demand.

use std::time::Duration;

use flux_core::cluster::{ClusterError, DeleteOptions, ListOptions, WatchEvent, WatchOptions, WatchStream};
use flux_core::{Cluster, Context, ObjectRef};
use flux_kube::apiserver::{ApiServer, Calls, Fault, Verb};
use flux_kube::client::KubeCluster;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::{apply, config_map, config_maps, deployment, get, manager, server};

fn cx() -> Context {
    Context::background()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_object_the_second_time() {
    let server = server();
    let calls = Calls::of(Verb::Apply).kind("ConfigMap").namespace("default").name("a*");
    let fault = server.inject(Fault::error(429).retry_after(Duration::from_secs(5)).on(calls.clone()).nth(2));
    apply(&server, &config_map("ab", "1")).await;
    apply(&server, &config_map("b", "1")).await;
    apply(&server, &deployment("ac", "i:1", 1)).await;
    let refused = server.apply(&cx(), &config_map("ab", "2"), &manager()).await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (Some(429), "TooManyRequests"));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(5)));
    assert_eq!(get(&server, &config_map("ab", "").object_ref()).await.pointer("/data/a").unwrap(), "1");
    apply(&server, &config_map("ab", "2")).await;
    assert_eq!(fault.count(), 1);
    assert_eq!((server.count(&calls), server.count(&calls.clone().refused())), (3, 1));
    let shown: Vec<String> = server.requests().iter().map(|r| format!("{r}")).collect();
    assert_eq!(shown[3], "0ns apply ConfigMap default/ab by admin: 429 (injected)");
}

#[tokio::test(start_paused = true)]
async fn latency_adds_up_and_deadlines_hold() {
    let server = server();
    let object = config_map("slow", "1");
    let first = server.inject(Fault::latency(Duration::from_secs(3)).on(Calls::writes()));
    server.inject(Fault::latency(Duration::from_secs(4)).after_the_write());
    let began = Instant::now();
    apply(&server, &object).await;
    assert_eq!(began.elapsed(), Duration::from_secs(7));

    // Cut short after the write: the client does not know that it is written.
    let hurried = cx().with_timeout(Duration::from_secs(5));
    let late = server.apply(&hurried, &config_map("slow", "2"), &manager()).await;
    assert!(matches!(late, Err(ClusterError::Timeout)), "{late:?}");
    server.clear_faults();
    assert_eq!(get(&server, &object.object_ref()).await.pointer("/data/a").unwrap(), "2");
    first.remove();
    assert_eq!(began.elapsed(), Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost() {
    let server = server();
    let object = config_map("lost", "1");
    server.inject(Fault::unreachable().after_the_write().on(Calls::of(Verb::Apply)).nth(1));
    server.inject(Fault::unreachable().on(Calls::of(Verb::Apply)).nth(2));
    server.inject(Fault::timeout().after_the_write().on(Calls::of(Verb::Delete)));
    let lost = server.apply(&cx(), &object, &manager()).await;
    assert!(matches!(lost, Err(ClusterError::Unreachable(_))), "{lost:?}");
    let made = get(&server, &object.object_ref()).await;
    let never = server.apply(&cx(), &config_map("lost", "2"), &manager()).await;
    assert!(matches!(never, Err(ClusterError::Unreachable(_))), "{never:?}");
    assert_eq!(get(&server, &object.object_ref()).await.resource_version(), made.resource_version());
    let late = server.delete(&cx(), &object.object_ref(), &DeleteOptions::default()).await.unwrap_err();
    assert_eq!((late.code(), late.reason()), (Some(504), "Timeout"));
    assert!(server.get(&cx(), &object.object_ref()).await.unwrap().is_none());
    let codes: Vec<u16> = server.requests().iter().map(|r| r.code).collect();
    assert_eq!(codes, [0, 200, 0, 200, 504, 200]);
}

#[tokio::test(start_paused = true)]
async fn the_same_faults_over_http() {
    let server = server();
    let cluster = KubeCluster::new(kube::Client::new(server.clone(), "default"));
    let object = config_map("far", "1");
    server.inject(Fault::error(503).retry_after(Duration::from_secs(7)).on(Calls::of(Verb::Apply)).first(1));
    server.inject(Fault::unreachable().after_the_write().on(Calls::of(Verb::Apply)).nth(2));
    let refused = cluster.apply(&cx(), &object, &manager()).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), (Some(503), Some(Duration::from_secs(7))));
    let lost = cluster.apply(&cx(), &object, &manager()).await;
    assert!(matches!(lost, Err(ClusterError::Unreachable(_))), "{lost:?}");
    assert_eq!(
        server.revision(),
        get(&server, &object.object_ref()).await.resource_version().unwrap().parse::<u64>().unwrap()
    );
    server.inject(Fault::unreachable().on(Calls::of(Verb::Get)));
    let lost = cluster.get(&cx(), &object.object_ref()).await;
    assert!(matches!(lost, Err(ClusterError::Unreachable(_))), "{lost:?}");
    let found =
        server.counts().iter().any(|c| c.verb == Verb::Get && c.kind == "ConfigMap" && c.code == 0 && c.count == 1);
    assert!(found, "{:?}", server.counts());
}

#[tokio::test(start_paused = true)]
async fn new_objects_have_names_too() {
    let server = server();
    let cluster = KubeCluster::new(kube::Client::new(server.clone(), "default"));
    server.inject(Fault::error(500).on(Calls::of(Verb::Create).name("bad")));
    let options = flux_core::cluster::WriteOptions::default();
    for cluster in [&server as &dyn Cluster, &cluster] {
        let refused = cluster.create(&cx(), &config_map("bad", "1"), &options).await.unwrap_err();
        assert_eq!(refused.reason(), "InternalError");
    }
    cluster.create(&cx(), &config_map("good", "1"), &options).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_behind() {
    let server = server();
    for i in 0..4 {
        apply(&server, &config_map(&format!("cm-{i}"), "1")).await;
    }
    let all = ListOptions { namespace: Some("default".into()), ..ListOptions::default() };
    server.inject(Fault::stale_list(2).on(Calls::of(Verb::List).kind("ConfigMap")).first(1));
    let stale = server.list(&cx(), &config_maps(), &all).await.unwrap();
    let fresh = server.list(&cx(), &config_maps(), &all).await.unwrap();
    assert_eq!((stale.items.len(), fresh.items.len()), (2, 4));
    let (old, new): (u64, u64) = (stale.resource_version.parse().unwrap(), fresh.resource_version.parse().unwrap());
    assert_eq!(old + 2, new);
    // Who goes on from there misses nothing.
    let from = WatchOptions { resource_version: Some(stale.resource_version), ..WatchOptions::default() };
    let mut watch = server.watch(&cx(), &config_maps(), &from).await.unwrap();
    assert_eq!(names(&mut watch, 2).await, ["+cm-2", "+cm-3"]);
}

/// The next events as text: `+` added, `~` modified, `-` deleted.
async fn names(watch: &mut WatchStream, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(match watch.next().await.expect("an event").expect("no error") {
            WatchEvent::Added(o) => format!("+{}", o.name()),
            WatchEvent::Modified(o) => format!("~{}", o.name()),
            WatchEvent::Deleted(o) => format!("-{}", o.name()),
            WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        });
    }
    seen
}

async fn watch(server: &ApiServer) -> WatchStream {
    server.watch(&cx(), &config_maps(), &WatchOptions::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn watches_that_end() {
    let server = server();
    server.inject(Fault::watch_ends(2).on(Calls::of(Verb::Watch)).nth(1));
    server.inject(Fault::watch_expires().on(Calls::of(Verb::Watch)).nth(2));
    let mut first = watch(&server).await;
    let mut expired = watch(&server).await;
    let mut third = watch(&server).await;
    for i in 0..3 {
        apply(&server, &config_map(&format!("cm-{i}"), "1")).await;
    }
    assert_eq!(names(&mut first, 2).await, ["+cm-0", "+cm-1"]);
    assert!(first.next().await.is_none(), "the watch is dropped");
    assert!(matches!(expired.next().await, Some(Err(ClusterError::Expired))));
    assert!(expired.next().await.is_none());
    assert_eq!(names(&mut third, 3).await, ["+cm-0", "+cm-1", "+cm-2"]);
    server.end_watches();
    assert!(third.next().await.is_none(), "all watches end");
}

#[tokio::test(start_paused = true)]
async fn watches_that_repeat_swap_and_lag() {
    let server = server();
    server.inject(Fault::duplicate_events().on(Calls::of(Verb::Watch).user("admin")).nth(2));
    server.inject(Fault::reorder_events().nth(3));
    let mut stream = watch(&server).await;
    for i in 0..4 {
        apply(&server, &config_map(&format!("cm-{i}"), "1")).await;
    }
    assert_eq!(names(&mut stream, 5).await, ["+cm-0", "+cm-1", "+cm-1", "+cm-3", "+cm-2"]);
    server.clear_faults();

    // One that nothing follows comes late.
    server.inject(Fault::reorder_events());
    let mut alone = watch(&server).await;
    let began = Instant::now();
    apply(&server, &config_map("cm-9", "1")).await;
    assert_eq!(names(&mut alone, 1).await.len(), 1);
    drop(alone);
    server.clear_faults();
    let began_late = Instant::now();
    server.inject(Fault::late_events(Duration::from_secs(30)).after(4));
    let mut late = watch(&server).await;
    assert_eq!(names(&mut late, 5).await.len(), 5, "what is there comes at once");
    assert_eq!(began_late.elapsed(), Duration::ZERO);
    assert!(began.elapsed() <= Duration::from_secs(2));
    for i in 0..6 {
        apply(&server, &config_map(&format!("cm-{i}"), "2")).await;
    }
    assert_eq!(names(&mut late, 4).await, ["~cm-0", "~cm-1", "~cm-2", "~cm-3"]);
    assert!(late.next().now_or_never().is_none(), "the fifth is late");
    assert_eq!(names(&mut late, 2).await, ["+cm-4", "+cm-5"]);
    assert_eq!(began_late.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn chance_follows_the_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = server();
        let fault = server.inject(Fault::conflict().on(Calls::of(Verb::Get)).probability(0.3));
        let at: ObjectRef = config_map("none", "").object_ref();
        let mut outcome = Vec::new();
        for _ in 0..1000 {
            outcome.push(server.get(&cx(), &at).await.is_err());
        }
        assert!((200..400).contains(&fault.count()), "{}", fault.count());
        runs.push(outcome);
    }
    assert_eq!(runs[0], runs[1]);
}
