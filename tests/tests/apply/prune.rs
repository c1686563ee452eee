//! Deleting what is no longer desired, and only that.

use crate::support::*;
use flux_appliers::ssa::DeletionPolicy;
use flux_core::{Action, Applier, ApplyError, ClusterError, Inventory, ObjectId};
use serde_json::json;

fn names(inventory: &Inventory) -> Vec<String> {
    inventory.iter().map(|object| object.id.name).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_desired_is_deleted() {
    for world in faces() {
        let applier = world.applier("app");
        let two = format!("{}{}", config_map("default", "a", "1"), config_map("default", "b", "1"));
        let owned = world.bring(&applier, &two, &Inventory::default()).await;
        let report = world.run(&applier, &config_map("default", "a", "1"), &owned).await;
        assert_eq!(outcomes(&report), ["ConfigMap/default/a unchanged", "ConfigMap/default/b deleted"]);
        assert_eq!(names(&report.inventory), ["a"]);
        assert!(world.config_map("default", "b").await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn without_prune_it_is_left_behind() {
    for world in faces() {
        let applier = world.applier("app").prune(false);
        let owned = world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
        let left = world.bring(&applier, &config_map("default", "b", "1"), &owned).await;
        assert_eq!(names(&left), ["b"]);
        assert!(world.config_map("default", "a").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn h37_an_inventory_alone_deletes_nothing() {
    for world in faces() {
        world.create(&config_map("default", "theirs", "1")).await;
        let other = world.applier("other");
        world.bring(&other, &config_map("default", "others", "1"), &Inventory::default()).await;
        let claimed: Inventory = ["theirs", "others"]
            .map(|name| ObjectId::new("", "ConfigMap", "default", name).at("v1"))
            .into_iter()
            .collect();
        let applier = world.applier("app");
        let plan = world.plan(&applier, &config_map("default", "mine", "1"), &claimed).await;
        let why = |name: &str| {
            plan.changes.iter().find(|c| c.object.id.name == name).and_then(|c| c.reason.clone()).unwrap_or_default()
        };
        assert_eq!(why("theirs"), "does not carry our labels any more");
        assert_eq!(why("others"), "is now owned by Kustomization flux-system/other");
        let report = applier.apply(&world.cx, plan).await;
        assert!(report.error.is_none());
        assert_eq!(names(&report.inventory), ["mine"]);
        assert!(world.config_map("default", "theirs").await.is_some());
        assert!(world.config_map("default", "others").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_ask_to_stay_are_not_deleted() {
    for world in faces() {
        for (key, value) in [("prune", "Disabled"), ("reconcile", "disabled"), ("ssa", "ignore")] {
            let applier = world.applier("app").allow_empty(true);
            let owned = world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
            let live = world.config_map("default", "a").await.unwrap();
            let key = format!("kustomize.toolkit.fluxcd.io/{key}");
            let live = world.merge(&live, json!({"metadata": {"annotations": {key.as_str(): value}}})).await;
            world.bring(&applier, "", &owned).await;
            assert!(world.config_map("default", "a").await.is_some(), "{key}");
            world.cluster.delete_now(&world.cx, &live).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h46_an_empty_set_deletes_nothing_unless_allowed() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml: String = (0..10).map(|i| config_map("default", &format!("c{i}"), "1")).collect();
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        let writes = world.cluster.writes();
        let plan = world.plan(&applier, "", &owned).await;
        assert_eq!(plan.count(Action::Delete), 10, "the plan shows what would happen");
        let report = applier.apply(&world.cx, plan).await;
        let error = report.error.unwrap();
        assert!(matches!(&error, ApplyError::Guard(text) if text.contains("allow_empty")), "{error}");
        assert_eq!(report.inventory, owned);
        assert_eq!(world.cluster.writes(), writes);
        let allowed = world.applier("app").allow_empty(true);
        assert!(world.bring(&allowed, "", &owned).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn h46_more_deletions_than_allowed_are_refused() {
    for world in faces() {
        let all = |n: usize| (0..n).map(|i| config_map("default", &format!("c{i}"), "1")).collect::<String>();
        let applier = world.applier("app").max_deletions(2);
        let owned = world.bring(&applier, &all(10), &Inventory::default()).await;
        let report = world.run(&applier, &all(7), &owned).await;
        assert!(matches!(report.error, Some(ApplyError::Guard(_))));
        assert_eq!(report.inventory, owned);
        let applier = world.applier("app").max_deletion_percent(20);
        assert!(matches!(world.run(&applier, &all(7), &owned).await.error, Some(ApplyError::Guard(_))));
        assert_eq!(world.bring(&applier, &all(8), &owned).await.len(), 8);
    }
}

#[tokio::test(start_paused = true)]
async fn one_failed_deletion_does_not_stop_the_others_and_stays_owned() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml: String = ["a", "b", "c"].map(|name| config_map("default", name, "1")).concat();
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        world.cluster.fail(|verb, _, about| {
            (verb == "delete" && about.ends_with("/b")).then(|| ClusterError::api(500, "InternalError", "no"))
        });
        let report = world.run(&applier, &config_map("default", "z", "1"), &owned).await;
        assert_eq!(names(&report.inventory), ["b", "z"]);
        assert!(report.error.unwrap().to_string().contains("ConfigMap/default/b delete failed"));
        world.cluster.heal();
        let left = world.bring(&applier, &config_map("default", "z", "1"), &report.inventory).await;
        assert_eq!(names(&left), ["z"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_relabelled_at_the_last_moment_stays() {
    for world in faces() {
        let applier = world.applier("app").allow_empty(true);
        let owned = world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
        let plan = world.plan(&applier, "", &owned).await;
        let live = world.config_map("default", "a").await.unwrap();
        world.merge(&live, json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "other"}}})).await;
        let report = applier.apply(&world.cx, plan).await;
        assert!(report.error.is_none());
        assert!(world.config_map("default", "a").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn teardown_follows_the_deletion_policy() {
    for world in faces() {
        for (policy, prune, gone) in [
            (DeletionPolicy::MirrorPrune, true, true),
            (DeletionPolicy::MirrorPrune, false, false),
            (DeletionPolicy::Delete, false, true),
            (DeletionPolicy::WaitForTermination, false, true),
            (DeletionPolicy::Orphan, true, false),
        ] {
            let applier = world.applier("app").prune(prune).deletion_policy(policy);
            let owned = world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
            let report = applier.teardown(&world.cx, &owned).await;
            assert!(report.error.is_none() && report.inventory.is_empty(), "{policy:?}");
            assert_eq!(world.config_map("default", "a").await.is_none(), gone, "{policy:?}");
        }
    }
}
