//! Types, told before anything is evaluated.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::ast::{Access, Comprehension, Expr, Node};
use super::error::ParseError;
use super::eval::type_named;
use super::functions::is_namespaced;
use super::value::Value;

/// A type as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Anything; known only when evaluated.
    Dyn,
    /// A type without parameters, by its name.
    Plain(&'static str),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// The type of a type.
    Type,
    /// A parameter of a signature.
    Parameter(char),
}

/// A type that is not known yet and may become any one.
const FREE: Type = Type::Parameter('?');
const NULL: Type = Type::Plain("null");
const BOOL: Type = Type::Plain("bool");
const INT: Type = Type::Plain("int");
const STRING: Type = Type::Plain("string");

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Plain(name) => f.write_str(name),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(value) => write!(f, "optional_type({value})"),
            Self::Type => f.write_str("type"),
            Self::Parameter(_) => f.write_str("dyn"),
        }
    }
}

/// What every function takes and gives; methods have their target before the dot.
const SIGNATURES: &str = "
!_(bool) bool
-_(int) int
-_(double) double
-_(duration) duration
_==_(A, A) bool
_!=_(A, A) bool
_<_(N, N) bool
_<=_(N, N) bool
_>_(N, N) bool
_>=_(N, N) bool
_<_(O, O) bool
_<=_(O, O) bool
_>_(O, O) bool
_>=_(O, O) bool
@in(A, list(A)) bool
@in(A, map(A, B)) bool
_+_(int, int) int
_+_(uint, uint) uint
_+_(double, double) double
_+_(string, string) string
_+_(bytes, bytes) bytes
_+_(list(A), list(A)) list(A)
_+_(duration, duration) duration
_+_(timestamp, duration) timestamp
_+_(duration, timestamp) timestamp
_-_(int, int) int
_-_(uint, uint) uint
_-_(double, double) double
_-_(duration, duration) duration
_-_(timestamp, duration) timestamp
_-_(timestamp, timestamp) duration
_*_(int, int) int
_*_(uint, uint) uint
_*_(double, double) double
_/_(int, int) int
_/_(uint, uint) uint
_/_(double, double) double
_%_(int, int) int
_%_(uint, uint) uint
size(string) int
size(bytes) int
size(list(A)) int
size(map(A, B)) int
string.size() int
bytes.size() int
list(A).size() int
map(A, B).size() int
bool(bool) bool
bool(string) bool
bytes(bytes) bytes
bytes(string) bytes
double(double) double
double(int) double
double(uint) double
double(string) double
duration(duration) duration
duration(string) duration
dyn(A) dyn
int(int) int
int(uint) int
int(double) int
int(string) int
int(timestamp) int
int(duration) int
string(bool) string
string(int) string
string(uint) string
string(double) string
string(string) string
string(bytes) string
string(duration) string
string(timestamp) string
timestamp(timestamp) timestamp
timestamp(string) timestamp
timestamp(int) timestamp
type(A) type
uint(uint) uint
uint(int) uint
uint(double) uint
uint(string) uint
matches(string, string) bool
string.matches(string) bool
string.contains(string) bool
string.startsWith(string) bool
string.endsWith(string) bool
string.charAt(int) string
string.indexOf(string) int
string.indexOf(string, int) int
string.lastIndexOf(string) int
string.lastIndexOf(string, int) int
string.lowerAscii() string
string.upperAscii() string
string.replace(string, string) string
string.replace(string, string, int) string
string.split(string) list(string)
string.split(string, int) list(string)
string.substring(int) string
string.substring(int, int) string
string.trim() string
string.reverse() string
string.format(list(dyn)) string
list(string).join() string
list(string).join(string) string
strings.quote(string) string
base64.encode(bytes) string
base64.decode(string) bytes
sets.contains(list(A), list(A)) bool
sets.equivalent(list(A), list(A)) bool
sets.intersects(list(A), list(A)) bool
optional.of(A) optional(A)
optional.none() optional(A)
optional.ofNonZeroValue(A) optional(A)
optional.unwrap(list(optional(A))) list(A)
list(optional(A)).unwrapOpt() list(A)
optional(A).hasValue() bool
optional(A).value() A
optional(A).or(optional(A)) optional(A)
optional(A).orValue(A) A
list(A).first() optional(A)
list(A).last() optional(A)
duration.getHours() int
duration.getMinutes() int
duration.getSeconds() int
duration.getMilliseconds() int
timestamp.getFullYear() int
timestamp.getMonth() int
timestamp.getDate() int
timestamp.getDayOfMonth() int
timestamp.getDayOfWeek() int
timestamp.getDayOfYear() int
timestamp.getHours() int
timestamp.getMinutes() int
timestamp.getSeconds() int
timestamp.getMilliseconds() int
timestamp.getFullYear(string) int
timestamp.getMonth(string) int
timestamp.getDate(string) int
timestamp.getDayOfMonth(string) int
timestamp.getDayOfWeek(string) int
timestamp.getDayOfYear(string) int
timestamp.getHours(string) int
timestamp.getMinutes(string) int
timestamp.getSeconds(string) int
timestamp.getMilliseconds(string) int
";

#[derive(Debug)]
struct Signature {
    method: bool,
    parameters: Vec<Type>,
    result: Type,
}

static FUNCTIONS: LazyLock<HashMap<String, Vec<Signature>>> = LazyLock::new(|| {
    let mut functions: HashMap<String, Vec<Signature>> = HashMap::new();
    for line in SIGNATURES.lines() {
        if let Some((name, signature)) = signature(line) {
            functions.entry(name).or_default().push(signature);
        }
    }
    functions
});

/// `target.name(parameters) result`.
fn signature(line: &str) -> Option<(String, Signature)> {
    let end = line.rfind(") ")?;
    let result = type_of(&line[end + 2..])?;
    // The bracket that opens the parameters is the one that the last one closes.
    let mut depth = 0;
    let open = line[..=end].char_indices().rev().find_map(|(at, c)| {
        depth += i32::from(c == ')') - i32::from(c == '(');
        (depth == 0).then_some(at)
    })?;
    let (head, inner) = (&line[..open], &line[open + 1..end]);
    let mut parameters = split(inner).into_iter().map(type_of).collect::<Option<Vec<_>>>()?;
    let target = head.rsplit_once('.').filter(|_| !is_namespaced(head));
    let name = target.map_or(head, |(_, name)| name);
    if let Some((target, _)) = target {
        parameters.insert(0, type_of(target)?);
    }
    Some((name.to_owned(), Signature { method: target.is_some(), parameters, result }))
}

fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ',' && depth == 0 {
            parts.push(text[start..at].trim());
            start = at + 1;
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

fn type_of(text: &str) -> Option<Type> {
    if let Some((name, inner)) = text.split_once('(') {
        let mut inner = split(inner.strip_suffix(')')?).into_iter().map(type_of);
        return match name {
            "list" => Some(Type::List(Box::new(inner.next()??))),
            "optional" => Some(Type::Optional(Box::new(inner.next()??))),
            "map" => Some(Type::Map(Box::new(inner.next()??), Box::new(inner.next()??))),
            _ => None,
        };
    }
    Some(match text {
        "dyn" => Type::Dyn,
        "type" => Type::Type,
        "duration" => Type::Plain("google.protobuf.Duration"),
        "timestamp" => Type::Plain("google.protobuf.Timestamp"),
        "bool" | "int" | "uint" | "double" | "string" | "bytes" => type_plain(text)?,
        _ => Type::Parameter(text.chars().next()?),
    })
}

fn type_plain(name: &str) -> Option<Type> {
    ["bool", "int", "uint", "double", "string", "bytes"]
        .iter()
        .find(|known| **known == name)
        .map(|name| Type::Plain(name))
}

/// Checks an expression whose variables are `variables`, each a struct of JSON, and tells the type of its result.
pub(super) fn check(text: &str, expr: &Expr, variables: &[&str]) -> Result<Type, ParseError> {
    Checker { text, variables, bound: Vec::new() }.check(expr)
}

struct Checker<'a> {
    text: &'a str,
    variables: &'a [&'a str],
    bound: Vec<(&'a str, Type)>,
}

impl<'a> Checker<'a> {
    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    fn check(&mut self, expr: &'a Expr) -> Result<Type, ParseError> {
        Ok(match &expr.node {
            Node::Literal(value) => literal(value),
            Node::Ident(name) => self.ident(name, expr.at)?,
            Node::Select { operand, access, .. } => {
                if let Some(path) = expr.path()
                    && type_named(&path).is_some()
                {
                    return Ok(Type::Type);
                }
                self.select(operand, *access, expr.at)?
            }
            Node::Index { operand, index, optional } => self.index(operand, index, *optional, expr.at)?,
            Node::Call { function, target, arguments } => self.call(function, target.as_deref(), arguments, expr.at)?,
            Node::Logic { operands, .. } => {
                for operand in operands {
                    self.condition(operand)?;
                }
                BOOL
            }
            Node::Ternary { condition, then, otherwise } => {
                let types = [self.check(condition)?, self.check(then)?, self.check(otherwise)?];
                let mut bindings = HashMap::new();
                let parameters = [BOOL, Type::Parameter('A'), Type::Parameter('A')];
                if !parameters.iter().zip(&types).all(|(parameter, given)| unify(parameter, given, &mut bindings)) {
                    return Err(self.no_overload("_?_:_", &types, expr.at));
                }
                bindings.remove(&'A').unwrap_or(Type::Dyn)
            }
            Node::List(elements) => {
                let mut item = None;
                for element in elements {
                    let given = self.element(&element.value, element.optional)?;
                    self.same(&mut item, given, element.value.at)?;
                }
                Type::List(Box::new(item.unwrap_or(Type::Dyn)))
            }
            Node::Map(entries) => {
                let (mut key, mut value) = (None, None);
                for (name, element) in entries {
                    let given = self.check(name)?;
                    self.same(&mut key, given, name.at)?;
                    let given = self.element(&element.value, element.optional)?;
                    self.same(&mut value, given, element.value.at)?;
                }
                Type::Map(Box::new(key.unwrap_or(Type::Dyn)), Box::new(value.unwrap_or(Type::Dyn)))
            }
            Node::Message { name, fields } => {
                for (_, value) in fields {
                    self.check(value)?;
                }
                let known = ["google.protobuf.Duration", "google.protobuf.Timestamp"];
                let known = known.iter().find(|known| *known == name).map(|known| Type::Plain(known));
                known.ok_or_else(|| self.error(expr.at, format!("undeclared reference to '{name}'")))?
            }
            Node::Comprehension { kind, range, variable, body, filter } => {
                self.comprehension(*kind, range, variable, body, filter.as_deref(), expr.at)?
            }
        })
    }

    fn ident(&self, name: &str, at: usize) -> Result<Type, ParseError> {
        if let Some((_, bound)) = self.bound.iter().rev().find(|(known, _)| *known == name) {
            return Ok(bound.clone());
        }
        if self.variables.contains(&name) {
            return Ok(Type::Map(Box::new(STRING), Box::new(Type::Dyn)));
        }
        if type_named(name).is_some() {
            return Ok(Type::Type);
        }
        Err(self.error(at, format!("undeclared reference to '{name}'")))
    }

    fn select(&mut self, operand: &'a Expr, access: Access, at: usize) -> Result<Type, ParseError> {
        let (operand, chained) = match self.check(operand)? {
            Type::Optional(value) => (*value, true),
            other => (other, false),
        };
        let value = match operand {
            Type::Dyn => Type::Dyn,
            Type::Map(_, value) => *value,
            other => return Err(self.error(at, format!("type '{other}' does not support field selection"))),
        };
        Ok(match access {
            Access::Test => BOOL,
            Access::Optional => Type::Optional(Box::new(value)),
            Access::Plain if chained => Type::Optional(Box::new(value)),
            Access::Plain => value,
        })
    }

    fn index(&mut self, operand: &'a Expr, index: &'a Expr, optional: bool, at: usize) -> Result<Type, ParseError> {
        let (operand, chained) = match self.check(operand)? {
            Type::Optional(value) => (*value, true),
            other => (other, false),
        };
        let given = self.check(index)?;
        let value = match &operand {
            Type::Dyn => Type::Dyn,
            Type::List(item) if unify(&INT, &given, &mut HashMap::new()) => (**item).clone(),
            Type::Map(key, value) if unify(key, &given, &mut HashMap::new()) => (**value).clone(),
            _ => return Err(self.no_overload("_[_]", &[operand, given], at)),
        };
        Ok(if optional || chained { Type::Optional(Box::new(value)) } else { value })
    }

    fn element(&mut self, value: &'a Expr, optional: bool) -> Result<Type, ParseError> {
        match self.check(value)? {
            Type::Optional(inner) if optional => Ok(*inner),
            Type::Dyn if optional => Ok(Type::Dyn),
            other if optional => {
                Err(self.error(value.at, format!("expected type 'optional_type' but found '{other}'")))
            }
            other => Ok(other),
        }
    }

    /// All elements of a literal have one type.
    fn same(&self, known: &mut Option<Type>, given: Type, at: usize) -> Result<(), ParseError> {
        match known {
            None => *known = Some(given),
            Some(known) if unify(known, &given, &mut HashMap::new()) => {}
            Some(known) => return Err(self.error(at, format!("expected type '{known}' but found '{given}'"))),
        }
        Ok(())
    }

    fn condition(&mut self, expr: &'a Expr) -> Result<(), ParseError> {
        let given = self.check(expr)?;
        if unify(&BOOL, &given, &mut HashMap::new()) {
            Ok(())
        } else {
            Err(self.error(expr.at, format!("expected type 'bool' but found '{given}'")))
        }
    }

    fn no_overload(&self, function: &str, types: &[Type], at: usize) -> ParseError {
        let types: Vec<_> = types.iter().map(Type::to_string).collect();
        self.error(at, format!("found no matching overload for '{function}' applied to '({})'", types.join(", ")))
    }

    fn call(
        &mut self,
        function: &str,
        target: Option<&'a Expr>,
        arguments: &'a [Expr],
        at: usize,
    ) -> Result<Type, ParseError> {
        let namespaced = target.and_then(Expr::path).map(|path| format!("{path}.{function}"));
        let namespaced = namespaced.filter(|name| is_namespaced(name));
        let method = target.is_some() && namespaced.is_none();
        let name = namespaced.as_deref().unwrap_or(function);
        let Some(signatures) = FUNCTIONS.get(name) else {
            return Err(self.error(at, format!("undeclared reference to '{name}'")));
        };
        let mut types = Vec::with_capacity(arguments.len() + 1);
        if method && let Some(target) = target {
            types.push(self.check(target)?);
        }
        for argument in arguments {
            types.push(self.check(argument)?);
        }
        let mut results = signatures.iter().filter_map(|signature| signature.apply(method, &types));
        let first = results.next().ok_or_else(|| self.no_overload(name, &types, at))?;
        Ok(if results.all(|other| other == first) { first } else { Type::Dyn })
    }

    fn comprehension(
        &mut self,
        kind: Comprehension,
        range: &'a Expr,
        variable: &'a str,
        body: &'a Expr,
        filter: Option<&'a Expr>,
        at: usize,
    ) -> Result<Type, ParseError> {
        let over_optional = matches!(kind, Comprehension::OptMap | Comprehension::OptFlatMap);
        let item = match self.check(range)? {
            Type::Dyn => Type::Dyn,
            Type::Optional(value) if over_optional => *value,
            Type::List(item) if !over_optional => *item,
            Type::Map(key, _) if !over_optional => *key,
            other => {
                return Err(self.error(at, format!("expression of type '{other}' cannot be range of a comprehension")));
            }
        };
        self.bound.push((variable, item.clone()));
        let checked = filter.map_or(Ok(()), |filter| self.condition(filter)).and_then(|()| self.check(body));
        self.bound.pop();
        let given = checked?;
        let is_condition = unify(&BOOL, &given, &mut HashMap::new());
        match kind {
            Comprehension::Map => Ok(Type::List(Box::new(given))),
            Comprehension::OptMap => Ok(Type::Optional(Box::new(given))),
            Comprehension::OptFlatMap => Ok(given),
            _ if !is_condition => Err(self.error(body.at, format!("expected type 'bool' but found '{given}'"))),
            Comprehension::Filter => Ok(Type::List(Box::new(item))),
            _ => Ok(BOOL),
        }
    }
}

impl Signature {
    /// The type of the result, if the function takes these arguments.
    fn apply(&self, method: bool, types: &[Type]) -> Option<Type> {
        let mut bindings = HashMap::new();
        let fits = self.method == method
            && self.parameters.len() == types.len()
            && self.parameters.iter().zip(types).all(|(parameter, given)| unify(parameter, given, &mut bindings));
        fits.then(|| bind(&self.result, &bindings))
    }
}

fn bind(result: &Type, bindings: &HashMap<char, Type>) -> Type {
    let inner = |inner: &Type| Box::new(bind(inner, bindings));
    match result {
        Type::Parameter(name) => bindings.get(name).cloned().unwrap_or(FREE),
        Type::List(item) => Type::List(inner(item)),
        Type::Optional(value) => Type::Optional(inner(value)),
        Type::Map(key, value) => Type::Map(inner(key), inner(value)),
        other => other.clone(),
    }
}

/// Whether a value of one type can be given for another. `N` stands for any number, `O` for what has an order, and other
/// letters for one and the same type wherever they stand.
fn unify(parameter: &Type, given: &Type, bindings: &mut HashMap<char, Type>) -> bool {
    if *parameter == FREE {
        return true;
    }
    match (parameter, given) {
        (Type::Parameter('N'), Type::Plain(name)) => matches!(*name, "int" | "uint" | "double"),
        (Type::Parameter('N'), _) => matches!(given, Type::Dyn | Type::Parameter(_)),
        (Type::Parameter(name), given) => {
            if *name == 'O' && !matches!(given, Type::Dyn | Type::Plain(_) | Type::Parameter(_)) {
                return false;
            }
            match bindings.get(name).cloned() {
                Some(bound) if bound == Type::Dyn || *given == FREE => true,
                Some(bound) if bound != FREE => unify(&bound, given, bindings),
                _ => {
                    bindings.insert(*name, given.clone());
                    true
                }
            }
        }
        (Type::Dyn, _) | (_, Type::Dyn | Type::Parameter(_)) => true,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => unify(a, b, bindings),
        (Type::Map(a, b), Type::Map(c, d)) => unify(a, c, bindings) && unify(b, d, bindings),
        (a, b) => a == b,
    }
}

fn literal(value: &Value<'_>) -> Type {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOL,
        Value::Int(_) => INT,
        Value::Uint(_) => Type::Plain("uint"),
        Value::Double(_) => Type::Plain("double"),
        Value::String(_) => STRING,
        Value::Bytes(_) => Type::Plain("bytes"),
        _ => Type::Dyn,
    }
}
