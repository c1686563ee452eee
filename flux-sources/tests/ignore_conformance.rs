//! The ignore dialect against what Flux's own matcher was recorded to say.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use flux_core::{Context, Source};
use flux_sources::dir::DirSource;
use flux_sources::ignore::IgnoreRules;
use serde_json::Value;

fn corpus() -> Option<String> {
    let shared = std::env::var_os("FLUX_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let text = fs::read_to_string(shared.join("conformance/dialects/sourceignore.jsonl")).ok();
    if text.is_none() {
        assert!(std::env::var("FLUX_REQUIRE_CORPUS").is_err(), "no corpus");
        println!("skipped: no corpus");
    }
    text
}

fn rows(text: &str) -> Vec<Value> {
    text.split('\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_match() {
    let Some(text) = corpus() else { return };
    let mut failures = Vec::new();
    let mut count = 0;
    for row in rows(&text).iter().filter(|row| row.get("tree").is_none()) {
        count += 1;
        let domain: Vec<&str> =
            row["domain"].as_array().map(|parts| parts.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
        let mut rules = IgnoreRules::default();
        rules.add_text_in(row["patterns"].as_str().unwrap(), &domain);
        let rules = if row["defaults"] == true { rules.with_defaults() } else { rules };
        let out = rules.ignores(row["path"].as_str().unwrap(), row["is_dir"].as_bool().unwrap());
        if out != row["out"] {
            failures.push(row.to_string());
        }
    }
    println!("{} of {count} matches as recorded", count - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn every_recorded_tree() {
    let Some(text) = corpus() else { return };
    let cx = Context::background();
    let mut failures = Vec::new();
    let mut count = 0;
    for row in rows(&text).iter().filter(|row| row.get("tree").is_some()) {
        count += 1;
        let dir = tempfile::tempdir().unwrap();
        let files: BTreeMap<String, String> = serde_json::from_value(row["tree"].clone()).unwrap();
        for (path, content) in files {
            let target = dir.path().join(&path);
            if path.ends_with('/') {
                fs::create_dir_all(target).unwrap();
            } else {
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::write(target, content).unwrap();
            }
        }
        let mut source = DirSource::new(dir.path());
        if let Some(ignore) = row["spec_ignore"].as_str() {
            source = source.with_ignore(ignore);
        }
        let revision = source.resolve(&cx).await.unwrap();
        let tree = source.fetch(&cx, &revision).await.unwrap().tree;
        for kept in row["kept"].as_array().unwrap().iter().filter_map(Value::as_str) {
            let there = kept.strip_suffix('/').map_or_else(|| tree.is_file(kept), |dir| tree.is_dir(dir));
            if !there {
                failures.push(format!("{kept} is missing: {row}"));
            }
        }
        let kept: Vec<&str> = row["kept"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for (path, _) in tree.walk("") {
            if !kept.contains(&path) {
                failures.push(format!("{path} is too much: {row}"));
            }
        }
    }
    println!("{} of {count} trees as recorded", count - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
