//! The value of an expression.

use std::sync::Arc;

use super::ast::{Access, Comprehension, Element, Expr, Node};
use super::error::EvalError;
use super::functions;
use super::value::{Map, Value};

/// Names and their values: those of the caller, and those that comprehensions bind.
pub(super) struct Scope<'s, 'a> {
    variables: &'s dyn Fn(&str) -> Option<Value<'a>>,
    bound: Vec<(&'s str, Value<'a>)>,
    /// Steps that are left.
    steps: usize,
    limit: usize,
}

impl<'s, 'a> Scope<'s, 'a> {
    pub(super) fn new(variables: &'s dyn Fn(&str) -> Option<Value<'a>>, limit: usize) -> Self {
        Self { variables, bound: Vec::new(), steps: limit, limit }
    }

    /// Takes steps off the budget.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), EvalError> {
        self.steps = self.steps.checked_sub(steps).ok_or(EvalError::Budget(self.limit))?;
        Ok(())
    }

    fn lookup(&self, name: &str) -> Option<Value<'a>> {
        let bound = self.bound.iter().rev().find(|(known, _)| *known == name);
        bound.map(|(_, value)| value.clone()).or_else(|| (self.variables)(name)).or_else(|| type_named(name))
    }

    pub(super) fn eval(&mut self, expr: &'s Expr) -> Result<Value<'a>, EvalError> {
        self.spend(1)?;
        match &expr.node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Ident(name) => self.lookup(name).ok_or_else(|| EvalError::NoSuchAttribute(name.clone())),
            Node::Select { operand, field, access } => self.select(expr, operand, field, *access),
            Node::Index { operand, index, optional } => self.index(operand, index, *optional),
            Node::Call { function, target, arguments } => self.call(function, target.as_deref(), arguments),
            Node::Logic { stops_at, operands } => self.logic(*stops_at, operands),
            Node::Ternary { condition, then, otherwise } => match self.eval(condition)? {
                Value::Bool(true) => self.eval(then),
                Value::Bool(false) => self.eval(otherwise),
                other => Err(no_overload("_?_:_", &[other])),
            },
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Message { name, fields } => self.message(name, fields),
            Node::Comprehension { kind, range, variable, body, filter } => {
                let range = self.eval(range)?;
                self.comprehend(*kind, range, variable, body, filter.as_deref())
            }
        }
    }

    fn select(
        &mut self,
        expr: &'s Expr,
        operand: &'s Expr,
        field: &str,
        access: Access,
    ) -> Result<Value<'a>, EvalError> {
        // `google.protobuf.Duration` and the like are one name.
        if let Some(path) = expr.path()
            && let Some(known) = type_named(&path)
        {
            return Ok(known);
        }
        let operand = self.eval(operand)?;
        let key = Value::text(field);
        match (operand, access) {
            (Value::Map(map), Access::Plain) => map.get(&key).ok_or_else(|| EvalError::NoSuchKey(field.to_owned())),
            (Value::Map(map), Access::Test) => Ok(Value::Bool(map.get(&key).is_some())),
            (Value::Map(map), Access::Optional) => Ok(Value::Optional(map.get(&key).map(Arc::new))),
            (Value::Optional(None), Access::Test) => Ok(Value::Bool(false)),
            (Value::Optional(None), _) => Ok(Value::Optional(None)),
            (Value::Optional(Some(value)), access) => match (&*value, access) {
                (Value::Map(map), Access::Test) => Ok(Value::Bool(map.get(&key).is_some())),
                (Value::Map(map), _) => Ok(Value::Optional(map.get(&key).map(Arc::new))),
                _ => Ok(Value::Optional(None)),
            },
            (_, Access::Optional) => Ok(Value::Optional(None)),
            (_, Access::Plain | Access::Test) => Err(EvalError::NoSuchKey(field.to_owned())),
        }
    }

    fn index(&mut self, operand: &'s Expr, index: &'s Expr, optional: bool) -> Result<Value<'a>, EvalError> {
        let operand = self.eval(operand)?;
        let index = self.eval(index)?;
        let (operand, chained) = match operand {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(value)) => ((*value).clone(), true),
            other => (other, false),
        };
        let found = self.element(&operand, &index);
        match found {
            Ok(value) if optional || chained => Ok(Value::some(value)),
            Err(EvalError::NoSuchElement(_)) if optional || chained => Ok(Value::Optional(None)),
            other => other,
        }
    }

    fn element(&mut self, operand: &Value<'a>, index: &Value<'a>) -> Result<Value<'a>, EvalError> {
        match operand {
            Value::List(list) => {
                let at = index.as_index().ok_or_else(|| no_overload("_[_]", &[operand.clone(), index.clone()]))?;
                let found = usize::try_from(at).ok().and_then(|at| list.get(at));
                found.ok_or(EvalError::NoSuchElement("index out of bounds"))
            }
            Value::Map(map) => {
                self.spend(map.cost())?;
                map.get(index).ok_or(EvalError::NoSuchElement("no such key"))
            }
            _ => Err(no_overload("_[_]", &[operand.clone(), index.clone()])),
        }
    }

    /// An operand that settles the chain does so whatever is wrong with the others.
    fn logic(&mut self, stops_at: bool, operands: &'s [Expr]) -> Result<Value<'a>, EvalError> {
        let mut first_error = None;
        for operand in operands {
            match self.eval(operand) {
                Ok(Value::Bool(value)) if value == stops_at => return Ok(Value::Bool(stops_at)),
                Ok(Value::Bool(_)) => {}
                Ok(other) => {
                    let name = if stops_at { "_||_" } else { "_&&_" };
                    first_error.get_or_insert(no_overload(name, &[other]));
                }
                Err(error @ EvalError::Budget(_)) => return Err(error),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(Value::Bool(!stops_at)), Err)
    }

    fn list(&mut self, elements: &'s [Element]) -> Result<Value<'a>, EvalError> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            items.extend(self.maybe(element)?);
        }
        Ok(Value::list(items))
    }

    fn maybe(&mut self, Element { value, optional }: &'s Element) -> Result<Option<Value<'a>>, EvalError> {
        match self.eval(value)? {
            Value::Optional(value) if *optional => Ok(value.map(|value| (*value).clone())),
            other if *optional => Err(no_overload("optional element", &[other])),
            other => Ok(Some(other)),
        }
    }

    fn map(&mut self, entries: &'s [(Expr, Element)]) -> Result<Value<'a>, EvalError> {
        let mut map: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
        for (key, element) in entries {
            let key = self.eval(key)?;
            let Some(value) = self.maybe(element)? else { continue };
            self.spend(map.len())?;
            match map.iter_mut().find(|(known, _)| known.equals(&key)) {
                Some((_, old)) => *old = value,
                None => map.push((key, value)),
            }
        }
        Ok(Value::Map(Map::Shared(Arc::new(map))))
    }

    fn message(&mut self, name: &str, fields: &'s [(String, Expr)]) -> Result<Value<'a>, EvalError> {
        let (mut seconds, mut nanos) = (0, 0);
        for (field, value) in fields {
            match (&**field, self.eval(value)?) {
                ("seconds", Value::Int(value)) => seconds = value,
                ("nanos", Value::Int(value)) => nanos = value,
                _ => return Err(EvalError::NoSuchKey(field.clone())),
            }
        }
        functions::message(name, seconds, nanos)
    }

    fn with<T>(
        &mut self,
        variable: &'s str,
        value: Value<'a>,
        then: impl FnOnce(&mut Self) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        self.bound.push((variable, value));
        let result = then(self);
        self.bound.pop();
        result
    }

    fn comprehend(
        &mut self,
        kind: Comprehension,
        range: Value<'a>,
        variable: &'s str,
        body: &'s Expr,
        filter: Option<&'s Expr>,
    ) -> Result<Value<'a>, EvalError> {
        let items: Box<dyn Iterator<Item = Value<'a>>> = match (&range, kind) {
            (Value::Optional(None), Comprehension::OptMap | Comprehension::OptFlatMap) => {
                return Ok(Value::Optional(None));
            }
            (Value::Optional(Some(value)), Comprehension::OptMap) => {
                return self.with(variable, (**value).clone(), |scope| scope.eval(body).map(Value::some));
            }
            (Value::Optional(Some(value)), Comprehension::OptFlatMap) => {
                return self.with(variable, (**value).clone(), |scope| scope.eval(body));
            }
            (_, Comprehension::OptMap | Comprehension::OptFlatMap) => return Err(no_overload("optMap", &[range])),
            (Value::List(list), _) => Box::new(list.iter()),
            (Value::Map(map), _) => Box::new(map.iter().map(|(key, _)| key)),
            _ => return Err(no_overload("a comprehension", &[range])),
        };
        match kind {
            Comprehension::All => self.quantify(false, items, variable, body),
            Comprehension::Exists => self.quantify(true, items, variable, body),
            Comprehension::ExistsOne => {
                let mut found = 0;
                for item in items {
                    found += usize::from(self.condition(variable, item, body)?);
                }
                Ok(Value::Bool(found == 1))
            }
            Comprehension::Filter => {
                let mut kept = Vec::new();
                for item in items {
                    if self.condition(variable, item.clone(), body)? {
                        kept.push(item);
                    }
                }
                Ok(Value::list(kept))
            }
            _ => {
                let mut mapped = Vec::new();
                for item in items {
                    if let Some(filter) = filter
                        && !self.condition(variable, item.clone(), filter)?
                    {
                        continue;
                    }
                    mapped.push(self.with(variable, item, |scope| scope.eval(body))?);
                }
                Ok(Value::list(mapped))
            }
        }
    }

    fn condition(&mut self, variable: &'s str, item: Value<'a>, body: &'s Expr) -> Result<bool, EvalError> {
        match self.with(variable, item, |scope| scope.eval(body))? {
            Value::Bool(value) => Ok(value),
            other => Err(no_overload("a condition", &[other])),
        }
    }

    /// As in [`logic`](Self::logic): an element that settles it does so whatever is wrong with the others.
    fn quantify(
        &mut self,
        stops_at: bool,
        items: impl Iterator<Item = Value<'a>>,
        variable: &'s str,
        body: &'s Expr,
    ) -> Result<Value<'a>, EvalError> {
        let mut first_error = None;
        for item in items {
            match self.condition(variable, item, body) {
                Ok(value) if value == stops_at => return Ok(Value::Bool(stops_at)),
                Ok(_) => {}
                Err(error @ EvalError::Budget(_)) => return Err(error),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(Value::Bool(!stops_at)), Err)
    }

    fn call(
        &mut self,
        function: &str,
        target: Option<&'s Expr>,
        arguments: &'s [Expr],
    ) -> Result<Value<'a>, EvalError> {
        let mut values = Vec::with_capacity(arguments.len() + 1);
        let namespaced = target.and_then(Expr::path).map(|path| format!("{path}.{function}"));
        let namespaced = namespaced.filter(|name| functions::is_namespaced(name));
        if let (Some(target), None) = (target, &namespaced) {
            values.push(self.eval(target)?);
        }
        for argument in arguments {
            values.push(self.eval(argument)?);
        }
        let name = namespaced.as_deref().unwrap_or(function);
        functions::call(self, name, target.is_some() && namespaced.is_none(), &values)
    }
}

pub(super) fn no_overload(function: &str, arguments: &[Value<'_>]) -> EvalError {
    let types: Vec<_> = arguments.iter().map(Value::type_name).collect();
    EvalError::NoSuchOverload(format!("{function}({})", types.join(", ")))
}

/// Names that stand for types.
pub(super) fn type_named<'a>(name: &str) -> Option<Value<'a>> {
    const TYPES: [&str; 13] = [
        "null_type",
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "optional_type",
        "google.protobuf.Duration",
        "google.protobuf.Timestamp",
    ];
    TYPES.iter().find(|known| **known == name).map(|known| Value::Type(known))
}
