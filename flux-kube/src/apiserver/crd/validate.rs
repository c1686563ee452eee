//! Value validation: what the schema of a custom resource demands of its values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::structural::Structural;
use crate::apiserver::fields::{Fields, compare_values, equal_values};
use crate::apiserver::status::FieldError;

type Errors = Vec<FieldError>;

/// Checks an object against its schema.
pub(super) fn object(schema: &Structural, object: &Fields, errors: &mut Errors) {
    map(schema, object, "", true, errors);
    constraints(schema, &Value::Object(object.clone()), "", errors);
}

/// Checks a value against its schema; `path` is how messages name it.
pub(super) fn value(schema: &Structural, v: &Value, path: &str, errors: &mut Errors) {
    if v.is_null() && schema.nullable {
        return;
    }
    if schema.int_or_string {
        if !(v.is_string() || is_integer(v)) {
            wrong_type("integer,string", v, path, errors);
        }
    } else if !schema.ty.is_empty() && !has_type(&schema.ty, v) {
        return wrong_type(&schema.ty, v, path, errors);
    }
    match v {
        Value::Object(fields) => map(schema, fields, path, schema.embedded, errors),
        Value::Array(items) => list(schema, items, path, errors),
        _ => {}
    }
    constraints(schema, v, path, errors);
}

fn is_integer(v: &Value) -> bool {
    v.as_i64().is_some() || v.as_u64().is_some() || v.as_f64().is_some_and(|f| f.fract() == 0.0)
}

fn has_type(ty: &str, v: &Value) -> bool {
    match ty {
        "object" => v.is_object(),
        "array" => v.is_array(),
        "string" => v.is_string(),
        "boolean" => v.is_boolean(),
        "integer" => v.is_number() && is_integer(v),
        "number" => v.is_number(),
        _ => true,
    }
}

fn type_of(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(v) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(ty: &str, v: &Value, path: &str, errors: &mut Errors) {
    let is = type_of(v);
    let why = format!("{path} in body must be of type {ty}: {is:?}");
    errors.push(FieldError::type_invalid(path, &format!("{is:?}"), &why));
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn map(schema: &Structural, fields: &Fields, path: &str, root: bool, errors: &mut Errors) {
    for key in schema.raw.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(key) {
            errors.push(FieldError::required(join(path, key), ""));
        }
    }
    if schema.embedded && !path.is_empty() {
        for key in ["apiVersion", "kind"] {
            if fields.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
                errors.push(FieldError::required(join(path, key), ""));
            }
        }
    }
    for (key, v) in fields {
        if root && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        if let Some(property) = schema.properties.get(key) {
            value(property, v, &join(path, key), errors);
        } else if let Some(additional) = &schema.additional {
            value(additional, v, &join(path, key), errors);
        }
    }
    let number = |key: &str| schema.raw.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    if let Some(max) = number("maxProperties")
        && fields.len() > max
    {
        errors.push(FieldError::too_many(path, fields.len(), max));
    }
    if let Some(min) = number("minProperties")
        && fields.len() < min
    {
        let why = format!("{path} in body should have at least {min} properties");
        errors.push(FieldError::invalid(path, &Value::from(fields.len()), &why));
    }
}

fn list(schema: &Structural, items: &[Value], path: &str, errors: &mut Errors) {
    if let Some(of) = &schema.items {
        for (i, item) in items.iter().enumerate() {
            value(of, item, &format!("{path}[{i}]"), errors);
        }
    }
    let number = |key: &str| schema.raw.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    if let Some(max) = number("maxItems")
        && items.len() > max
    {
        errors.push(FieldError::too_many(path, items.len(), max));
    }
    if let Some(min) = number("minItems")
        && items.len() < min
    {
        let why = format!("{path} in body should have at least {min} items");
        errors.push(FieldError::invalid(path, &Value::from(items.len()), &why));
    }
    let keys = schema.list_keys();
    match schema.raw.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => {
            let items: Vec<Cow<'_, Value>> = items.iter().map(Cow::Borrowed).collect();
            for i in repeated(&items) {
                errors.push(FieldError::duplicate(format!("{path}[{i}]"), &items[i]));
            }
        }
        Some("map") => {
            let key_of = |item: &Value| -> Value {
                let fields = keys.iter().filter_map(|k| Some(((*k).to_owned(), item.get(*k)?.clone())));
                Value::Object(fields.collect())
            };
            let items: Vec<Cow<'_, Value>> = items.iter().map(|item| Cow::Owned(key_of(item))).collect();
            for i in repeated(&items) {
                errors.push(FieldError::duplicate(format!("{path}[{i}]"), &items[i]));
            }
        }
        _ => {}
    }
}

/// The places of values that are there before.
fn repeated(values: &[Cow<'_, Value>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| compare_values(&values[*a], &values[*b]));
    let mut again: Vec<usize> =
        order.windows(2).filter(|w| equal_values(&values[w[0]], &values[w[1]])).map(|w| w[1]).collect();
    again.sort_unstable();
    again
}

/// The constraints that need no knowledge of the structure: bounds, patterns, enumerations, combinations.
fn constraints(schema: &Structural, v: &Value, path: &str, errors: &mut Errors) {
    let s = &schema.raw;
    if let Some(allowed) = s.get("enum").and_then(Value::as_array)
        && !allowed.iter().any(|a| equal_values(a, v))
    {
        let shown: Vec<String> =
            allowed.iter().map(|a| a.as_str().map_or_else(|| a.to_string(), str::to_owned)).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        errors.push(FieldError::not_supported(path, v, &shown));
    }
    match v {
        Value::String(text) => string(schema, text, v, path, errors),
        Value::Number(n) => number(s, n.as_f64().unwrap_or(0.0), v, path, errors),
        _ => {}
    }
    combinations(schema, v, path, errors);
}

fn string(schema: &Structural, text: &str, v: &Value, path: &str, errors: &mut Errors) {
    let s = &schema.raw;
    let length = text.chars().count();
    let bound = |key: &str| s.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    if let Some(max) = bound("maxLength")
        && length > max
    {
        return errors.push(FieldError::too_long(path, max));
    }
    if let Some(min) = bound("minLength")
        && length < min
    {
        let why = format!("{path} in body should be at least {min} chars long");
        return errors.push(FieldError::invalid(path, v, &why));
    }
    if let Some(pattern) = &schema.pattern
        && !pattern.is_match(text)
    {
        let pattern = s.get("pattern").and_then(Value::as_str).unwrap_or("");
        let why = format!("{path} in body should match '{pattern}'");
        return errors.push(FieldError::invalid(path, v, &why));
    }
    let format = s.get("format").and_then(Value::as_str).unwrap_or("");
    if !fits_format(format, text) {
        let shown = crate::apiserver::status::go_quote(text);
        let why = format!("{path} in body must be of type {format}: {shown}");
        errors.push(FieldError::type_invalid(path, &shown, &why));
    }
}

fn fits_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "byte" => STANDARD.decode(text).is_ok(),
        "uuid" | "uuid4" | "uuid3" | "uuid5" => {
            let hex = text.replace('-', "");
            hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "duration" => is_duration(text),
        "email" => text.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()),
        "uri" => text.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty()) || text.starts_with('/'),
        "cidr" => {
            text.split_once('/').is_some_and(|(a, n)| a.parse::<std::net::IpAddr>().is_ok() && n.parse::<u8>().is_ok())
        }
        _ => true,
    }
}

/// Numbers with units, such as `1h30m` or `2 days`.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 21] = [
        "ns", "us", "µs", "ms", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour",
        "hours", "d", "day", "days", "w", "weeks",
    ];
    let mut rest = text.trim().trim_start_matches(['+', '-']);
    if rest == "0" {
        return true;
    }
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let end = tail.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if number.parse::<f64>().is_err() || !UNITS.contains(&unit) {
            return false;
        }
        any = true;
        rest = tail.trim_start();
    }
    any
}

fn number(s: &Value, n: f64, v: &Value, path: &str, errors: &mut Errors) {
    let bound = |key: &str| s.get(key).filter(|b| b.is_number());
    let exclusive = |key: &str| s.get(key) == Some(&Value::Bool(true));
    if let Some(max) = bound("maximum") {
        let limit = max.as_f64().unwrap_or(f64::MAX);
        let strict = exclusive("exclusiveMaximum");
        if n > limit || (strict && n >= limit) {
            let than = if strict { "less than" } else { "less than or equal to" };
            errors.push(FieldError::invalid(path, v, &format!("{path} in body should be {than} {max}")));
        }
    }
    if let Some(min) = bound("minimum") {
        let limit = min.as_f64().unwrap_or(f64::MIN);
        let strict = exclusive("exclusiveMinimum");
        if n < limit || (strict && n <= limit) {
            let than = if strict { "greater than" } else { "greater than or equal to" };
            errors.push(FieldError::invalid(path, v, &format!("{path} in body should be {than} {min}")));
        }
    }
    if let Some(step) = bound("multipleOf") {
        let step_value = step.as_f64().unwrap_or(1.0);
        if step_value != 0.0 && (n / step_value).fract() != 0.0 {
            errors.push(FieldError::invalid(path, v, &format!("{path} in body should be a multiple of {step}")));
        }
    }
    let format = s.get("format").and_then(Value::as_str).unwrap_or("");
    if format == "int32" && v.as_i64().is_some_and(|i| i32::try_from(i).is_err()) {
        let why = format!("Checked value must be of type integer with format int32 in {path}");
        errors.push(FieldError::invalid("<nil>", &Value::from(""), &why));
    }
}

fn combinations(schema: &Structural, v: &Value, path: &str, errors: &mut Errors) {
    let wrong_by = |part: &Structural| {
        let mut found = Vec::new();
        value(part, v, path, &mut found);
        found
    };
    let fits = |part: &Structural| wrong_by(part).is_empty();
    let [all, any, one, not] = &schema.combinations;
    let mut why: Vec<String> = Vec::new();
    // Of the alternative that came closest, why it is none.
    let mut closest: Option<Errors> = None;
    if !all.iter().all(fits) {
        why.push("must validate all the schemas (allOf)".to_owned());
    }
    if !any.is_empty() && !any.iter().any(fits) {
        why.push("must validate at least one schema (anyOf)".to_owned());
    }
    if !one.is_empty() {
        let found: Vec<Errors> = one.iter().map(wrong_by).collect();
        match found.iter().filter(|errors| errors.is_empty()).count() {
            1 => {}
            0 => {
                why.push("must validate one and only one schema (oneOf). Found none valid".to_owned());
                closest = found.into_iter().min_by_key(Vec::len);
            }
            n => {
                why.push(format!("must validate one and only one schema (oneOf). Found {n} valid alternatives"));
            }
        }
    }
    if not.iter().any(fits) {
        why.push("must not validate the schema (not)".to_owned());
    }
    // The library tells of these without saying where; only the message knows.
    for why in why {
        errors.push(FieldError::invalid("<nil>", &Value::from(""), &format!("{path:?} {why}")));
    }
    errors.extend(closest.into_iter().flatten());
}
