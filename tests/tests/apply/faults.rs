//! What goes wrong half way.

use crate::support::*;
use flux_core::{Applier, ClusterError, Inventory};

fn names(inventory: &Inventory) -> Vec<String> {
    inventory.iter().map(|object| object.id.name).collect()
}

#[tokio::test(start_paused = true)]
async fn h38_a_refusal_half_way_is_recorded_and_prunes_nothing() {
    for world in faces() {
        let applier = world.applier("app");
        let owned = world.bring(&applier, &config_map("default", "old", "1"), &Inventory::default()).await;
        world.cluster.fail(|verb, dry_run, about| {
            (verb == "apply" && !dry_run && about.ends_with("/b")).then(|| ClusterError::api(403, "Forbidden", "no"))
        });
        let yaml: String = ["a", "b", "c"].map(|name| config_map("default", name, "1")).concat();
        let report = world.run(&applier, &yaml, &owned).await;
        assert_eq!(outcomes(&report), ["ConfigMap/default/a created", "ConfigMap/default/c created"]);
        assert_eq!(names(&report.inventory), ["a", "c", "old"]);
        let error = report.error.unwrap().to_string();
        assert!(error.starts_with("deploy/app.yaml:9: ConfigMap/default/b apply failed (Forbidden): no"), "{error}");
        assert!(world.config_map("default", "old").await.is_some());
        world.cluster.heal();
        assert_eq!(names(&world.bring(&applier, &yaml, &report.inventory).await), ["a", "b", "c"]);
        assert!(world.config_map("default", "old").await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn h43_a_lost_answer_keeps_the_object_in_the_inventory() {
    for world in faces() {
        for error in [ClusterError::Timeout, ClusterError::api(500, "InternalError", "etcd"), ClusterError::Cancelled] {
            let applier = world.applier("app");
            let error = std::sync::Mutex::new(Some(error));
            world.cluster.fail(
                move |verb, dry_run, _| {
                    if verb == "apply" && !dry_run { error.lock().unwrap().take() } else { None }
                },
            );
            let report = world.run(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
            assert!(report.error.is_some());
            assert_eq!(names(&report.inventory), ["a"]);
            world.cluster.heal();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h43_a_conflict_is_looked_at_again() {
    for world in faces() {
        let applier = world.applier("app");
        let owned = world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
        let left = std::sync::atomic::AtomicUsize::new(2);
        world.cluster.fail(move |verb, dry_run, _| {
            let conflict =
                verb == "apply" && !dry_run && left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok();
            conflict.then(|| ClusterError::api(409, "Conflict", "the object has been modified"))
        });
        use std::sync::atomic::Ordering::SeqCst;
        world.bring(&applier, &config_map("default", "a", "2"), &owned).await;
    }
}

#[tokio::test(start_paused = true)]
async fn h43_a_failed_list_deletes_nothing() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml: String = (0..30).map(|i| config_map("default", &format!("c{i}"), "1")).collect();
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        for code in [403, 410, 429, 500] {
            world.cluster.fail(move |verb, _, _| (verb == "list").then(|| ClusterError::api(code, "x", "no")));
            assert!(world.plan(&applier, &yaml, &owned).await.is_empty());
        }
        world.cluster.fail(|verb, _, _| (verb == "get").then_some(ClusterError::Timeout));
        let error = world.plan_error(&applier, &config_map("default", "c0", "1"), &owned).await;
        assert_eq!(error.class(), flux_core::Class::Transient);
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_between_objects_the_report_is_true() {
    for world in faces() {
        let applier = world.applier("app");
        let owned = world.bring(&applier, &config_map("default", "old", "1"), &Inventory::default()).await;
        let yaml: String = ["a", "b", "c"].map(|name| config_map("default", name, "1")).concat();
        let plan = world.plan(&applier, &yaml, &owned).await;
        let cancel = world.cx.cancellation().child_token();
        let cx = world.cx.clone().with_cancel(cancel.clone());
        world.cluster.fail(move |verb, dry_run, about| {
            if verb == "apply" && !dry_run && about.ends_with("/b") {
                cancel.cancel();
            }
            None
        });
        let report = applier.apply(&cx, plan).await;
        assert_eq!(report.error.map(|error| error.class()), Some(flux_core::Class::Cancelled));
        assert!(names(&report.inventory).starts_with(&["a".to_owned()]));
        assert!(report.inventory.len() >= 2 && world.config_map("default", "c").await.is_none());
        assert!(world.config_map("default", "old").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn h51_one_bad_object_in_the_cluster_does_not_stop_the_others() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml: String = ["a", "b"].map(|name| config_map("default", name, "1")).concat();
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        world.cluster.fail(|verb, _, about| {
            (verb == "get" && about.ends_with("/b")).then(|| ClusterError::api(500, "InternalError", "cannot decode"))
        });
        let error = world.plan_error(&applier, &yaml.replace("\"1\"", "\"2\""), &owned).await.to_string();
        assert!(error.starts_with("deploy/app.yaml:9: ConfigMap/default/b read failed"), "{error}");
        let other = world.applier("other");
        world.bring(&other, &config_map("default", "c", "1"), &Inventory::default()).await;
    }
}

/// What is live, without what differs from run to run.
async fn state(world: &World) -> Vec<String> {
    let mut state = Vec::new();
    for (group, version, kind) in
        [("", "v1", "ConfigMap"), ("", "v1", "Service"), ("", "v1", "Namespace"), ("example.com", "v1", "Widget")]
    {
        let options = flux_core::cluster::ListOptions::default();
        use flux_core::Cluster as _;
        let list = world.cluster.list(&world.cx, &flux_core::Gvk::new(group, version, kind), &options).await;
        for object in list.map(|list| list.items).unwrap_or_default() {
            let content = [object.pointer("/data"), object.pointer("/spec/ports"), object.pointer("/spec/size")];
            state.push(format!("{object} {:?} {content:?}", object.labels().collect::<Vec<_>>()));
        }
    }
    state.sort_unstable();
    state
}

#[tokio::test(start_paused = true)]
async fn h42_a_crash_at_any_write_ends_in_the_same_state() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: web}\nspec: {clusterIP: ADDRESS, ports: [{port: 80}]}\n---\n";
    let widget =
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: web}\nspec: {size: 1}\n---\n";
    let before = format!(
        "{}{}{}{}",
        namespace("web"),
        config_map("web", "old", "1"),
        config_map("web", "kept", "1"),
        service.replace("ADDRESS", "10.0.96.60")
    );
    let after = format!(
        "{}{}{}{WIDGETS}{widget}{}",
        namespace("web"),
        config_map("web", "kept", "2"),
        config_map("web", "new", "1"),
        service.replace("ADDRESS", "10.0.96.61")
    );
    let mut expected: Option<Vec<String>> = None;
    let mut crashes = 0;
    for moment in 0_usize.. {
        let Some(world) = faces().into_iter().next() else { return };
        let applier = world.applier("app").force(true);
        let owned = world.bring(&applier, &before, &Inventory::default()).await;
        let live = world.config_map("web", "kept").await.unwrap();
        world.merge(&live, serde_json::json!({"data": {"key": "drifted"}})).await;
        let plan = world.plan(&applier, &after, &owned).await;
        // What the engine stores before it applies.
        let ahead = owned.union(&plan.inventory());
        // The first round shows how it should end.
        *world.cluster.crash.lock().unwrap() = moment.checked_sub(1);
        let run = tokio::time::timeout(std::time::Duration::from_secs(600), applier.apply(&world.cx, plan)).await;
        let finished = run.is_ok();
        world.cluster.heal();
        let restarted = world.applier("app").force(true);
        let owned = match run {
            Ok(report) => {
                assert!(report.error.is_none(), "{:?}", report.error);
                report.inventory
            }
            Err(_) => world.bring(&restarted, &after, &ahead).await,
        };
        let ids: Vec<String> = owned.iter().map(|object| object.to_string()).collect();
        assert_eq!(ids.len(), 6, "{ids:?}");
        let state = state(&world).await;
        assert_eq!(expected.get_or_insert_with(|| state.clone()), &state, "crashed at moment {moment}");
        assert!(world.plan(&restarted, &after, &owned).await.is_empty());
        if finished && moment > 0 {
            break;
        }
        crashes += usize::from(!finished);
    }
    assert!(crashes >= 14, "only {crashes} crashes");
}
