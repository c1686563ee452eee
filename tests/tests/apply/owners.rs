//! Whose objects are whose.

use crate::support::*;
use flux_appliers::ssa::{ForeignOwner, Owner};
use flux_core::{Action, Applier, ApplyError, Inventory};

#[tokio::test(start_paused = true)]
async fn h48_the_same_object_in_two_pipelines_is_refused_to_the_second() {
    for world in faces() {
        let yaml = config_map("default", "shared", "1");
        let first = world.applier("first");
        let owned = world.bring(&first, &yaml, &Inventory::default()).await;
        let writes = world.cluster.writes();
        let second = world.applier("second");
        let error = world.plan_error(&second, &yaml.replace("\"1\"", "\"2\""), &Inventory::default()).await;
        assert!(matches!(error, ApplyError::OwnedByOther { .. }));
        assert_eq!(
            error.to_string(),
            "deploy/app.yaml:1: ConfigMap/default/shared is owned by Kustomization flux-system/first, and Kustomization \
             flux-system/second wants it; remove it there first, or let it be taken over"
        );
        assert_eq!(world.cluster.writes(), writes);
        assert!(world.plan(&first, &yaml, &owned).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn h47_an_object_handed_over_is_never_deleted() {
    for world in faces() {
        let yaml = config_map("default", "moved", "1");
        let (giver, taker) = (world.applier("giver").allow_empty(true), world.applier("taker"));
        let given = world.bring(&giver, &yaml, &Inventory::default()).await;
        let uid = world.config_map("default", "moved").await.unwrap().uid().map(str::to_owned);
        let taker = taker.foreign_owner(ForeignOwner::TakeOver);
        let plan = world.plan(&taker, &yaml, &Inventory::default()).await;
        assert_eq!(plan.changes[0].action, Action::Update);
        assert_eq!(plan.changes[0].reason.as_deref(), Some("taken over from Kustomization flux-system/giver"));
        let taken = world.bring(&taker, &yaml, &Inventory::default()).await;
        let left = world.bring(&giver, "", &given).await;
        assert!(left.is_empty());
        assert_eq!(world.config_map("default", "moved").await.unwrap().uid().map(str::to_owned), uid);
        assert!(world.plan(&taker, &yaml, &taken).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_nobody_owns_is_adopted() {
    for world in faces() {
        world.create(&config_map("default", "a", "1")).await;
        let applier = world.applier("app");
        let owned = world.bring(&applier, &config_map("default", "a", "2"), &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        assert_eq!(live.pointer("/data/key").and_then(|v| v.as_str()), Some("2"));
        assert_eq!(live.label("kustomize.toolkit.fluxcd.io/name"), Some("app"));
        assert_eq!(owned.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn fields_made_with_kubectl_go_when_the_manifest_drops_them() {
    for world in faces() {
        world.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}}\ndata: {key: '1', extra: x}\n").await;
        let applier = world.applier("app");
        world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        assert_eq!(live.pointer("/data"), Some(&serde_json::json!({"key": "1"})), "{}", world.face);
        assert_eq!(live.annotations().count(), 0);
        let managers = live.metadata().unwrap()["managedFields"].as_array().unwrap();
        assert_eq!(managers.len(), 1, "{managers:?}");
        assert_eq!(managers[0]["manager"], "kustomize-controller");
    }
}

#[tokio::test(start_paused = true)]
async fn other_label_groups_are_other_owners() {
    for world in faces() {
        let helm = flux_appliers::ssa::ServerSideApplier::new(
            world.cluster.clone(),
            Owner::new("db", "data").group("helm.toolkit.fluxcd.io"),
        );
        world.bring(&helm, &config_map("default", "a", "1"), &Inventory::default()).await;
        let error =
            world.plan_error(&world.applier("app"), &config_map("default", "a", "1"), &Inventory::default()).await;
        assert!(error.to_string().contains("is owned by HelmRelease data/db"), "{error}");
        let _ = helm.wait(&world.cx, &Inventory::default()).await;
    }
}
