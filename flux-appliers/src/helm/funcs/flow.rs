//! What ends, asks or includes: `fail`, `required`, `include`, `tpl`, `lookup` and the choices between values.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::args::{Args, Outcome};
use super::cast::is_empty;
use super::{HelmFunctions, cast};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::gofmt::quote;
use crate::helm::template::parse::parse;
use crate::helm::template::{Entries, Function, Str, Type, Value};

/// Marks the part of an error that the chart's author wrote.
pub(crate) const WARNING_START: &str = "HELM_ERR_START";
/// Ends what [`WARNING_START`] began.
pub(crate) const WARNING_END: &str = "HELM_ERR_END";

/// How often one name may be included within itself.
const MAX_INCLUDES: usize = 1000;

const ANY: &[Type] = &[Type::Any];
const STR_ANY: &[Type] = &[Type::Str, Type::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("hello", &[], |_, _| Ok(Value::text("Hello!"))),
    Function::new("fail", &[Type::Str], |_, args| Err(warning(&Args(args).text(0)))),
    Function::new("required", STR_ANY, required),
    Function::new("include", STR_ANY, include),
    Function::new("tpl", STR_ANY, tpl),
    Function::new("lookup", &[Type::Str; 4], lookup),
    Function::new("getHostByName", &[Type::Str], |rt, args| {
        let address = rt.host.resolver.as_ref().and_then(|resolver| resolver.address(&Args(args).text(0)));
        Ok(Value::text(address.unwrap_or_default()))
    }),
    Function::variadic("default", ANY, Type::Any, |_, args| {
        Ok(args.get(1).filter(|given| !is_empty(given)).or(args.first()).cloned().unwrap_or_default())
    }),
    Function::new("empty", ANY, |_, args| Ok(Value::Bool(args.first().is_none_or(is_empty)))),
    Function::variadic("coalesce", &[], Type::Any, |_, args| {
        Ok(args.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())
    }),
    Function::variadic("all", &[], Type::Any, |_, args| Ok(Value::Bool(!args.iter().any(is_empty)))),
    Function::variadic("any", &[], Type::Any, |_, args| Ok(Value::Bool(!args.iter().all(is_empty)))),
    Function::new("ternary", &[Type::Any, Type::Any, Type::Bool], |_, args| {
        let chosen = if args.get(2).is_some_and(Value::is_true) { 0 } else { 1 };
        Ok(Args(args).any(chosen))
    }),
    Function::new("toString", ANY, |_, args| Ok(Value::text(cast::to_text(&Args(args).any(0))))).unfolding(),
];

fn warning(message: &str) -> CallError {
    format!("{WARNING_START}{message}{WARNING_END}").into()
}

fn required(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    match args.any(1) {
        Value::Nil | Value::Invalid => Err(warning(&args.text(0))),
        Value::Str(text) if text.is_empty() => Err(warning(&args.text(0))),
        value => Ok(value),
    }
}

fn include(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let [Value::Str(name), data] = args else {
        return Err(CallError::nil_pointer());
    };
    let count = rt.included.entry(name.clone()).or_insert(0);
    if *count > MAX_INCLUDES {
        let name = name.to_str();
        return Err(
            format!("rendering template has a nested reference name: {name}: unable to execute template").into()
        );
    }
    *count += 1;
    let mut out = Vec::new();
    let outcome = rt.execute(name, data, &mut out);
    if let Some(count) = rt.included.get_mut(name) {
        *count -= 1;
    }
    outcome?;
    Ok(Value::text(out))
}

/// Renders a text as a template that sees, and may add to, the templates around it.
fn tpl(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let [Value::Str(text), data] = args else {
        return Err(CallError::nil_pointer());
    };
    if !text.as_bytes().windows(2).any(|pair| pair == b"{{") {
        return Ok(Value::Str(text.clone()));
    }
    let templates = match rt.parsed.get(text) {
        Some(templates) => Rc::clone(templates),
        None => {
            rt.budget.charge(text.len())?;
            let templates =
                parse("gotpl", &Bytes::copy_from_slice(text.as_bytes()), &HelmFunctions).map_err(|error| {
                    let prefix = format!("cannot parse template {}: ", quote(text.as_bytes()));
                    CallError::Context(prefix, Box::new(CallError::Message(error.to_string())))
                })?;
            let templates: Rc<Vec<_>> = Rc::new(templates.into_iter().map(Arc::new).collect());
            rt.parsed.insert(text.clone(), Rc::clone(&templates));
            templates
        }
    };
    // The text itself is the last of what parsing gives.
    let Some(main) = templates.last() else {
        return Ok(Value::text(""));
    };
    let mut out = Vec::new();
    let inner = rt.scope.with(&templates);
    let outer = std::mem::replace(&mut rt.scope, inner);
    let outcome = rt.run(main, data, &mut out);
    rt.scope = outer;
    outcome.map_err(|error| {
        let prefix = format!("error during tpl function execution for {}: ", quote(text.as_bytes()));
        CallError::Context(prefix, Box::new(CallError::Exec(error)))
    })?;
    Ok(Value::text(without_no_value(out)))
}

/// Go prints `<no value>` for a missing key; Helm wants nothing there.
pub(crate) fn without_no_value(text: Vec<u8>) -> Vec<u8> {
    const MARK: &[u8] = b"<no value>";
    let mut found = memchr::memmem::find(&text, MARK);
    if found.is_none() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let Some(at) = found {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + MARK.len()..).unwrap_or_default();
        found = memchr::memmem::find(rest, MARK);
    }
    out.extend_from_slice(rest);
    out
}

fn lookup(rt: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let args = Args(args);
    let Some(lookup) = &rt.host.lookup else {
        return Ok(Value::map(Entries::new()));
    };
    let found =
        lookup.lookup(&args.text(0), &args.text(1), &args.text(2), &args.text(3)).map_err(CallError::Message)?;
    Ok(found.map_or_else(|| Value::map(Entries::new()), |object| kubernetes_value(&object)))
}

/// An object as client-go decodes it: whole numbers are int64.
fn kubernetes_value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Number(number) => number.as_i64().map_or_else(|| Value::from(json), Value::Int64),
        Json::Array(items) => Value::list(items.iter().map(kubernetes_value).collect()),
        Json::Object(fields) => {
            Value::map(fields.iter().map(|(k, v)| (Str::from(k.as_str()), kubernetes_value(v))).collect())
        }
        other => Value::from(other),
    }
}
