//! The fields that change what is built and how it is applied, and those that are refused.

use std::time::Duration;

use flux_core::reconcile::Phase;
use flux_kube::compose::Policy;
use serde_json::{Value, json};

use crate::stage::{Stage, kustomization, map, says};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'example.com/web:1'}]}
";

#[tokio::test(start_paused = true)]
async fn what_changes_the_build_is_carried_out() {
    let files = [
        ("deploy/web.yaml", DEPLOYMENT),
        (
            "components/more/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n",
        ),
        ("components/more/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"),
    ];
    let spec = "\
targetNamespace: apps
namePrefix: dev-
nameSuffix: -v2
images: [{name: example.com/web, newTag: '7'}]
patches:
- patch: '- {op: replace, path: /spec/replicas, value: 3}'
  target: {kind: Deployment, labelSelector: app=web}
components: [../components/more, ../components/none]
ignoreMissingComponents: true
buildMetadata: [originAnnotations]
commonMetadata: {labels: {team: web}, annotations: {note: 'costs $$5 ${nothing}'}}
postBuild: {substitute: {unused: x}}
";
    let stage = Stage::new(&files);
    stage.create("{apiVersion: v1, kind: Namespace, metadata: {name: apps}}").await;
    stage.start(&[("app", spec)]);
    stage.settled("app", Phase::Ready).await;
    let web = stage.get("apps/v1", "Deployment", "apps", "dev-web-v2").await.unwrap();
    assert_eq!(web.pointer("/spec/replicas"), Some(&json!(3)));
    assert_eq!(web.pointer("/spec/template/spec/containers/0/image"), Some(&json!("example.com/web:7")));
    assert_eq!(web.label("team"), Some("web"));
    // What all objects carry is not substituted: it comes last of all.
    assert_eq!(web.annotation("note"), Some("costs $$5 ${nothing}"));
    assert_eq!(web.annotation("config.kubernetes.io/origin"), Some("path: web.yaml\n"));
    assert!(stage.get("v1", "ConfigMap", "apps", "dev-more-v2").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_missing_fails_unless_it_may() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.start(&[("app", "components: [../none]")]);
    says(&stage.failed("app").await, &["none"]);
}

#[tokio::test(start_paused = true)]
async fn prune_decides_over_what_is_gone_from_the_source() {
    for (prune, left) in [("true", false), ("false", true)] {
        let files = [("deploy/a.yaml", map("a", "k: v")), ("deploy/b.yaml", map("b", "k: v"))];
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let stage = Stage::ready(&files, &format!("prune: {prune}")).await;
        stage.repository.delete("deploy/b.yaml").unwrap();
        stage.commit("app").await;
        assert_eq!(stage.config_map("b").await.is_some(), left, "{prune}");
        assert!(stage.config_map("a").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn the_deletion_policy_decides_over_what_a_deleted_kustomization_leaves() {
    for (spec, left) in [
        ("prune: true", false),
        ("prune: false", true),
        ("prune: false\ndeletionPolicy: Delete", false),
        ("prune: false\ndeletionPolicy: WaitForTermination", false),
        ("prune: true\ndeletionPolicy: Orphan", true),
        ("prune: false\ndeletionPolicy: MirrorPrune", true),
    ] {
        let stage = Stage::ready(&[("deploy/a.yaml", &map("a", "k: v"))], spec).await;
        stage.engine.delete_pipeline(&kustomization("app"));
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(stage.config_map("a").await.is_some(), left, "{spec}");
    }
}

#[tokio::test(start_paused = true)]
async fn force_makes_objects_anew_whose_change_is_refused() {
    for (spec, made) in [("force: true", true), ("force: false", false)] {
        let before = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {k: v1}\nimmutable: true\n";
        let stage = Stage::ready(&[("deploy/a.yaml", before)], spec).await;
        stage.repository.replace("deploy/a.yaml", "v1}", "v2}").unwrap();
        if made {
            stage.commit("app").await;
            assert_eq!(stage.data("a", "k").await, "v2");
        } else {
            stage.repository.commit("Next").unwrap();
            tokio::time::sleep(Duration::from_secs(90)).await;
            says(&stage.failed("app").await, &["deploy/a.yaml:1", "immutable"]);
            assert_eq!(stage.data("a", "k").await, "v1");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspended_kustomization_does_nothing() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.start(&[("app", "suspend: true")]);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.status("app").await.phase, Phase::Suspended);
    assert!(stage.config_map("a").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn intervals_repair_drift_and_retry_failures() {
    let stage = Stage::ready(&[("deploy/a.yaml", &map("a", "k: v"))], "interval: 10m\nretryInterval: 20s").await;
    stage.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {"k": "x"}})).await;
    tokio::time::sleep(Duration::from_secs(660)).await;
    assert_eq!(stage.data("a", "k").await, "v");
    // A failure is tried again after the retry interval, not after the interval.
    stage.repository.write("deploy/a.yaml", &map("a", "k: v").replace("default", "later")).unwrap();
    stage.repository.commit("Next").unwrap();
    says(&stage.failed("app").await, &["later"]);
    let runs = stage.status("app").await.runs;
    tokio::time::sleep(Duration::from_secs(65)).await;
    let more = stage.status("app").await.runs - runs;
    assert!((2..=5).contains(&more), "{more} runs in 65 seconds");
    stage.create("{apiVersion: v1, kind: Namespace, metadata: {name: later}}").await;
    stage.settled("app", Phase::Ready).await;
}

#[test]
fn what_is_not_carried_out_is_refused_by_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    for (spec, said) in [
        ("ignore: [{paths: [spec.replicas]}]", "spec.ignore[0].paths[0]: `spec.replicas` is not a JSON pointer"),
        ("ignore: [{paths: [/spec], target: {name: '('}}]", "spec.ignore[0].target: "),
        ("kubeConfig: {secretRef: {name: x}, configMapRef: {name: x}}", "spec.kubeConfig: must have either"),
        ("kubeConfig: {}", "spec.kubeConfig: must have either"),
        ("decryption: {provider: sops, serviceAccountName: x}", "spec.decryption.serviceAccountName: cloud identities"),
        ("decryption: {provider: vault}", "spec.decryption.provider: unknown variant `vault`"),
        ("healthCheckExprs: [{apiVersion: a/v1, kind: A, current: '1 +'}]", "spec.healthCheckExprs[0]: current: 1:4"),
        (
            "healthCheckExprs: [{apiVersion: a/v1, kind: A, current: a}, {apiVersion: a/v2, kind: A, current: a}]",
            "spec.healthCheckExprs[1]: there are expressions for this kind already",
        ),
        ("postBuild: {substitute: {'a-b': x}}", "spec.postBuild.substitute.a-b: `a-b` is no name"),
        ("postBuild: {substituteFrom: [{kind: Pod, name: x}]}", "spec.postBuild.substituteFrom[0].kind"),
        ("deletionPolicy: Sometimes", "spec.deletionPolicy: unknown variant"),
        ("buildMetadata: [managedByLabel]", "spec.buildMetadata[0]: unknown variant"),
        (
            "dependsOn: [{name: app, readyExpr: 'dep.spec.suspend'}]",
            "spec.dependsOn[0].readyExpr: 1:1: the result must be a bool",
        ),
        (
            "dependsOn: [{name: app, readyExpr: 'other.x == 1'}]",
            "spec.dependsOn[0].readyExpr: 1:1: undeclared reference",
        ),
    ] {
        let error = stage.compose(&[("app", spec)], &Policy::default()).unwrap_err();
        says(&error, &["flux.yaml:6: ", said]);
    }
}

/// A document with every field of the API says the same after it was read and written.
#[test]
fn every_field_survives_being_read_and_written() {
    let spec = json!({
        "interval": "5m0s", "retryInterval": "1m0s", "timeout": "2m0s", "path": "./deploy", "prune": true, "force": true,
        "wait": true, "suspend": true, "sourceRef": {"kind": "GitRepository", "name": "app", "namespace": "x"},
        "dependsOn": [{"name": "base", "namespace": "x", "readyExpr": "true"}],
        "targetNamespace": "apps", "namePrefix": "a-", "nameSuffix": "-b",
        "patches": [{"patch": "x", "target": {"kind": "Deployment"}}],
        "images": [{"name": "a", "newName": "b", "newTag": "c", "digest": "sha256:d"}],
        "components": ["../c"], "ignoreMissingComponents": true, "buildMetadata": ["originAnnotations", "transformerAnnotations"],
        "commonMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "postBuild": {"substituteStrategy": "Always", "substitute": {"a": "b"},
            "substituteFrom": [{"kind": "Secret", "name": "s", "optional": true}]},
        "decryption": {"provider": "sops", "secretRef": {"name": "keys"}},
        "healthChecks": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "namespace": "b"}],
        "healthCheckExprs": [{"apiVersion": "a/v1", "kind": "A", "current": "true", "failed": "false", "inProgress": "false"}],
        "ignore": [{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}],
        "deletionPolicy": "Orphan", "serviceAccountName": "deployer", "kubeConfig": {"secretRef": {"name": "k", "key": "v"}},
    });
    let document = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "app"}, "spec": spec});
    let read = flux_kube::api::read("k.yaml", document.to_string().as_bytes()).unwrap();
    let flux_kube::api::Resource::Kustomization(kustomization) = &read[0].resource else { panic!() };
    let Value::Object(written) = serde_json::to_value(&kustomization.spec).unwrap() else { panic!() };
    assert_eq!(Value::Object(written), spec);
}
