//! `spec.postBuild`.

use std::time::Duration;

use flux_core::reconcile::Phase;
use flux_kube::compose::Policy;
use serde_json::json;

use crate::stage::{Stage, map, says};

const VALUES: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: values, namespace: default}
data: {region: eu, tier: one, lines: \"a\\nb\"}
---
apiVersion: v1
kind: Secret
metadata: {name: values, namespace: default}
stringData: {tier: two, password: hunter2}
";

const FROM: &str = "\
postBuild:
  substitute: {tier: three, q: '\"'}
  substituteFrom:
  - {kind: ConfigMap, name: values}
  - {kind: Secret, name: values}
  - {kind: ConfigMap, name: missing, optional: true}
";

#[tokio::test(start_paused = true)]
async fn values_come_in_order_and_those_of_the_document_win() {
    let stage =
        Stage::new(&[("deploy/a.yaml", &map("a", "where: '${region}-${tier}', p: '${password}', l: '${lines}'"))]);
    stage.create(VALUES).await;
    stage.start(&[("app", FROM)]);
    stage.settled("app", Phase::Ready).await;
    assert_eq!(stage.data("a", "where").await, "eu-three");
    assert_eq!(stage.data("a", "p").await, "hunter2");
    assert_eq!(stage.data("a", "l").await, "ab", "a value stays on its line");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_changes_is_taken_up_at_the_next_interval() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "where: '${region}'"))]);
    stage.create(VALUES).await;
    stage.start(&[("app", FROM)]);
    stage.settled("app", Phase::Ready).await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values", "namespace": "default"}, "data": {"region": "us"}});
    stage.apply(object).await;
    tokio::time::sleep(Duration::from_secs(330)).await;
    assert_eq!(stage.data("a", "where").await, "us");
}

#[tokio::test(start_paused = true)]
async fn a_source_of_values_that_is_missing_is_named_and_may_come_later() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "where: '${region}'"))]);
    stage.start(&[("app", FROM)]);
    says(&stage.failed("app").await, &["substitute from ConfigMap/default/values: not found"]);
    stage.create(VALUES).await;
    stage.settled("app", Phase::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn h53_undefined_variables_fail_by_file_object_and_field() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "ok: '${region}', bad: 'x ${nowhere} y'"))]);
    stage.create(VALUES).await;
    stage.start(&[("app", FROM)]);
    let error = stage.failed("app").await;
    says(&error, &["deploy/a.yaml:1", "data.bad: ConfigMap/default/a: variable not set (strict mode): \"nowhere\""]);
    // Where the host does not insist, they are nothing.
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "bad: 'x${nowhere}y'"))]);
    stage.create(VALUES).await;
    stage.start_under(&[("app", FROM)], &Policy { lenient_substitution: true, ..Policy::default() });
    stage.settled("app", Phase::Ready).await;
    assert_eq!(stage.data("a", "bad").await, "xy");
}

#[tokio::test(start_paused = true)]
async fn h53_escapes_nested_defaults_and_types() {
    let text = map(
        "a",
        "escaped: '$${region} $$ $HOME $(x)', nested: '${none:-${also:=${region}}-x}', text: '${q}${number:=1}${q}', cut: '${region:0:1}'",
    );
    let pod = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: default}\nspec: {replicas: \"${number:=2}\", \
               selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n";
    let stage = Stage::new(&[("deploy/a.yaml", &text), ("deploy/d.yaml", pod)]);
    stage.create(VALUES).await;
    stage.start(&[("app", FROM)]);
    stage.settled("app", Phase::Ready).await;
    assert_eq!(stage.data("a", "escaped").await, "${region} $ $HOME $(x)");
    assert_eq!(stage.data("a", "nested").await, "eu-x");
    assert_eq!(stage.data("a", "text").await, "1");
    assert_eq!(stage.data("a", "cut").await, "e");
    let deployment = stage.get("apps/v1", "Deployment", "default", "d").await.unwrap();
    assert_eq!(
        deployment.pointer("/spec/replicas"),
        Some(&json!(2)),
        "quotes of the file do not keep a number from being one"
    );
}

#[tokio::test(start_paused = true)]
async fn h53_schemas_and_shell_scripts_are_left_alone() {
    let definition = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org, labels: {region: '${region}'}}
spec:
  group: example.org
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: 'e.g. ${var:=default}, ${var:position} and ${var/substring/replacement}.'
";
    let script = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: script, namespace: default, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}
data: {run.sh: 'for f in \"${files[@]}\"; do echo \"${f%.*}\" ${PATH-none}; done'}
";
    let labelled = script.replace("name: script", "name: labelled").replace("annotations", "labels");
    let stage = Stage::new(&[("deploy/crd.yaml", definition), ("deploy/s.yaml", script), ("deploy/l.yaml", &labelled)]);
    stage.create(VALUES).await;
    stage.start(&[("app", FROM)]);
    stage.settled("app", Phase::Ready).await;
    let crd =
        stage.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.org").await.unwrap();
    let description = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/description").unwrap();
    assert_eq!(description, "e.g. ${var:=default}, ${var:position} and ${var/substring/replacement}.");
    assert_eq!(crd.label("region"), Some("eu"));
    for name in ["script", "labelled"] {
        let script = stage.config_map(name).await.unwrap();
        assert_eq!(
            script.pointer("/data/run.sh").unwrap(),
            "for f in \"${files[@]}\"; do echo \"${f%.*}\" ${PATH-none}; done"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_variables_nothing_is_touched_unless_it_is_asked_for() {
    let text = map("a", "k: '${x:-default} $$'");
    let stage = Stage::ready(&[("deploy/a.yaml", &text)], "postBuild: {}").await;
    assert_eq!(stage.data("a", "k").await, "${x:-default} $$");
    let stage = Stage::ready(&[("deploy/a.yaml", &text)], "postBuild: {substituteStrategy: Always}").await;
    assert_eq!(stage.data("a", "k").await, "default $");
}

/// A Secret that variables come from is replaced while the pipeline runs on: the next run has the new value as a whole,
/// nothing is restarted, and neither value is told.
#[tokio::test(start_paused = true)]
async fn h55_a_secret_that_rotates_takes_effect_with_the_next_run() {
    let secret = |value: &str| {
        serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vars", "namespace": "default"},
            "stringData": {"token": value}})
    };
    let target = "apiVersion: v1\nkind: Secret\nmetadata: {name: out, namespace: default}\nstringData: {a: '${token}', b: '${token}'}\n";
    let stage = Stage::new(&[("deploy/out.yaml", target)]);
    stage.apply(secret("canary-one")).await;
    stage.start(&[("app", "postBuild: {substituteFrom: [{kind: Secret, name: vars}]}")]);
    stage.settled("app", flux_core::reconcile::Phase::Ready).await;
    stage.apply(secret("canary-two")).await;
    // Longer than the interval.
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let out = stage.get("v1", "Secret", "default", "out").await.unwrap();
    for key in ["a", "b"] {
        assert_eq!(out.pointer(&format!("/data/{key}")), Some(&serde_json::json!("Y2FuYXJ5LXR3bw==")), "{key}");
    }
    let told = format!("{:?} {:?}", stage.events.all(), stage.journal.lines());
    assert!(!told.contains("canary") && !told.contains("Y2FuYXJ5"), "{told}");
}
