//! `history` and `rollback`.

use serde_json::json;

use crate::stage::Stage;

/// Three revisions, applied with a journal.
fn lived() -> (Stage, String) {
    let stage = Stage::new();
    let journal = stage.path("journal").display().to_string();
    stage.run("apply", &["--journal", &journal]).says(0, &[]);
    for (from, to) in [("blue", "red"), ("red", "green")] {
        stage.recolour(from, to);
        stage.run("apply", &["--journal", &journal, "-o", "json"]).says(0, &[]);
    }
    (stage, journal)
}

#[test]
fn the_journal_tells_what_was_changed_and_that_nobody_edited_it() {
    let (stage, journal) = lived();
    let text = stage.bare("history", &["--journal", &journal, "settings"]);
    text.says(0, &["ConfigMap/default/settings created", "data.colour: blue → red", "data.colour: red → green"]);
    assert!(!text.out.contains("Secret"), "only what is asked for: {}", text.out);
    let changes = stage.bare("history", &["--journal", &journal, "-o", "json"]).says(0, &[]).json();
    let changes = changes["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4, "two objects made, one of them changed twice");
    let middle = changes[2]["time"].as_str().unwrap();
    let then = stage.bare("history", &["--journal", &journal, "--at", middle, "-o", "json"]).says(0, &[]).json();
    assert_eq!(then["state"]["ConfigMap/default/settings"]["fields"]["data.colour"], "red", "{then}");
    stage.bare("history", &["--journal", &journal, "--at", "yesterday"]).says(1, &["2026-01-31T12:00:00Z"]);

    let edited = stage.read("journal").replace("red", "tan");
    std::fs::write(stage.path("edited"), edited).unwrap();
    let edited = stage.path("edited").display().to_string();
    let refused = stage.bare("history", &["--journal", &edited]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("line 3"), "the line is named: {}", refused.err);
}

#[test]
fn revisions_come_from_the_state_and_from_the_cluster() {
    let (stage, _) = lived();
    let flux = stage.path("flux.yaml").display().to_string();
    let state = stage.path("state").display().to_string();
    let kubeconfig = stage.path("kubeconfig").display().to_string();
    let text = stage.bare("history", &["-f", &flux, "--state", &state]);
    text.says(0, &["Kustomization/default/app", "ReconciliationSucceeded (1 times)", "can go back to main@sha1:"]);
    let revisions = stage.run("history", &["-o", "json"]).says(0, &[]).json();
    assert_eq!(revisions["pipelines"][0]["history"].as_array().unwrap().len(), 3);
    assert_eq!(revisions["pipelines"][0].get("cluster"), None, "there is no Flux in this cluster");

    // A cluster that Flux runs.
    stage.create(
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: kustomizations.kustomize.toolkit.fluxcd.io},
          spec: {group: kustomize.toolkit.fluxcd.io, scope: Namespaced, names: {kind: Kustomization, listKind: KustomizationList, plural: kustomizations, singular: kustomization},
            versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}",
    );
    stage.create(
        "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: app, namespace: default},
          status: {history: [{digest: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', firstReconciled: '2026-01-01T00:00:00Z',
            lastReconciled: '2026-01-02T00:00:00Z', lastReconciledDuration: 1s, lastReconciledStatus: HealthCheckFailed,
            totalReconciliations: 7, metadata: {revision: 'main@sha1:0123'}}]}}",
    );
    let text = stage.bare("history", &["-f", &flux, "--kubeconfig", &kubeconfig]);
    text.says(0, &["2026-01-02T00:00:00Z  main@sha1:0123  HealthCheckFailed (7 times, says the cluster)"]);
    let both = stage.run("history", &["-o", "json"]).says(0, &[]).json();
    assert_eq!(both["pipelines"][0]["cluster"][0]["totalReconciliations"], 7);
    assert_eq!(both["pipelines"][0]["history"].as_array().unwrap().len(), 3);

    stage.bare("history", &["-f", &flux]).says(1, &["--state or --kubeconfig"]);
    let journal = stage.path("journal").display().to_string();
    stage.bare("history", &["--journal", &journal, "--kubeconfig", &kubeconfig]).says(1, &["-f is missing"]);
    stage.bare("history", &[]).says(2, &["required"]);
}

#[test]
fn a_rollback_brings_back_what_was_there_and_a_release_goes_on() {
    let (stage, journal) = lived();
    stage.run("rollback", &["app", "--journal", &journal]).says(0, &["went back from", "until there is a newer one"]);
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("red"));
    stage.run("apply", &[]).says(1, &["RollbackSucceeded"]);
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("red"), "it stays");
    stage.run("history", &[]).says(0, &["went back from main@sha1:", "as asked for"]);

    let good = stage.run("history", &["-o", "json"]).json();
    let oldest = good["pipelines"][0]["good"].as_array().unwrap().last().unwrap()["revision"].clone();
    let back = stage.run("rollback", &["app", "-o", "json", "--to", oldest.as_str().unwrap()]).says(0, &[]).json();
    assert_eq!(back["rollback"]["to"], oldest);
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("blue"));

    let released = stage.run("rollback", &["app", "--release", "-o", "json"]).says(0, &[]).json();
    assert_eq!(
        released,
        json!({"pipeline": "Kustomization/default/app", "released": true, "rollback": released["rollback"]})
    );
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("green"));
    stage.run("rollback", &["app", "--release"]).says(1, &["has not gone back"]);
    stage.run("rollback", &["app", "--to", "main@sha1:none"]).says(1, &["cannot go back to main@sha1:none: kept are"]);
    let flux = stage.path("flux.yaml").display().to_string();
    stage.bare("rollback", &["-f", &flux, "app"]).says(1, &["--state is missing"]);
}
