//! The recorded behaviour of `--set` and of coalescing.

use serde_json::{Value as Json, json};

use super::{SetMode, Table, coalesce_tables, set};
use crate::helm::funcs::to_json_value;
use crate::helm::template::{Entries, Map, MapKind, Value};
use crate::helm::values::{Mode, floats};

fn rows(file: &str) -> Vec<Json> {
    let Some(path) = crate::helm::template::corpus(&format!("dialects/{file}")) else { return Vec::new() };
    let text = std::fs::read_to_string(path).unwrap();
    text.split('\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn table(json: &Json) -> Table {
    let mut json = json.clone();
    floats(&mut json);
    json.as_object().cloned().unwrap_or_default()
}

/// Numbers compare by value: the recordings are JSON and do not tell int64 from float64.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn report(what: &str, passed: usize, failed: &[String]) {
    println!("{what}: {passed} of {}", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_recorded_row_of_set() {
    let (mut passed, mut failed) = (0, Vec::new());
    for row in rows("strvals.jsonl") {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let files = row["files"].clone();
        let read = |name: &str| {
            files.get(name).and_then(Json::as_str).map(str::to_owned).ok_or_else(|| format!("open {name}"))
        };
        let mut values = table(&row["base"]);
        let outcome = match text("mode").as_str() {
            "set" => set(&mut values, &text("expr"), SetMode::Typed),
            "set-string" => set(&mut values, &text("expr"), SetMode::Text),
            "set-json" => set(&mut values, &text("expr"), SetMode::Json),
            "set-literal" => set(&mut values, &text("expr"), SetMode::Literal),
            "set-file" => set(&mut values, &text("expr"), SetMode::File(&read)),
            // Flux's valuesFrom with a targetPath belongs to the release.
            _ => continue,
        };
        // Half of a surrogate pair is a replacement character to Go and an error to us.
        if text("expr").contains(r"\ud800") {
            continue;
        }
        let right = match (&outcome, row.get("out")) {
            (Ok(()), Some(out)) => same(&Json::Object(values), out),
            (Err(_), None) => true,
            _ => false,
        };
        if right {
            passed += 1;
        } else {
            failed.push(format!("{row} {outcome:?}"));
        }
    }
    report("strvals", passed, &failed);
}

#[test]
fn every_recorded_row_of_coalescing_tables() {
    let (mut passed, mut failed) = (0, Vec::new());
    for row in rows("coalesce.jsonl") {
        let mode = match row["op"].as_str().unwrap_or_default() {
            "coalesce_tables" => Mode::Coalesce,
            "merge_tables" => Mode::Merge,
            _ => continue,
        };
        let map = |key: &str| match Value::from_values(&table(&row[key])) {
            Value::Map(map) => map,
            _ => Map::new(MapKind::Any, Entries::new()),
        };
        let (over, under) = (map("dst"), map("src"));
        coalesce_tables(&over, &under, mode, &mut Vec::new());
        let over = if row["dst"].is_null() { under } else { over };
        let out = if row["dst"].is_null() && row["src"].is_null() {
            json!(null)
        } else {
            to_json_value(&Value::Map(over)).unwrap()
        };
        if row.get("out").is_some_and(|wanted| same(&out, wanted)) {
            passed += 1;
        } else {
            failed.push(format!("{row}\n  {out}"));
        }
    }
    report("coalesce tables", passed, &failed);
}
