//! Reading JSON, with the faults in the words of Go's `encoding/json`.

use serde_json::Value as Json;

/// Values deeper than this are refused. Go's own limit is ten thousand.
const MAX_DEPTH: usize = 1000;

/// Reads one value with nothing but space around it. Half of a surrogate pair, and what is not UTF-8, becomes a
/// replacement character; of a key that is there twice the last counts.
///
/// # Errors
/// What Go says, such as `unexpected end of JSON input`.
pub(crate) fn read(text: &[u8]) -> Result<Json, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    match reader.peek_after_space() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected("after top-level value")),
    }
}

/// Reads the first value; it, and where it ends.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_first(text: &[u8]) -> Result<(Json, usize), String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    Ok((value, reader.at))
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

fn end<T>() -> Result<T, String> {
    Err("unexpected end of JSON input".to_owned())
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_after_space(&mut self) -> Option<u8> {
        while self.peek().is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.peek()
    }

    /// The fault of the character here.
    fn unexpected(&self, place: &str) -> String {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let chunk = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let c = chunk.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        let shown = match c {
            '"' => "'\"'".to_owned(),
            c => crate::helm::template::gofmt::quote_rune(c, false),
        };
        format!("invalid character {shown} {place}")
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek_after_space() {
            None => end(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        for wanted in word.bytes() {
            match self.peek() {
                Some(found) if found == wanted => self.at += 1,
                None => return end(),
                Some(_) => {
                    let wanted = char::from(wanted);
                    return Err(self.unexpected(&format!("in literal {word} (expecting '{wanted}')")));
                }
            }
        }
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), String> {
        match self.peek() {
            None => return end(),
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.unexpected("in numeric literal")),
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if self.peek().is_some_and(|b| matches!(b, b'e' | b'E')) {
            self.at += 1;
            if self.peek().is_some_and(|b| matches!(b, b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = String::from_utf8_lossy(self.text.get(start..self.at).unwrap_or_default());
        let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        number
            .map(Json::Number)
            .ok_or_else(|| format!("json: cannot unmarshal number {text} into Go value of type float64"))
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek_after_space() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            match self.peek_after_space() {
                None => return end(),
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                Some(_) => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut fields = serde_json::Map::new();
        if self.peek_after_space() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(fields));
        }
        loop {
            match self.peek_after_space() {
                None => return end(),
                Some(b'"') => {}
                Some(_) => return Err(self.unexpected("looking for beginning of object key string")),
            }
            let key = self.string()?;
            match self.peek_after_space() {
                None => return end(),
                Some(b':') => self.at += 1,
                Some(_) => return Err(self.unexpected("after object key")),
            }
            let value = self.value(depth + 1)?;
            fields.insert(key, value);
            match self.peek_after_space() {
                None => return end(),
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(fields));
                }
                Some(_) => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                None => return end(),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&out).into_owned());
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte) if byte < b' ' => return Err(self.unexpected("in string")),
                Some(byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let c = match self.text.get(self.at + 1) {
            None => return end(),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => {
                let first = self.code()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                // The second half of a pair, if it is one.
                let before = self.at;
                if self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                    let second = self.code()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = before;
                }
                return Ok(char::REPLACEMENT_CHARACTER);
            }
            Some(_) => return Err(self.bad_escape(2)),
        };
        self.at += 2;
        Ok(c)
    }

    /// The number of `\u1234`.
    fn code(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at + 2..self.at + 6).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u32::from_str_radix(d, 16).ok());
        if code.is_none() && self.text.len() < self.at + 6 {
            return end();
        }
        let code = code.ok_or_else(|| self.bad_escape(6))?;
        self.at += 6;
        Ok(code)
    }

    fn bad_escape(&self, length: usize) -> String {
        let shown = self.text.get(self.at..(self.at + length).min(self.text.len())).unwrap_or_default();
        format!("invalid escape sequence `{}` in string", String::from_utf8_lossy(shown))
    }
}
