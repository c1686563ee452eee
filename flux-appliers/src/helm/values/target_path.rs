//! Flux's `valuesFrom` with a `targetPath`: one value of a ConfigMap or Secret at one place of the values.

use super::Table;
use super::strvals::{SetError, SetMode, set};

/// Puts `value` at `path`, which has the grammar of `--set` (`HelmRelease.spec.valuesFrom[].targetPath`).
///
/// As Flux does, the value is read as `--set` reads it, so that `true` and `3` have their types, a comma starts another
/// key and `{a,b}` is a list; in single or double quotes all of these are text, though commas and braces still count.
/// With `literal` (`spec.valuesFrom[].literal`) the value is the text as it stands.
///
/// ```
/// use flux_appliers::helm::{Table, set_target_path};
///
/// let mut values = Table::new();
/// set_target_path(&mut values, "image.tag", "'1'", false)?;
/// set_target_path(&mut values, "args[0]", "a,b={c}", true)?;
/// assert_eq!(serde_json::to_string(&values).unwrap(), r#"{"image":{"tag":"1"},"args":["a,b={c}"]}"#);
/// # Ok::<(), flux_appliers::helm::SetError>(())
/// ```
///
/// # Errors
/// If path and value do not follow the grammar or do not fit what is there. What was set before the fault stays set.
pub fn set_target_path(values: &mut Table, path: &str, value: &str, literal: bool) -> Result<(), SetError> {
    if literal {
        return set(values, &format!("{path}={}", escape(value)), SetMode::Text);
    }
    let is_quoted = |quote: char| value.starts_with(quote) && value.ends_with(quote);
    if is_quoted('\'') || is_quoted('"') {
        let quote = if is_quoted('\'') { '\'' } else { '"' };
        return set(values, &format!("{path}={}", value.trim_matches(quote)), SetMode::Text);
    }
    set(values, &format!("{path}={value}"), SetMode::Typed)
}

/// Takes their meaning from the characters that have one in a value.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '[' | ']' | '{' | '}') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
