//! Text becomes tokens.

use super::error::ParseError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Ident(String),
    /// Operators, brackets, and the words `in`, `true`, `false` and `null`.
    Sign(&'static str),
    End,
}

/// The longer before what they start with.
const SIGNS: [&str; 27] = [
    "&&", "||", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "!", "<", ">", "?", ":", ",", ".", "(", ")", "[", "]",
    "{", "}", "true", "false", "null",
];

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip();
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, at));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, self.at, message)
    }

    /// White space and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.rest().trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with("//") {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !accept(byte)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let mut bytes = rest.bytes();
        let (Some(first), second) = (bytes.next(), bytes.next()) else { return Ok(Token::End) };
        if first.is_ascii_digit() || (first == b'.' && second.is_some_and(|byte| byte.is_ascii_digit())) {
            return self.number();
        }
        if let Some(literal) = self.quoted()? {
            return Ok(literal);
        }
        if first == b'_' || first.is_ascii_alphabetic() {
            let word = self.take_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
            return Ok(match ["true", "false", "null", "in"].iter().find(|known| **known == word) {
                Some(word) => Token::Sign(word),
                None => Token::Ident(word.to_owned()),
            });
        }
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let sign = sign.ok_or_else(|| self.error(format!("unexpected character {:?}", rest.chars().next())))?;
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        if let Some(hex) = self.rest().strip_prefix("0x") {
            let end = hex.bytes().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(hex.len());
            self.at += 2 + end;
            return self.integer(u64::from_str_radix(&hex[..end], 16).ok());
        }
        let digit = |byte: u8| byte.is_ascii_digit();
        self.take_while(digit);
        let mut double = false;
        let fraction = |rest: &str| rest.starts_with('.') && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if fraction(self.rest()) {
            double = true;
            self.at += 1;
            self.take_while(digit);
        }
        if let Some(exponent) = self.rest().strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                double = true;
                self.at = self.text.len() - digits.len();
                self.take_while(digit);
            }
        }
        let text = &self.text[start..self.at];
        if double {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            return value.map(Token::Double).ok_or_else(|| self.error("invalid double literal"));
        }
        self.integer(text.parse().ok())
    }

    fn integer(&mut self, value: Option<u64>) -> Result<Token, ParseError> {
        let unsigned = self.rest().starts_with(['u', 'U']);
        self.at += usize::from(unsigned);
        match (value, unsigned) {
            (Some(value), true) => Ok(Token::Uint(value)),
            (Some(value), false) => Ok(Token::Int(value)),
            (None, true) => Err(self.error("invalid uint literal")),
            (None, false) => Err(self.error("invalid int literal")),
        }
    }

    /// A string or bytes, if one starts here.
    fn quoted(&mut self) -> Result<Option<Token>, ParseError> {
        let quote = self.rest().bytes().take(3).position(|byte| matches!(byte, b'\'' | b'"'));
        let prefix = quote.map(|end| self.rest()[..end].to_ascii_lowercase());
        let (bytes, raw) = match prefix.as_deref() {
            Some("") => (false, false),
            Some("r") => (false, true),
            Some("b") => (true, false),
            Some("br") => (true, true),
            _ => return Ok(None),
        };
        let body = &self.rest()[prefix.map_or(0, |prefix| prefix.len())..];
        let quote = &body[..1];
        let triple = body.starts_with(&quote.repeat(3));
        let quote = if triple { quote.repeat(3) } else { quote.to_owned() };
        let mut rest = &body[quote.len()..];
        let mut out = Vec::new();
        loop {
            if let Some(after) = rest.strip_prefix(&*quote) {
                self.at = self.text.len() - after.len();
                break;
            }
            let Some(c) = rest.chars().next() else { return Err(self.error("a string is not closed")) };
            if !triple && (c == '\n' || c == '\r') {
                return Err(self.error("a string is not closed on its line"));
            }
            rest = &rest[c.len_utf8()..];
            if c == '\\' && !raw {
                rest = escape(rest, bytes, &mut out).ok_or_else(|| self.error("invalid escape in a string"))?;
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if bytes {
            return Ok(Some(Token::Bytes(out)));
        }
        String::from_utf8(out).map(|text| Some(Token::String(text))).map_err(|_| self.error("invalid string"))
    }
}

/// Puts what follows a backslash into `out` and answers with what is left.
fn escape<'a>(rest: &'a str, bytes: bool, out: &mut Vec<u8>) -> Option<&'a str> {
    let kind = rest.chars().next()?;
    let tail = &rest[kind.len_utf8()..];
    let plain = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '?' | '"' | '\'' | '`' => u8::try_from(kind).ok()?,
        _ => 0,
    };
    if plain != 0 {
        out.push(plain);
        return Some(tail);
    }
    let (digits, radix, tail) = match kind {
        'x' | 'X' => (tail.get(..2)?, 16, tail.get(2..)?),
        'u' if !bytes => (tail.get(..4)?, 16, tail.get(4..)?),
        'U' if !bytes => (tail.get(..8)?, 16, tail.get(8..)?),
        '0'..='3' => (rest.get(..3)?, 8, rest.get(3..)?),
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).ok()?;
    if bytes {
        out.push(u8::try_from(code).ok()?);
    } else {
        out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(tail)
}
