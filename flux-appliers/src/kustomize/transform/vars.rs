//! Variables: `$(NAME)` in fields, from fields of other objects.

use std::collections::BTreeMap;

use flux_core::yaml::{Content, Node, Scalar, Style, Tag};

use crate::kustomize::error::{BuildError, Cause};
use crate::kustomize::fieldspec::{FieldSpec, Missing, each_field};
use crate::kustomize::id::{Gvk, Id, split_api_version};
use crate::kustomize::kustomization::Var;
use crate::kustomize::node::{self, text};
use crate::kustomize::resmap::ResMap;
use crate::kustomize::schema::Schema;
use crate::kustomize::{path, share};

/// The variables of a build, by name.
pub(in crate::kustomize) type Vars = BTreeMap<String, Var>;

/// Adds variables and marks the objects that they take their values from.
pub(in crate::kustomize) fn collect(
    vars: &mut Vars,
    list: &mut ResMap,
    incoming: &[Var],
    schema: &Schema,
) -> Result<(), Cause> {
    for var in incoming {
        let target = target(var, schema);
        let exact = !target.namespace.is_empty() || target.cluster_scoped;
        let matches =
            |id: &Id| id.name == target.name && id.gvk == target.gvk && (!exact || id.same_namespace(&target));
        let found = list.with_any_id(schema, matches);
        if found.len() > 1 {
            let message = format!("found {} resId matches for var {} (unable to disambiguate)", found.len(), var.name);
            return Err(Cause::transform(message));
        }
        if let Some(resource) = found.first().and_then(|at| list.list_mut().get_mut(*at)) {
            resource.vars.push(var.name.clone());
        }
    }
    incoming.iter().try_for_each(|var| add(vars, var.clone()))
}

/// Adds the variables of a base.
pub(in crate::kustomize) fn merge(vars: &mut Vars, others: Vars) -> Result<(), Cause> {
    others.into_values().try_for_each(|var| add(vars, var))
}

fn add(vars: &mut Vars, mut var: Var) -> Result<(), Cause> {
    if vars.contains_key(&var.name) {
        return Err(Cause::transform(format!("var '{}' already encountered", var.name)));
    }
    if var.fieldref.field_path.is_empty() {
        var.fieldref.field_path = "metadata.name".into();
    }
    vars.insert(var.name.clone(), var);
    Ok(())
}

fn target(var: &Var, schema: &Schema) -> Id {
    let object = &var.objref;
    let mut gvk = Gvk {
        group: object.group.as_str().into(),
        version: object.version.as_str().into(),
        kind: object.kind.as_str().into(),
    };
    if !object.api_version.is_empty() {
        let (group, version) = split_api_version(&object.api_version);
        if object.api_version.contains('/') {
            gvk.group = group.into();
        }
        gvk.version = version.into();
    }
    // An identity of a variable is not looked up in the schema.
    let mut id = Id::new(gvk, &object.name, &object.namespace, schema);
    id.cluster_scoped = false;
    id
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A map or a list, which is never put anywhere.
    Other,
}

impl Value {
    /// As Go prints it inside a text.
    fn inside(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Int(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Float(value) => {
                let size = value.abs();
                if size != 0.0 && !(1e-4..1e21).contains(&size) {
                    let text = format!("{value:e}");
                    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                    let exponent: i32 = exponent.parse().unwrap_or_default();
                    let sign = if exponent < 0 { '-' } else { '+' };
                    return format!("{digits}e{sign}{:02}", exponent.abs());
                }
                value.to_string()
            }
            Value::Other => String::new(),
        }
    }

    fn put(&self, field: &mut Scalar) {
        let (text, tag) = match self {
            Value::Text(text) => (text.clone(), Tag::Str),
            Value::Int(value) => (value.to_string(), Tag::Int),
            Value::Bool(value) => (value.to_string(), Tag::Bool),
            Value::Float(value) => (value.to_string(), Tag::Float),
            Value::Other => return,
        };
        *field = Scalar { text: text.into(), tag: Some(tag), style: Style::Plain };
    }
}

/// Puts the values of all variables where they are used.
pub(in crate::kustomize) fn resolve(
    vars: &Vars,
    list: &mut ResMap,
    specs: &[FieldSpec],
    schema: &Schema,
    warnings: &mut Vec<String>,
) -> Result<(), BuildError> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut values = BTreeMap::new();
    for (name, var) in vars {
        values.insert(name.as_str(), value_of(var, list)?);
    }
    let mut used = std::collections::BTreeSet::new();
    for resource in list.iter_mut() {
        for spec in specs {
            let mut set = |field: &mut Node| expand(field, &values, &mut used);
            if let Err(cause) = each_field(&mut resource.node, spec, &Missing::Leave, &mut set) {
                return Err(resource.error(cause, schema));
            }
        }
        share::spread(resource);
    }
    let unused: Vec<&str> = values.keys().copied().filter(|name| !used.contains(*name)).collect();
    if !unused.is_empty() {
        warnings.push(format!("well-defined vars that were never replaced: {}", unused.join(",")));
    }
    Ok(())
}

fn value_of(var: &Var, list: &ResMap) -> Result<Value, Cause> {
    let Some(resource) = list.iter().find(|resource| resource.vars.contains(&var.name)) else {
        let message = format!("var '{}' cannot be mapped to a field in the set of known resources", var.name);
        return Err(Cause::transform(message));
    };
    let missing = || {
        let (name, path) = (&var.name, &var.fieldref.field_path);
        Cause::transform(format!("field '{path}' specified in var '{name}' not found in corresponding resource"))
    };
    let parts = indexed(path::split_with_brackets(&var.fieldref.field_path, '.'));
    let found = path::lookup(&resource.node, &parts)?.ok_or_else(missing)?;
    let Content::Scalar(scalar) = &found.content else { return Ok(Value::Other) };
    match scalar.tag {
        Some(Tag::Int) => scalar.text.parse().map(Value::Int).map_err(|_| missing()),
        Some(Tag::Float) => scalar.text.parse().map(Value::Float).map_err(|_| missing()),
        Some(Tag::Bool) => scalar.text.to_ascii_lowercase().parse().map(Value::Bool).map_err(|_| missing()),
        _ => Ok(Value::Text(scalar.text.to_string())),
    }
}

/// Splits `ports[0]` into a field and an index.
fn indexed(parts: Vec<String>) -> Vec<String> {
    let mut result = Vec::with_capacity(parts.len());
    for part in parts {
        let index = part.strip_suffix(']').and_then(|part| part.rsplit_once('['));
        match index {
            Some((name, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
                if !name.is_empty() {
                    result.push(name.to_owned());
                }
                result.push(index.to_owned());
            }
            _ => result.push(part),
        }
    }
    result
}

type Values<'v> = BTreeMap<&'v str, Value>;
type Used = std::collections::BTreeSet<String>;

fn expand(field: &mut Node, values: &Values<'_>, used: &mut Used) -> Result<(), Cause> {
    if node::is_null(field) {
        return Ok(());
    }
    match &mut field.content {
        Content::Scalar(scalar) => {
            if matches!(scalar.tag, None | Some(Tag::Str)) {
                replace(&scalar.text.clone(), values, used).put(scalar);
            }
            Ok(())
        }
        Content::Mapping(entries) => {
            for (key, value) in entries {
                if !node::is_string(key) {
                    return Err(Cause::transform(format!("invalid map key: value='{}'", text(key))));
                }
                expand_string(value, values, used);
            }
            Ok(())
        }
        Content::Sequence(items) => {
            for item in items {
                if !expand_string(item, values, used) {
                    return Err(Cause::transform("invalid value type expect a string"));
                }
            }
            Ok(())
        }
    }
}

/// True where the node is a string.
fn expand_string(field: &mut Node, values: &Values<'_>, used: &mut Used) -> bool {
    match &mut field.content {
        Content::Scalar(scalar) if matches!(scalar.tag, None | Some(Tag::Str)) => {
            replace(&scalar.text.clone(), values, used).put(scalar);
            true
        }
        _ => false,
    }
}

/// Replaces every `$(NAME)`; a text that is nothing else takes on the value's type. `$$` stands for `$`.
fn replace(input: &str, values: &Values<'_>, used: &mut Used) -> Value {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(dollar) = rest.find('$') {
        out.push_str(rest.get(..dollar).unwrap_or_default());
        let after = rest.get(dollar + 1..).unwrap_or_default();
        let Some(next) = after.chars().next() else {
            out.push('$');
            return Value::Text(out);
        };
        let mut taken = next.len_utf8();
        match (next, after.find(')')) {
            ('$', _) => out.push('$'),
            ('(', Some(end)) => {
                let name = after.get(1..end).unwrap_or_default();
                let whole = input.len() == end + 2;
                match values.get(name).filter(|value| **value != Value::Other) {
                    Some(value) => {
                        used.insert(name.to_owned());
                        if whole {
                            return value.clone();
                        }
                        out.push_str(&value.inside());
                    }
                    None => out.push_str(&format!("$({name})")),
                }
                taken = end + 1;
            }
            (next, _) => {
                out.push('$');
                out.push(next);
            }
        }
        rest = after.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    Value::Text(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand() {
        let values = BTreeMap::from([("A", Value::Text("x".into())), ("N", Value::Int(7))]);
        let mut used = Used::new();
        let mut all = |input: &str| replace(input, &values, &mut used);
        assert_eq!(all("$(N)"), Value::Int(7));
        for (input, output) in
            [("a $(A)$(N)", "a x7"), ("$$(A)", "$(A)"), ("$(B) $", "$(B) $"), ("$(A", "$(A"), ("$x", "$x")]
        {
            assert_eq!(all(input), Value::Text(output.into()), "{input}");
        }
    }
}
