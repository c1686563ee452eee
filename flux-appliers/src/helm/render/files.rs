//! `.Files`: the files of a chart that are not templates.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flux_core::yaml::{Layout, write};
use serde_json::Value as Json;

use crate::helm::chart::ChartFile;
use crate::helm::funcs::{Args, Outcome};
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Elements, Entries, Function, List, Native, Str, Type, Value};

/// `engine.files`: contents by path.
struct Files(BTreeMap<String, Bytes>);

pub(super) fn value(files: &[ChartFile]) -> Value {
    let files = files.iter().map(|file| (file.name.clone(), file.data.clone())).collect();
    Value::Native(Rc::new(Files(files)))
}

static METHODS: &[Function] = &[
    Function::new("Get", &[Type::Str], |_, args| Ok(Value::text(content(args)))),
    Function::new("GetBytes", &[Type::Str], |_, args| Ok(Value::Bytes(Str::from(content(args))))),
    Function::new("Glob", &[Type::Str], glob),
    Function::new("AsConfig", &[], |_, args| {
        Ok(flat(args, |data| Json::String(String::from_utf8_lossy(data).into_owned())))
    }),
    Function::new("AsSecrets", &[], |_, args| Ok(flat(args, |data| Json::String(STANDARD.encode(data))))),
    Function::new("Lines", &[Type::Str], |_, args| {
        let content = content(args);
        if content.is_empty() {
            return Ok(Value::List(List::new(Elements::Str, Vec::new())));
        }
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        Ok(Value::strings(content.split(|b| *b == b'\n').map(Str::from)))
    }),
];

fn files(args: &[Value]) -> Option<&Files> {
    args.first().and_then(|value| value.downcast())
}

fn content(args: &[Value]) -> &[u8] {
    let name = Args(args).text(1);
    files(args).and_then(|files| files.0.get(name.as_ref())).map_or(&[], |data| data.as_ref())
}

fn glob(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let pattern = Args(args).text(1);
    // Helm falls back to everything if the pattern is not one.
    let regex = glob_regex(&pattern).and_then(|text| regex::RegexBuilder::new(&text).size_limit(1 << 20).build().ok());
    let mut found = BTreeMap::new();
    for (name, data) in files(args).map(|files| &files.0).into_iter().flatten() {
        rt.budget.step()?;
        if regex.as_ref().is_none_or(|regex| regex.is_match(name)) {
            found.insert(name.clone(), data.clone());
        }
    }
    Ok(Value::Native(Rc::new(Files(found))))
}

/// A glob in which `*` stays within a folder and `**` does not, as a regular expression.
fn glob_regex(pattern: &str) -> Option<String> {
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars().peekable();
    let mut depth = 0;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                while chars.next_if_eq(&'*').is_some() {}
                out.push_str(".*");
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
                loop {
                    match chars.next()? {
                        ']' => break,
                        '-' => out.push('-'),
                        '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
                        c => out.push_str(&regex::escape(&c.to_string())),
                    }
                }
                out.push(']');
            }
            '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    (depth == 0).then_some(out)
}

/// The files as a map from base name to content, in YAML.
fn flat(args: &[Value], encode: impl Fn(&[u8]) -> Json) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, data) in files(args).map(|files| &files.0).into_iter().flatten() {
        let base = name.rsplit('/').next().unwrap_or(name);
        fields.insert(base.to_owned(), encode(data));
    }
    let mut text = write(&Json::Object(fields), Layout::Sigs);
    if text.ends_with('\n') {
        text.pop();
    }
    Value::text(text)
}

impl Native for Files {
    fn type_name(&self) -> &'static str {
        "engine.files"
    }

    fn kind(&self) -> &'static str {
        "map"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn underlying(&self) -> Option<Value> {
        let entries: Entries = self
            .0
            .iter()
            .map(|(name, data)| (Str::from(name.as_str()), Value::Bytes(Str::from(data.as_ref()))))
            .collect();
        Some(Value::map(entries))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
