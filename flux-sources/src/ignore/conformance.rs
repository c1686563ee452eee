//! The ignore dialect against what Flux's own matcher was recorded to say.
#![allow(clippy::print_stdout, reason = "the count is part of the result")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use flux_core::tree::{Entry, TreeLimits, parent};
use serde_json::Value;

use super::{DEFAULTS, IgnoreRules};
use crate::listing::{Found, Kind, Selection};

fn rows() -> Option<Vec<Value>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("FLUX_SHARED").map_or_else(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(shared.join("conformance/dialects/sourceignore.jsonl")) else {
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
        println!("skipped: no corpus");
        return None;
    };
    let lines = text.split('\n').filter(|line| !line.is_empty());
    Some(lines.map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn every_recorded_match() {
    let Some(rows) = rows() else { return };
    let rows: Vec<&Value> = rows.iter().filter(|row| row.get("tree").is_none()).collect();
    let wrong: Vec<String> = rows.iter().filter(|row| !as_recorded(row)).map(ToString::to_string).collect();
    println!("{} of {} matches as recorded", rows.len() - wrong.len(), rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn as_recorded(row: &Value) -> bool {
    let domain: Vec<&str> = row["domain"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rules = IgnoreRules::default();
    rules.add_text_in(row["patterns"].as_str().unwrap(), &domain);
    let rules = if row["defaults"] == true { rules.above(DEFAULTS, &domain) } else { rules };
    rules.ignores(row["path"].as_str().unwrap(), row["is_dir"].as_bool().unwrap()) == row["out"]
}

#[test]
fn every_recorded_tree() {
    let Some(rows) = rows() else { return };
    let rows: Vec<&Value> = rows.iter().filter(|row| row.get("tree").is_some()).collect();
    let wrong: Vec<String> = rows.iter().filter(|row| kept(row) != recorded(row)).map(ToString::to_string).collect();
    println!("{} of {} trees as recorded", rows.len() - wrong.len(), rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The paths that were kept, directories as well.
fn recorded(row: &Value) -> BTreeSet<String> {
    let kept = row["kept"].as_array().unwrap().iter().filter_map(Value::as_str);
    kept.map(|path| path.trim_end_matches('/').to_owned()).flat_map(with_parents).collect()
}

fn kept(row: &Value) -> BTreeSet<String> {
    let files: BTreeMap<String, String> = serde_json::from_value(row["tree"].clone()).unwrap();
    let mut found: BTreeMap<String, Found<Bytes>> = BTreeMap::new();
    for (path, content) in files {
        let is_dir = path.ends_with('/');
        let path = path.trim_end_matches('/').to_owned();
        for dir in with_parents(path.clone()) {
            found.insert(dir.clone(), Found { path: dir, kind: Kind::Directory, handle: Bytes::new() });
        }
        if !is_dir {
            let kind = Kind::File { executable: false };
            found.insert(path.clone(), Found { path, kind, handle: content.into() });
        }
    }
    let found: Vec<Found<Bytes>> = found.into_values().collect();
    let selection = Selection { ignore: row["spec_ignore"].as_str().map(str::to_owned), limits: TreeLimits::default() };
    let tree = selection.read("memory", &found, |entry| Ok(entry.handle.clone())).unwrap();
    let files = tree.entries().filter(|(_, entry)| !matches!(entry, Entry::Link { .. }));
    files.flat_map(|(path, _)| with_parents(path.to_owned())).collect()
}

/// A path and every directory above it.
fn with_parents(path: String) -> Vec<String> {
    let mut paths = vec![path];
    while let Some(above) = paths.last().map(|path| parent(path).to_owned()).filter(|above| !above.is_empty()) {
        paths.push(above);
    }
    paths
}
