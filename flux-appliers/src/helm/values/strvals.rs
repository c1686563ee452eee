//! The grammar of `--set` and its relatives: `a.b[0].c=1,d={x,y}`.

use serde_json::Value as Json;

use super::Table;
use crate::helm::funcs::read_first;
use crate::helm::template::gofmt::quote;

/// The largest index of a list.
const MAX_INDEX: i64 = 65_536;
/// How many dots a key may have.
const MAX_NESTING: usize = 30;
/// How many indices a key may have. Helm has no limit here, and is stopped by its stack.
const MAX_INDICES: usize = 500;

/// How to read what is given.
#[derive(Clone, Copy)]
pub enum SetMode<'a> {
    /// `--set`: `true`, `false`, `null` and whole numbers have their types.
    Typed,
    /// `--set-string`: everything is a string.
    Text,
    /// `--set-json`: each value is JSON.
    Json,
    /// `--set-literal`: one value, taken as it stands.
    Literal,
    /// `--set-file`: each value is the name of a file to take.
    File(&'a dyn Fn(&str) -> Result<String, String>),
}

/// Why a `--set` expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// A key without a value.
    #[error("key {0} has no value")]
    NoValue(String),
    /// A key that is followed by a comma.
    #[error("key {0} has no value (cannot end with ,)")]
    EndsWithComma(String),
    /// A table that nothing was put in.
    #[error("key map {0} has no value")]
    EmptyMap(String),
    /// An index that is no number.
    #[error("error parsing index: {0}")]
    Index(String),
    /// An index below zero.
    #[error("negative {0} index not allowed")]
    NegativeIndex(i64),
    /// An index too large.
    #[error("index of {0} is greater than maximum supported index of {MAX_INDEX}")]
    LargeIndex(i64),
    /// Something between `]` and what may follow it.
    #[error("unexpected data at end of array index: {0}")]
    AfterIndex(String),
    /// Too many dots.
    #[error("value name nested level is greater than maximum supported nested level of {MAX_NESTING}")]
    Nesting,
    /// A list without its end.
    #[error("list must terminate with '}}'")]
    OpenList,
    /// A value that is not JSON.
    #[error("{0}")]
    Json(String),
    /// A file that cannot be read.
    #[error("{0}")]
    File(String),
    /// A key of something that is no table, or an index of something that is no list.
    #[error("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")]
    Type {
        /// The Go type that is there.
        found: &'static str,
        /// The Go type that the expression needs.
        wanted: &'static str,
    },
    /// An index with nothing after it.
    #[error("unexpected end after array index")]
    AfterEnd,
}

/// Sets what `expression` says in `values`. What was set before a fault stays set, as in Helm.
///
/// # Errors
/// If the expression does not follow the grammar or does not fit what is there.
pub fn set(values: &mut Table, expression: &str, mode: SetMode<'_>) -> Result<(), SetError> {
    let mut parser = Parser { chars: expression.chars().collect(), at: 0, indices: 0, mode };
    loop {
        parser.indices = 0;
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Fault(error)) => return Err(error),
        }
    }
}

/// Why reading a key stopped; the end of the expression is no fault.
enum Stop {
    End,
    Fault(SetError),
}

impl From<SetError> for Stop {
    fn from(error: SetError) -> Self {
        Self::Fault(error)
    }
}

struct Parser<'a> {
    chars: Vec<char>,
    at: usize,
    /// How many indices the key at hand has.
    indices: usize,
    mode: SetMode<'a>,
}

impl Parser<'_> {
    fn is_literal(&self) -> bool {
        matches!(self.mode, SetMode::Literal)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied()?;
        self.at += 1;
        Some(c)
    }

    /// The text up to one of `stops`, which is consumed; none if the expression ends first.
    fn until(&mut self, stops: &str) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                c if stops.contains(c) => return (text, Some(c)),
                '\\' if !self.is_literal() => match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => return (text, None),
                },
                c => text.push(c),
            }
        }
        (text, None)
    }

    fn key(&mut self, table: &mut Table, level: usize) -> Result<(), Stop> {
        let (key, last) = self.until(if self.is_literal() { "=[." } else { "=[,." });
        match last {
            None if key.is_empty() => Err(Stop::End),
            None => Err(SetError::NoValue(quote(key.as_bytes())).into()),
            Some('[') => {
                let index = self.index()?;
                let mut list = match table.get_mut(&key) {
                    Some(Json::Array(items)) => std::mem::take(items),
                    None => Vec::new(),
                    Some(other) => {
                        return Err(SetError::Type { found: go_type(other), wanted: "[]interface {}" }.into());
                    }
                };
                let outcome = self.item(&mut list, index, level);
                put(table, key, Json::Array(list));
                outcome
            }
            Some('=') => match (self.chars.get(self.at) == Some(&'{'), self.value()) {
                (_, Ok((value, stop))) => {
                    put(table, key, value);
                    stop.map_or(Ok(()), Err)
                }
                (is_list, Err(stop)) => {
                    // Helm sets what one file was to give before it looks whether there was one.
                    if !is_list && matches!(stop, Stop::Fault(SetError::File(_))) {
                        put(table, key, Json::Null);
                    }
                    Err(stop)
                }
            },
            Some('.') => {
                if level + 1 > MAX_NESTING {
                    return Err(SetError::Nesting.into());
                }
                let mut inner = match table.get_mut(&key) {
                    Some(Json::Object(fields)) => std::mem::take(fields),
                    None => Table::new(),
                    Some(other) => {
                        return Err(SetError::Type { found: go_type(other), wanted: "map[string]interface {}" }.into());
                    }
                };
                let was_there = table.contains_key(&key);
                let outcome = self.key(&mut inner, level + 1);
                if outcome.is_ok() && inner.is_empty() {
                    if was_there {
                        put(table, key.clone(), Json::Object(inner));
                    }
                    return Err(SetError::EmptyMap(quote(key.as_bytes())).into());
                }
                if !inner.is_empty() || was_there {
                    put(table, key, Json::Object(inner));
                }
                outcome
            }
            Some(_) => {
                put(table, key.clone(), Json::from(""));
                Err(SetError::EndsWithComma(quote(key.as_bytes())).into())
            }
        }
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let (text, last) = self.until("]");
        if last.is_none() {
            // Helm takes the end here for the end of everything.
            return Err(Stop::End);
        }
        let number = text.strip_prefix('+').unwrap_or(&text).parse().ok();
        number.ok_or_else(|| SetError::Index(format!("invalid number {}", quote(text.as_bytes()))).into())
    }

    fn item(&mut self, list: &mut Vec<Json>, index: i64, level: usize) -> Result<(), Stop> {
        self.indices += 1;
        if self.indices > MAX_INDICES {
            return Err(SetError::Nesting.into());
        }
        if index < 0 {
            return Err(SetError::NegativeIndex(index).into());
        }
        let (text, last) = self.until("[.=");
        if !text.is_empty() {
            return Err(SetError::AfterIndex(quote(text.as_bytes())).into());
        }
        let old = usize::try_from(index).ok().and_then(|index| list.get_mut(index));
        match last {
            None => Err(Stop::End),
            Some('=') => {
                let (value, stop) = self.value()?;
                put_index(list, index, value)?;
                match stop {
                    // The end of the expression after a value is found again by the next key.
                    Some(Stop::Fault(error)) => Err(error.into()),
                    _ => Ok(()),
                }
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match old {
                    Some(Json::Array(items)) => std::mem::take(items),
                    None | Some(Json::Null) => Vec::new(),
                    Some(other) => {
                        return Err(SetError::Type { found: go_type(other), wanted: "[]interface {}" }.into());
                    }
                };
                let outcome = self.item(&mut inner, next, level);
                if outcome.is_ok() || old_len(list, index) {
                    put_index(list, index, Json::Array(inner))?;
                }
                outcome
            }
            _ => {
                let mut inner = match old {
                    Some(Json::Object(fields)) => std::mem::take(fields),
                    _ => Table::new(),
                };
                let outcome = self.key(&mut inner, level);
                if outcome.is_ok() || old_len(list, index) {
                    put_index(list, index, Json::Object(inner))?;
                }
                outcome
            }
        }
    }

    /// A value, and what ended it if that ends more than the value.
    fn value(&mut self) -> Result<(Json, Option<Stop>), Stop> {
        match self.mode {
            SetMode::Json => self.json_value().map(|value| (value, None)),
            SetMode::Literal => {
                let text: String = self.chars.get(self.at..).unwrap_or_default().iter().collect();
                self.at = self.chars.len();
                Ok((Json::from(text), None))
            }
            _ => match self.chars.get(self.at) {
                None => Ok((Json::from(""), Some(Stop::End))),
                Some('{') => {
                    self.at += 1;
                    self.list().map(|list| (Json::Array(list), None))
                }
                Some(_) => {
                    let (text, _) = self.until(",");
                    Ok((self.scalar(&text)?, None))
                }
            },
        }
    }

    fn list(&mut self) -> Result<Vec<Json>, Stop> {
        let mut items = Vec::new();
        loop {
            let (text, last) = self.until(",}");
            let Some(last) = last else {
                return Err(SetError::OpenList.into());
            };
            items.push(self.scalar(&text)?);
            if last == '}' {
                if self.chars.get(self.at) == Some(&',') {
                    self.at += 1;
                }
                return Ok(items);
            }
        }
    }

    fn scalar(&self, text: &str) -> Result<Json, Stop> {
        Ok(match self.mode {
            SetMode::Typed => typed(text),
            SetMode::File(read) => Json::from(read(text).map_err(SetError::File)?),
            _ => Json::from(text),
        })
    }

    /// JSON up to where it ends by itself; nothing is null.
    fn json_value(&mut self) -> Result<Json, Stop> {
        if self.is_blank() {
            return Ok(Json::Null);
        }
        let rest: String = self.chars.get(self.at..).unwrap_or_default().iter().collect();
        let (mut value, length) = read_first(rest.as_bytes()).map_err(SetError::Json)?;
        super::floats(&mut value);
        let used = rest.get(..length).map_or(0, |used| used.chars().count());
        self.at += used;
        self.is_blank();
        Ok(value)
    }

    /// Skips space and one comma; whether there is no value before the next key.
    fn is_blank(&mut self) -> bool {
        loop {
            match self.chars.get(self.at) {
                None => return true,
                Some(',') => {
                    self.at += 1;
                    return true;
                }
                Some(c) if c.is_whitespace() => self.at += 1,
                Some(_) => return false,
            }
        }
    }
}

fn old_len(list: &[Json], index: i64) -> bool {
    usize::try_from(index).is_ok_and(|index| index < list.len())
}

/// A key without a name is not set.
fn put(table: &mut Table, key: String, value: Json) {
    if !key.is_empty() {
        table.insert(key, value);
    }
}

fn put_index(list: &mut Vec<Json>, index: i64, value: Json) -> Result<(), SetError> {
    if index > MAX_INDEX {
        return Err(SetError::LargeIndex(index));
    }
    let index = usize::try_from(index).map_err(|_| SetError::NegativeIndex(index))?;
    if list.len() <= index {
        list.resize(index + 1, Json::Null);
    }
    if let Some(slot) = list.get_mut(index) {
        *slot = value;
    }
    Ok(())
}

fn typed(text: &str) -> Json {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Json::Bool(true),
        _ if text.eq_ignore_ascii_case("false") => Json::Bool(false),
        _ if text.eq_ignore_ascii_case("null") => Json::Null,
        "0" => Json::from(0),
        _ if !text.starts_with('0') => text.parse::<i64>().map_or_else(|_| Json::from(text), Json::from),
        _ => Json::from(text),
    }
}

fn go_type(json: &Json) -> &'static str {
    match json {
        Json::Null => "nil",
        Json::Bool(_) => "bool",
        Json::Number(n) if n.is_i64() => "int64",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}
