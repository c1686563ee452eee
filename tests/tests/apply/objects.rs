//! One object: drift, directives, recreation, bad input, cost.

use crate::support::*;
use flux_appliers::ssa::Drift;
use flux_core::{Action, Applier, ApplyError, Inventory};
use serde_json::json;

fn annotated(key: &str, value: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: default\n  annotations:\n    \
         kustomize.toolkit.fluxcd.io/{key}: {value}\ndata:\n  key: {data:?}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_second_run_looks_once_and_writes_nothing() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml: String = (0..40).map(|i| config_map("default", &format!("c{i}"), "1")).collect();
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        let (writes, dry_runs) = (world.cluster.writes(), world.cluster.dry_runs());
        let reads = world.cluster.reads.load(std::sync::atomic::Ordering::SeqCst);
        world.bring(&applier, &yaml, &owned).await;
        assert_eq!((world.cluster.writes(), world.cluster.dry_runs()), (writes, dry_runs), "{}", world.face);
        // Two plans of forty objects: one list and one look at the kind each.
        assert!(world.cluster.reads.load(std::sync::atomic::Ordering::SeqCst) - reads <= 4, "{}", world.face);
        // Another applier, as after a restart, asks the server and comes to the same.
        assert!(world.plan(&world.applier("app"), &yaml, &owned).await.is_empty());
        assert_eq!(world.cluster.writes(), writes);
    }
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_or_reported() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml = config_map("default", "a", "1");
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        world.merge(&live, json!({"data": {"key": "2"}})).await;
        let plan = world.plan(&applier, &yaml, &owned).await;
        assert_eq!(plan.changes[0].action, Action::Update);
        assert!(plan.changes[0].reason.as_ref().unwrap().ends_with("drifted"), "{plan}");
        assert_eq!(plan.changes[0].fields[0].path, "data.key");
        world.bring(&applier, &yaml, &owned).await;
        let live = world.config_map("default", "a").await.unwrap();
        assert_eq!(live.pointer("/data/key"), Some(&json!("1")));

        let reporter = world.applier("app").drift(Drift::Report);
        let owned = world.bring(&reporter, &yaml, &owned).await;
        world.merge(&live, json!({"data": {"key": "3"}})).await;
        let plan = world.plan(&reporter, &yaml, &owned).await;
        assert_eq!(plan.changes[0].action, Action::Skip, "{plan}");
        assert_eq!(plan.changes[0].fields[0].path, "data.key");
        assert!(!world.plan(&reporter, &config_map("default", "a", "4"), &owned).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn fields_of_others_are_left_alone() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml = config_map("default", "a", "1");
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        let options = flux_core::cluster::WriteOptions { field_manager: "other".into(), ..Default::default() };
        let patch = flux_core::cluster::Patch::Merge(json!({"data": {"theirs": "x"}}));
        use flux_core::Cluster as _;
        world.cluster.patch(&world.cx, &live.object_ref(), &patch, &options).await.unwrap();
        assert!(world.plan(&applier, &yaml, &owned).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_ask_to_be_left_alone_are() {
    for world in faces() {
        for (key, value) in [("reconcile", "disabled"), ("ssa", "Ignore")] {
            let applier = world.applier("app");
            let report = world.run(&applier, &annotated(key, value, "1"), &Inventory::default()).await;
            assert_eq!(outcomes(&report), ["ConfigMap/default/a skipped"]);
            assert!(world.config_map("default", "a").await.is_none());
        }
        let applier = world.applier("app");
        world.create(&config_map("default", "a", "theirs")).await;
        let once = annotated("ssa", "IfNotPresent", "ours");
        let report = world.run(&applier, &once, &Inventory::default()).await;
        assert_eq!(outcomes(&report), ["ConfigMap/default/a skipped"]);
        let live = world.config_map("default", "a").await.unwrap();
        assert_eq!(live.pointer("/data/key"), Some(&json!("theirs")));
        world.cluster.delete_now(&world.cx, &live).await;
        let owned = world.bring(&applier, &once, &Inventory::default()).await;
        assert_eq!(owned.len(), 1);
        // Made by us, it is pruned by us.
        let applier = world.applier("app").allow_empty(true);
        assert!(world.bring(&applier, "", &owned).await.is_empty());
        assert!(world.config_map("default", "a").await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn merge_keeps_the_fields_of_kubectl() {
    for world in faces() {
        world
            .create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {extra: x}\n")
            .await;
        world.bring(&world.applier("app"), &annotated("ssa", "Merge", "1"), &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        assert_eq!(live.pointer("/data"), Some(&json!({"extra": "x", "key": "1"})));
    }
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: default}\nspec: {clusterIP: 10.0.96.IP, ports: [{port: 80}]}\n";

#[tokio::test(start_paused = true)]
async fn h50_a_field_that_cannot_change_is_an_error_or_a_new_object() {
    for world in faces() {
        let applier = world.applier("app");
        let service = |ip: &str| SERVICE.replace("IP, ports", &format!("{ip}, ports"));
        let owned = world.bring(&applier, &service("50"), &Inventory::default()).await;
        let before = world.get("", "v1", "Service", "default", "s").await.unwrap();
        let error = world.plan_error(&applier, &service("51"), &owned).await.to_string();
        assert!(error.starts_with("deploy/app.yaml:1: Service/default/s dry-run failed (Invalid)"), "{error}");

        let forced = world.applier("app").force(true);
        let plan = world.plan(&forced, &service("51"), &owned).await;
        assert_eq!(actions(&plan), ["Recreate Service/default/s"]);
        assert!(plan.changes[0].fields.iter().any(|field| field.path == "spec.clusterIP"), "{plan}");
        world.bring(&forced, &service("51"), &owned).await;
        let after = world.get("", "v1", "Service", "default", "s").await.unwrap();
        assert_ne!(before.uid(), after.uid());

        // What is simply wrong is not deleted for it.
        let wrong = service("51").replace("port: 80", "port: 800000");
        let error = world.plan_error(&forced, &wrong, &owned).await.to_string();
        assert!(error.contains("dry-run failed"), "{error}");
        assert!(world.get("", "v1", "Service", "default", "s").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn h50_a_finalizer_holds_a_recreation_up_and_is_named() {
    for world in faces() {
        let immutable = |data: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: default, annotations: {{kustomize.toolkit.fluxcd.io/force: Enabled}}}}\nimmutable: true\ndata: {{key: {data:?}}}\n"
            )
        };
        let applier = world.applier("app");
        let owned = world.bring(&applier, &immutable("1"), &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        world.merge(&live, json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
        let report = world.run(&applier, &immutable("2"), &owned).await;
        let error = report.error.unwrap().to_string();
        assert!(error.contains("still terminating") && error.contains("example.com/hold"), "{error}");
        assert_eq!(report.inventory, owned);
        let live = world.config_map("default", "a").await.unwrap();
        world.merge(&live, json!({"metadata": {"finalizers": null}})).await;
        world.bring(&applier, &immutable("2"), &owned).await;
        let live = world.config_map("default", "a").await.unwrap();
        assert_eq!(live.pointer("/data/key"), Some(&json!("2")));
    }
}

#[tokio::test(start_paused = true)]
async fn bad_input_names_file_line_and_field_and_changes_nothing() {
    for world in faces() {
        let applier = world.applier("app");
        for (yaml, expected) in [
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
                "ConfigMap/a: metadata.namespace: namespace not specified",
            ),
            (
                "apiVersion: nope.io/v1\nkind: Nope\nmetadata: {name: a}\n",
                "Nope/a dry-run failed: no matches for kind \"Nope\"",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nowhere}\n",
                "ConfigMap/nowhere/a dry-run failed (NotFound)",
            ),
            (
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: default}\nspec: {}\n",
                "Deployment/default/a dry-run failed (Invalid)",
            ),
        ] {
            let yaml = format!("{}{yaml}", config_map("default", "good", "1"));
            let error = world.plan_error(&applier, &yaml, &Inventory::default()).await.to_string();
            assert!(error.starts_with(&format!("deploy/app.yaml:9: {expected}")), "{}: {error}", world.face);
        }
        assert_eq!(world.cluster.writes(), 0);
        let two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n";
        let error = world.plan_error(&applier, two, &Inventory::default()).await;
        assert!(matches!(&error, ApplyError::Several(errors) if errors.len() == 2), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn cluster_wide_objects_lose_a_namespace() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'a:b', namespace: x}\nrules: []\n";
        let owned = world.bring(&applier, yaml, &Inventory::default()).await;
        let text = serde_json::to_string(&owned).unwrap();
        assert!(text.contains("_a__b_rbac.authorization.k8s.io_ClusterRole"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_plan_is_refused_and_a_moved_version_alone_is_not() {
    for world in faces() {
        let applier = world.applier("app");
        let owned = world.bring(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
        let live = world.config_map("default", "a").await.unwrap();
        let stale = world.plan(&applier, &config_map("default", "a", "2"), &owned).await;
        world.merge(&live, json!({"data": {"key": "3"}})).await;
        let report = applier.apply(&world.cx, stale).await;
        assert!(matches!(report.error, Some(ApplyError::Stale { .. })), "{:?}", report.error);
        assert_eq!(world.config_map("default", "a").await.unwrap().pointer("/data/key"), Some(&json!("3")));

        let plan = world.plan(&applier, &config_map("default", "a", "2"), &owned).await;
        world.merge(&live, json!({"metadata": {"annotations": {"note": "x"}}})).await;
        let moved = applier.apply(&world.cx, plan).await;
        // Somebody else's annotation changes nothing of what the plan does.
        assert!(moved.error.is_none(), "{:?}", moved.error);

        let created = world.plan(&applier, &config_map("default", "b", "1"), &Inventory::default()).await;
        world.create(&config_map("default", "b", "theirs")).await;
        let report = applier.apply(&world.cx, created).await;
        assert!(report.error.unwrap().to_string().contains("ConfigMap/default/b was created"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_read_back_is_applied_with_its_objects_only() {
    for world in faces() {
        let applier = world.applier("app");
        let plan = world.plan(&applier, &config_map("default", "a", "1"), &Inventory::default()).await;
        let text = serde_json::to_string(&plan).unwrap();
        let read: flux_core::Plan = serde_json::from_str(&text).unwrap();
        assert!(matches!(applier.apply(&world.cx, read.clone()).await.error, Some(ApplyError::Detached)));
        let mut attached = read;
        attached.attach(plan.changes.iter().filter_map(|change| change.desired().cloned())).unwrap();
        assert!(applier.apply(&world.cx, attached).await.error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_says_who_waits_for_what_and_ends_when_all_are_ready() {
    for world in faces() {
        let applier = world.applier("app");
        let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p, namespace: default}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
        let owned = world.bring(&applier, claim, &Inventory::default()).await;
        let cx = world.cx.clone().with_timeout(std::time::Duration::from_secs(30));
        let health = applier.wait(&cx, &owned).await.unwrap();
        assert!(health.to_string().starts_with("PersistentVolumeClaim/default/p status: 'InProgress'"), "{health}");

        let cx = world.cx.clone().with_timeout(std::time::Duration::from_secs(300));
        let bind = async {
            tokio::time::sleep(std::time::Duration::from_secs(90)).await;
            let live = world.get("", "v1", "PersistentVolumeClaim", "default", "p").await.unwrap();
            let options = flux_core::cluster::WriteOptions {
                field_manager: "binder".into(),
                subresource: Some("status".into()),
                ..Default::default()
            };
            use flux_core::Cluster as _;
            let patch = flux_core::cluster::Patch::Merge(json!({"status": {"phase": "Bound"}}));
            world.cluster.patch(&world.cx, &live.object_ref(), &patch, &options).await.unwrap();
        };
        let started = tokio::time::Instant::now();
        let (health, ()) = tokio::join!(applier.wait(&cx, &owned), bind);
        assert!(health.unwrap().is_ready());
        let late = started.elapsed() - std::time::Duration::from_secs(90);
        assert!(late < std::time::Duration::from_millis(50), "{}: noticed after {late:?}", world.face);
    }
}
