//! What a schema refers to.

use serde_json::Value as Json;

use super::URL;
use super::explain::resolve;

/// Keywords whose values are data rather than schemas.
const DATA: &[&str] = &["enum", "const", "default", "examples"];

/// The `urn:`s a schema refers to.
///
/// # Errors
/// If it refers to what is not in it.
pub(super) fn check(schema: &Json) -> Result<Vec<String>, String> {
    let mut urns = Vec::new();
    let has_base = schema.get("$id").or_else(|| schema.get("id")).is_some_and(Json::is_string);
    visit(schema, schema, has_base, &mut urns, false)?;
    Ok(urns)
}

fn visit(root: &Json, at: &Json, has_base: bool, urns: &mut Vec<String>, is_names: bool) -> Result<(), String> {
    match at {
        Json::Array(items) => items.iter().try_for_each(|item| visit(root, item, has_base, urns, false)),
        Json::Object(fields) => {
            if let Some(reference) = fields.get("$ref").filter(|_| !is_names).and_then(Json::as_str) {
                one(root, reference, has_base, urns)?;
            }
            for (key, inner) in fields {
                if is_names || !DATA.contains(&key.as_str()) {
                    let names = !is_names
                        && matches!(key.as_str(), "properties" | "patternProperties" | "$defs" | "definitions");
                    visit(root, inner, has_base, urns, names)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn one(root: &Json, reference: &str, has_base: bool, urns: &mut Vec<String>) -> Result<(), String> {
    if reference.starts_with("urn:") {
        if !urns.iter().any(|urn| urn == reference) {
            urns.push(reference.to_owned());
        }
        return Ok(());
    }
    if let Some(fragment) = reference.strip_prefix('#') {
        if has_base || resolve(root, fragment).is_some() {
            return Ok(());
        }
        let kind = if fragment.starts_with('/') { "json-pointer" } else { "anchor" };
        return Err(format!("{kind} in \"{URL}#{fragment}\" not found"));
    }
    let (url, _) = reference.split_once('#').unwrap_or((reference, ""));
    if url.starts_with("http://json-schema.org/") || url.starts_with("https://json-schema.org/") || has_base {
        return Ok(());
    }
    if url.contains("://") {
        return Err(not_loaded(url));
    }
    Err(not_loaded(&format!("file:///{}", url.trim_start_matches("./").trim_start_matches('/'))))
}

/// What is said of a schema elsewhere. Files are said not to be there, whatever is: nothing outside a chart is read.
pub(super) fn not_loaded(url: &str) -> String {
    match url.strip_prefix("file://") {
        Some(path) => {
            let path = format!("/{}", path.trim_start_matches('.').trim_start_matches('/'));
            format!("failing loading \"{url}\": open {path}: no such file or directory")
        }
        None => format!("failing loading \"{url}\": references outside the schema are not followed"),
    }
}
