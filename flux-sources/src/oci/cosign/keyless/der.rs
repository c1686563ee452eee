//! As much of DER as it takes to look into a certificate where a parser has no name for what is there.

/// A value and what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) tag: u8,
    /// With the tag and the length.
    pub(super) whole: &'a [u8],
    pub(super) content: &'a [u8],
}

/// Takes the next value off; none if there is none, or a broken one.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let all = *rest;
    let [tag, first, after @ ..] = all else { return None };
    let (length, after) = match *first {
        short @ 0..=0x7f => (usize::from(short), after),
        0x81..=0x84 => {
            let (bytes, after) = after.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), after)
        }
        _ => return None,
    };
    let (content, after) = after.split_at_checked(length)?;
    let whole = all.get(..all.len() - after.len())?;
    *rest = after;
    Some(Item { tag: *tag, whole, content })
}

/// The one value in some bytes.
pub(super) fn only(data: &[u8]) -> Option<Item<'_>> {
    let mut rest = data;
    next(&mut rest).filter(|_| rest.is_empty())
}

/// All values, one after the other; none if one is broken.
pub(super) fn all(data: &[u8]) -> Option<Vec<Item<'_>>> {
    let (mut rest, mut found) = (data, Vec::new());
    while !rest.is_empty() {
        found.push(next(&mut rest)?);
    }
    Some(found)
}

/// A value of a tag.
pub(super) fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let bytes = content.len().to_be_bytes();
    let length: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut whole = vec![tag];
    match length.as_slice() {
        [] => whole.push(0),
        [short @ 0..=0x7f] => whole.push(*short),
        long => {
            whole.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            whole.extend_from_slice(long);
        }
    }
    whole.extend_from_slice(content);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_taken_off_again() {
        for length in [0, 1, 127, 128, 255, 256, 65_536] {
            let content = vec![7; length];
            let whole = wrap(0x30, &content);
            assert_eq!(only(&whole).map(|item| (item.tag, item.content, item.whole)), Some((0x30, &*content, &*whole)));
            assert_eq!(all(&[&*whole, &*whole].concat()).unwrap().len(), 2);
            assert_eq!(only(&[&*whole, &*whole].concat()), None);
            assert_eq!(only(&whole[..whole.len() - 1]), None);
        }
        assert_eq!(only(&[0x30, 0x80, 0, 0]), None, "no length without an end");
        assert_eq!(only(&[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!((only(&[]), all(&[])), (None, Some(vec![])));
    }
}
