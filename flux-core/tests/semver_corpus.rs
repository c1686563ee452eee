//! Every recorded row of Go's `Masterminds/semver`.

use std::path::PathBuf;

use flux_core::semver::{Constraint, SemverError, Version, newest_first};
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("FLUX_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join("conformance/dialects/semver.jsonl");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
    println!("skipped: no corpus");
    None
}

fn describe(version: &Version) -> Value {
    serde_json::json!({
        "major": version.major(), "minor": version.minor(), "patch": version.patch(),
        "prerelease": version.prerelease(), "metadata": version.metadata(),
        "original": version.original(), "string": version.to_string(),
    })
}

fn run(row: &Value) -> Result<Value, SemverError> {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    Ok(match text("op") {
        "parse" => describe(&Version::parse(text("version"))?),
        "parse_strict" => describe(&Version::parse_strict(text("version"))?),
        "parse_flux" => describe(&Version::parse_flux(text("version"))?),
        "constraint" => Value::from(Constraint::parse(text("constraint"))?.to_string()),
        "check" => {
            let constraint = Constraint::parse(text("constraint"))?;
            Value::from(constraint.matches(&Version::parse(text("version"))?))
        }
        "compare" => {
            let (a, b) = (Version::parse(text("version"))?, Version::parse(text("other"))?);
            Value::from(a.cmp_precedence(&b) as i8)
        }
        "flux_sort" => {
            let range = row["constraint"].as_str().map(Constraint::parse).transpose()?;
            let texts = row["versions"].as_array().unwrap().iter().filter_map(Value::as_str);
            Value::from(newest_first(texts, range.as_ref()).iter().map(Version::original).collect::<Vec<_>>())
        }
        op => panic!("unknown op {op}"),
    })
}

#[test]
fn every_recorded_row() {
    let Some(path) = corpus() else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for line in std::fs::read_to_string(path).unwrap().split('\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let outcome = run(&row);
        let same = match (&outcome, row.get("out")) {
            (Ok(out), Some(wanted)) => out == wanted,
            (Err(_), None) => true,
            _ => false,
        };
        if same {
            passed += 1;
        } else {
            failed.push(format!("{line}\n  {outcome:?}"));
        }
    }
    println!("semver: {passed} of {}", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
