//! Slash-separated paths.

use super::args::{Args, Outcome};
use crate::helm::template::{Function, Type, Value};

const STR: &[Type] = &[Type::Str];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("base", STR, |_, args| on_path(args, base)),
    Function::new("osBase", STR, |_, args| on_path(args, base)),
    Function::new("dir", STR, |_, args| on_path(args, dir)),
    Function::new("osDir", STR, |_, args| on_path(args, dir)),
    Function::new("clean", STR, |_, args| on_path(args, clean)),
    Function::new("osClean", STR, |_, args| on_path(args, clean)),
    Function::new("ext", STR, |_, args| on_path(args, ext)),
    Function::new("osExt", STR, |_, args| on_path(args, ext)),
    Function::new("isAbs", STR, |_, args| Ok(Value::Bool(Args(args).bytes(0).starts_with(b"/")))),
    Function::new("osIsAbs", STR, |_, args| Ok(Value::Bool(Args(args).bytes(0).starts_with(b"/")))),
];

fn on_path(args: &[Value], change: fn(&str) -> String) -> Outcome {
    Ok(Value::text(change(&Args(args).text(0))))
}

/// Go's `path.Base`.
fn base(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/".to_owned();
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned()
}

/// Go's `path.Dir`.
fn dir(path: &str) -> String {
    clean(path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or(""))
}

/// Go's `path.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Go's `path.Ext`.
fn ext(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or("").to_owned()
}
