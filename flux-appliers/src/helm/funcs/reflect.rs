//! Types and kinds.

use super::args::{Args, Outcome};
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Function, Type, Value};

const ANY: &[Type] = &[Type::Any];
const STR_ANY: &[Type] = &[Type::Str, Type::Any];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("typeOf", ANY, |_, args| Ok(Value::text(Args(args).any(0).type_name()))),
    Function::new("typeIs", STR_ANY, type_is),
    Function::new("typeIsLike", STR_ANY, |_, args| {
        let args = Args(args);
        let name = args.any(1).type_name();
        let wanted = args.text(0);
        Ok(Value::Bool(wanted == name || name.strip_prefix('*') == Some(&wanted)))
    }),
    Function::new("kindOf", ANY, |_, args| Ok(Value::text(Args(args).any(0).kind()))),
    Function::new("kindIs", STR_ANY, |_, args| Ok(Value::Bool(Args(args).text(0) == Args(args).any(1).kind()))),
    Function::new("deepEqual", &[Type::Any, Type::Any], |_, args| {
        Ok(Value::Bool(deep_equal(&Args(args).any(0), &Args(args).any(1))))
    })
    .unfolding(),
];

fn type_is(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    Ok(Value::Bool(Args(args).text(0) == Args(args).any(1).type_name()))
}

/// Go's `reflect.DeepEqual`: types count, so `1` and `1.0` differ.
pub(super) fn deep_equal(a: &Value, b: &Value) -> bool {
    equal_at(a, b, 0)
}

fn equal_at(a: &Value, b: &Value, depth: usize) -> bool {
    if depth > 500 {
        return false;
    }
    match (a, b) {
        (Value::Nil | Value::Invalid, Value::Nil | Value::Invalid) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Uint8(a), Value::Uint8(b)) => a == b,
        (Value::Uint64(a), Value::Uint64(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.elements == b.elements
                && a.is_nil() == b.is_nil()
                && a.items().len() == b.items().len()
                && a.items().iter().zip(b.items()).all(|(a, b)| equal_at(a, b, depth + 1))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.is_same(b)
                || a.is_nil() == b.is_nil()
                    && a.kind == b.kind
                    && a.len() == b.len()
                    && a.entries()
                        .iter()
                        .zip(b.entries())
                        .all(|((ak, av), (bk, bv))| *ak == bk && equal_at(av, &bv, depth + 1))
        }
        (Value::Native(x), Value::Native(y)) => {
            x.type_name() == y.type_name()
                && x.text() == y.text()
                && x.source() == y.source()
                && match (x.underlying(), y.underlying()) {
                    (Some(x), Some(y)) => equal_at(&x, &y, depth + 1),
                    (None, None) => {
                        x.fields().iter().zip(y.fields()).all(|((_, x), (_, y))| equal_at(x, &y, depth + 1))
                    }
                    _ => false,
                }
        }
        _ => false,
    }
}
