//! Every recorded expression.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Value as Json, json};

use super::value::Value;
use super::{EvalError, Expression, ParseError};

fn rows() -> Option<Vec<Json>> {
    let shared = std::env::var_os("FLUX_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let Ok(text) = std::fs::read_to_string(shared.join("conformance/dialects/cel.jsonl")) else {
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
        println!("skipped: no corpus");
        return None;
    };
    Some(text.split('\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[derive(Debug)]
#[allow(dead_code)] // shown where a row is wrong
enum Failure {
    /// Before anything was evaluated.
    New(ParseError),
    Eval(EvalError),
}

/// A value as it was recorded; durations are seconds here and Go's texts there.
fn recorded(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(number) => json!(number),
        Value::Uint(number) => json!(number),
        // 3.0 was recorded as 3.
        Value::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => json!(*number as i64),
        Value::Double(number) if number.is_finite() => json!(number),
        Value::Double(number) if number.is_nan() => json!("NaN"),
        Value::Double(number) => json!(if *number > 0.0 { "+Inf" } else { "-Inf" }),
        Value::String(text) => json!(&**text),
        Value::Bytes(bytes) => json!(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::List(list) => list.iter().map(|item| recorded(&item)).collect(),
        Value::Map(map) => Json::Object(
            map.iter()
                .map(|(key, value)| {
                    let key = match &key {
                        Value::String(text) => text.to_string(),
                        Value::Null => "null_type:NULL_VALUE".to_owned(),
                        key => format!("{}:{}", key.type_name(), recorded(key)),
                    };
                    (key, recorded(&value))
                })
                .collect(),
        ),
        Value::Duration(nanos) => json!(format!("{nanos}ns")),
        Value::Timestamp(at) => json!(super::functions::timestamp_text(*at)),
        Value::Type(name) => json!(name),
        Value::Optional(None) => json!({"optional": "none"}),
        Value::Optional(Some(value)) => json!({"optional": recorded(value)}),
    }
}

fn same(ours: &Value<'_>, out: &Json) -> bool {
    match ours {
        Value::Duration(nanos) => super::functions::fold("duration", &Value::text(out.as_str().unwrap()))
            .is_ok_and(|value| value.equals(&Value::Duration(*nanos))),
        // Numbers are compared as numbers: 1000.0 was recorded as 1000.
        Value::Double(number) if out.is_number() => out.as_f64() == Some(*number),
        ours => recorded(ours) == *out,
    }
}

#[test]
fn every_recorded_expression_is_ours_too() {
    let Some(rows) = rows() else { return };
    let (mut total, mut wrong) = (0, Vec::new());
    for row in rows.iter().filter(|row| row.get("expr").is_some()) {
        total += 1;
        let text = row["expr"].as_str().unwrap();
        let variables = row["vars"].as_object().unwrap();
        let compiled = if row["compile"] == true {
            let names: Vec<_> = variables.keys().map(String::as_str).collect();
            Expression::compile(text, &names)
        } else {
            Expression::parse(text)
        };
        let lookup = |name: &str| variables.get(name);
        let ours = match &compiled {
            Ok(expression) => expression.evaluate(&lookup).map_err(Failure::Eval),
            Err(error) => Err(Failure::New(error.clone())),
        };
        let fits = match (&ours, row.get("out"), row["stage"].as_str()) {
            (Ok(value), Some(out), _) => {
                let boolean = row.get("flux_boolean_error").is_none();
                let kind = value.type_name() == row["type"].as_str().unwrap();
                let static_type = compiled.as_ref().map(|expression| expression.result.to_string()).unwrap_or_default();
                let static_kind = row["static_type"].as_str().is_none_or(|recorded| recorded == static_type);
                same(value, out) && kind && static_kind && boolean == matches!(value, Value::Bool(_))
            }
            (Err(Failure::Eval(_)), None, Some("eval")) => true,
            (Err(Failure::New(_)), None, Some(stage)) => stage != "eval",
            _ => false,
        };
        if !fits {
            let ours = ours.map(|value| format!("{} :{}", recorded(&value), value.type_name()));
            let compiled = compiled.map(|expression| expression.result.to_string());
            wrong.push(format!(
                "{text}\n   ours: {ours:?} {compiled:?}\n   not: {} {} {}",
                row["out"], row["error"], row["stage"]
            ));
        }
    }
    println!("cel: {} of {total} expressions", total - wrong.len());
    assert!(total > 400 && wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[cfg(feature = "ssa")]
#[test]
fn every_recorded_health_is_ours_too() {
    use crate::health::{HealthExpressions, Judge as _};
    use flux_core::{Object, Timestamp};

    let Some(rows) = rows() else { return };
    let (mut total, mut wrong) = (0, Vec::new());
    for row in rows.iter().filter(|row| row.get("object").is_some()) {
        total += 1;
        let text = |name: &str| row["exprs"][name].as_str();
        let mut checks = HealthExpressions::default();
        let added = checks.add("", "", text("current").unwrap(), text("failed"), text("inProgress"));
        let object = Object::from_value(row["object"].clone()).unwrap();
        // Expressions are for the object's own kind, whatever its group is here.
        let mut of_core = object.clone();
        of_core.as_map_mut().insert("apiVersion".into(), "v1".into());
        let ours = match added {
            Ok(()) => checks.health(&of_core, Timestamp::UNIX_EPOCH).map_err(|error| ("eval", error)),
            Err(error) => Err(("new", error.to_string())),
        };
        let fits = match (&ours, row["out"].as_str(), row["stage"].as_str()) {
            (Ok(status), Some(out), _) => format!("{:?}", status.status) == out,
            (Err((stage, _)), None, Some(recorded)) => *stage == recorded,
            _ => false,
        };
        if !fits {
            wrong.push(format!(
                "{} {}\n  ours: {ours:?}\n  not: {} {}",
                row["exprs"], row["object"], row["out"], row["error"]
            ));
        }
    }
    println!("cel: {} of {total} health rows", total - wrong.len());
    assert!(total > 60 && wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
