//! Recorded JSON patches and kustomize's strategic merges: every row.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use serde_json::Value;

use super::jsonpatch::JsonPatch;
use super::{json, load, merge, schema::Schema};

fn rows(op: &str) -> Option<Vec<Value>> {
    let shared = std::env::var_os("FLUX_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let Ok(text) = std::fs::read_to_string(shared.join("conformance/dialects/jsonpatch.jsonl")) else {
        assert!(std::env::var("FLUX_REQUIRE_CORPUS").is_err(), "no corpus");
        println!("skipped: no corpus");
        return None;
    };
    let rows =
        text.split('\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_str::<Value>(line).unwrap());
    Some(rows.filter(|row| row["op"] == op).collect())
}

fn report(name: &str, total: usize, failed: &[String]) {
    println!("{name}: {} of {total} match", total - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn json_patches() {
    let Some(rows) = rows("rfc6902") else { return };
    let mut failed = Vec::new();
    for row in &rows {
        let mut document = row["doc"].clone();
        let result =
            JsonPatch::from_value(row["patch"].clone()).and_then(|patch| patch.apply(&mut document).map(|()| document));
        let same = match (&result, row.get("out")) {
            (Ok(got), Some(out)) => got == out,
            (Err(_), None) => true,
            _ => false,
        };
        if !same {
            failed.push(format!("{}: {result:?}, not {} {}", row["patch"], row["out"], row["error"]));
        }
    }
    report("JSON patches", rows.len(), &failed);
}

#[test]
fn strategic_merges() {
    let Some(rows) = rows("kustomize_smp") else { return };
    let mut failed = Vec::new();
    for row in &rows {
        let node = |value: &Value| {
            let mut node = json::from_value(value.clone());
            load::settle(&mut node, 0).unwrap();
            node
        };
        let merged = merge::merge(node(&row["original"]), node(&row["patch"]), &Schema::default());
        let got = merged.and_then(|node| node.map(|node| json::to_value(&node)).transpose());
        let same = match &got {
            Ok(Some(value)) => Some(value) == row.get("out"),
            Ok(None) => row["deleted"] == Value::Bool(true),
            Err(_) => row.get("error").is_some(),
        };
        if !same {
            failed.push(format!("{}: {got:?}, not {} {}", row["patch"], row["out"], row["error"]));
        }
    }
    report("strategic merges", rows.len(), &failed);
}
