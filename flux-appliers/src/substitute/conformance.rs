//! Every recorded substitution.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;

use super::{Substitution, Variables};

#[test]
fn every_recorded_substitution_is_ours_too() {
    let shared = std::env::var_os("FLUX_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let Ok(text) = std::fs::read_to_string(shared.join("conformance/dialects/envsubst.jsonl")) else {
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
        println!("skipped: no corpus");
        return;
    };
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        rows += 1;
        let row: Value = serde_json::from_str(line).unwrap();
        let mut variables = Variables::new();
        for (name, value) in row["vars"].as_object().unwrap() {
            // The rule for names is one of the Kustomization, not of the dialect.
            variables.set_unchecked(name, value.as_str().unwrap().as_bytes());
        }
        let strict = row["strict"] == true;
        let ours = Substitution::new(variables).strict(strict).text(row["template"].as_str().unwrap());
        let expected = match (&row["out"], &row["out_b64"]) {
            (Value::String(out), _) => Some(out.clone().into_bytes()),
            (_, Value::String(out)) => Some(base64::engine::general_purpose::STANDARD.decode(out).unwrap()),
            _ => None,
        };
        // Where there is an error it must be the same one; where the original panics, any.
        let same = match (&ours, &expected, row["error"].as_str()) {
            (Ok(ours), Some(expected), _) => ours == expected,
            (Err(ours), None, Some(error)) => ours.to_string().starts_with(error),
            (Err(_), None, None) => row.get("panic").is_some(),
            _ => false,
        };
        if !same {
            wrong.push(format!("{line}\n  ours: {:?}", ours.map(|out| String::from_utf8_lossy(&out).into_owned())));
        }
    }
    println!("envsubst: {} of {rows} rows", rows - wrong.len());
    assert!(rows > 900 && wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}
