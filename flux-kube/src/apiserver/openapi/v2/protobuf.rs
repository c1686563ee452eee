//! A document of OpenAPI v2 in protocol buffers, by the numbers of gnostic's `openapiv2` messages. The clients of Go read no
//! other form of it.

use serde_json::Value;

/// The bytes of a message under way.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, number: u64, of: &Value, key: &str) {
        if let Some(text) = of.get(key).and_then(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u64, of: &Value, key: &str) {
        for text in of.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn flag(&mut self, number: u64, of: &Value, key: &str) {
        if of.get(key).and_then(Value::as_bool) == Some(true) {
            self.varint(number << 3);
            self.varint(1);
        }
    }

    fn integer(&mut self, number: u64, of: &Value, key: &str) {
        if let Some(n) = of.get(key).and_then(Value::as_i64) {
            self.varint(number << 3);
            self.varint(n as u64);
        }
    }

    fn double(&mut self, number: u64, of: &Value, key: &str) {
        if let Some(n) = of.get(key).and_then(Value::as_f64) {
            self.varint(number << 3 | 1);
            self.0.extend(n.to_le_bytes());
        }
    }

    fn message(&mut self, number: u64, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(number, &inner.0);
    }

    /// A message for each entry of a map: its name, and what `fill` makes of its value.
    fn named(&mut self, number: u64, of: Option<&Value>, fill: fn(&mut Self, &Value)) {
        for (name, value) in of.and_then(Value::as_object).into_iter().flatten() {
            self.message(number, |entry| {
                entry.bytes(1, name.as_bytes());
                entry.message(2, |m| fill(m, value));
            });
        }
    }

    /// Any value, as text of YAML.
    fn any(&mut self, value: &Value) {
        self.bytes(2, format!("{value}\n").as_bytes());
    }

    fn extensions(&mut self, number: u64, of: &Value) {
        for (name, value) in of.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
            self.message(number, |entry| {
                entry.bytes(1, name.as_bytes());
                entry.message(2, |m| m.any(value));
            });
        }
    }
}

pub(super) fn document(of: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, of, "swagger");
    if let Some(info) = of.get("info") {
        out.message(2, |m| {
            m.text(1, info, "title");
            m.text(2, info, "version");
        });
    }
    out.message(8, |paths| paths.named(2, of.get("paths"), path_item));
    out.message(9, |definitions| definitions.named(1, of.get("definitions"), schema));
    out.0
}

fn path_item(out: &mut Message, of: &Value) {
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(of) = of.get(method) {
            out.message(number, |m| operation(m, of));
        }
    }
}

fn operation(out: &mut Message, of: &Value) {
    out.texts(6, of, "produces");
    out.texts(7, of, "consumes");
    for of in of.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let body = of.get("in").and_then(Value::as_str) == Some("body");
        // An item that is a parameter, not a reference to one; then of a body or of the query.
        out.message(8, |item| {
            item.message(1, |p| {
                if body {
                    p.message(1, |m| body_parameter(m, of));
                } else {
                    p.message(2, |other| other.message(3, |m| query_parameter(m, of)));
                }
            });
        });
    }
    out.message(9, |responses| {
        responses.named(1, of.get("responses"), |m, of| {
            m.message(1, |response| {
                response.text(1, of, "description");
                if let Some(of) = of.get("schema") {
                    response.message(2, |item| item.message(1, |m| schema(m, of)));
                }
            });
        });
    });
    out.extensions(13, of);
}

fn body_parameter(out: &mut Message, of: &Value) {
    out.text(1, of, "description");
    out.text(2, of, "name");
    out.text(3, of, "in");
    out.flag(4, of, "required");
    if let Some(of) = of.get("schema") {
        out.message(5, |m| schema(m, of));
    }
}

fn query_parameter(out: &mut Message, of: &Value) {
    out.flag(1, of, "required");
    out.text(2, of, "in");
    out.text(3, of, "description");
    out.text(4, of, "name");
    out.text(6, of, "type");
    out.text(7, of, "format");
    out.flag(20, of, "uniqueItems");
}

fn schema(out: &mut Message, of: &Value) {
    out.text(1, of, "$ref");
    out.text(2, of, "format");
    out.text(3, of, "title");
    out.text(4, of, "description");
    out.double(6, of, "multipleOf");
    out.double(7, of, "maximum");
    out.flag(8, of, "exclusiveMaximum");
    out.double(9, of, "minimum");
    out.flag(10, of, "exclusiveMinimum");
    out.integer(11, of, "maxLength");
    out.integer(12, of, "minLength");
    out.text(13, of, "pattern");
    out.integer(14, of, "maxItems");
    out.integer(15, of, "minItems");
    out.flag(16, of, "uniqueItems");
    out.integer(17, of, "maxProperties");
    out.integer(18, of, "minProperties");
    out.texts(19, of, "required");
    for value in of.get("enum").and_then(Value::as_array).into_iter().flatten() {
        out.message(20, |m| m.any(value));
    }
    match of.get("additionalProperties") {
        Some(Value::Bool(allowed)) => out.message(21, |m| {
            m.varint(2 << 3);
            m.varint(u64::from(*allowed));
        }),
        Some(of) => out.message(21, |item| item.message(1, |m| schema(m, of))),
        None => {}
    }
    if of.get("type").is_some() {
        out.message(22, |m| m.text(1, of, "type"));
    }
    if let Some(of) = of.get("items") {
        out.message(23, |item| item.message(1, |m| schema(m, of)));
    }
    for of in of.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        out.message(24, |m| schema(m, of));
    }
    if of.get("properties").is_some() {
        out.message(25, |m| m.named(1, of.get("properties"), schema));
    }
    if let Some(example) = of.get("example") {
        out.message(30, |m| m.any(example));
    }
    out.extensions(31, of);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_in_numbers() {
        let mut out = Message::default();
        schema(&mut out, &json!({"type": "string", "maxLength": 300, "x-a": 1}));
        assert_eq!(
            out.0,
            [
                &[11 << 3, 0xac, 0x02][..],    // maxLength
                &[0xb2, 0x01, 8, 0x0a, 6][..], // type
                b"string",
                &[0xfa, 0x01, 11, 0x0a, 3][..], // x-a
                b"x-a",
                &[0x12, 4, 0x12, 2, b'1', b'\n'][..],
            ]
            .concat()
        );
    }
}
