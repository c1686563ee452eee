//! The JSON paths of printer columns.

use serde_json::{Value, json};

use super::cells::age;
use crate::apiserver::fields::Fields;

/// The cell of a custom resource's column.
pub(super) fn cell(object: &Fields, path: &str, kind: &str, now: &jiff::Timestamp) -> Value {
    let root = Value::Object(object.clone());
    let found = find(&root, path);
    let Some(first) = found.first() else { return Value::Null };
    match kind {
        "integer" => match first {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)).map_or(Value::Null, |n| json!(n)),
            _ => Value::Null,
        },
        "number" => {
            if first.is_number() {
                (*first).clone()
            } else {
                Value::Null
            }
        }
        "boolean" => {
            if first.is_boolean() {
                (*first).clone()
            } else {
                Value::Null
            }
        }
        "date" => match first.as_str() {
            Some(s) if s.parse::<jiff::Timestamp>().is_ok() => age(Some(first), now),
            Some(_) => json!("<invalid>"),
            None => json!("<unknown>"),
        },
        _ => match found.as_slice() {
            [only] => json!(text(only)),
            many => json!(many.iter().map(|v| text(v)).collect::<Vec<_>>().join(" ")),
        },
    }
}

fn text(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// What a path such as `.status.conditions[?(@.type=="Ready")].status` finds.
fn find<'a>(root: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut at = vec![root];
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let Some(end) = closing(tail) else { return Vec::new() };
            let (inner, after) = (tail.get(..end).unwrap_or(""), tail.get(end + 1..).unwrap_or(""));
            at = at.into_iter().flat_map(|v| bracket(v, inner)).collect();
            rest = after;
            continue;
        }
        let tail = rest.strip_prefix('.').unwrap_or(rest);
        let mut key = String::new();
        let mut chars = tail.char_indices();
        let mut end = tail.len();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => key.extend(chars.next().map(|(_, c)| c)),
                '.' | '[' => {
                    end = i;
                    break;
                }
                c => key.push(c),
            }
        }
        at = match key.as_str() {
            "" => at,
            "*" => at.into_iter().flat_map(children).collect(),
            key => at.into_iter().filter_map(|v| v.get(key)).collect(),
        };
        rest = tail.get(end..).unwrap_or("");
    }
    at
}

fn closing(text: &str) -> Option<usize> {
    let mut quoted: Option<char> = None;
    for (i, c) in text.char_indices() {
        match (quoted, c) {
            (Some(q), c) if c == q => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, ']') => return Some(i),
            _ => {}
        }
    }
    None
}

fn children(v: &Value) -> Vec<&Value> {
    match v {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn unquote(s: &str) -> &str {
    s.trim().trim_matches(['\'', '"'])
}

fn bracket<'a>(v: &'a Value, inner: &str) -> Vec<&'a Value> {
    if let Some(filter) = inner.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        let items = v.as_array().map(Vec::as_slice).unwrap_or_default();
        let (left, equal, right) = match (filter.split_once("=="), filter.split_once("!=")) {
            (Some((l, r)), _) => (l, true, Some(unquote(r))),
            (_, Some((l, r))) => (l, false, Some(unquote(r))),
            _ => (filter, true, None),
        };
        let path = left.trim().trim_start_matches('@');
        return items
            .iter()
            .filter(|item| {
                let found = find(item, path);
                match right {
                    None => !found.is_empty(),
                    Some(want) => found.first().is_some_and(|f| (text(f) == want) == equal),
                }
            })
            .collect();
    }
    match inner {
        "*" => children(v),
        _ if inner.starts_with(['\'', '"']) => v.get(unquote(inner)).into_iter().collect(),
        _ => {
            let len = v.as_array().map_or(0, Vec::len) as i64;
            let index = inner.parse::<i64>().ok().map(|i| if i < 0 { len + i } else { i });
            index.and_then(|i| usize::try_from(i).ok()).and_then(|i| v.get(i)).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_values() {
        let object = json!({"spec": {"size": 3, "a.b": "dot"}, "status": {"conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
        let Value::Object(o) = object else { panic!() };
        let now = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(cell(&o, ".spec.size", "integer", &now), json!(3));
        assert_eq!(cell(&o, r#".status.conditions[?(@.type=="Ready")].status"#, "string", &now), json!("True"));
        assert_eq!(cell(&o, ".status.conditions[1].type", "string", &now), json!("Other"));
        assert_eq!(cell(&o, r".spec.a\.b", "string", &now), json!("dot"));
        assert_eq!(cell(&o, ".spec.none", "string", &now), Value::Null);
    }
}
