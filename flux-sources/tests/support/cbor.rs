//! What COSE envelopes are written with.

fn head(major: u8, length: usize) -> Vec<u8> {
    match length {
        0..=23 => vec![major << 5 | u8::try_from(length).unwrap()],
        24..=255 => vec![major << 5 | 24, u8::try_from(length).unwrap()],
        _ => [&[major << 5 | 25][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    }
}

pub(crate) fn integer(number: i16) -> Vec<u8> {
    match usize::try_from(number) {
        Ok(number) => head(0, number),
        Err(_) => head(1, usize::try_from(-1 - number).unwrap()),
    }
}

pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len()), bytes.to_vec()].concat()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [head(3, text.len()), text.as_bytes().to_vec()].concat()
}

pub(crate) fn array(values: &[Vec<u8>]) -> Vec<u8> {
    [head(4, values.len()), values.concat()].concat()
}

pub(crate) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| [key.clone(), value.clone()].concat());
    [head(5, entries.len()), entries.collect::<Vec<_>>().concat()].concat()
}

pub(crate) fn tagged(tag: usize, value: &[u8]) -> Vec<u8> {
    [head(6, tag), value.to_vec()].concat()
}

/// A time in seconds.
pub(crate) fn time(seconds: u32) -> Vec<u8> {
    tagged(1, &[&[0x1a][..], &seconds.to_be_bytes()].concat())
}
