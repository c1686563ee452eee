//! Order, stages, and sets that depend on themselves.

use crate::support::*;
use flux_core::{Action, Inventory};

const EVERYTHING: &str = r#"
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: fresh}
spec: {size: 3}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: fresh}
spec:
  replicas: 0
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      serviceAccountName: app
      containers: [{name: app, image: "nginx:1", ports: [{containerPort: 80}]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: app, namespace: fresh}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: app}
subjects: [{kind: ServiceAccount, name: app, namespace: fresh}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: app, namespace: fresh}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: app, namespace: fresh}
---
"#;

#[tokio::test(start_paused = true)]
async fn h49_definitions_namespaces_accounts_and_rights_in_one_set() {
    for world in faces() {
        let applier = world.applier("app");
        let yaml = format!("{EVERYTHING}{}{WIDGETS}", namespace("fresh"));
        let plan = world.plan(&applier, &yaml, &Inventory::default()).await;
        assert_eq!(plan.count(Action::Create), 7, "{}: {plan}", world.face);
        let widget = plan.changes.iter().find(|change| change.object.id.kind == "Widget").unwrap();
        assert_eq!(widget.reason.as_deref(), Some("its kind is defined in this plan"));
        assert!(world.get("", "v1", "Namespace", "", "fresh").await.is_none(), "planning changes nothing");

        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        assert_eq!(owned.len(), 7);
        assert_eq!(
            world.cluster.take_log(),
            [
                "apply CustomResourceDefinition/widgets.example.com",
                "apply Namespace/fresh",
                "apply ServiceAccount/fresh/app",
                "apply Role/fresh/app",
                "apply RoleBinding/fresh/app",
                "apply Deployment/fresh/app",
                "apply Widget/fresh/w",
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_definition_and_its_objects_grow_together() {
    for world in faces() {
        let applier = world.applier("app");
        let widget = |spec: &str| {
            format!(
                "apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w, namespace: default}}\nspec: {spec}\n---\n"
            )
        };
        let owned = world.bring(&applier, &format!("{WIDGETS}{}", widget("{size: 1}")), &Inventory::default()).await;
        let larger = WIDGETS
            .replace("size: {type: integer, minimum: 1}", "size: {type: integer}\n              color: {type: string}");
        let yaml = format!("{larger}{}", widget("{size: 0, color: red}"));
        world.bring(&applier, &yaml, &owned).await;
        let live = world.get("example.com", "v1", "Widget", "default", "w").await.unwrap();
        assert_eq!(live.pointer("/spec"), Some(&serde_json::json!({"size": 0, "color": "red"})), "{}", world.face);
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_is_deleted_in_the_reverse_order() {
    for world in faces() {
        let applier = world.applier("app").allow_empty(true);
        let yaml = format!("{EVERYTHING}{}{WIDGETS}", namespace("fresh"));
        let owned = world.bring(&applier, &yaml, &Inventory::default()).await;
        world.cluster.take_log();
        let left = world.bring(&applier, "", &owned).await;
        assert!(left.is_empty());
        let log = world.cluster.take_log();
        assert_eq!(log.first().map(String::as_str), Some("delete Widget/fresh/w"));
        assert_eq!(log.last().map(String::as_str), Some("delete CustomResourceDefinition/widgets.example.com"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_fails_holds_back_the_next_and_prunes_nothing() {
    for world in faces() {
        let applier = world.applier("app");
        let old = world.bring(&applier, &config_map("default", "old", "1"), &Inventory::default()).await;
        world.cluster.fail(|verb, dry_run, about| {
            (verb == "apply" && !dry_run && about == "Namespace/bad")
                .then(|| flux_core::ClusterError::api(403, "Forbidden", "no"))
        });
        let yaml = format!("{}{}{}", namespace("bad"), namespace("good"), config_map("default", "new", "1"));
        let report = world.run(&applier, &yaml, &old).await;
        let error = report.error.as_ref().unwrap().to_string();
        assert!(error.starts_with("deploy/app.yaml:1: Namespace/bad apply failed (Forbidden)"), "{error}");
        assert_eq!(outcomes(&report), ["Namespace/good created"]);
        let ids: Vec<String> = report.inventory.iter().map(|o| o.to_string()).collect();
        assert_eq!(ids, ["ConfigMap/default/old", "Namespace/good"]);
        assert!(world.config_map("default", "old").await.is_some());
    }
}
