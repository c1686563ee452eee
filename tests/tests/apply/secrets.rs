//! Nothing that is in a Secret is ever shown.

use crate::support::*;
use flux_core::cluster::{Status, StatusCause};
use flux_core::{Applier, ClusterError, Inventory};

fn secret(value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: default}}\nstringData: {{password: {value}}}\n"
    )
}

const ENCODED: &str = "Y2FuYXJ5";

fn assert_silent(what: &str) {
    assert!(!what.contains("canary") && !what.contains(ENCODED), "{what}");
}

#[tokio::test(start_paused = true)]
async fn h39_no_error_plan_or_journal_shows_a_secret() {
    for world in faces() {
        let applier = world.applier("app");
        let owned = world.bring(&applier, &secret("canary-one"), &Inventory::default()).await;
        let plan = world.plan(&applier, &secret("canary-two"), &owned).await;
        assert_silent(&format!("{plan} {plan:?} {}", serde_json::to_string(&plan).unwrap()));
        assert!(plan.to_string().contains("data.password"), "{plan}");
        let report = applier.apply(&world.cx, plan).await;
        assert_silent(&format!("{report:?}"));
        assert_silent(&serde_json::to_string(&world.journal.0.lines()).unwrap());
        let again = secret("canary-three");
        for status in [
            Status {
                code: 422,
                reason: "Invalid".into(),
                message: format!("bad {ENCODED} canary"),
                ..Status::default()
            },
            Status {
                code: 400,
                causes: vec![StatusCause {
                    field: "data.password".into(),
                    message: "canary".into(),
                    ..Default::default()
                }],
                message: "canary".into(),
                ..Status::default()
            },
        ] {
            for dry in [true, false] {
                let status = status.clone();
                world.cluster.fail(move |verb, dry_run, _| {
                    (verb == "apply" && dry_run == dry).then(|| ClusterError::Api(status.clone()))
                });
                let planned = applier.plan(&world.cx, &manifests(&again).await, &owned).await;
                let shown = match planned {
                    Err(error) => format!("{error} {error:?} {}", flux_core::error::chain(&error)),
                    Ok(plan) => {
                        let report = applier.apply(&world.cx, plan).await;
                        assert!(report.error.is_some());
                        format!("{report:?} {}", report.error.as_ref().unwrap())
                    }
                };
                assert_silent(&shown);
                assert!(shown.contains("deploy/app.yaml:1: Secret/default/s"), "{shown}");
                world.cluster.heal();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h39_what_the_server_says_about_a_broken_secret_is_withheld() {
    for world in faces() {
        let applier = world.applier("app");
        for yaml in [
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\ndata: {password: canary}\n",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\ndata: {'canary key!': Y2FuYXJ5}\n",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\ntype: kubernetes.io/tls\ndata: {tls.crt: Y2FuYXJ5}\n",
        ] {
            let error = world.plan_error(&applier, yaml, &Inventory::default()).await;
            let shown = format!("{error}");
            assert!(shown.starts_with("deploy/app.yaml:1: Secret/default/s"), "{shown}");
            assert!(!shown.contains(ENCODED), "{shown}");
        }
    }
}
