//! The YAML reader on texts that are meant to break it: an error or a value, in time that follows the length of the text.

use std::time::{Duration, Instant};

use flux_core::yaml::{self, Dialect, Layout, Limits, ReadOptions, YamlCause, YamlError};
use serde_json::{Value, json};

const DIALECTS: [Dialect; 3] = [Dialect::Lax, Dialect::Strict, Dialect::V3];

fn lax(text: impl AsRef<[u8]>) -> Result<Value, YamlError> {
    yaml::read(text.as_ref(), &ReadOptions::default())
}

fn cause(text: impl AsRef<[u8]>) -> YamlCause {
    lax(text).unwrap_err().cause
}

/// Reads in every dialect and as nodes, on a small stack and in time.
fn survives(what: &str, text: impl Into<Vec<u8>>) {
    let (text, start) = (text.into(), Instant::now());
    let read = move || {
        for dialect in DIALECTS {
            drop(yaml::read_documents(&text, &ReadOptions::new(dialect)));
        }
        drop(yaml::read_nodes(&text, Limits::default()));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(read).unwrap().join().unwrap();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{what} took {took:?}");
}

#[test]
fn h16_aliases_cannot_expand_without_bound() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    assert_eq!(cause(&laughs), YamlCause::ExcessiveAliasing);
    let merges = (1..40).fold(String::from("m0: &m0 {k: v}\n"), |text, level| {
        let before = level - 1;
        format!("{text}m{level}: &m{level} {{<<: [*m{before}, *m{before}], k{level}: v}}\n")
    });
    survives("merges of merges", merges);
    // Few nodes, but each of them large.
    let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(900));
    assert!(matches!(cause(large), YamlCause::Limit { what: "bytes of aliased text", .. }));
    assert_eq!(cause("a: &a\n  b: *a\n"), YamlCause::RecursiveAnchor("a".into()));
    assert_eq!(cause("a: *b\n"), YamlCause::UnknownAnchor("b".into()));
}

#[test]
fn h16_nesting_has_an_end() {
    let indented = |depth: usize| (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
    for deep in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "[{".repeat(100_000),
        indented(2_000),
        format!("a: {}{}", "[".repeat(501), "]".repeat(501)),
    ] {
        let limit = YamlCause::Limit { what: "levels of nesting", limit: 500 };
        assert_eq!(cause(&deep), limit, "{}", &deep[..20]);
        survives("nesting", deep);
    }
    let allowed = format!("{}{}", "[".repeat(499), "]".repeat(499));
    assert!(lax(allowed).is_ok());
}

#[test]
fn h16_scalars_may_be_as_large_as_the_text() {
    let size = 40 << 20;
    for (open, close) in [("", ""), ("'", "'"), ("\"", "\""), ("|\n  ", "\n")] {
        let text = format!("a: {open}{}{close}", "x".repeat(size));
        let value = lax(text).unwrap();
        assert!(value["a"].as_str().unwrap().len() >= size);
    }
    let over = vec![b'x'; (64 << 20) + 1];
    assert_eq!(cause(over), YamlCause::Limit { what: "bytes", limit: 64 << 20 });
}

#[test]
fn h16_floods_take_time_in_proportion() {
    for (what, unit) in [
        ("documents", "---\n"),
        ("ends of documents", "---\n...\n"),
        ("empty lines", "\n"),
        ("comments", "# c\n"),
        ("items", "- "),
        ("items on lines", "- a\n"),
        ("words", "a "),
        ("words on lines", "a\n"),
        ("quotes", "''"),
        ("items in brackets", "a, "),
        ("colons", ": "),
        ("keys", "? a\n"),
        ("pairs", "[a: "),
        ("anchors", "&a "),
        ("tags", "!a "),
        ("escapes", "\\n"),
        ("separators", "\u{2028}"),
        ("directives", "%TAG !a! b\n"),
        ("block scalars", "|\n"),
        ("tabs", "\t"),
    ] {
        for prefix in ["", "[", "{", "a: ", "\"", "- |\n "] {
            survives(what, format!("{prefix}{}", unit.repeat((96 << 10) / unit.len())));
        }
    }
    let flood = "---\n".repeat(100_001);
    assert!(matches!(
        yaml::read_documents(flood.as_bytes(), &ReadOptions::default()),
        Err(YamlError { cause: YamlCause::Limit { what: "documents", .. }, .. })
    ));
}

#[test]
fn h16_keys_that_are_set_twice() {
    let text = "a: 1\nb:\n  c: 1\n  c: 2\n";
    assert_eq!(lax(text), Ok(json!({"a": 1, "b": {"c": 2}})));
    for dialect in [Dialect::Strict, Dialect::V3] {
        let error = yaml::read(text.as_bytes(), &ReadOptions::new(dialect)).unwrap_err();
        assert_eq!((error.line, error.cause), (4, YamlCause::DuplicateKey { key: "c".into(), first: 3 }));
    }
}

#[test]
fn h16_keys_that_are_no_strings() {
    assert_eq!(lax("1: a\n1.5: b\ntrue: c\n0x10: d\n"), Ok(json!({"1": "a", "1.5": "b", "true": "c", "16": "d"})));
    for text in ["? [a]\n: b\n", "? {a: b}\n: c\n", "~: a\n", "{{a}}: b", "a: {{ .Values.x }}\n"] {
        assert!(matches!(cause(text), YamlCause::InvalidKey(_)), "{text}");
    }
    for text in ["true: a\n", "1.5: a\n"] {
        let error = yaml::read(text.as_bytes(), &ReadOptions::new(Dialect::V3)).unwrap_err();
        assert!(matches!(error.cause, YamlCause::InvalidKey(_)), "{text}");
    }
}

#[test]
fn h16_numbers_at_their_limits() {
    for text in [".nan", ".inf", "-.inf", "+.INF"] {
        assert!(matches!(cause(text), YamlCause::NotFinite(_)), "{text}");
    }
    for (text, value) in [
        ("9223372036854775807", json!(i64::MAX)),
        ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!(18_446_744_073_709_552_000.0)),
        ("1e999", json!("1e999")),
    ] {
        assert_eq!(lax(text), Ok(value), "{text}");
    }
}

#[test]
fn h16_tabs() {
    assert_eq!(lax("a:\t1\nb: [\t2\t]\nc: x\ty\n"), Ok(json!({"a": 1, "b": [2], "c": "x\ty"})));
    for text in ["\ta: 1", "a:\n\tb: 1\n", "a: b\n\tc: d\n", "a: |\n\tb\n", "-\t- a\n"] {
        assert!(matches!(cause(text), YamlCause::Syntax(_)), "{text:?}");
    }
}

#[test]
fn h16_encodings() {
    let wide = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect()
    };
    let value = Ok(json!({"é": "\u{1f600}"}));
    assert_eq!(lax("\u{feff}é: \u{1f600}\n"), value);
    assert_eq!(lax(wide("é: \u{1f600}\n", u16::to_le_bytes)), value);
    assert_eq!(lax(wide("é: \u{1f600}\n", u16::to_be_bytes)), value);
    for bytes in
        [b"a: \xff".as_slice(), b"a: \xc3", b"a: \xed\xa0\x80", b"a: \xf4\x90\x80\x80", b"a: \xc0\xaf", b"\xff\xfea"]
    {
        assert!(matches!(cause(bytes), YamlCause::Syntax(_)), "{bytes:?}");
    }
    for text in ["a: \0", "a: \u{7}", "a: \u{1b}[31m", "a: \u{7f}", "a: \u{9f}", "a: \u{ffff}"] {
        assert!(matches!(cause(text), YamlCause::Syntax(_)), "{text:?}");
    }
}

#[test]
fn h17_strings_that_look_like_something_else_stay_strings() {
    for text in [
        "0644",
        "yes",
        "y",
        "on",
        "1e3",
        "012",
        "0o17",
        "0x1f",
        "1_000",
        "~",
        "null",
        "",
        " ",
        "true",
        "2001-12-14",
        "1:30",
        "=",
        "<<",
        ".inf",
        "-",
        "- a",
        "a: b",
        "#",
        "a #b",
        "@",
        "%",
        "!x",
        "&a",
        "*a",
        "|",
        "[",
        "{",
        "'",
        "\"",
        "\\",
        "é",
        "\u{1f600}",
        "a\nb",
        "a\n",
        "\na",
        " a",
        "a ",
        "a\n\n",
        "---",
        "...",
        "?",
        ":",
        "+1",
        "1.",
        "9223372036854775808",
        "\r",
        "\u{7}",
        "\u{85}",
        "\u{feff}",
    ] {
        let value = json!({"k": text, "l": [text], "m": {"n": text}});
        for layout in [Layout::Sigs, Layout::Wide, Layout::Compact] {
            for dialect in DIALECTS {
                let written = yaml::write(&value, layout);
                let read = yaml::read(written.as_bytes(), &ReadOptions::new(dialect));
                assert_eq!(read.as_ref(), Ok(&value), "{dialect:?} {layout:?} {written:?}");
            }
        }
    }
}

#[test]
fn h17_numbers_and_booleans_keep_their_type() {
    for value in [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(-0.25),
        json!(1e21),
        json!(1e-7),
        json!(123_456_789.125),
        json!(true),
        json!(false),
        json!(null),
        json!([]),
        json!({}),
    ] {
        for layout in [Layout::Sigs, Layout::Wide, Layout::Compact] {
            for dialect in DIALECTS {
                let written = yaml::write(&json!({"k": value}), layout);
                let read = yaml::read(written.as_bytes(), &ReadOptions::new(dialect)).unwrap();
                assert_eq!(read["k"], value, "{dialect:?} {layout:?} {written:?}");
            }
        }
    }
}

#[test]
fn h18_what_aliases_add_stays_in_proportion() {
    // 300 times as many nodes as are written is refused once the document is not small.
    let text = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(10_000), "*a, ".repeat(300));
    assert_eq!(cause(text), YamlCause::ExcessiveAliasing);
    // What people write passes.
    let labels = "a: &a {app: web, tier: front}\n".to_owned() + "b: [" + &"{<<: *a}, ".repeat(30) + "]\n";
    assert!(lax(labels).is_ok());
}

#[test]
fn h19_lists_may_be_long() {
    let text = "apiVersion: v1\nkind: List\nitems:\n".to_owned()
        + &"- {kind: ConfigMap, metadata: {name: a}}\n".repeat(50_000);
    let value = lax(text).unwrap();
    assert_eq!(value["items"].as_array().map(Vec::len), Some(50_000));
    let line = format!("[{}]", "a, ".repeat(300_000));
    assert_eq!(lax(line).unwrap().as_array().map(Vec::len), Some(300_000));
}
