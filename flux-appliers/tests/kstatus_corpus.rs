//! Every recorded answer of kstatus.
#![cfg(feature = "ssa")]
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use flux_appliers::health::status;
use flux_core::Timestamp;
use serde_json::{Value, json};

fn shared() -> PathBuf {
    let fallback = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    std::env::var_os("FLUX_SHARED").map_or_else(fallback, PathBuf::from)
}

#[test]
fn every_recorded_status_is_ours_too() {
    let Ok(text) = std::fs::read_to_string(shared().join("conformance/dialects/kstatus.jsonl")) else {
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
        println!("skipped: no corpus");
        return;
    };
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        rows += 1;
        let row: Value = serde_json::from_str(line).unwrap();
        let ours = match status(row["object"].as_object().unwrap(), now) {
            Ok(status) => json!({
                "out": format!("{:?}", status.status),
                "message": status.message,
                "conditions": status.conditions.iter().map(|c| json!({
                    "type": c.kind, "status": c.status, "reason": c.reason, "message": c.message,
                })).collect::<Vec<_>>(),
            }),
            Err(error) => json!({"error": error.to_string()}),
        };
        let failed = row.get("error").is_some() || row.get("panic").is_some();
        // An empty reason or message is left out of what was recorded.
        let same = |field: &str| normal(&ours[field]) == normal(&row[field]);
        let fits = match ours.get("error") {
            Some(_) => failed,
            None => !failed && same("out") && same("message") && same("conditions"),
        };
        if !fits {
            wrong.push(format!("{line}\n  ours: {ours}"));
        }
    }
    println!("kstatus: {} of {rows} rows", rows - wrong.len());
    assert!(rows > 900 && wrong.is_empty(), "{}", wrong[..wrong.len().min(5)].join("\n"));
}

fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| **v != "").map(|(key, value)| (key.clone(), normal(value))).collect()
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        other => other.clone(),
    }
}
