//! Why a text is not of a format.

/// What is wrong with `text`, for the formats that charts use.
pub(super) fn why(format: &str, text: &str) -> &'static str {
    match format {
        "email" if !text.contains('@') => "missing @",
        "email" if text.starts_with('.') => "starts with dot",
        "ipv4" if text.split('.').count() != 4 => "expected four decimals",
        "ipv4" => "decimal must be between 0 and 255",
        "ipv6" if !text.contains(':') => "missing colon",
        "hostname" if text.trim_end_matches('.').len() > 253 => "more than 253 characters long",
        "hostname" => label(text.strip_suffix('.').unwrap_or(text)),
        "uri" | "iri" => "relative url",
        "uuid" if text.split('-').count() != 5 => "must have 5 elements",
        "duration" if !text.starts_with('P') => "must start with P",
        "json-pointer" if !text.starts_with('/') => "not starting with /",
        _ => "not valid",
    }
}

fn label(text: &str) -> &'static str {
    for label in text.split('.') {
        if label.is_empty() || label.len() > 63 {
            return "label must be 1 to 63 characters long";
        }
        if label.starts_with('-') {
            return "label starts with hyphen";
        }
        if label.ends_with('-') {
            return "label ends with hyphen";
        }
    }
    "invalid character"
}
