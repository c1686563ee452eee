//! The shapes of versions, as byte counts from the start of a text.

/// How many of the first bytes are in `set`.
pub(super) fn run(text: &str, set: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|b| set(*b)).count()
}

/// The text after its first `n` bytes.
pub(super) fn after(text: &str, n: usize) -> &str {
    text.get(n..).unwrap_or("")
}

fn is_identifier(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-'
}

/// Dot-separated identifiers after `mark`: a prerelease or metadata. Its length with the mark, or 0.
pub(super) fn suffix(text: &str, mark: char) -> usize {
    if !text.starts_with(mark) {
        return 0;
    }
    let mut length = 1;
    loop {
        let part = run(after(text, length), is_identifier);
        if part == 0 {
            // A trailing dot belongs to what follows, and a mark alone is no suffix.
            return length - 1;
        }
        length += part;
        if !after(text, length).starts_with('.') || run(after(text, length + 1), is_identifier) == 0 {
            return length;
        }
        length += 1;
    }
}

/// The pieces of something like a version.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pieces<'t> {
    pub(super) major: &'t str,
    /// With its dot; empty where there is none.
    pub(super) minor: &'t str,
    pub(super) patch: &'t str,
    /// With its `-`.
    pub(super) prerelease: &'t str,
    /// With its `+`.
    pub(super) metadata: &'t str,
    /// The length of all of them.
    pub(super) length: usize,
}

/// Reads up to three numbers made of `digit`s and the suffixes.
pub(super) fn pieces(text: &str, digit: impl Fn(u8) -> bool) -> Option<Pieces<'_>> {
    let mut length = usize::from(text.starts_with('v'));
    let mut take = |n: usize| {
        let piece = text.get(length..length + n).unwrap_or("");
        length += n;
        piece
    };
    let dotted = |rest: &str| match rest.strip_prefix('.').map(|rest| run(rest, &digit)) {
        Some(n) if n > 0 => n + 1,
        _ => 0,
    };
    let start = usize::from(text.starts_with('v'));
    let count = run(after(text, start), &digit);
    if count == 0 {
        return None;
    }
    let major = take(count);
    let mut at = start + count;
    let minor = take(dotted(after(text, at)));
    at += minor.len();
    let patch = take(if minor.is_empty() { 0 } else { dotted(after(text, at)) });
    at += patch.len();
    let prerelease = take(suffix(after(text, at), '-'));
    at += prerelease.len();
    let metadata = take(suffix(after(text, at), '+'));
    at += metadata.len();
    Some(Pieces { major, minor, patch, prerelease, metadata, length: at })
}
