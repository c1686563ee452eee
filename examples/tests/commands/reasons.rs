//! `explain` and `owner`.

use serde_json::json;

use crate::stage::Stage;

#[test]
fn what_is_not_where_it_should_be_is_explained() {
    let stage = Stage::new();
    stage.run("apply", &[]).says(0, &[]);
    stage.run("explain", &[]).says(0, &["Kustomization/default/app"]);
    stage.repository.write("deploy/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n").unwrap();
    stage.repository.commit("Broken").unwrap();
    stage.run("apply", &[]).says(1, &["BuildFailed", "deploy/app.yaml"]);
    stage.run("explain", &[]).says(1, &["Kustomization/default/app", "deploy/app.yaml"]);
    let explained = stage.run("explain", &["-o", "json", "app"]);
    let explained = explained.says(1, &[]).json();
    assert_eq!(explained[0]["unit"], "Kustomization/default/app");
    assert!(explained[0].to_string().contains("deploy/app.yaml"), "{explained}");
}

#[test]
fn a_source_that_is_gone_is_the_cause() {
    let stage = Stage::new();
    stage.run("apply", &[]).says(0, &[]);
    std::fs::rename(stage.path("repository"), stage.path("elsewhere")).unwrap();
    stage.run("explain", &[]).says(1, &["GitRepository/default/app"]);
}

#[test]
fn the_owner_of_a_field_is_named_with_file_and_line() {
    let stage = Stage::new();
    stage.run("apply", &["--journal", &stage.path("journal").display().to_string()]).says(0, &[]);
    let field = "data.colour";
    let journal = stage.path("journal").display().to_string();
    let text = stage.run("owner", &["ConfigMap/settings", field, "--journal", &journal]);
    let parts =
        ["= blue", "kustomize-controller (Apply", "Kustomization/default/app", "deploy/app.yaml:7", "changed    at"];
    text.says(0, &parts);
    stage.patch("settings", json!({"data": {"colour": "pink"}}));
    let owner = stage.run("owner", &["-o", "json", "configmap/default/settings", field]).says(0, &[]).json();
    assert_eq!(owner["value"], "pink");
    assert_eq!(owner["managers"][0]["name"], "kubectl-edit");
    assert_eq!(owner["pipeline"], "Kustomization/default/app");
    assert_eq!(owner["trace"]["value"], "blue");

    stage.run("owner", &["Secret/password", "data.password"]).says(0, &["= ***"]);
    let hidden = stage.run("owner", &["-o", "json", "Secret/password", "data.derived"]).says(0, &[]).json();
    assert_eq!(hidden["value"], "***");
    stage.run("owner", &["ConfigMap/settings", "data.shape"]).says(1, &["is not set"]);
    stage.run("owner", &["ConfigMap/other", "data.shape"]).says(1, &["no pipeline has such an object"]);
    stage.run("owner", &["settings", "data.shape"]).says(1, &["the object should read KIND/NAME"]);
}
