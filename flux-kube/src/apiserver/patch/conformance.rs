//! The recorded behaviour of the patch libraries: rows of `conformance/dialects/jsonpatch.jsonl`.
#![allow(clippy::print_stderr)] // what differs, and why nothing ran

use serde_json::Value;

use crate::apiserver::fields::corpus;
use crate::apiserver::schema::Schema;

fn type_name(kind: &str) -> String {
    let group = match kind {
        "Deployment" | "StatefulSet" => "apps.v1",
        "CronJob" => "batch.v1",
        "Ingress" | "NetworkPolicy" => "networking.v1",
        "Role" | "RoleBinding" => "rbac.v1",
        "HorizontalPodAutoscaler" => "autoscaling.v2",
        _ => "core.v1",
    };
    format!("{group}.{kind}")
}

fn run(row: &Value) -> Option<Result<Value, String>> {
    Some(match row["op"].as_str()? {
        "rfc6902" => super::json::apply(&row["doc"], &row["patch"]).map_err(|e| e.to_string()),
        "rfc7386" => super::merge::apply(&row["doc"], &row["patch"]).map_err(|e| e.to_string()),
        "smp" => {
            let schema = Schema::built_in();
            match schema.named(&type_name(row["kind"].as_str()?)) {
                Some(ty) => {
                    super::strategic::apply(schema, ty, &row["original"], &row["patch"]).map_err(|e| e.to_string())
                }
                None => Err("kind not registered (apiserver: 415 unsupported media type)".to_owned()),
            }
        }
        _ => return None,
    })
}

#[test]
fn every_row_of_the_patch_formats() {
    let Some(rows) = corpus("jsonpatch.jsonl") else { return };
    let (mut ran, mut failed) = (0, 0);
    for (i, row) in rows.iter().enumerate() {
        let Some(got) = run(row) else { continue };
        ran += 1;
        let want = row.get("out");
        // Texts need not match; most do, and those of JSON patch are what clients see.
        let text = row["op"] != "rfc6902"
            || got.as_ref().err().is_none_or(|e| row.get("panic").is_some() || row["error"] == e.as_str());
        if got.as_ref().ok() != want || !text {
            failed += 1;
            if failed <= 12 {
                let subject = if row["op"] == "smp" { &row["original"] } else { &row["doc"] };
                eprintln!(
                    "row {i} {}: {subject} patch {}\n want {want:?} {}\n got  {got:?}",
                    row["op"], row["patch"], row["error"]
                );
            }
        }
    }
    assert_eq!((ran, failed), (493, 0), "rows and failures");
}
