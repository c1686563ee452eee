//! The recorded behaviour of `--set` and of coalescing.

use serde_json::{Value as Json, json};

use super::{SetMode, Table, coalesce_tables, coalesce_values, set, set_target_path};
use crate::helm::chart::{Chart, ChartFile, ChartLimits};
use crate::helm::funcs::to_json_value;
use crate::helm::render::Instance;
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
            "targetpath" => set_target_path(&mut values, &text("path"), &text("value"), false),
            "targetpath-literal" => set_target_path(&mut values, &text("path"), &text("value"), true),
            mode => panic!("unknown mode {mode}"),
        };
        let right = match (&outcome, row.get("out"), row.get("partial")) {
            (Ok(()), Some(wanted), _) | (Err(_), None, Some(wanted)) => same(&Json::Object(values.clone()), wanted),
            (Err(_), None, None) => true,
            _ => false,
        };
        if right {
            passed += 1;
        } else {
            failed.push(format!("{row} {outcome:?} {}", Json::Object(values)));
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

/// The files of a recorded chart and of those in it.
fn files(chart: &Json, path: &str, files: &mut Vec<ChartFile>) {
    let mut add = |name: &str, data: String| {
        files.push(ChartFile { name: format!("{path}{name}"), data: data.into_bytes().into() });
    };
    let mut metadata = json!({"apiVersion": "v2", "name": chart["name"], "version": "1.0.0"});
    for field in ["version", "dependencies"] {
        if let Some(value) = chart.get(field) {
            metadata[field] = value.clone();
        }
    }
    add("Chart.yaml", metadata.to_string());
    add("values.yaml", chart.get("values").unwrap_or(&json!({})).to_string());
    for child in chart["charts"].as_array().into_iter().flatten() {
        let name = child["name"].as_str().unwrap();
        self::files(child, &format!("{path}charts/{name}/"), files);
    }
}

/// The paths of a chart and those in it that are on.
fn paths(instance: &Instance<'_>, path: &str, all: &mut Vec<String>) {
    all.push(path.to_owned());
    for child in &instance.dependencies {
        paths(child, &format!("{path}/{}", child.name), all);
    }
}

#[test]
fn every_recorded_row_of_coalescing_charts() {
    let (mut passed, mut failed, mut unloadable) = (0, Vec::new(), 0);
    for row in rows("coalesce.jsonl") {
        let op = row["op"].as_str().unwrap_or_default();
        if op.ends_with("_tables") {
            continue;
        }
        let mut chart_files = Vec::new();
        files(&row["chart"], "", &mut chart_files);
        let Ok(chart) = Chart::from_folder(chart_files, &ChartLimits::default()) else {
            // Recorded without files, with a name that no file can give.
            unloadable += 1;
            continue;
        };
        let user = match Value::from_values(&table(&row["user"])) {
            Value::Map(map) => map,
            _ => Map::new(MapKind::Any, Entries::new()),
        };
        let mut root = Instance::new(&chart);
        let prepared = if op == "render" { root.process_dependencies(&user, &mut Vec::new()) } else { Ok(()) };
        let mode = if op == "merge" { Mode::Merge } else { Mode::Coalesce };
        let outcome = prepared.and_then(|()| coalesce_values(&root, &user, mode, &mut Vec::new()));
        let outcome = outcome.map(|values| to_json_value(&Value::Map(values)).unwrap());
        let mut charts = Vec::new();
        paths(&root, &root.name, &mut charts);
        let same_charts = row.get("charts").is_none_or(|wanted| {
            let mut wanted: Vec<_> = wanted.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
            wanted.sort_unstable();
            charts.sort_unstable();
            wanted == charts
        });
        let right = match (&outcome, row.get("out"), row["error"].as_str()) {
            (Ok(out), Some(wanted), _) => same(out, wanted) && same_charts,
            (Err(error), None, Some(wanted)) => error == wanted,
            _ => false,
        };
        if right {
            passed += 1;
        } else {
            failed.push(format!("{row}\n  {outcome:?} {charts:?}"));
        }
    }
    println!("coalesce: {unloadable} rows of charts that cannot be loaded from files");
    report("coalesce", passed, &failed);
    assert!(unloadable <= 4);
}
