//! The methods of `common.Values`.

use super::error::CallError;
use super::function::{Function, Type};
use super::value::{Map, MapKind, Value};
use crate::helm::funcs::{Args, Outcome};
use crate::helm::values::{path_value, table};

static METHODS: &[Function] = &[
    Function::new("AsMap", &[], |_, args| Ok(Value::Map(receiver(args).cast(MapKind::Any)))),
    Function::new("PathValue", &[Type::Str], value_at),
    Function::new("Table", &[Type::Str], |_, args| {
        let name = Args(args).text(1);
        let found = table(&receiver(args), &name).map_err(|_| format!("{name:?} is not a table"))?;
        Ok(Value::Map(found.cast(MapKind::Values)))
    }),
    Function::new("YAML", &[], |_, args| {
        let json = crate::helm::funcs::to_json_value(&Value::Map(receiver(args)))?;
        Ok(Value::text(flux_core::yaml::write(&json, flux_core::yaml::Layout::Sigs)))
    }),
];

pub(super) fn method(name: &str) -> Option<&'static Function> {
    METHODS.iter().find(|method| method.name == name)
}

fn receiver(args: &[Value]) -> Map {
    match args.first() {
        Some(Value::Map(map)) => map.clone(),
        _ => Map::nil(MapKind::Values),
    }
}

fn value_at(_: &mut super::exec::Runtime<'_>, args: &[Value]) -> Outcome {
    let path = Args(args).text(1);
    path_value(&receiver(args), &path).ok_or_else(|| CallError::from(format!("{path:?} is not a value")))
}
