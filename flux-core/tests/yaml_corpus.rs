//! The recorded behaviour of Go's YAML packages: every document and every value must match.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flux_core::yaml::{self, Dialect, Layout, ReadOptions, YamlCause, YamlError};
use serde_json::Value;

/// The recorded corpus, or `None` where it is not installed.
fn corpus(file: &str) -> Option<String> {
    let shared = std::env::var_os("FLUX_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    match std::fs::read_to_string(shared.join("conformance/yaml").join(file)) {
        Ok(text) => Some(text),
        Err(_) if std::env::var("FLUX_REQUIRE_CORPUS").is_ok_and(|v| v == "1") => panic!("no corpus: {file}"),
        Err(_) => {
            println!("skipped: no corpus");
            None
        }
    }
}

fn rows(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.split('\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap())
}

/// Equal as JSON objects without regard to order, numbers by kind and value.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            // serde_json reads floats to within one unit in the last place.
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * f64::EPSILON
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

/// JSON, which serde_json reads to a depth of 128 only; the rest is YAML too.
fn parse(json: &str) -> Value {
    let deep = || yaml::read(json.as_bytes(), &ReadOptions::new(Dialect::V3)).unwrap();
    serde_json::from_str(json).unwrap_or_else(|_| deep())
}

/// True where an error says what Go says; a few of Go's texts print its own types.
fn says(error: &YamlError, dialect: Dialect, words: &str) -> bool {
    match error.cause {
        YamlCause::InvalidKey(_) | YamlCause::Limit { .. } => true,
        YamlCause::NotFinite(_) if dialect == Dialect::V3 => true,
        _ => error.in_go(dialect).replace('\n', " ") == words,
    }
}

#[test]
fn reads() {
    let Some(text) = corpus("read.jsonl") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for row in rows(&text) {
        let source = row["yaml"].as_str().unwrap();
        for (name, dialect) in [("lax", Dialect::Lax), ("strict", Dialect::Strict), ("v3", Dialect::V3)] {
            let got = yaml::read(source.as_bytes(), &ReadOptions::new(dialect));
            let ok = match (&got, row[name]["json"].as_str()) {
                (Ok(value), Some(json)) => same(value, &parse(json)),
                (Err(error), None) => row[name]["error"].as_str().is_some_and(|words| says(error, dialect, words)),
                _ => false,
            };
            match ok {
                true => passed += 1,
                false => failed.push(format!("{} {name}: {got:?}, not {}", row["name"], row[name])),
            }
        }
    }
    println!("yaml reads: {passed} of {} match", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The corpus was recorded from values that had passed through Go's JSON reader: every number is a float.
fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.as_f64().unwrap().into(),
        Value::Array(items) => items.iter_mut().for_each(floats),
        Value::Object(map) => map.values_mut().for_each(floats),
        _ => {}
    }
}

#[test]
fn writes() {
    let Some(text) = corpus("write.jsonl") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for mut row in rows(&text) {
        floats(&mut row["value"]);
        for (name, layout) in [("sigs", Layout::Sigs), ("v3", Layout::Wide)] {
            let got = yaml::write(&row["value"], layout);
            match row[name].as_str().unwrap() == got {
                true => passed += 1,
                false => failed.push(format!("{name} {}: {got:?}, not {}", row["value"], row[name])),
            }
        }
    }
    println!("yaml writes: {passed} of {} match", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_is_written_reads_back() {
    let Some(text) = corpus("write.jsonl") else { return };
    let mut count = 0;
    for mut row in rows(&text) {
        let json = row["value"].to_string();
        // What Go writes for these does not read back in Go either.
        if ["\u{2028}", "\u{2029}", "\\t", "\"<<\":"].iter().any(|odd| json.contains(odd)) {
            continue;
        }
        floats(&mut row["value"]);
        for layout in [Layout::Sigs, Layout::Wide, Layout::Compact] {
            let written = yaml::write(&row["value"], layout);
            for dialect in [Dialect::Lax, Dialect::V3] {
                let mut read = yaml::read(written.as_bytes(), &ReadOptions::new(dialect)).unwrap();
                floats(&mut read);
                assert!(same(&read, &row["value"]), "{written:?} read as {read}, not {json}");
                count += 1;
            }
        }
    }
    println!("yaml round trips: {count}");
}

/// Mutations of YAML texts, with what Helm 4.3's `fromYaml` made of each: the value, or the error word for word.
const MUTATIONS: &str = include_str!("data/yaml_mutations.jsonl");

#[test]
fn mutated_texts_are_read_as_go_reads_them() {
    let (mut passed, mut failed) = (0, Vec::new());
    for mut row in rows(MUTATIONS) {
        let text = match row["base64"].as_str() {
            Some(encoded) => STANDARD.decode(encoded).unwrap(),
            None => row["text"].as_str().unwrap().as_bytes().to_vec(),
        };
        let got = yaml::read(&text, &ReadOptions::default()).map_err(|error| error.in_go(Dialect::Lax));
        let ok = match (&got, row["error"].as_str()) {
            (Err(error), Some(words)) => error == words,
            (Ok(value), None) => {
                let mut value = value.clone();
                floats(&mut value);
                floats(&mut row["json"]);
                same(&value, &row["json"])
            }
            _ => false,
        };
        match ok {
            true => passed += 1,
            false => failed.push(format!("{:?}: {got:?}, not {row}", String::from_utf8_lossy(&text))),
        }
    }
    println!("yaml mutations: {passed} of {} match", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
