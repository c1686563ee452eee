//! Tokens become an expression, with its macros expanded.

use super::ast::{Access, Comprehension, Element, Expr, Node};
use super::error::ParseError;
use super::lexer::{Token, tokens};
use super::value::{Text, Value};

/// Bytes of text.
const MAX_TEXT: usize = 64 << 10;
/// Levels of nesting.
const MAX_DEPTH: usize = 100;

const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

pub(super) fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > MAX_TEXT {
        return Err(ParseError::new(text, 0, format!("the expression is longer than {MAX_TEXT} bytes")));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let expr = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.error("the expression goes on where it should end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(_, at)| *at)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.next += usize::from(there);
        there
    }

    /// The first of several signs that is there.
    fn take_any(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.take(sign))
    }

    fn expect(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.take(sign) { Ok(()) } else { Err(self.error(format!("`{sign}` is expected here"))) }
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, self.at(), message)
    }

    fn node(&self, node: Node, at: usize) -> Result<Expr, ParseError> {
        let expr = Expr::new(node, at);
        if expr.depth > MAX_DEPTH {
            return Err(ParseError::new(
                self.text,
                at,
                format!("the expression is nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        Ok(expr)
    }

    fn call(&self, function: &str, arguments: Vec<Expr>, at: usize) -> Result<Expr, ParseError> {
        self.node(Node::Call { function: function.to_owned(), target: None, arguments }, at)
    }

    fn expression(&mut self) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("the expression is nested more than {MAX_DEPTH} levels deep")));
        }
        let condition = self.logic("||", true)?;
        let at = self.at();
        let expr = if self.take("?") {
            let then = Box::new(self.logic("||", true)?);
            self.expect(":")?;
            let otherwise = Box::new(self.expression()?);
            self.node(Node::Ternary { condition: Box::new(condition), then, otherwise }, at)?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// A chain of `||`, or of `&&` inside of one.
    fn logic(&mut self, sign: &'static str, stops_at: bool) -> Result<Expr, ParseError> {
        let at = self.at();
        let mut operands = Vec::new();
        loop {
            operands.push(if stops_at { self.logic("&&", false)? } else { self.binary(0)? });
            if !self.take(sign) {
                break;
            }
        }
        match operands.len() {
            1 => Ok(operands.remove(0)),
            _ => self.node(Node::Logic { stops_at, operands }, at),
        }
    }

    /// Relations, sums and products, in this order of binding.
    fn binary(&mut self, level: usize) -> Result<Expr, ParseError> {
        const LEVELS: [&[&str]; 3] = [&["==", "!=", "<=", ">=", "<", ">", "in"], &["+", "-"], &["*", "/", "%"]];
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let at = self.at();
            let Some(sign) = self.take_any(signs) else { return Ok(left) };
            let right = self.binary(level + 1)?;
            let function = if sign == "in" { "@in".to_owned() } else { format!("_{sign}_") };
            left = self.call(&function, vec![left, right], at)?;
        }
    }

    fn unary(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        let mut signs = Vec::new();
        while let Some(sign) = self.take_any(&["!", "-"]) {
            if signs.len() > MAX_DEPTH {
                return Err(self.error("too many signs"));
            }
            signs.push(sign);
        }
        // The smallest integer is one beyond what its digits alone would be.
        if let (Some(&"-"), Token::Int(digits)) = (signs.last(), self.peek()) {
            let number = 0_i64.checked_sub_unsigned(*digits);
            let number = number.ok_or_else(|| self.error("invalid int literal"))?;
            self.next += 1;
            signs.pop();
            let literal = self.node(Node::Literal(Value::Int(number)), at)?;
            let expr = self.members(literal)?;
            return self.signed(expr, &signs, at);
        }
        if let (Some(&"-"), Token::Double(number)) = (signs.last(), self.peek()) {
            let number = -*number;
            self.next += 1;
            signs.pop();
            let literal = self.node(Node::Literal(Value::Double(number)), at)?;
            let expr = self.members(literal)?;
            return self.signed(expr, &signs, at);
        }
        let primary = self.primary()?;
        let expr = self.members(primary)?;
        self.signed(expr, &signs, at)
    }

    fn signed(&self, mut expr: Expr, signs: &[&str], at: usize) -> Result<Expr, ParseError> {
        for sign in signs.iter().rev() {
            let function = if *sign == "!" { "!_" } else { "-_" };
            expr = self.call(function, vec![expr], at)?;
        }
        Ok(expr)
    }

    fn members(&mut self, mut expr: Expr) -> Result<Expr, ParseError> {
        loop {
            let at = self.at();
            if self.take(".") {
                let optional = self.take("?");
                let field = self.field()?;
                if !optional && self.take("(") {
                    let arguments = self.arguments()?;
                    expr = self.method(expr, field, arguments, at)?;
                    continue;
                }
                let access = if optional { Access::Optional } else { Access::Plain };
                expr = self.node(Node::Select { operand: Box::new(expr), field, access }, at)?;
            } else if self.take("[") {
                let optional = self.take("?");
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                expr = self.node(Node::Index { operand: Box::new(expr), index, optional }, at)?;
            } else if matches!(self.peek(), Token::Sign("{"))
                && let Some(name) = expr.path()
            {
                self.next += 1;
                let fields = self.fields()?;
                expr = self.node(Node::Message { name, fields }, at)?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn field(&mut self) -> Result<String, ParseError> {
        match self.peek().clone() {
            Token::Ident(field) => {
                self.next += 1;
                Ok(field)
            }
            _ => Err(self.error("a field is expected here")),
        }
    }

    /// The rest of a list of arguments, after its bracket.
    fn arguments(&mut self) -> Result<Vec<Expr>, ParseError> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.take(",") {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }

    fn fields(&mut self) -> Result<Vec<(String, Expr)>, ParseError> {
        let mut fields = Vec::new();
        while !self.take("}") {
            let field = self.field()?;
            self.expect(":")?;
            fields.push((field, self.expression()?));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(fields)
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        let literal = |value| Node::Literal(value);
        let node = match self.advance() {
            Token::Int(digits) => {
                let number =
                    i64::try_from(digits).map_err(|_| ParseError::new(self.text, at, "invalid int literal"))?;
                literal(Value::Int(number))
            }
            Token::Uint(number) => literal(Value::Uint(number)),
            Token::Double(number) => literal(Value::Double(number)),
            Token::String(text) => literal(Value::String(Text::Shared(text.into()))),
            Token::Bytes(bytes) => literal(Value::Bytes(bytes.into())),
            Token::Sign("true") => literal(Value::Bool(true)),
            Token::Sign("false") => literal(Value::Bool(false)),
            Token::Sign("null") => literal(Value::Null),
            Token::Sign("(") => {
                let expr = self.expression()?;
                self.expect(")")?;
                return Ok(expr);
            }
            Token::Sign("[") => self.list()?,
            Token::Sign("{") => self.map()?,
            // A leading dot asks for a name from the root, where all names are.
            Token::Sign(".") => {
                let name = self.field()?;
                return self.named(name, at);
            }
            Token::Ident(name) => return self.named(name, at),
            _ => return Err(ParseError::new(self.text, at, "an expression is expected here")),
        };
        self.node(node, at)
    }

    fn named(&mut self, name: String, at: usize) -> Result<Expr, ParseError> {
        if RESERVED.contains(&&*name) {
            return Err(ParseError::new(self.text, at, format!("reserved identifier: {name}")));
        }
        if !self.take("(") {
            return self.node(Node::Ident(name), at);
        }
        let arguments = self.arguments()?;
        match (&*name, &*arguments) {
            ("has", [Expr { node: Node::Select { operand, field, access: Access::Plain }, .. }]) => {
                let (operand, field) = (operand.clone(), field.clone());
                self.node(Node::Select { operand, field, access: Access::Test }, at)
            }
            ("has", [_]) => Err(ParseError::new(self.text, at, "has() takes a field, as in has(status.phase)")),
            _ => self.call(&name, arguments, at),
        }
    }

    fn list(&mut self) -> Result<Node, ParseError> {
        let mut elements = Vec::new();
        while !self.take("]") {
            if elements.is_empty() && self.take(",") {
                self.expect("]")?;
                break;
            }
            let optional = self.take("?");
            elements.push(Element { value: self.expression()?, optional });
            if !self.take(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(Node::List(elements))
    }

    fn map(&mut self) -> Result<Node, ParseError> {
        let mut entries = Vec::new();
        while !self.take("}") {
            if entries.is_empty() && self.take(",") {
                self.expect("}")?;
                break;
            }
            let optional = self.take("?");
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, Element { value: self.expression()?, optional }));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Node::Map(entries))
    }

    /// A method, or a macro that looks like one.
    fn method(&self, target: Expr, name: String, mut arguments: Vec<Expr>, at: usize) -> Result<Expr, ParseError> {
        let kind = match (&*name, arguments.len()) {
            ("all", 2) => Comprehension::All,
            ("exists", 2) => Comprehension::Exists,
            ("exists_one", 2) => Comprehension::ExistsOne,
            ("map", 2 | 3) => Comprehension::Map,
            ("filter", 2) => Comprehension::Filter,
            ("optMap", 2) => Comprehension::OptMap,
            ("optFlatMap", 2) => Comprehension::OptFlatMap,
            _ => {
                let target = Some(Box::new(target));
                return self.node(Node::Call { function: name, target, arguments }, at);
            }
        };
        let variable = arguments.remove(0);
        let Node::Ident(name) = variable.node else {
            return Err(ParseError::new(self.text, variable.at, "the first argument must be a simple name"));
        };
        let filter = if arguments.len() == 2 { Some(Box::new(arguments.remove(0))) } else { None };
        let body = Box::new(arguments.remove(0));
        self.node(Node::Comprehension { kind, range: Box::new(target), variable: name, body, filter }, at)
    }
}
