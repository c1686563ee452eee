//! Going back to the last good revision, and what is said of it.

use std::time::Duration;

use flux_core::Revision;
use flux_core::reconcile::Phase;
use flux_kube::apiserver::{Behaviour, Objects, Workloads};
use flux_kube::compose::Policy;
use serde_json::json;

use crate::stage::{Stage, kustomization, map, says};

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: default}}\nspec:\n  replicas: 1\n  \
         progressDeadlineSeconds: 20\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: \
         {{app: web}}}}\n    spec: {{containers: [{{name: web, image: '{image}'}}]}}\n"
    )
}

/// A pipeline that waits, at a revision that is good.
async fn good(policy: &Policy) -> (Stage, Revision) {
    let stage = Stage::new(&[("deploy/web.yaml", &deployment("web:1")), ("deploy/a.yaml", &map("a", "k: '1'"))]);
    let bad = Objects::of("Pod").image("web:bad");
    stage.server.simulate(Workloads::ready_after(Duration::from_secs(1)).when(bad, Behaviour::NeverReady));
    stage.start_under(&[("app", "wait: true\ntimeout: 1m")], policy);
    stage.settled("app", Phase::Ready).await;
    let state = stage.engine.state(&kustomization("app")).await.unwrap().unwrap();
    (stage, state.last_applied_revision.unwrap())
}

/// A commit whose deployment never comes up, and that adds an object.
async fn push_bad(stage: &Stage) {
    stage.repository.write("deploy/web.yaml", &deployment("web:bad")).unwrap();
    stage.repository.write("deploy/b.yaml", &map("b", "k: '1'")).unwrap();
    stage.repository.commit("Bad").unwrap();
    stage.engine.handle().trigger(flux_core::Unit::new("GitRepository", "default", "app"));
}

async fn image(stage: &Stage) -> String {
    let web = stage.get("apps/v1", "Deployment", "default", "web").await.unwrap();
    web.pointer("/spec/template/spec/containers/0/image").unwrap().as_str().unwrap().to_owned()
}

fn rolling_back() -> Policy {
    Policy { roll_back: true, ..Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_not_ready_in_time_is_taken_back_as_a_whole() {
    let (stage, first) = good(&rolling_back()).await;
    push_bad(&stage).await;
    let status = stage.until("app", |status| status.phase == Phase::Stalled).await;
    assert_eq!(status.reason, "RollbackSucceeded");
    says(&status.message, &["was rolled back to", first.as_str(), "health check failed", "Deployment/default/web"]);
    assert_eq!(image(&stage).await, "web:1");
    assert!(stage.config_map("b").await.is_none(), "what the bad revision added is gone");
    let state = stage.engine.state(&kustomization("app")).await.unwrap().unwrap();
    assert_eq!(state.last_applied_revision.as_ref(), Some(&first));
    let explained = stage.engine.explain(&kustomization("app")).await.unwrap().to_string();
    says(&explained, &["it went back from", first.as_str()]);

    // It stays there, drift is repaired towards it, and nothing is planned.
    stage
        .cluster
        .delete(&stage.cx, &stage.config_map("a").await.unwrap().object_ref(), &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((stage.data("a", "k").await.as_str(), image(&stage).await.as_str()), ("1", "web:1"));
    assert!(stage.engine.plan(&stage.cx, &kustomization("app")).await.unwrap().is_empty());

    // The next revision is tried as any other.
    stage.repository.write("deploy/web.yaml", &deployment("web:3")).unwrap();
    stage.commit("app").await;
    assert_eq!(image(&stage).await, "web:3");
    assert!(stage.config_map("b").await.is_some());
    assert!(stage.engine.state(&kustomization("app")).await.unwrap().unwrap().rollback.is_none());
}

#[tokio::test(start_paused = true)]
async fn without_the_wish_nothing_is_taken_back() {
    let (stage, _) = good(&Policy::default()).await;
    push_bad(&stage).await;
    says(&stage.failed("app").await, &["health check failed"]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(image(&stage).await, "web:bad");
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_goes_back_on_request_and_on_again_when_it_is_released() {
    let (stage, first) = good(&Policy::default()).await;
    stage.repository.write("deploy/web.yaml", &deployment("web:2")).unwrap();
    stage.commit("app").await;
    let app = kustomization("app");
    let none = stage.engine.roll_back(&stage.cx, &app, Some(&Revision::new("main@sha1:0"))).await.unwrap_err();
    says(&none.to_string(), &["cannot go back to main@sha1:0: kept are", first.as_str()]);
    let rollback = stage.engine.roll_back(&stage.cx, &app, None).await.unwrap();
    assert_eq!(rollback.to, first);
    stage.until("app", |status| status.reason == "RollbackSucceeded").await;
    assert_eq!(image(&stage).await, "web:1");
    assert_eq!(stage.engine.release(&app).await.unwrap(), Some(rollback));
    stage.settled("app", Phase::Ready).await;
    assert_eq!(image(&stage).await, "web:2");
}

#[tokio::test(start_paused = true)]
async fn a_value_is_traced_to_the_line_that_sets_it() {
    let files = [
        ("base/kustomization.yaml", "resources: [web.yaml]\n".to_owned()),
        ("base/web.yaml", deployment("web:1")),
        (
            "deploy/kustomization.yaml",
            "resources: [../base]\nimages:\n- name: web\n  newTag: '7'\npatches:\n- path: more.yaml\n".to_owned(),
        ),
        (
            "deploy/more.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: default}\nspec:\n  replicas: 4\n"
                .to_owned(),
        ),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let stage = Stage::ready(&files, "").await;
    let web = flux_core::ObjectId::new("apps", "Deployment", "default", "web");
    for (path, value, lines) in [
        (".spec.replicas", json!(4), vec!["deploy/more.yaml:5"]),
        (".spec.progressDeadlineSeconds", json!(20), vec!["base/web.yaml:6"]),
        (".spec.template.spec.containers[name=web].image", json!("web:7"), vec!["deploy/kustomization.yaml:4"]),
    ] {
        let trace =
            stage.engine.trace(&stage.cx, &kustomization("app"), &web, &path.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(trace.value, Some(value), "{path}");
        let found: Vec<String> = trace.lines.iter().map(ToString::to_string).collect();
        assert_eq!(found, lines, "{path}");
    }
    let nothing = stage.engine.trace(&stage.cx, &kustomization("app"), &web, &".spec.paused".parse().unwrap()).await;
    assert_eq!(nothing.unwrap().unwrap().value, None);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_run_explains_itself_from_a_look() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v")), ("second/b.yaml", &map("b", "k: v"))]);
    let second = "path: ./second\ndependsOn: [{name: app}]";
    stage.compose(&[("app", ""), ("second", second)], &Policy::default()).unwrap().add_to(&stage.engine);
    let explained = stage.engine.look(&stage.cx, &kustomization("second")).await.unwrap();
    assert_eq!(explained.phase, Some(Phase::Blocked));
    says(
        &explained.to_string(),
        &[
            "Kustomization/default/second is blocked",
            "Kustomization/default/app is pending",
            "of 1 objects 1 to create",
        ],
    );
    let run = (stage.engine.clone(), stage.cx.clone());
    tokio::spawn(async move { run.0.run(&run.1).await });
    stage.settled("second", Phase::Ready).await;
    let explained = stage.engine.look(&stage.cx, &kustomization("second")).await.unwrap();
    assert!(explained.is_settled(), "{explained}");
}
