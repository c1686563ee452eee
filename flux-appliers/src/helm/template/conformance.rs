//! The recorded behaviour of Go's `text/template`.

use std::path::PathBuf;
use std::sync::Arc;

use super::exec::Runtime;
use super::set::TemplateSet;
use super::{Budget, Builtins, Limits, Str, Value};
use crate::helm::host::Host;

/// The folder of recorded cases, if it is there.
pub(crate) fn corpus(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FLUX_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join("conformance").join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
    println!("skipped: no corpus");
    None
}

fn run(name: &str, template: &str, data: &Value) -> (String, Option<String>) {
    let mut set = TemplateSet::default();
    if let Err(error) = set.add(name, template, &Builtins) {
        return (String::new(), Some(error.to_string()));
    }
    let host = Host::default();
    let mut runtime = Runtime::new(&host, Budget::new(Limits::default(), None), Arc::new(set));
    runtime.missing_is_nil = false;
    let mut out = Vec::new();
    let error = runtime.execute(&Str::from(name), data, &mut out).err().map(|error| error.to_string());
    (String::from_utf8(out).unwrap(), error)
}

#[test]
fn every_recorded_case_of_go() {
    let Some(path) = corpus("gotemplate/cases.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        let (out, error) = run(name, case["template"].as_str().unwrap(), &Value::from(&case["data"]));
        let wanted_error = case.get("error").map(|error| error.as_str().unwrap());
        let wanted = case.get("out").or_else(|| case.get("partial")).map_or("", |out| out.as_str().unwrap());
        if out == wanted && error.as_deref() == wanted_error {
            passed += 1;
        } else {
            failed.push(format!("{name}: {out:?} {error:?}\n  want {wanted:?} {wanted_error:?}"));
        }
    }
    println!("gotemplate: {passed} of {}", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
