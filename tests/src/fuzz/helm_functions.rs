//! What the Helm engine reads inside one function call: `--set` expressions, patterns, formats, dates.

use flux_appliers::helm::{
    Chart, ChartFile, ChartLimits, Limits, ReleaseInfo, RenderOptions, SetMode, Table, render, set, set_target_path,
};

/// Splits an input at the first line break.
fn two(data: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(data);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), rest.to_owned())
}

/// An expression in every mode of `--set`, and as the path and value of `valuesFrom`. What is set once can be set
/// again, to the same values.
pub(super) fn set_values(data: &[u8]) {
    let (first, rest) = two(data);
    let read = |name: &str| Ok(name.to_owned());
    for mode in [SetMode::Typed, SetMode::Text, SetMode::Json, SetMode::Literal, SetMode::File(&read)] {
        let mut values = Table::new();
        if set(&mut values, &first, mode).is_ok() {
            let before = values.clone();
            if set(&mut values, &first, mode).is_ok() && !first.contains('[') {
                assert_eq!(values, before, "{first:?}");
            }
        }
    }
    for literal in [false, true] {
        let _ = set_target_path(&mut Table::new(), &first, &rest, literal);
    }
}

/// Renders a template under limits that a hostile one soon reaches.
fn notes(template: &str) -> Result<String, String> {
    let file = |name: &str, data: &str| ChartFile { name: name.to_owned(), data: data.as_bytes().to_vec().into() };
    let files =
        vec![file("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"), file("templates/NOTES.txt", template)];
    let chart = Chart::from_folder(files, &ChartLimits::default()).map_err(|error| error.to_string())?;
    let limits = Limits { steps: 100_000, bytes: 32 << 20, ..Limits::default() };
    let options = RenderOptions { limits, ..RenderOptions::default() };
    let release = render(&chart, &Table::new(), &ReleaseInfo::install("c", "default"), &options);
    release.map(|release| release.notes).map_err(|error| error.to_string())
}

/// A text as a literal of the template language, every character escaped.
fn literal(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08x}", c as u32)).collect();
    format!("\"{escaped}\"")
}

/// A pattern and a text. What matches is found, and quoting a text makes a pattern of it that matches it.
pub(super) fn regex(data: &[u8]) {
    let (pattern, text) = two(data);
    let (pattern, subject) = (literal(&pattern), literal(&text));
    let call = |function: &str, more: &str| notes(&format!("{{{{ {function} {pattern} {subject} {more} }}}}"));
    let matches = call("mustRegexMatch", "");
    for (function, more) in
        [("mustRegexFindAll", "-1 | len"), ("mustRegexReplaceAll", "\"$1${n}$$\""), ("mustRegexSplit", "-1 | len")]
    {
        let other = call(function, more);
        let limited = [&matches, &other].iter().any(|r| r.as_ref().is_err_and(|error| error.contains("limit")));
        assert!(limited || matches.is_ok() == other.is_ok(), "{function}: {matches:?} {other:?}");
    }
    if subject.len() < 4000 {
        let quoted = notes(&format!("{{{{ mustRegexMatch (regexQuoteMeta {subject}) {subject} }}}}"));
        assert_eq!(quoted, Ok("true".to_owned()), "{text:?}");
    }
}

/// A format, for arguments of every kind.
pub(super) fn printf(data: &[u8]) {
    let format = literal(&String::from_utf8_lossy(data));
    let arguments =
        "1 -2.5 \"żó\" nil true (list 1 \"a\" nil) (dict \"k\" (list)) (semver \"1.2.3\") (mustToDuration \"1s\") now";
    for arguments in [arguments, "", "3 2 1"] {
        if let Err(error) = notes(&format!("{{{{ printf {format} {arguments} }}}}")) {
            assert!(error.contains("limit"), "{error}");
        }
    }
}

/// A layout and a text. A time that was read in UTC is written and read again as the same.
pub(super) fn dates(data: &[u8]) {
    let (layout, text) = two(data);
    let (layout, text) = (literal(&layout), literal(&text));
    let _ = notes(&format!("{{{{ mustToDuration {text} }}}}"));
    let _ = notes(&format!("{{{{ dateInZone {layout} 0 {text} }}}}"));
    if let Ok(time) = notes(&format!("{{{{ (mustToDate {layout} {text}).UnixNano }}}}")) {
        let full = "2006-01-02T15:04:05.999999999Z07:00:00";
        let again = notes(&format!(
            "{{{{ $t := mustToDate {layout} {text} }}}}{{{{ (mustToDate {full:?} ($t.UTC.Format {full:?})).UnixNano }}}}"
        ));
        assert!(again.is_err() || again == Ok(time), "{again:?}");
    }
}
