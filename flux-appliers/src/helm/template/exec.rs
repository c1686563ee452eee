//! Running templates.

use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;

use flux_core::re2::Pattern;

use super::ast::{Branch, Command, Node, Operand, Pipe, Template, Term};
use super::budget::Budget;
use super::error::{Abort, CallError, ExecError};
use super::function::{Function, Type};
use super::gofmt::{quote, write_value};
use super::measure::measure;
use super::set::TemplateSet;
use super::text::Str;
use super::value::{Elements, List, Map, MapKind, Value};
use crate::helm::host::Host;

/// What a render carries along: the templates in sight, the host's gifts, and the budget.
pub struct Runtime<'a> {
    pub(crate) host: &'a Host,
    /// The zone that is local, as the host names it.
    pub(crate) zone: jiff::tz::TimeZone,
    pub(crate) budget: Budget,
    pub(crate) scope: Rc<Scope>,
    /// How often each template is being included right now.
    pub(crate) included: HashMap<Str, usize>,
    /// Texts given to `tpl`, already parsed.
    pub(crate) parsed: HashMap<Str, Rc<Vec<Arc<Template>>>>,
    /// Whether a missing key of a map is nil, as Helm has it, rather than no value.
    pub(crate) missing_is_nil: bool,
    /// Regular expressions, already compiled.
    pub(crate) patterns: HashMap<Str, Rc<Pattern>>,
    /// Maps that were given containers to hold; the only ones that can be part of a cycle.
    tied: Vec<Map>,
}

/// The templates that can be named: a chart's, and over them those that the texts given to `tpl` define.
pub(crate) struct Scope {
    base: Arc<TemplateSet>,
    outer: Option<Rc<Scope>>,
    own: HashMap<Str, Arc<Template>>,
}

impl Scope {
    pub(crate) fn new(base: Arc<TemplateSet>) -> Rc<Self> {
        Rc::new(Self { base, outer: None, own: HashMap::new() })
    }

    /// This scope with more templates; an empty one hides nothing.
    pub(crate) fn with(self: &Rc<Self>, templates: &[Arc<Template>]) -> Rc<Self> {
        let own = templates
            .iter()
            .filter(|template| !template.is_blank() || self.find(&template.name).is_none())
            .map(|template| (template.name.clone(), Arc::clone(template)))
            .collect();
        Rc::new(Self { base: Arc::clone(&self.base), outer: Some(Rc::clone(self)), own })
    }

    pub(crate) fn find(&self, name: &Str) -> Option<Arc<Template>> {
        let mut scope = self;
        loop {
            if let Some(template) = scope.own.get(name) {
                return Some(Arc::clone(template));
            }
            match &scope.outer {
                Some(outer) => scope = outer,
                None => return self.base.get(name),
            }
        }
    }
}

impl<'a> Runtime<'a> {
    pub(crate) fn new(host: &'a Host, budget: Budget, templates: Arc<TemplateSet>) -> Self {
        Self {
            host,
            zone: jiff::tz::TimeZoneDatabase::bundled().get(&host.zone).unwrap_or(jiff::tz::TimeZone::UTC),
            budget,
            scope: Scope::new(templates),
            included: HashMap::new(),
            parsed: HashMap::new(),
            missing_is_nil: true,
            patterns: HashMap::new(),
            tied: Vec::new(),
        }
    }

    /// Runs the named template into `out`; on failure `out` holds what was written before.
    pub(crate) fn execute(&mut self, name: &Str, data: &Value, out: &mut Vec<u8>) -> Result<(), ExecError> {
        match self.scope.find(name) {
            Some(template) => self.run(&template, data, out),
            None => {
                let name = quote(name.as_bytes());
                let text = format!("template: no template {name} associated with template \"gotpl\"");
                Err(ExecError::new(text, None))
            }
        }
    }

    pub(crate) fn run(&mut self, template: &Template, data: &Value, out: &mut Vec<u8>) -> Result<(), ExecError> {
        if let Err(abort) = self.budget.enter() {
            return Err(ExecError::new(abort.to_string(), Some(abort.into())));
        }
        // What Go is given as a nil interface is no value at all to the template.
        let none = Value::Invalid;
        let data = if matches!(data, Value::Nil) { &none } else { data };
        let mut state = State {
            rt: self,
            template,
            variables: vec![(Arc::from("$"), data.clone())],
            at: At::Nothing,
            boxed: false,
            out,
        };
        let outcome = state.walk(data, &template.body);
        self.budget.leave();
        outcome.map(|_| ())
    }

    /// Remembers that `map` now holds `value`, so that cycles can be undone at the end.
    pub(crate) fn tie(&mut self, map: &Map, value: &Value) {
        if matches!(value, Value::Map(_) | Value::List(_)) && !self.tied.last().is_some_and(|last| last.is_same(map)) {
            self.tied.push(map.clone());
        }
    }
}

impl Drop for Runtime<'_> {
    fn drop(&mut self) {
        self.tied.iter().for_each(Map::clear);
    }
}

/// Where execution stands, for errors.
#[derive(Clone, Copy)]
enum At<'t> {
    Nothing,
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

/// From this length on reading a text is work by itself.
const LONG_TEXT: usize = 4096;

/// How much of a text is read in one step.
const BYTES_PER_STEP: usize = 256;

/// What to do after a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The execution of one template.
struct State<'t, 'r, 'a> {
    rt: &'r mut Runtime<'a>,
    template: &'t Template,
    variables: Vec<(Arc<str>, Value)>,
    at: At<'t>,
    /// Whether dot came out of an `interface {}`; only errors tell the difference.
    boxed: bool,
    out: &'r mut Vec<u8>,
}

type Eval<T> = Result<T, ExecError>;

/// What a call gets besides its arguments: the value piped into it.
type Final = Option<Value>;

impl<'t> State<'t, '_, '_> {
    fn error<T>(&self, message: impl Display) -> Eval<T> {
        Err(self.failure(message.to_string(), None))
    }

    fn failure(&self, message: String, cause: Option<CallError>) -> ExecError {
        let name = self.template.name.to_str();
        let (pos, context) = match self.at {
            At::Nothing => return ExecError::new(format!("template: {name}: {message}"), cause),
            At::Node(node) => (node_pos(node), node.to_string()),
            At::Pipe(pipe) => (pipe.pos, pipe.to_string()),
            At::Command(command) => (command.pos, command.to_string()),
            At::Operand(operand) => (operand.pos, operand.to_string()),
        };
        let location = self.template.source.location(pos);
        let name = quote(name.as_bytes());
        ExecError::new(format!("template: {location}: executing {name} at <{context}>: {message}"), cause)
    }

    fn abort(&self, abort: Abort) -> ExecError {
        self.failure(abort.to_string(), Some(CallError::Abort(abort)))
    }

    fn step(&mut self) -> Eval<()> {
        self.rt.budget.step().map_err(|abort| self.abort(abort))
    }

    fn charge(&mut self, bytes: usize) -> Eval<()> {
        self.rt.budget.charge(bytes).map_err(|abort| self.abort(abort))
    }

    fn walk(&mut self, dot: &Value, body: &'t [Node]) -> Eval<Flow> {
        for node in body {
            self.step()?;
            self.at = At::Node(node);
            match node {
                Node::Text(span) => {
                    let text = self.template.source.bytes(*span);
                    self.charge(text.len())?;
                    self.out.extend_from_slice(text);
                }
                Node::Action { pipe, .. } => {
                    // Variables declared here stay until the enclosing `end`.
                    let value = self.pipe(dot, pipe)?;
                    if pipe.variables.is_empty() {
                        self.at = At::Node(node);
                        self.print(&value)?;
                    }
                }
                Node::If(branch) => match self.branch(dot, branch, false)? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::With(branch) => match self.branch(dot, branch, true)? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::Range(branch) => match self.range(dot, branch)? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::Template { name, pipe, .. } => self.template(dot, node, name, pipe.as_ref())?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, value: &Value) -> Eval<()> {
        measure(&mut self.rt.budget, value).map_err(|abort| self.abort(abort))?;
        let start = self.out.len();
        match value {
            Value::Invalid | Value::Nil => self.out.extend_from_slice(b"<no value>"),
            Value::Str(text) => self.out.extend_from_slice(text.as_bytes()),
            Value::Native(native) => match native.printed() {
                Some(text) => self.out.extend_from_slice(text.as_bytes()),
                None => {
                    let start = self.out.len();
                    write_value(self.out, value);
                    // What a pointer points to is printed, not the pointer.
                    if native.kind() == "ptr" && self.out.get(start) == Some(&b'&') {
                        self.out.remove(start);
                    }
                }
            },
            _ => write_value(self.out, value),
        }
        self.charge(self.out.len() - start)
    }

    fn branch(&mut self, dot: &Value, branch: &'t Branch, is_with: bool) -> Eval<Flow> {
        let scope = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = if value.is_true() {
            if is_with {
                let boxed = std::mem::take(&mut self.boxed);
                let flow = self.walk(&value, &branch.body)?;
                self.boxed = boxed;
                flow
            } else {
                self.walk(dot, &branch.body)?
            }
        } else if let Some(otherwise) = &branch.otherwise {
            self.walk(dot, otherwise)?
        } else {
            Flow::Next
        };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Eval<Flow> {
        let scope = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let boxed = self.boxed;
        let ran = match value.plain().as_ref() {
            Value::List(list) => {
                self.boxed = list.elements == Elements::Any;
                let items = list.items().iter().enumerate().map(|(i, item)| (Value::Int(i as i64), item.clone()));
                self.iterate(branch, items)?
            }
            Value::Bytes(bytes) => {
                let bytes = bytes.clone();
                let items = (0..bytes.len()).map(|i| {
                    (Value::Int(i as i64), Value::Uint8(bytes.as_bytes().get(i).copied().unwrap_or_default()))
                });
                self.iterate(branch, items)?
            }
            Value::Map(map) => {
                self.boxed = map.kind != MapKind::Strings;
                let items = map.entries().into_iter().map(|(key, item)| (Value::Str(key), item));
                self.iterate(branch, items)?
            }
            Value::Int(n) => {
                self.one_variable(branch, &value)?;
                self.iterate(branch, (0..*n).map(|i| (Value::Invalid, Value::Int(i))))?
            }
            Value::Int64(n) => {
                self.one_variable(branch, &value)?;
                let typed = |i| match &value {
                    Value::Native(native) => native.of_number(i).unwrap_or(Value::Int64(i)),
                    _ => Value::Int64(i),
                };
                self.iterate(branch, (0..*n).map(|i| (Value::Invalid, typed(i))))?
            }
            Value::Uint8(n) => {
                self.one_variable(branch, &value)?;
                self.iterate(branch, (0..*n).map(|i| (Value::Invalid, Value::Uint8(i))))?
            }
            Value::Uint64(n) => {
                self.one_variable(branch, &value)?;
                self.iterate(branch, (0..*n).map(|i| (Value::Invalid, Value::Uint64(i))))?
            }
            Value::Invalid | Value::Nil => false,
            _ => {
                let mut text = b"range can't iterate over ".to_vec();
                write_value(&mut text, &value);
                return self.error(String::from_utf8_lossy(&text));
            }
        };
        self.boxed = boxed;
        let mut flow = Flow::Next;
        if !ran && let Some(otherwise) = &branch.otherwise {
            flow = self.walk(dot, otherwise)?;
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn one_variable(&self, branch: &Branch, value: &Value) -> Eval<()> {
        if branch.pipe.variables.len() < 2 {
            return Ok(());
        }
        let mut text = b"can't use ".to_vec();
        write_value(&mut text, value);
        self.error(format!("{} to iterate over more than one variable", String::from_utf8_lossy(&text)))
    }

    /// Runs the body for each item; whether there was any.
    fn iterate(&mut self, branch: &'t Branch, items: impl Iterator<Item = (Value, Value)>) -> Eval<bool> {
        let scope = self.variables.len();
        let mut ran = false;
        for (index, item) in items {
            ran = true;
            self.step()?;
            let (first, second) = match branch.pipe.variables.as_slice() {
                [] => (None, None),
                [one] => (Some((one, &item)), None),
                [one, two, ..] => (Some((one, &index)), Some((two, &item))),
            };
            for (offset, (name, value)) in [first, second].into_iter().flatten().enumerate() {
                if branch.pipe.assign {
                    self.assign(name, value.clone())?;
                } else {
                    let count = branch.pipe.variables.len();
                    if let Some(slot) = self.variables.get_mut(scope - count + offset) {
                        slot.1 = value.clone();
                    }
                }
            }
            let flow = self.walk(&item, &branch.body)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn template(&mut self, dot: &Value, node: &'t Node, name: &Str, pipe: Option<&'t Pipe>) -> Eval<()> {
        let Some(template) = self.rt.scope.find(name) else {
            let name = quote(name.as_bytes());
            return self.error(format!("template {name} not defined"));
        };
        let data = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Invalid,
        };
        self.at = At::Node(node);
        self.rt.run(&template, &data, self.out)
    }

    fn assign(&mut self, name: &str, value: Value) -> Eval<()> {
        match self.variables.iter_mut().rev().find(|(n, _)| **n == *name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn variable(&self, name: &str) -> Eval<Value> {
        match self.variables.iter().rev().find(|(n, _)| **n == *name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Eval<Value> {
        self.at = At::Pipe(pipe);
        let mut value: Final = None;
        for command in &pipe.commands {
            let next = self.command(dot, command, value)?;
            // A nil interface at the end of a stage is no value at all.
            value = Some(if matches!(next, Value::Nil) { Value::Invalid } else { next });
        }
        let value = value.unwrap_or(Value::Invalid);
        for name in &pipe.variables {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((Arc::clone(name), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Value, command: &'t Command, last: Final) -> Eval<Value> {
        let first = &command.first;
        match &first.term {
            Term::Field(_) | Term::Chain { .. } => return self.fields(dot, first, &command.args, last),
            Term::Variable { fields, .. } => {
                if fields.is_empty() {
                    self.at = At::Operand(first);
                    self.not_a_function(command, &last)?;
                }
                return self.fields(dot, first, &command.args, last);
            }
            Term::Function(function) => {
                self.at = At::Operand(first);
                return self.call(dot, function, None, At::Command(command), &command.args, last);
            }
            Term::Pipe(pipe) => {
                self.not_a_function(command, &last)?;
                return self.pipe(dot, pipe);
            }
            _ => {}
        }
        self.at = At::Operand(first);
        self.not_a_function(command, &last)?;
        match &first.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => self.error("nil is not a command"),
            _ => self.literal(first),
        }
    }

    fn not_a_function(&self, command: &Command, last: &Final) -> Eval<()> {
        if command.args.is_empty() && last.is_none() {
            return Ok(());
        }
        self.error(format!("can't give argument to non-function {}", command.first))
    }

    /// A constant where nothing says what type it should have.
    fn literal(&self, operand: &Operand) -> Eval<Value> {
        match &operand.term {
            Term::Bool(b) => Ok(Value::Bool(*b)),
            Term::Text { text, .. } => Ok(Value::Str(text.clone())),
            Term::Number(number) => match (number.is_written_as_float(), number.float, number.int) {
                (true, Some(float), _) => Ok(Value::Float(float)),
                (_, _, Some(int)) => Ok(Value::Int(int)),
                _ => self.error(format!("{} overflows int", number.text)),
            },
            _ => self.error(format!("can't evaluate command {}", quote(operand.to_string().as_bytes()))),
        }
    }

    /// `.a.b`, `$x.a.b` or `(pipe).a.b`, the last of which may be a method with arguments.
    fn fields(&mut self, dot: &Value, operand: &'t Operand, args: &'t [Operand], last: Final) -> Eval<Value> {
        self.at = At::Operand(operand);
        let (mut receiver, names, mut boxed) = match &operand.term {
            Term::Field(names) => (dot.clone(), names, self.boxed),
            Term::Variable { name, fields } => (self.variable(name)?, fields, false),
            Term::Chain { of, fields } => {
                let receiver = match &of.term {
                    Term::Nil => return self.error(format!("indirection through explicit nil in {operand}")),
                    Term::Pipe(pipe) => self.pipe(dot, pipe)?,
                    Term::Function(function) => {
                        self.at = At::Operand(of);
                        self.call(dot, function, None, At::Operand(of), &[], None)?
                    }
                    _ => self.literal(of)?,
                };
                (receiver, fields, false)
            }
            _ => return self.error(format!("can't evaluate {operand}")),
        };
        let Some((method, path)) = names.split_last() else {
            return Ok(receiver);
        };
        for name in path {
            (receiver, boxed) = self.field(dot, name, operand, &[], None, receiver, boxed)?;
        }
        Ok(self.field(dot, method, operand, args, last, receiver, boxed)?.0)
    }

    /// A field, map entry or method of `receiver`; and whether it came out of an `interface {}`.
    #[expect(clippy::too_many_arguments, reason = "the parts of one expression, all needed")]
    fn field(
        &mut self,
        dot: &Value,
        name: &Str,
        operand: &'t Operand,
        args: &'t [Operand],
        last: Final,
        receiver: Value,
        boxed: bool,
    ) -> Eval<(Value, bool)> {
        let has_args = !args.is_empty() || last.is_some();
        match &receiver {
            Value::Invalid => return Ok((Value::Invalid, false)),
            Value::Nil => return self.error(format!("nil pointer evaluating interface {{}}.{}", name.to_str())),
            Value::Map(map) => {
                if map.kind == MapKind::Values
                    && let Some(method) = super::values::method(&name.to_str())
                {
                    let value = self.call(dot, method, Some(receiver.clone()), At::Operand(operand), args, last)?;
                    return Ok((value, false));
                }
                if has_args {
                    return self.error(format!("{} is not a method but has arguments", name.to_str()));
                }
                return Ok(match map.get(name.as_bytes()) {
                    Some(value) => (value, map.kind != MapKind::Strings),
                    None if map.kind == MapKind::Strings && self.rt.missing_is_nil => (Value::text(""), false),
                    None if self.rt.missing_is_nil => (Value::Nil, true),
                    None => (Value::Invalid, false),
                });
            }
            Value::Native(native) => {
                let text = name.to_str();
                if let Some(method) = native.method(&text) {
                    let value = self.call(dot, method, Some(receiver.clone()), At::Operand(operand), args, last)?;
                    return Ok((value, false));
                }
                if let Some(value) = native.field(&text) {
                    if has_args {
                        return self.error(format!("{text} has arguments but cannot be invoked as function"));
                    }
                    return Ok((value, false));
                }
                if let Some(Value::Map(map)) = native.underlying() {
                    if has_args {
                        return self.error(format!("{text} is not a method but has arguments"));
                    }
                    return Ok((map.get(name.as_bytes()).unwrap_or(Value::Bytes(Str::default())), false));
                }
            }
            _ => {}
        }
        let type_name = if boxed { "interface {}" } else { receiver.type_name() };
        self.error(format!("can't evaluate field {} in type {type_name}", name.to_str()))
    }

    fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        receiver: Option<Value>,
        at: At<'t>,
        args: &'t [Operand],
        last: Final,
    ) -> Eval<Value> {
        let given = args.len() + usize::from(last.is_some());
        let wanted = function.params.len();
        if function.variadic.is_some() {
            if given < wanted {
                let got = args.len();
                let name = function.name;
                return self.error(format!("wrong number of args for {name}: want at least {wanted} got {got}"));
            }
        } else if given != wanted {
            return self.error(format!("wrong number of args for {}: want {wanted} got {given}", function.name));
        }
        if let Some(why) = function.refused {
            return self.error(why);
        }
        if let Some(short) = Short::of(function.name) {
            return self.short_circuit(dot, short, args, last);
        }
        let mut values = Vec::with_capacity(given + 1);
        values.extend(receiver);
        if function.name == "call" {
            // Its error names what was called.
            values.extend(args.first().map(|arg| match &arg.term {
                Term::Pipe(pipe) => Value::text(pipe.to_string()),
                _ => Value::text(arg.to_string()),
            }));
        }
        for (i, arg) in args.iter().enumerate() {
            let value = self.arg(dot, function.param(i).unwrap_or(Type::Any), arg)?;
            values.push(value);
        }
        if let Some(last) = last {
            let value = self.fit(last, function.param(args.len()).unwrap_or(Type::Any))?;
            values.push(value);
        }
        self.step()?;
        self.weigh(function, &values).map_err(|abort| self.abort(abort))?;
        match (function.call)(self.rt, &values) {
            Ok(value) => {
                self.charge(weight(&value))?;
                Ok(value)
            }
            Err(cause) => {
                self.at = at;
                Err(self.failure(format!("error calling {}: {cause}", function.name), Some(cause)))
            }
        }
    }

    /// Counts what a call will cost for the size of its arguments.
    fn weigh(&mut self, function: &Function, values: &[Value]) -> Result<(), Abort> {
        let text: usize = values.iter().map(|value| if let Value::Str(text) = value { text.len() } else { 0 }).sum();
        if text >= LONG_TEXT {
            self.rt.budget.steps((text / BYTES_PER_STEP) as u64)?;
        }
        if function.unfolds {
            values.iter().try_for_each(|value| measure(&mut self.rt.budget, value))?;
        }
        Ok(())
    }

    /// `and` and `or` stop at the first argument that decides.
    fn short_circuit(&mut self, dot: &Value, short: Short, args: &'t [Operand], last: Final) -> Eval<Value> {
        let mut value = Value::Invalid;
        for arg in args {
            value = match &arg.term {
                Term::Nil => Value::Invalid,
                _ => self.arg(dot, Type::Any, arg)?,
            };
            if value.is_true() == (short == Short::Or) {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn arg(&mut self, dot: &Value, wanted: Type, operand: &'t Operand) -> Eval<Value> {
        self.at = At::Operand(operand);
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil if wanted.can_be_nil() => return Ok(wanted.zero()),
            Term::Nil => return self.error(format!("cannot assign nil to {wanted}")),
            Term::Field(_) | Term::Variable { .. } | Term::Chain { .. } => self.fields(dot, operand, &[], None)?,
            Term::Pipe(pipe) => self.pipe(dot, pipe)?,
            Term::Function(function) => self.call(dot, function, None, At::Operand(operand), &[], None)?,
            _ => return self.constant(wanted, operand),
        };
        self.fit(value, wanted)
    }

    /// A constant as an argument takes the type of its parameter.
    fn constant(&self, wanted: Type, operand: &Operand) -> Eval<Value> {
        let value = match (wanted, &operand.term) {
            (Type::Any, _) => return self.literal(operand),
            (Type::Bool, Term::Bool(b)) => Some(Value::Bool(*b)),
            (Type::Str, Term::Text { text, .. }) => Some(Value::Str(text.clone())),
            (Type::Int, Term::Number(number)) => number.int.map(Value::Int),
            (Type::Float, Term::Number(number)) => number.float.map(Value::Float),
            (Type::Uint32, Term::Number(number)) => number.uint.map(|u| Value::Uint64(u64::from(u as u32))),
            _ => None,
        };
        let expected = match wanted {
            Type::Bool => "bool",
            Type::Str => "string",
            Type::Int => "integer",
            Type::Uint32 => "unsigned integer",
            Type::Float => "float",
            _ => return self.error(format!("can't handle {operand} for arg of type {wanted}")),
        };
        match value {
            Some(value) => Ok(value),
            None => self.error(format!("expected {expected}; found {operand}")),
        }
    }

    /// Checks that a value can be passed as a `wanted`.
    fn fit(&self, value: Value, wanted: Type) -> Eval<Value> {
        match value {
            Value::Invalid if wanted.can_be_nil() => Ok(wanted.zero()),
            Value::Invalid => self.error(format!("invalid value; expected {wanted}")),
            Value::Nil if wanted == Type::Any => Ok(value),
            Value::Nil => self.error(format!("wrong type for value; expected {wanted}; got interface {{}}")),
            value if wanted.accepts(&value) => Ok(match (wanted, value) {
                (Type::Map, Value::Map(map)) => Value::Map(map.cast(MapKind::Any)),
                (_, Value::Native(native)) => native.passed().unwrap_or(Value::Native(native)),
                (_, value) => value,
            }),
            value => {
                let got = value.type_name();
                self.error(format!("wrong type for value; expected {wanted}; got {got}"))
            }
        }
    }
}

fn node_pos(node: &Node) -> u32 {
    match node {
        Node::Action { pos, .. } | Node::Template { pos, .. } => *pos,
        Node::If(branch) | Node::With(branch) | Node::Range(branch) => branch.pos,
        Node::Text(_) | Node::Break | Node::Continue => 0,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Short {
    And,
    Or,
}

impl Short {
    fn of(name: &str) -> Option<Self> {
        match name {
            "and" => Some(Self::And),
            "or" => Some(Self::Or),
            _ => None,
        }
    }
}

/// A rough size of what a function made, for the budget.
fn weight(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list_weight(list),
        Value::Map(map) => map.len().saturating_mul(64),
        _ => 0,
    }
}

fn list_weight(list: &List) -> usize {
    list.items().len().saturating_mul(size_of::<Value>())
}
