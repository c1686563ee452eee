//! `plan`, `apply` and `diff`.

use serde_json::{Value, json};

use crate::stage::Stage;

#[test]
fn what_is_applied_is_what_was_planned_and_is_there_afterwards() {
    let stage = Stage::new();
    stage.run("plan", &[]).says(1, &["Kustomization/default/app", "ConfigMap/default/settings", "deploy/app.yaml"]);
    assert_eq!(stage.value("settings", "colour"), None, "a plan changes nothing");
    stage.run("apply", &[]).says(0, &["Kustomization/default/app at main@sha1:", ": applied"]);
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("blue"));
    stage.run("apply", &[]).says(0, &[": nothing to do"]);
    stage.run("plan", &[]).says(0, &[]);

    stage.recolour("blue", "red");
    let applied = stage.run("apply", &["-o", "json", "app"]);
    let [one] = applied.says(0, &[]).json().as_array().unwrap().clone().try_into().unwrap();
    assert_eq!(one["pipeline"], "Kustomization/default/app");
    assert_eq!(one["applied"], true);
    assert!(one["revision"].as_str().unwrap().starts_with("main@sha1:"), "{one}");
    let changed: Vec<&Value> = one["plan"]["changes"].as_array().unwrap().iter().collect();
    let update = changed.iter().find(|change| change["action"] == "update").unwrap();
    assert!(update["fields"].to_string().contains("red"), "{update}");
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("red"));
}

#[test]
fn an_approved_plan_is_applied_as_it_was_and_not_when_something_changed() {
    let stage = Stage::new();
    stage.run("apply", &[]).says(0, &[]);
    stage.recolour("blue", "green");
    let plan = stage.run("plan", &["-o", "json"]);
    plan.says(1, &[]);
    std::fs::write(stage.path("plan.json"), &plan.out).unwrap();
    let file = stage.path("plan.json").display().to_string();
    stage.patch("settings", json!({"data": {"colour": "violet"}}));
    stage.run("apply", &["--plan", &file]).says(1, &["PlanStale", "ConfigMap/default/settings"]);
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("violet"), "a stale plan changes nothing");

    let plan = stage.run("plan", &["-o", "json"]);
    std::fs::write(&file, &plan.out).unwrap();
    stage.run("apply", &["--plan", &file]).says(0, &[": applied"]);
    assert_eq!(stage.value("settings", "colour").as_deref(), Some("green"));
    std::fs::write(&file, "[]").unwrap();
    stage.run("apply", &["--plan", &file]).says(1, &["not a plan of `plan -o json`"]);
}

#[test]
fn differences_are_shown_by_field_and_told_by_the_exit_code() {
    let stage = Stage::new();
    stage.run("diff", &[]).says(1, &["--- ConfigMap/default/settings  not there", "+++ deploy/app.yaml"]);
    stage.run("apply", &[]).says(0, &[]);
    stage.run("diff", &[]).says(0, &["nothing differs"]);
    assert_eq!(stage.run("diff", &["-o", "json"]).says(0, &[]).json(), json!([]));
    stage.patch("settings", json!({"data": {"colour": "pink"}}));
    stage.run("diff", &[]).says(1, &["in the cluster", "- data.colour: pink", "+ data.colour: blue"]);
    let differences = stage.run("diff", &["-o", "json"]);
    let [one] = differences.says(1, &[]).json().as_array().unwrap().clone().try_into().unwrap();
    assert_eq!(one["pipeline"], "Kustomization/default/app");
    assert_eq!(one["action"], "update");
    assert_eq!(one["fields"][0], json!({"path": "data.colour", "before": "pink", "after": "blue"}));
    // An error is no difference.
    stage
        .run("diff", &["nothing-of-the-kind"])
        .says(2, &["there is no such pipeline; there are Kustomization/default/app"]);
}

#[test]
fn the_tree_shows_sources_pipelines_and_objects() {
    let stage = Stage::new();
    stage.run("tree", &[]).says(0, &["GitRepository/default/app", "└── Kustomization/default/app", "(missing)"]);
    stage.run("apply", &[]).says(0, &[]);
    stage.patch("settings", json!({"data": {"colour": "pink"}}));
    let text = stage.run("tree", &[]);
    text.says(0, &["ConfigMap/default/settings (differs)  deploy/app.yaml", "Secret/default/password (in place)"]);
    let tree = stage.run("tree", &["-o", "json"]).says(0, &[]).json();
    assert_eq!(tree[0]["source"], "GitRepository/default/app");
    let objects = tree[0]["pipelines"][0]["objects"].as_array().unwrap();
    let states: Vec<(&str, &str)> =
        objects.iter().map(|o| (o["object"].as_str().unwrap(), o["state"].as_str().unwrap())).collect();
    assert!(states.contains(&("ConfigMap/default/settings", "differs")), "{states:?}");
    assert!(states.contains(&("Secret/default/password", "in place")), "{states:?}");
    // What cannot be rendered is still shown, with what is wrong.
    stage.repository.write("deploy/app.yaml", "kind: [\n").unwrap();
    stage.repository.commit("Broken").unwrap();
    stage.run("tree", &[]).says(0, &["! ", "deploy/app.yaml", "ConfigMap/default/settings (owned)"]);
}
