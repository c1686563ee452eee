//! `wait`, `healthChecks`, `healthCheckExprs` and `readyExpr`.

use std::time::Duration;

use flux_core::cluster::{Patch, WriteOptions};
use flux_core::reconcile::Phase;
use flux_core::{Gvk, ObjectId};
use serde_json::json;

use crate::stage::{Stage, map, says};

const DEFINITION: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
const WIDGET: &str = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w, namespace: default}\n";
const CHECKS: &str = "\
timeout: 2m
wait: true
healthCheckExprs:
- apiVersion: example.org/v1
  kind: Widget
  current: status.phase == 'Done'
  failed: status.phase == 'Broken'
";

async fn set_phase(stage: &Stage, phase: &str) {
    let widget = ObjectId::new("example.org", "Widget", "default", "w").at(Gvk::new("", "v1", "").version);
    let patch = Patch::Merge(json!({"status": {"phase": phase}}));
    let options = WriteOptions { field_manager: "controller".into(), ..WriteOptions::default() };
    stage.cluster.patch(&stage.cx, &widget, &patch, &options).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn expressions_decide_when_custom_resources_are_ready() {
    let stage = Stage::new(&[("deploy/crd.yaml", DEFINITION), ("deploy/w.yaml", WIDGET)]);
    stage.start(&[("app", CHECKS)]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.status("app").await.phase, Phase::Running, "it waits");
    set_phase(&stage, "Done").await;
    stage.settled("app", Phase::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn an_expression_that_says_failed_ends_the_wait() {
    let stage = Stage::new(&[("deploy/crd.yaml", DEFINITION), ("deploy/w.yaml", WIDGET)]);
    stage.start(&[("app", CHECKS)]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    set_phase(&stage, "Broken").await;
    let said = stage.failed("app").await;
    says(&said, &["Widget/default/w status: 'Failed'", "'status.phase == 'Broken'' is true"]);
    set_phase(&stage, "Done").await;
    stage.settled("app", Phase::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_objects_that_are_named_are_waited_for() {
    // One that never gets ready is applied; what is waited for is another, which somebody else makes.
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: never, namespace: default}\n\
                 spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
    let spec = "timeout: 1m\nhealthChecks: [{apiVersion: v1, kind: ConfigMap, name: signal, namespace: default}]";
    let stage = Stage::new(&[("deploy/c.yaml", claim)]);
    stage.start(&[("app", spec)]);
    says(&stage.failed("app").await, &["health check failed", "ConfigMap/default/signal status: 'NotFound'"]);
    stage.create(&map("signal", "k: v")).await;
    stage.settled("app", Phase::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn no_timeout_is_shorter_than_thirty_seconds() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.start(&[(
        "app",
        "timeout: 1s\nhealthChecks: [{apiVersion: v1, kind: ConfigMap, name: signal, namespace: default}]",
    )]);
    tokio::time::sleep(Duration::from_secs(20)).await;
    stage.create(&map("signal", "k: v")).await;
    stage.settled("app", Phase::Ready).await;
    assert!(stage.events.all().iter().all(|event| event.reason != "HealthCheckFailed"), "it waited long enough");
}

#[tokio::test(start_paused = true)]
async fn a_ready_expression_replaces_that_a_dependency_succeeded() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v")), ("second/b.yaml", &map("b", "k: v"))]);
    // The first never becomes ready; the second wants no more than that it has tried.
    let first = "timeout: 1m\nhealthChecks: [{apiVersion: v1, kind: ConfigMap, name: never, namespace: default}]";
    let second = "\
path: ./second
dependsOn:
- name: first
  readyExpr: >
    dep.metadata.name == 'first' && dep.status.conditions.exists(c, c.type == 'Ready' && c.reason == 'HealthCheckFailed')
    && self.spec.path == './second'
";
    stage.start(&[("first", first), ("second", second)]);
    let blocked = stage.settled("second", Phase::Blocked).await;
    assert!(stage.config_map("b").await.is_none(), "{blocked}");
    stage.failed("first").await;
    // It starts the moment the dependency has run, not at the next poll.
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.settled("second", Phase::Ready).await;
    assert!(stage.config_map("b").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_ready_expression_that_fails_says_why() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v")), ("second/b.yaml", &map("b", "k: v"))]);
    let second = "path: ./second\ndependsOn: [{name: first, readyExpr: 'dep.status.nothing == 1'}]";
    stage.start(&[("first", ""), ("second", second)]);
    stage.settled("first", Phase::Ready).await;
    let said = stage.until("second", |status| status.message.contains("nothing")).await.message;
    says(&said, &["dependency Kustomization/default/first is not ready", "no such key: nothing"]);
    let explained = stage.engine.explain(&crate::stage::kustomization("second")).await.unwrap();
    assert_eq!(explained.conditions[0].dependency, crate::stage::kustomization("first"));
    says(&explained.conditions[0].problem, &["no such key: nothing"]);
    says(&explained.to_string(), &["no such key: nothing"]);
}
