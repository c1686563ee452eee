//! What a template may call, and the types its arguments must have.

use std::fmt;

use super::error::CallError;
use super::exec::Runtime;
use super::value::Value;

/// The static type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: anything.
    Any,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint32`
    Uint32,
    /// `float64`
    Float,
    /// `string`
    Str,
    /// `map[string]interface {}`
    Map,
    /// `[]interface {}`
    List,
    /// A struct or other type of that Go name, which cannot be nil.
    Native(&'static str),
    /// A pointer to a type of that Go name.
    Pointer(&'static str),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint32 => "uint32",
            Self::Float => "float64",
            Self::Str => "string",
            Self::Map => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Native(name) | Self::Pointer(name) => name,
        })
    }
}

impl Type {
    pub(crate) fn can_be_nil(self) -> bool {
        matches!(self, Self::Any | Self::Map | Self::List | Self::Pointer(_))
    }

    /// The nil of a type that has one.
    pub(crate) fn zero(self) -> Value {
        use super::value::{Elements, List, Map, MapKind};
        match self {
            Self::Map => Value::Map(Map::nil(MapKind::Any)),
            Self::List => Value::List(List::nil(Elements::Any)),
            _ => Value::Nil,
        }
    }

    /// Go's `AssignableTo` for the dynamic type of `value`.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        use super::value::{Elements, MapKind};
        match (self, value) {
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_))
            | (Self::Str, Value::Str(_)) => true,
            (Self::Map, Value::Map(map)) => map.kind != MapKind::Strings,
            (Self::List, Value::List(list)) => list.elements == Elements::Any,
            (Self::Native(name) | Self::Pointer(name), Value::Native(native)) => native.type_name() == name,
            _ => false,
        }
    }
}

/// What runs when a function is called.
pub(crate) type Call = fn(&mut Runtime<'_>, &[Value]) -> Result<Value, CallError>;

/// A function or method.
pub struct Function {
    /// The name templates use.
    pub name: &'static str,
    pub(crate) params: &'static [Type],
    pub(crate) variadic: Option<Type>,
    pub(crate) call: Call,
    /// Why a template cannot call it, if it cannot.
    pub(crate) refused: Option<&'static str>,
    /// Whether it writes out, copies or compares its arguments whole, so that their size must be known first.
    pub(crate) unfolds: bool,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl Function {
    /// A function of a fixed number of arguments.
    pub(crate) const fn new(name: &'static str, params: &'static [Type], call: Call) -> Self {
        Self { name, params, variadic: None, call, refused: None, unfolds: false }
    }

    /// A function that takes any number of `rest` after its fixed arguments.
    pub(crate) const fn variadic(name: &'static str, params: &'static [Type], rest: Type, call: Call) -> Self {
        Self { name, params, variadic: Some(rest), call, refused: None, unfolds: false }
    }

    /// The same, for one that writes out, copies or compares its arguments whole.
    pub(crate) const fn unfolding(self) -> Self {
        Self { unfolds: true, ..self }
    }

    /// A method that is there but whose results a template cannot take.
    pub(crate) const fn not_callable(name: &'static str, why: &'static str) -> Self {
        Self { name, params: &[], variadic: None, call: |_, _| Ok(Value::Nil), refused: Some(why), unfolds: false }
    }

    /// The type of argument `index`.
    pub(crate) fn param(&self, index: usize) -> Option<Type> {
        self.params.get(index).copied().or(self.variadic)
    }
}

/// The functions a template may name.
pub(crate) trait Functions {
    fn find(&self, name: &str) -> Option<&'static Function>;
}
