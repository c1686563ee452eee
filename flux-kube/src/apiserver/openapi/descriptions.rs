//! What types and fields mean, in the words of the Kubernetes sources. The text is large, so only programs that serve
//! HTTP carry it; without it, documents have no descriptions.

use std::collections::HashMap;
use std::sync::LazyLock;

#[cfg(feature = "serve")]
const TEXT: &str = include_str!("../schema/descriptions.txt");
#[cfg(not(feature = "serve"))]
const TEXT: &str = "";

/// The lines of each type.
static LINES: LazyLock<HashMap<&'static str, (&'static str, Vec<&'static str>)>> = LazyLock::new(|| {
    let mut out: HashMap<&str, (&str, Vec<&str>)> = HashMap::new();
    let mut current = "";
    for line in TEXT.lines() {
        if let Some(field) = line.strip_prefix(' ') {
            if let Some((_, fields)) = out.get_mut(current) {
                fields.push(field);
            }
        } else {
            let (name, text) = line.split_once(' ').unwrap_or((line, ""));
            current = name;
            out.insert(name, (text, Vec::new()));
        }
    }
    out
});

/// What is said of a field.
#[derive(Default)]
pub(super) struct Field {
    pub(super) text: String,
    /// The values of its enumeration.
    pub(super) values: Vec<&'static str>,
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// What is said of a type.
pub(super) fn of(name: &str) -> String {
    LINES.get(name).map_or_else(String::new, |(text, _)| unescaped(text))
}

/// What is said of a field of a type.
pub(super) fn field(name: &str, field: &str) -> Field {
    let Some((_, fields)) = LINES.get(name) else { return Field::default() };
    for line in fields {
        let (of, rest) = line.split_once(' ').unwrap_or((line, ""));
        if of != field {
            continue;
        }
        let (values, text) = match rest.strip_prefix('|').and_then(|r| r.split_once('|')) {
            Some((values, text)) => (values.split(',').collect(), text),
            None => (Vec::new(), rest),
        };
        return Field { text: unescaped(text), values };
    }
    Field::default()
}
