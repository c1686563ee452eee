//! Label and field selectors.

use serde_json::Value;

use super::fields::Fields;
use super::status::Status;

/// A parsed label selector; empty selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `a=b,c!=d,e in (f,g),!h,i>1`.
    ///
    /// # Errors
    /// In the words of the real server.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens = lex(text);
        let mut p = Parser { tokens: &tokens, at: 0 };
        let mut out = Vec::new();
        if p.peek().is_none() {
            return Ok(LabelSelector(out));
        }
        loop {
            out.push(p.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?);
            match p.next() {
                None => break,
                Some(Token::Symbol(",")) => match p.peek() {
                    Some(Token::Word(_) | Token::Symbol("!")) => {}
                    other => return Err(format!("found '{}', expected: identifier after ','", literal(other))),
                },
                other => return Err(format!("found '{}', expected: ',' or 'end of string'", literal(other.as_ref()))),
            }
        }
        out.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(LabelSelector(out))
    }

    /// Reads a `LabelSelector` object (`matchLabels`, `matchExpressions`).
    pub(crate) fn from_object(selector: &Value) -> Self {
        let mut out = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or("").to_owned();
            out.push(Requirement { key: key.clone(), operator: Operator::In(vec![value]) });
        }
        for e in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let values = || {
                let values = e.get("values").and_then(Value::as_array).into_iter().flatten();
                values.filter_map(|v| v.as_str().map(str::to_owned)).collect()
            };
            let operator = match e.get("operator").and_then(Value::as_str) {
                Some("In") => Operator::In(values()),
                Some("NotIn") => Operator::NotIn(values()),
                Some("Exists") => Operator::Exists,
                _ => Operator::Absent,
            };
            let key = e.get("key").and_then(Value::as_str).unwrap_or("").to_owned();
            out.push(Requirement { key, operator });
        }
        LabelSelector(out)
    }

    pub(crate) fn matches(&self, object: &Fields) -> bool {
        self.0.is_empty()
            || self.chooses(object.get("metadata").and_then(|m| m.get("labels")).and_then(Value::as_object))
    }

    /// Whether an object with these labels is selected.
    pub(crate) fn matches_labels(&self, labels: &Fields) -> bool {
        self.chooses(Some(labels))
    }

    fn chooses(&self, labels: Option<&Fields>) -> bool {
        self.0.iter().all(|r| {
            let value = labels.and_then(|l| l.get(&r.key)).and_then(Value::as_str);
            match (&r.operator, value) {
                (Operator::In(values), Some(v)) => values.iter().any(|x| x == v),
                (Operator::In(_), None) => false,
                (Operator::NotIn(values), Some(v)) => !values.iter().any(|x| x == v),
                (Operator::NotIn(_) | Operator::Absent, None) => true,
                (Operator::Exists, v) => v.is_some(),
                (Operator::Absent, Some(_)) => false,
                (Operator::Greater(n), v) => v.and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *n),
                (Operator::Less(n), v) => v.and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *n),
            }
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
}

fn literal(token: Option<&Token>) -> String {
    match token {
        None => String::new(),
        Some(Token::Word(w)) => w.clone(),
        Some(Token::Symbol(s)) => (*s).to_owned(),
    }
}

fn lex(text: &str) -> Vec<Token> {
    const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            out.push(Token::Symbol(symbol));
            rest = rest.get(symbol.len()..).unwrap_or("");
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            out.push(Token::Word(word.to_owned()));
            rest = tail;
        }
        rest = rest.trim_start();
    }
    out
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Some(&Token::Symbol("!"));
        if absent {
            self.next();
        }
        let key = match self.next() {
            Some(Token::Word(w)) => w,
            other => return Err(format!("found '{}', expected: identifier", literal(other.as_ref()))),
        };
        let invalid = super::validation::names::label_key_errors(&key);
        if let Some(message) = invalid.first() {
            let key = super::status::go_quote(&key);
            return Err(format!("key: Invalid value: {key}: {message}"));
        }
        if absent {
            return Ok(Requirement { key, operator: Operator::Absent });
        }
        let operator = match self.peek().cloned() {
            None | Some(Token::Symbol(",")) => return Ok(Requirement { key, operator: Operator::Exists }),
            Some(Token::Symbol(s @ ("=" | "==" | "!="))) => {
                self.next();
                let value = self.exact_value()?;
                check_value(&key, &value)?;
                if s == "!=" { Operator::NotIn(vec![value]) } else { Operator::In(vec![value]) }
            }
            Some(Token::Symbol(s @ (">" | "<"))) => {
                self.next();
                let value = self.exact_value()?;
                let number: i64 = value.parse().map_err(|_| {
                    let quoted = super::status::go_quote(&value);
                    format!(
                        "values[0]: Invalid value: {quoted}: for 'Gt', 'Lt' operators, the value must be an integer"
                    )
                })?;
                if s == ">" { Operator::Greater(number) } else { Operator::Less(number) }
            }
            Some(Token::Word(w)) if w == "in" || w == "notin" => {
                self.next();
                let values = self.values()?;
                for v in &values {
                    check_value(&key, v)?;
                }
                if w == "in" { Operator::In(values) } else { Operator::NotIn(values) }
            }
            other => {
                return Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", literal(other.as_ref())));
            }
        };
        Ok(Requirement { key, operator })
    }

    fn exact_value(&mut self) -> Result<String, String> {
        match self.peek().cloned() {
            None | Some(Token::Symbol(",")) => Ok(String::new()),
            Some(Token::Word(w)) => {
                self.next();
                Ok(w)
            }
            other => Err(format!("found '{}', expected: identifier", literal(other.as_ref()))),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Some(Token::Symbol("(")) => {}
            other => return Err(format!("found '{}' expected: '('", literal(other.as_ref()))),
        }
        let mut out = Vec::new();
        loop {
            match self.next() {
                Some(Token::Word(w)) => {
                    out.push(w);
                    match self.next() {
                        Some(Token::Symbol(",")) => {
                            if self.peek() == Some(&Token::Symbol(")")) {
                                out.push(String::new());
                            }
                        }
                        Some(Token::Symbol(")")) => break,
                        other => return Err(format!("found '{}', expected: ',' or ')'", literal(other.as_ref()))),
                    }
                }
                Some(Token::Symbol(",")) => out.push(String::new()),
                Some(Token::Symbol(")")) => {
                    if out.is_empty() {
                        out.push(String::new());
                    }
                    break;
                }
                other => return Err(format!("found '{}', expected: ',', ')' or identifier", literal(other.as_ref()))),
            }
        }
        out.sort();
        out.dedup();
        Ok(out)
    }
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    match super::validation::names::label_value_errors(value).first() {
        None => Ok(()),
        Some(message) => {
            let value = super::status::go_quote(value);
            Err(format!("values[0][{key}]: Invalid value: {value}: {message}"))
        }
    }
}

/// A parsed field selector: `path=value` or `path!=value`, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a selector and checks that each path may be selected on. `also` are the fields of a custom resource.
    ///
    /// # Errors
    /// A term that is none, or a path that the kind does not support.
    pub(crate) fn parse(text: &str, kind: &str, group: &str, also: Option<&[String]>) -> Result<Self, Status> {
        let mut out = Vec::new();
        for term in split_terms(text) {
            if term.is_empty() {
                continue;
            }
            let (path, equal, value) = if let Some((p, v)) = term.split_once("!=") {
                (p, false, v)
            } else if let Some((p, v)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (p, true, v)
            } else {
                return Err(Status::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
            };
            let value = unescape(value).map_err(Status::bad_request)?;
            out.push((path.to_owned(), equal, value));
        }
        for (path, _, _) in &out {
            if !selectable(group, kind, path) && !also.is_some_and(|a| a.contains(path)) {
                return Err(Status::bad_request(match also {
                    Some(_) => format!("field label not supported: {path}"),
                    None => unsupported(group, kind, path),
                }));
            }
        }
        Ok(FieldSelector(out))
    }

    pub(crate) fn matches(&self, object: &Fields) -> bool {
        self.0.iter().all(|(path, equal, value)| {
            let mut at: Option<&Value> = None;
            for (i, part) in path.split('.').enumerate() {
                at = if i == 0 { object.get(part) } else { at.and_then(|v| v.get(part)) };
            }
            let found = match at {
                Some(Value::String(s)) => s.clone(),
                Some(Value::Bool(b)) => b.to_string(),
                Some(Value::Number(n)) => n.to_string(),
                _ => match path.as_str() {
                    "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
                    "status.successful" => "0".to_owned(),
                    _ => String::new(),
                },
            };
            (found == *value) == *equal
        })
    }
}

fn unsupported(group: &str, kind: &str, path: &str) -> String {
    match (group, kind) {
        ("", "Pod" | "Node" | "Namespace" | "Secret" | "Event" | "ReplicationController" | "Service") => {
            format!("field label not supported: {path}")
        }
        ("batch", "Job") | ("certificates.k8s.io", _) => format!("field label {path:?} not supported for {kind}"),
        _ => format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

fn selectable(group: &str, kind: &str, path: &str) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return true;
    }
    match (group, kind) {
        ("", "Pod") => matches!(
            path,
            "spec.nodeName"
                | "spec.restartPolicy"
                | "spec.schedulerName"
                | "spec.serviceAccountName"
                | "spec.hostNetwork"
                | "status.phase"
                | "status.podIP"
                | "status.podIPs"
                | "status.nominatedNodeName"
        ),
        ("", "Node") => path == "spec.unschedulable",
        ("", "Namespace") => matches!(path, "status.phase" | "name"),
        ("", "Secret") => path == "type",
        ("", "Service") => matches!(path, "spec.clusterIP" | "spec.type"),
        ("", "ReplicationController") => path == "status.replicas",
        ("", "Event") | ("events.k8s.io", "Event") => {
            path.starts_with("involvedObject.")
                || path.starts_with("regarding.")
                || matches!(path, "reason" | "reportingComponent" | "source" | "type" | "reportingController")
        }
        ("batch", "Job") => path == "status.successful",
        ("certificates.k8s.io", _) => path == "spec.signerName",
        _ => false,
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => {
                out.push(text.get(start..i).unwrap_or(""));
                start = i + 1;
            }
            _ => escaped = false,
        }
    }
    out.push(text.get(start..).unwrap_or(""));
    out
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(format!("invalid field selector: invalid escape sequence: \\{c}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {c}")),
            c => out.push(c),
        }
    }
    Ok(out)
}
