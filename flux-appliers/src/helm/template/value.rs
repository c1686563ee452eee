//! What a template computes with: Go's values and their dynamic types.
//!
//! Types matter in templates: `eq 1 1.0` is an error, `until .Values.n` fails because numbers from YAML are float64,
//! and a dict handed to `set` changes for everyone who holds it.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::function::Function;
use super::text::Str;

/// A Go value.
#[derive(Clone, Default)]
pub enum Value {
    /// No value at all (Go's zero `reflect.Value`): prints as `<no value>`, and a field of it is again no value.
    Invalid,
    /// A nil interface: an argument like any other, but a field of it is an error.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `int64`
    Int64(i64),
    /// `uint8`
    Uint8(u8),
    /// `uint64`
    Uint64(u64),
    /// `float64`
    Float(f64),
    /// `string`
    Str(Str),
    /// `[]uint8`
    Bytes(Str),
    /// A slice of anything else.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A type with fields or methods of its own.
    Native(Rc<dyn Native>),
}

/// A slice; immutable, as no template function writes into one.
#[derive(Clone)]
pub struct List {
    /// What Go's type says the elements are.
    pub elements: Elements,
    items: Option<Rc<Vec<Value>>>,
}

/// The static type of a list's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Str,
    /// `[]int`
    Int,
    /// `[]uint8`
    Bytes,
    /// `[][]interface {}`
    Lists,
}

impl List {
    /// A list of elements of one static type.
    pub fn new(elements: Elements, items: Vec<Value>) -> Self {
        Self { elements, items: Some(Rc::new(items)) }
    }

    /// The nil slice, which is empty but is `null` in JSON.
    pub fn nil(elements: Elements) -> Self {
        Self { elements, items: None }
    }

    /// The elements.
    pub fn items(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |items| items.as_slice())
    }

    /// Whether this is the nil slice.
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }
}

/// The contents of a map, in key order.
pub type Entries = BTreeMap<Str, Value>;

/// A map: shared and mutable, as in Go.
#[derive(Clone)]
pub struct Map {
    /// The Go type.
    pub kind: MapKind,
    /// Nothing is the nil map, which is empty, is `null` in JSON and takes no keys.
    cell: Option<Rc<RefCell<Entries>>>,
}

/// The Go type of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// `map[string]interface {}`
    Any,
    /// `common.Values`, Helm's name for the same.
    Values,
    /// `map[string]string`
    Strings,
}

impl Map {
    /// A map of `kind`.
    pub fn new(kind: MapKind, entries: Entries) -> Self {
        Self { kind, cell: Some(Rc::new(RefCell::new(entries))) }
    }

    /// The nil map.
    pub fn nil(kind: MapKind) -> Self {
        Self { kind, cell: None }
    }

    /// Whether this is the nil map.
    pub fn is_nil(&self) -> bool {
        self.cell.is_none()
    }

    /// The same map under another type's name.
    pub fn cast(&self, kind: MapKind) -> Self {
        Self { kind, cell: self.cell.clone() }
    }

    /// The value under `key`.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.cell.as_ref()?.borrow().get(key).cloned()
    }

    /// Whether there is such a key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.cell.as_ref().is_some_and(|cell| cell.borrow().contains_key(key))
    }

    /// Writes a key; a nil map takes none.
    pub fn insert(&self, key: Str, value: Value) {
        if let Some(cell) = &self.cell {
            cell.borrow_mut().insert(key, value);
        }
    }

    /// Removes a key.
    pub fn remove(&self, key: &[u8]) {
        if let Some(cell) = &self.cell {
            cell.borrow_mut().remove(key);
        }
    }

    /// Removes everything.
    pub fn clear(&self) {
        // The old entries are dropped after the borrow ends: dropping them may reach this map again.
        let _old = self.cell.as_ref().map(|cell| std::mem::take(&mut *cell.borrow_mut()));
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.cell.as_ref().map_or(0, |cell| cell.borrow().len())
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of the entries, in key order, safe to hold while the map changes.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        let Some(cell) = &self.cell else { return Vec::new() };
        cell.borrow().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Visits the entries in key order; the visitor must not write to this map.
    pub fn for_each(&self, mut visit: impl FnMut(&Str, &Value)) {
        if let Some(cell) = &self.cell {
            cell.borrow().iter().for_each(|(k, v)| visit(k, v));
        }
    }

    /// Whether both are one map.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.cell, &other.cell) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

/// A Go type with fields, methods or a way of printing itself.
pub trait Native {
    /// The name `%T` prints.
    fn type_name(&self) -> &'static str;

    /// The kind of type, as `kindOf` prints it.
    fn kind(&self) -> &'static str {
        "struct"
    }

    /// A field of the struct.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// A method; it receives the value itself as its first argument.
    fn method(&self, _name: &str) -> Option<&'static Function> {
        None
    }

    /// What `fmt.Stringer` gives, if the type has it.
    fn text(&self) -> Option<String> {
        None
    }

    /// What `{{ . }}` prints where that is not what `fmt` prints: methods of the pointer count there.
    fn printed(&self) -> Option<String> {
        self.text()
    }

    /// The value as it is once it was passed to a function: without the methods of its pointer.
    fn passed(&self) -> Option<Value> {
        None
    }

    /// What `fmt.GoStringer` gives, if the type has it.
    fn source(&self) -> Option<String> {
        None
    }

    /// What the type marshals itself to, if it does so.
    fn marshalled(&self) -> Option<Value> {
        None
    }

    /// A copy as one made by reflection is, which does not reach unexported fields, where that makes a difference.
    fn copied(&self) -> Option<Value> {
        None
    }

    /// Another value of the type, for a range over a number that has a type of its own.
    fn of_number(&self, _number: i64) -> Option<Value> {
        None
    }

    /// Whether `==` is true of the two, if the type can be compared so.
    fn equals(&self, _other: &dyn Native) -> Option<bool> {
        None
    }

    /// The plain value beneath a named type: a list, a map or a number.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// The names and values of the fields, for printing; those that start in upper case are encoded as well.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The fields as `encoding/json` names them.
    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.fields();
        fields.retain(|(name, _)| is_exported(name));
        fields
    }

    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
}

impl Value {
    /// A string.
    pub fn text(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }

    /// A list of anything.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(Elements::Any, items))
    }

    /// A list of strings.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::List(List::new(Elements::Str, items.into_iter().map(Self::text).collect()))
    }

    /// A map of anything.
    pub fn map(entries: Entries) -> Self {
        Self::Map(Map::new(MapKind::Any, entries))
    }

    /// Whether this is either form of nothing.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nil | Self::Invalid)
    }

    /// The plain value beneath a named type.
    pub fn plain(&self) -> Cow<'_, Self> {
        match self {
            Self::Native(native) => native.underlying().map_or(Cow::Borrowed(self), Cow::Owned),
            _ => Cow::Borrowed(self),
        }
    }

    /// The native type `T`, if it is one.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Native(native) => native.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The Go type, as `%T` prints it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Invalid | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint8(_) => "uint8",
            Self::Uint64(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(list) => match list.elements {
                Elements::Any => "[]interface {}",
                Elements::Str => "[]string",
                Elements::Int => "[]int",
                Elements::Bytes => "[]uint8",
                Elements::Lists => "[][]interface {}",
            },
            Self::Map(map) => match map.kind {
                MapKind::Any => "map[string]interface {}",
                MapKind::Values => "common.Values",
                MapKind::Strings => "map[string]string",
            },
            Self::Native(native) => native.type_name(),
        }
    }

    /// The Go kind, as `kindOf` prints it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid | Self::Nil => "invalid",
            Self::Bytes(_) | Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Native(native) => native.kind(),
            _ => self.type_name(),
        }
    }

    /// The template language's truth: whether this is not the zero of its type.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Invalid | Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(i) | Self::Int64(i) => *i != 0,
            Self::Uint8(u) => *u != 0,
            Self::Uint64(u) => *u != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(s) | Self::Bytes(s) => !s.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Native(native) => native.underlying().is_none_or(|v| v.is_true()),
        }
    }

    /// The number, for any of Go's integer types.
    pub fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Int(i) | Self::Int64(i) => Some(i128::from(*i)),
            Self::Uint8(u) => Some(i128::from(*u)),
            Self::Uint64(u) => Some(i128::from(*u)),
            Self::Native(native) => native.underlying().and_then(|v| v.as_integer()),
            _ => None,
        }
    }
}

impl Value {
    /// Values as Helm holds them: whole numbers that `--set` gave are int64, all others float64.
    pub(crate) fn from_values(values: &serde_json::Map<String, serde_json::Value>) -> Self {
        fn convert(json: &serde_json::Value) -> Value {
            use serde_json::Value as Json;
            match json {
                Json::Number(number) if number.is_i64() => Value::Int64(number.as_i64().unwrap_or_default()),
                Json::Array(items) => Value::list(items.iter().map(convert).collect()),
                Json::Object(fields) => Value::from_values(fields),
                other => Value::from(other),
            }
        }
        Self::map(values.iter().map(|(key, value)| (Str::from(key.as_str()), convert(value))).collect())
    }
}

/// The fields that encoders see.
pub(crate) fn exported(native: &dyn Native) -> Vec<(&'static str, Value)> {
    let mut fields = native.fields();
    fields.retain(|(name, _)| is_exported(name));
    fields
}

fn is_exported(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

impl fmt::Debug for Value {
    /// The type only: values of a chart may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_name())
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<&serde_json::Value> for Value {
    /// JSON as Go's `encoding/json` decodes it into `interface{}`: every number is a float64.
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Nil,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => Self::Float(n.as_f64().unwrap_or_default()),
            Json::String(s) => Self::text(s.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from).collect()),
            Json::Object(fields) => {
                Self::map(fields.iter().map(|(k, v)| (Str::from(k.as_str()), Self::from(v))).collect())
            }
        }
    }
}
