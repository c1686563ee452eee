//! One step of a field path, in the notation of `fieldsV1`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A step from a value into one of its parts.
#[derive(Debug, Clone)]
pub(crate) enum PathElement {
    /// `f:name`: a field of a struct or a key of a map.
    Field(Arc<str>),
    /// `k:{..}`: the element of a list map with these keys, sorted by name.
    Key(Arc<[(Arc<str>, Value)]>),
    /// `v:..`: the element of a set with this value.
    Value(Value),
    /// `i:0`: the element of a list at this index.
    Index(i64),
}

impl PathElement {
    fn rank(&self) -> u8 {
        match self {
            PathElement::Field(_) => 0,
            PathElement::Key(_) => 1,
            PathElement::Value(_) => 2,
            PathElement::Index(_) => 3,
        }
    }

    /// The key of this element in `fieldsV1`.
    pub(crate) fn encode(&self) -> String {
        match self {
            PathElement::Field(name) => {
                let mut s = String::with_capacity(name.len() + 2);
                s.push_str("f:");
                s.push_str(name);
                s
            }
            PathElement::Key(keys) => {
                let mut s = String::from("k:{");
                for (i, (name, value)) in keys.iter().enumerate() {
                    if i > 0 {
                        s.push(',');
                    }
                    s.push_str(&Value::from(&**name).to_string());
                    s.push(':');
                    s.push_str(&value.to_string());
                }
                s.push('}');
                s
            }
            PathElement::Value(value) => format!("v:{value}"),
            PathElement::Index(i) => format!("i:{i}"),
        }
    }

    /// Reads a key of `fieldsV1`; `None` if it is of no known kind.
    pub(crate) fn decode(key: &str) -> Option<PathElement> {
        let (kind, rest) = key.split_once(':')?;
        Some(match kind {
            "f" => PathElement::Field(Arc::from(rest)),
            "v" => PathElement::Value(serde_json::from_str(rest).ok()?),
            "i" => PathElement::Index(rest.parse().ok()?),
            "k" => {
                let Value::Object(map) = serde_json::from_str(rest).ok()? else { return None };
                let mut keys: Vec<(Arc<str>, Value)> = map.into_iter().map(|(k, v)| (Arc::from(k), v)).collect();
                keys.sort_by(|a, b| a.0.cmp(&b.0));
                PathElement::Key(keys.into())
            }
            _ => return None,
        })
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (PathElement::Field(a), PathElement::Field(b)) => a.cmp(b),
            (PathElement::Key(a), PathElement::Key(b)) => {
                for ((an, av), (bn, bv)) in a.iter().zip(b.iter()) {
                    let order = an.cmp(bn).then_with(|| compare_values(av, bv));
                    if order.is_ne() {
                        return order;
                    }
                }
                a.len().cmp(&b.len())
            }
            (PathElement::Value(a), PathElement::Value(b)) => compare_values(a, b),
            (PathElement::Index(a), PathElement::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PathElement {}

/// As error messages write a path: `.spec`, `[name="x"]`, `[="x"]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(keys) => {
                f.write_str("[")?;
                for (i, (name, value)) in keys.iter().enumerate() {
                    write!(f, "{}{name}={value}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            PathElement::Value(value) => write!(f, "[={value}]"),
            PathElement::Index(i) => write!(f, "[{i}]"),
        }
    }
}

/// A number that is whole and within 128 bits; numbers are put in order by it, as floats cannot tell large ones apart.
fn whole(number: &serde_json::Number) -> Option<i128> {
    if let Some(n) = number.as_i64() {
        return Some(n.into());
    }
    if let Some(n) = number.as_u64() {
        return Some(n.into());
    }
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 1e38).then_some(float as i128)
}

/// The order of values: numbers, strings, booleans, null, lists, maps.
pub(crate) fn compare_values(a: &Value, b: &Value) -> Ordering {
    fn rank(v: &Value) -> u8 {
        match v {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Null => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (whole(x), whole(y)) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or(0.0).total_cmp(&y.as_f64().unwrap_or(0.0)),
        },
        (Value::String(x), Value::String(y)) => x.cmp(y),
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        (Value::Array(x), Value::Array(y)) => {
            for (x, y) in x.iter().zip(y) {
                let order = compare_values(x, y);
                if order.is_ne() {
                    return order;
                }
            }
            x.len().cmp(&y.len())
        }
        (Value::Object(x), Value::Object(y)) => {
            let sorted = |m: &serde_json::Map<String, Value>| {
                let mut v: Vec<(String, Value)> = m.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
                v.sort_by(|a, b| a.0.cmp(&b.0));
                v
            };
            for ((xk, xv), (yk, yv)) in sorted(x).iter().zip(&sorted(y)) {
                let order = xk.cmp(yk).then_with(|| compare_values(xv, yv));
                if order.is_ne() {
                    return order;
                }
            }
            x.len().cmp(&y.len())
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are the same; numbers by value, so `1` equals `1.0`.
pub(crate) fn equal_values(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare_values(a, b).is_eq(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal_values(x, y)),
        (Value::Object(x), Value::Object(y)) => equal_maps(x, y),
        _ => a == b,
    }
}

/// As [`equal_values`], for two objects whose `managedFields` do not count.
pub(crate) fn equal_but_managers(a: &serde_json::Map<String, Value>, b: &serde_json::Map<String, Value>) -> bool {
    let tracked = |m: &serde_json::Map<String, Value>| usize::from(m.contains_key("managedFields"));
    a.len() == b.len()
        && a.iter().all(|(key, v)| match (b.get(key), key.as_str()) {
            (Some(w), "metadata") => match (v.as_object(), w.as_object()) {
                (Some(v), Some(w)) => {
                    v.len() - tracked(v) == w.len() - tracked(w)
                        && v.iter()
                            .filter(|(k, _)| *k != "managedFields")
                            .all(|(k, v)| w.get(k).is_some_and(|w| equal_values(v, w)))
                }
                _ => equal_values(v, w),
            },
            (Some(w), _) => equal_values(v, w),
            (None, _) => false,
        })
}

/// As [`equal_values`], for the fields of two objects.
pub(crate) fn equal_maps(a: &serde_json::Map<String, Value>, b: &serde_json::Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| equal_values(v, w)))
}
