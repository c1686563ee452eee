//! As much of CBOR (RFC 8949) as COSE envelopes need: no floats, and nothing without an end.

/// How deep values may lie in others.
const DEPTH: usize = 8;
/// How many values an array or a map may have.
const VALUES: u64 = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    Tagged(u64, Box<Value<'a>>),
    /// False, true, null and the like.
    Simple(u8),
}

impl<'a> Value<'a> {
    /// The one value in some bytes; none if there is more, less, or something that is not read.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { rest: data };
        reader.value(DEPTH).filter(|_| reader.rest.is_empty())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        let depth = depth.checked_sub(1)?;
        let first = *self.take(1)?.first()?;
        let (major, minor) = (first >> 5, first & 0x1f);
        let argument = match minor {
            small @ 0..=23 => u64::from(small),
            24..=27 => self.take(1 << (minor - 24))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            _ => return None,
        };
        Some(match major {
            0 => Value::Integer(i64::try_from(argument).ok()?),
            1 => Value::Integer(-1 - i64::try_from(argument).ok()?),
            2 => Value::Bytes(self.take(argument)?),
            3 => Value::Text(std::str::from_utf8(self.take(argument)?).ok()?),
            4 | 5 if argument > VALUES => return None,
            4 => {
                let mut values = Vec::new();
                for _ in 0..argument {
                    values.push(self.value(depth)?);
                }
                Value::Array(values)
            }
            5 => {
                let mut entries: Vec<(Value<'a>, Value<'a>)> = Vec::new();
                for _ in 0..argument {
                    let key = self.value(depth)?;
                    if !matches!(key, Value::Integer(_) | Value::Text(_))
                        || entries.iter().any(|(known, _)| *known == key)
                    {
                        return None;
                    }
                    entries.push((key, self.value(depth)?));
                }
                Value::Map(entries)
            }
            6 => Value::Tagged(argument, Box::new(self.value(depth)?)),
            _ if minor <= 24 => Value::Simple(u8::try_from(argument).ok()?),
            _ => return None,
        })
    }
}

/// The head of a byte string, or of a text, of this length.
fn head(major: u8, length: usize) -> Vec<u8> {
    let bytes = (length as u64).to_be_bytes();
    let (minor, kept) = match length {
        0..=23 => return vec![major << 5 | u8::try_from(length).unwrap_or_default()],
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    let mut head = vec![major << 5 | minor];
    head.extend(bytes.iter().skip(8 - kept));
    head
}

/// Writes a byte string.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(head(2, bytes.len()));
    out.extend_from_slice(bytes);
}

/// Writes a text.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend(head(3, text.len()));
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 8949, appendix A.
    #[test]
    fn values_are_read() {
        let text = Value::Text;
        for (data, value) in [
            (&[0x00][..], Value::Integer(0)),
            (&[0x17], Value::Integer(23)),
            (&[0x18, 0x64], Value::Integer(100)),
            (&[0x1a, 0, 0x0f, 0x42, 0x40], Value::Integer(1_000_000)),
            (&[0x38, 0x63], Value::Integer(-100)),
            (&[0x39, 0x03, 0xe7], Value::Integer(-1000)),
            (&[0x44, 1, 2, 3, 4], Value::Bytes(&[1, 2, 3, 4])),
            (&[0x64, b'I', b'E', b'T', b'F'], text("IETF")),
            (&[0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0], Value::Tagged(1, Box::new(Value::Integer(1_363_896_240)))),
            (&[0x82, 0x01, 0x81, 0xf6], Value::Array(vec![Value::Integer(1), Value::Array(vec![Value::Simple(22)])])),
            (
                &[0xa2, 0x61, b'a', 1, 0x61, b'b', 0x80],
                Value::Map(vec![(text("a"), Value::Integer(1)), (text("b"), Value::Array(vec![]))]),
            ),
        ] {
            assert_eq!(Value::read(data), Some(value), "{data:02x?}");
        }
    }

    #[test]
    fn h33_what_cannot_be_trusted_to_end_is_not_read() {
        for data in [
            &[][..],
            &[0x00, 0x00],
            &[0x18],
            &[0x44, 1],
            &[0x5f, 0x41, 1, 0xff],
            &[0x9f, 0xff],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x61, 0xff],
            &[&[0x98, 101][..], &[0; 101]].concat(),
            &[0xa2, 0x01, 0x01, 0x01, 0x02],
            &[0xa1, 0x80, 0x01],
            &[0xf9, 0x3c, 0x00],
            &[0x81; 100],
            &[0xc1; 100],
        ] {
            assert_eq!(Value::read(data), None, "{data:02x?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
            let (bytes, text) = (vec![7; length], "x".repeat(length));
            let (mut one, mut other) = (Vec::new(), Vec::new());
            write_bytes(&mut one, &bytes);
            write_text(&mut other, &text);
            assert_eq!(
                (Value::read(&one), Value::read(&other)),
                (Some(Value::Bytes(&bytes)), Some(Value::Text(&text)))
            );
        }
    }
}
