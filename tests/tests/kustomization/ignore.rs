//! `spec.ignore`: fields that others may change.

use std::time::Duration;

use flux_core::cluster::{Patch, WriteOptions};
use flux_core::{Object, ObjectId};
use flux_kube::apiserver::Verb;
use serde_json::{Value, json};

use crate::stage::{Stage, kustomization};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'web:1'}]}
";
const IGNORE: &str = "ignore: [{paths: [/spec/replicas], target: {kind: Deploy.*}}]";

async fn web(stage: &Stage) -> Object {
    stage.get("apps/v1", "Deployment", "default", "web").await.unwrap()
}

/// Somebody changes the deployment by hand, and time passes.
async fn edit(stage: &Stage, change: Value) {
    let object = ObjectId::new("apps", "Deployment", "default", "web").at("v1");
    let options = WriteOptions { field_manager: "somebody".into(), ..WriteOptions::default() };
    stage.cluster.patch(&stage.cx, &object, &Patch::Merge(change), &options).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1800)).await;
}

fn replicas(web: &Object) -> Option<&Value> {
    web.pointer("/spec/replicas")
}

#[tokio::test(start_paused = true)]
async fn an_ignored_field_is_not_changed_back_and_costs_nothing() {
    let stage = Stage::ready(&[("deploy/web.yaml", DEPLOYMENT)], IGNORE).await;
    let applies = || {
        let counts = stage.server.counts();
        counts
            .iter()
            .filter(|count| matches!(count.verb, Verb::Apply | Verb::Patch))
            .map(|count| count.count)
            .sum::<u64>()
    };
    let before = applies();
    edit(&stage, json!({"spec": {"replicas": 5}})).await;
    assert_eq!(replicas(&web(&stage).await), Some(&json!(5)));
    assert_eq!(applies(), before + 1, "the edit itself and nothing else");
    assert!(stage.engine.plan(&stage.cx, &kustomization("app")).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ignored_field_stays_when_another_is_changed_back() {
    let stage = Stage::ready(&[("deploy/web.yaml", DEPLOYMENT)], IGNORE).await;
    edit(
        &stage,
        json!({"spec": {"replicas": 5, "paused": true, "template": {"spec": {"containers": [
        {"name": "web", "image": "other:1"}]}}}}),
    )
    .await;
    let live = web(&stage).await;
    assert_eq!(replicas(&live), Some(&json!(5)));
    assert_eq!(live.pointer("/spec/template/spec/containers/0/image"), Some(&json!("web:1")));
    // The next commit does not take it away either.
    stage.repository.write("deploy/web.yaml", &DEPLOYMENT.replace("web:1", "web:2")).unwrap();
    stage.commit("app").await;
    let live = web(&stage).await;
    assert_eq!(replicas(&live), Some(&json!(5)));
    assert_eq!(live.pointer("/spec/template/spec/containers/0/image"), Some(&json!("web:2")));
}

#[tokio::test(start_paused = true)]
async fn what_the_rule_is_not_for_is_changed_back() {
    let rule = "ignore: [{paths: [/spec/replicas], target: {name: other}}]";
    let stage = Stage::ready(&[("deploy/web.yaml", DEPLOYMENT)], rule).await;
    edit(&stage, json!({"spec": {"replicas": 5}})).await;
    assert_eq!(replicas(&web(&stage).await), Some(&json!(1)));
}
