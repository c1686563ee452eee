//! Reading. The parser is another than Helm's, so that the words of its faults differ; what is a fault does not.

use std::sync::Arc;

use ::toml as parser;
use parser::value::Datetime;

use crate::helm::funcs::time::{Time, Zone, civil_seconds};
use crate::helm::template::gofmt::quote;
use crate::helm::template::{Entries, Str, Value};

/// Reads a document.
pub(in crate::helm::funcs) fn read(document: &str) -> Result<Value, String> {
    let table: parser::Table = document.parse().map_err(|error: parser::de::Error| fault(document, &error))?;
    Ok(entries(&table))
}

fn fault(document: &str, error: &parser::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = 1 + document.bytes().take(at).filter(|b| *b == b'\n').count();
    if error.span().is_none_or(|span| span.end >= document.trim_end().len()) {
        let last = document.lines().rev().find_map(|line| line.split_once('=')).map_or("", |(key, _)| key.trim());
        return format!("toml: line {line} (last key {}): unexpected EOF; expected value", quote(last.as_bytes()));
    }
    format!("toml: line {line}: {}", error.message())
}

fn entries(table: &parser::Table) -> Value {
    Value::map(table.iter().map(|(key, item)| (Str::from(key.as_str()), value(item))).collect::<Entries>())
}

fn value(toml: &parser::Value) -> Value {
    match toml {
        parser::Value::String(s) => Value::text(s.as_str()),
        parser::Value::Integer(i) => Value::Int64(*i),
        parser::Value::Float(f) => Value::Float(*f),
        parser::Value::Boolean(b) => Value::Bool(*b),
        parser::Value::Datetime(date) => time(date).value(),
        parser::Value::Array(items) => Value::list(items.iter().map(value).collect()),
        parser::Value::Table(table) => entries(table),
    }
}

/// What has no zone gets one that says so by its name.
fn time(date: &Datetime) -> Time {
    let day = date.date.map_or((0, 1, 1), |date| (i64::from(date.year), i64::from(date.month), i64::from(date.day)));
    let (of_day, nanos) = date.time.map_or((0, 0), |time| {
        let second = i64::from(time.second);
        (i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + second, time.nanosecond)
    });
    let (zone, offset) = match (date.date, date.time, date.offset) {
        (_, _, Some(parser::value::Offset::Z)) => (Zone::Utc, 0),
        (_, _, Some(parser::value::Offset::Custom { minutes })) => {
            let seconds = i32::from(minutes) * 60;
            (Zone::Fixed(Arc::from(""), seconds), i64::from(seconds))
        }
        (Some(_), Some(_), None) => (Zone::Fixed(Arc::from("datetime-local"), 0), 0),
        (Some(_), None, None) => (Zone::Fixed(Arc::from("date-local"), 0), 0),
        _ => (Zone::Fixed(Arc::from("time-local"), 0), 0),
    };
    Time { seconds: civil_seconds(day, of_day) - offset, nanos, zone }
}
