//! Paths to fields.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::Object;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A field of a map.
    Field(String),
    /// The item of a list in which a field has this value, both as text.
    Item(String, String),
    /// The item of a list at this place, from 0.
    Index(usize),
}

/// A path to a field of an object, as plans show it: `spec.template.spec.containers[name=app].image`. A dot in front may
/// stand or not; fields that are no plain words are quoted, `metadata.labels["app.kubernetes.io/name"]`; items are named
/// by a field or counted, `args[0]`. A text that begins with `/` is read as a JSON pointer.
///
/// ```
/// use flux_core::object::FieldPath;
/// use serde_json::json;
/// let path: FieldPath = ".spec.containers[name=app].image".parse()?;
/// let pod = json!({"spec": {"containers": [{"name": "app", "image": "app:1"}]}});
/// assert_eq!(path.find(&pod), Some(&json!("app:1")));
/// assert_eq!(path.to_string(), "spec.containers[name=app].image");
/// # Ok::<(), flux_core::object::InvalidFieldPath>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldPath(Vec<Step>);

/// A text that is not a path to a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path to a field: {problem}; it should read like .spec.containers[name=app].image")]
pub struct InvalidFieldPath {
    text: String,
    problem: &'static str,
}

impl FieldPath {
    /// The steps from the root of the object.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The value at the path, if there is one. A counted step of a pointer may count items or name a field.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| step.find(value))
    }

    /// The value at the path in an object, if there is one.
    pub fn find_in<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(first.find_in(object.as_map())?, |value, step| step.find(value))
    }

    /// Whether what is at this path holds what is at the other, or is the same.
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl Step {
    /// What the step leads to.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match value {
            Value::Object(map) => self.find_in(map),
            Value::Array(items) => items.get(self.place(items)?),
            _ => None,
        }
    }

    /// What the step leads to in a map.
    pub fn find_in<'a>(&self, map: &'a Map<String, Value>) -> Option<&'a Value> {
        match self {
            Self::Field(name) => map.get(name),
            Self::Item(..) | Self::Index(_) => None,
        }
    }

    /// Where the step leads in a list; a counted place may lie beyond its end.
    pub fn place(&self, items: &[Value]) -> Option<usize> {
        match self {
            // Pointers do not tell a place in a list from a field.
            Self::Field(name) => name.parse().ok(),
            Self::Index(index) => Some(*index),
            Self::Item(key, wanted) => items.iter().position(|item| match item.get(key) {
                Some(Value::String(text)) => text == wanted,
                Some(other) => format!("{other}") == *wanted,
                None => false,
            }),
        }
    }
}

impl FromStr for FieldPath {
    type Err = InvalidFieldPath;

    fn from_str(text: &str) -> Result<Self, InvalidFieldPath> {
        let steps = if text.starts_with('/') { Ok(pointer(text)) } else { dotted(text) };
        let steps = steps.and_then(|steps| if steps.is_empty() { Err("it names nothing") } else { Ok(steps) });
        steps.map(Self).map_err(|problem| InvalidFieldPath { text: text.chars().take(256).collect(), problem })
    }
}

fn pointer(text: &str) -> Vec<Step> {
    text[1..].split('/').map(|part| Step::Field(part.replace("~1", "/").replace("~0", "~"))).collect()
}

fn dotted(text: &str) -> Result<Vec<Step>, &'static str> {
    let mut rest = text.strip_prefix('.').unwrap_or(text);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, after) = bracket(inside)?;
            steps.push(step);
            rest = after;
        } else {
            let name =
                if steps.is_empty() { rest } else { rest.strip_prefix('.').ok_or("a dot or bracket is missing")? };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return Err("a name is missing");
            }
            steps.push(Step::Field(name[..end].to_owned()));
            rest = &name[end..];
        }
    }
    Ok(steps)
}

/// What stands after an opening bracket, and what follows the closing one.
fn bracket(inside: &str) -> Result<(Step, &str), &'static str> {
    const OPEN: &str = "a bracket is not closed";
    if inside.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let name = values.next().and_then(Result::ok).ok_or("a quoted name is not closed")?;
        let after = inside[values.byte_offset()..].strip_prefix(']').ok_or(OPEN)?;
        return Ok((Step::Field(name), after));
    }
    let (content, after) = inside.split_once(']').ok_or(OPEN)?;
    if let Some((key, value)) = content.split_once('=') {
        return Ok((Step::Item(key.to_owned(), value.trim_matches('"').to_owned()), after));
    }
    let index = content.parse().map_err(|_| "in brackets stands a number, a quoted name or field=value")?;
    Ok((Step::Index(index), after))
}

/// As plans show it.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) => {
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                    let dot = if i > 0 { "." } else { "" };
                    if !name.is_empty() && name.bytes().all(plain) {
                        write!(f, "{dot}{name}")?;
                    } else {
                        write!(f, "[{name:?}]")?;
                    }
                }
                Step::Item(key, value) => write!(f, "[{key}={value}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_are_read_as_they_are_shown() {
        for text in ["spec.replicas", "metadata.labels[\"a.b/c\"]", "spec.containers[name=app].args[0]", "a[x=1].b-c"] {
            assert_eq!(text.parse::<FieldPath>().unwrap().to_string(), text);
            assert_eq!(format!(".{text}").parse::<FieldPath>().unwrap().to_string(), text);
        }
        assert_eq!("/metadata/labels/a~1b".parse::<FieldPath>().unwrap().to_string(), "metadata.labels[\"a/b\"]");
    }

    #[test]
    fn values_are_found() {
        let object = json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81}], "x.y": 1}});
        let find = |text: &str| text.parse::<FieldPath>().unwrap().find(&object).cloned();
        assert_eq!(find("spec.ports[port=81]"), Some(json!({"port": 81})));
        assert_eq!(find("spec.ports[0].name"), Some(json!("a")));
        assert_eq!(find("/spec/ports/1/port"), Some(json!(81)));
        assert_eq!(find("spec[\"x.y\"]"), Some(json!(1)));
        assert_eq!(find("spec.ports[port=82]"), None);
        let object = Object::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})).unwrap();
        let find_in = |text: &str| text.parse::<FieldPath>().unwrap().find_in(&object).cloned();
        assert_eq!((find_in("metadata.name"), find_in("[0]")), (Some(json!("a")), None));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "a..b", "a[", "a[x", "a[x]", "a[\"x]", "a[0]b"] {
            assert!(text.parse::<FieldPath>().is_err(), "{text}");
        }
    }
}
