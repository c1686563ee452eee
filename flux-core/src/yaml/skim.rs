//! The heads of documents, told apart from their bodies by lines.
//!
//! Most of what charts render is plain: keys, dashes, texts and blocks of text, each on lines of its own. That such a document
//! is well formed can be seen from its lines, in a fraction of the time that the scanner takes. Whatever is not as plain is
//! left to it, so that this knows no faults: what it takes, the scanner takes too.

use std::borrow::Cow;

use super::Dialect;
use super::direct::{Wanted, is_surely_text};
use super::node::Style;
use super::value::{key_name, scalar_value};

/// A longer key may be none, to the scanner.
const MAX_KEY: usize = 100;

/// The fields of a document's root that are wanted, as they are written, if the whole document is plain.
pub(super) fn heads(text: &str, wanted: Wanted<'_>, depth: usize) -> Option<String> {
    let odd = |c| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if text.bytes().any(|byte| matches!(byte, b'\t' | b'\r')) || (!text.is_ascii() && text.contains(odd)) {
        return None;
    }
    let mut outline = Outline { blocks: Vec::new(), last: Last::Done, depth };
    let mut out = String::new();
    // Where the field of the root that is being looked at starts, if it is wanted.
    let mut field: Option<usize> = None;
    let (mut start, mut started) = (0, false);
    for line in text.split('\n') {
        let is_root = outline.line(line, &mut started)?;
        if is_root && let Some((key, _)) = split_key(line) {
            if let Some(from) = field.take() {
                out.push_str(&text[from..start]);
            }
            if line.starts_with(['"', '\'']) || !is_text_key(key) {
                return None;
            }
            field = wanted(key).then_some(start);
        }
        start += line.len() + 1;
    }
    if let Some(from) = field {
        out.push_str(&text[from..]);
    }
    let is_open = matches!(outline.last, Last::Quoted { .. });
    (!outline.blocks.is_empty() && !is_open).then_some(out)
}

/// A collection that is open, by the column of its entries.
#[derive(Clone, Copy)]
struct Block {
    column: usize,
    sequence: bool,
}

/// What the lines so far end with.
#[derive(Clone, Copy)]
enum Last {
    /// A value that nothing can be added to.
    Done,
    /// A key or dash of the innermost of so many blocks, whose value may follow.
    Open(usize),
    /// A plain scalar, which goes on in lines that are further in than its block.
    Plain(usize),
    /// An open quote, whose text goes on in lines that are further in than its block.
    Quoted { quote: u8, parent: usize },
    /// A block of text below this column, with its indentation once it is known, and the longest blank line before.
    Literal { parent: usize, column: Option<usize>, blank: usize },
}

struct Outline {
    blocks: Vec<Block>,
    last: Last,
    depth: usize,
}

impl Outline {
    /// Takes a line; tells whether a field of the root starts on it.
    fn line(&mut self, line: &str, started: &mut bool) -> Option<bool> {
        let content = line.trim_start_matches(' ');
        let column = line.len() - content.len();
        if self.is_literal(line, content.trim_end_matches(' '), column)? {
            return Some(false);
        }
        let content = content.trim_end_matches(' ');
        if content.is_empty() {
            return Some(false);
        }
        if let Last::Quoted { quote, parent } = self.last {
            if column <= parent {
                return None;
            }
            if let Some(end) = quote_end(content, quote)? {
                is_comment(&content[end..]).then_some(())?;
                self.last = Last::Done;
            }
            return Some(false);
        }
        if content.starts_with('#') {
            // A comment ends a plain scalar.
            if matches!(self.last, Last::Plain(_)) {
                self.last = Last::Done;
            }
            return Some(false);
        }
        if column == 0 && (content.starts_with("---") || content.starts_with("...")) {
            let first = content == "---" && !*started;
            *started = true;
            return first.then_some(false);
        }
        *started = true;
        if let Last::Plain(parent) = self.last
            && column > parent
        {
            let (text, comment) = without_comment(content);
            if comment {
                self.last = Last::Done;
            }
            return is_plain_text(text).then_some(false);
        }
        while self.blocks.last().is_some_and(|block| block.column > column) {
            self.blocks.pop();
        }
        let is_root = column == 0 && !content.starts_with('-');
        self.entry(content, column)?;
        Some(is_root)
    }

    /// Whether a line is part of a block of text; `None` where that is hard to say.
    fn is_literal(&mut self, line: &str, content: &str, at: usize) -> Option<bool> {
        let Last::Literal { parent, column, blank } = &mut self.last else { return Some(false) };
        if content.is_empty() {
            if column.is_none() {
                *blank = (*blank).max(line.len());
            }
            return Some(true);
        }
        match *column {
            Some(column) if at >= column => return Some(true),
            // Between the text and what it belongs to nothing can lie.
            Some(_) if at > *parent => return None,
            None if at > *parent => {
                *column = Some(at);
                return (*blank <= at).then_some(true);
            }
            // Blank lines that are further in than what follows an empty text.
            None if *blank > 0 => return None,
            _ => {}
        }
        self.last = Last::Done;
        Some(false)
    }

    /// Takes an entry of a collection, with what is on its line.
    fn entry(&mut self, mut content: &str, mut column: usize) -> Option<()> {
        let mut is_new = self.place(content, column)?;
        // A value on a line of its own.
        if is_new
            && !is_dash(content)
            && split_key(content).is_none()
            && let Some(block) = self.blocks.last().copied()
        {
            return self.value(content, block.column);
        }
        loop {
            if is_new {
                if self.blocks.len() + 2 >= self.depth {
                    return None;
                }
                self.blocks.push(Block { column, sequence: is_dash(content) });
            }
            if !is_dash(content) {
                let (_, value) = split_key(content)?;
                return self.value(value.trim_start_matches(' '), column);
            }
            let inner = content[1..].trim_start_matches(' ');
            if !is_dash(inner) && split_key(inner).is_none() {
                return self.value(inner, column);
            }
            column += content.len() - inner.len();
            content = inner;
            is_new = true;
        }
    }

    /// Finds the block of an entry that starts a line; tells whether it starts a new one.
    fn place(&mut self, content: &str, column: usize) -> Option<bool> {
        let dash = is_dash(content);
        let is_open = matches!(self.last, Last::Open(depth) if depth == self.blocks.len());
        match self.blocks.last().copied() {
            // The root is a mapping.
            None => (column == 0 && !dash).then_some(true),
            Some(block) if block.column == column && block.sequence == dash => Some(false),
            // A sequence may be as far out as the key it belongs to.
            Some(block) if block.column == column && dash => is_open.then_some(true),
            Some(block) if block.column == column => {
                self.blocks.pop();
                let outer = self.blocks.last()?;
                (outer.column == column && !outer.sequence).then_some(false)
            }
            Some(_) => is_open.then_some(true),
        }
    }

    /// Takes a value, or what of it is on its line.
    fn value(&mut self, value: &str, column: usize) -> Option<()> {
        self.last = match value.bytes().next() {
            None | Some(b'#') => Last::Open(self.blocks.len()),
            Some(quote @ (b'"' | b'\'')) => match quote_end(&value[1..], quote)? {
                Some(end) => is_comment(&value[1 + end..]).then_some(Last::Done)?,
                None => Last::Quoted { quote, parent: column },
            },
            Some(b'|' | b'>') => matches!(&value[1..], "" | "-" | "+").then_some(Last::Literal {
                parent: column,
                column: None,
                blank: 0,
            })?,
            Some(b'[' | b'{') => is_comment(flow_rest(value)?).then_some(Last::Done)?,
            Some(_) => match without_comment(value) {
                (text, comment) if is_plain(text) => {
                    if comment {
                        Last::Done
                    } else {
                        Last::Plain(column)
                    }
                }
                _ => return None,
            },
        };
        Some(())
    }
}

fn is_dash(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

/// The key that a line starts with, and what follows its colon.
fn split_key(content: &str) -> Option<(&str, &str)> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'$');
    let quote = content.bytes().next().filter(|first| matches!(first, b'"' | b'\''));
    let inner = &content[usize::from(quote.is_some())..];
    let end = inner.bytes().position(|byte| !is_part(byte))?;
    let (key, rest) = inner.split_at(end);
    let rest = match quote {
        Some(quote) => rest.strip_prefix(char::from(quote))?,
        None => rest,
    };
    let value = rest.strip_prefix(':').filter(|value| value.is_empty() || value.starts_with(' '))?;
    let is_key = !key.is_empty() && key.len() <= MAX_KEY && (quote.is_some() || !key.starts_with('-'));
    let is_key = is_key
        && (quote.is_some()
            || is_surely_text(key)
            || key_name(Cow::Borrowed(key), None, Style::Plain, Dialect::Lax).is_ok());
    is_key.then_some((key, value))
}

/// Whether a key is named as it is written.
fn is_text_key(key: &str) -> bool {
    is_surely_text(key)
        || key_name(Cow::Borrowed(key), None, Style::Plain, Dialect::Lax).is_ok_and(|(_, name)| name == key)
}

/// Where a quote that is open at the start of a text has its end: behind the closing quote, or not on this line. `None` where
/// an escape needs a second look.
fn quote_end(text: &str, quote: u8) -> Option<Option<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == quote || *b == b'\\')) {
        at += found;
        let next = bytes.get(at + 1);
        at += match (bytes[at], quote) {
            (b'\\', b'"') => match next {
                Some(b'"' | b'\\' | b'n' | b't' | b'r' | b'/') => 2,
                None => return Some(None),
                Some(_) => return None,
            },
            (b'\\', _) => 1,
            (b'\'', _) if next == Some(&b'\'') => 2,
            _ => return Some(Some(at + 1)),
        };
    }
    Some(None)
}

/// Nothing, or a comment.
fn is_comment(rest: &str) -> bool {
    let text = rest.trim_start_matches(' ');
    text.is_empty() || (text.len() < rest.len() && text.starts_with('#'))
}

/// What follows a list of words and quotes in brackets, or an empty map.
fn flow_rest(value: &str) -> Option<&str> {
    if let Some(rest) = value.strip_prefix("{}") {
        return Some(rest);
    }
    let mut rest = value.strip_prefix('[')?.trim_start_matches(' ');
    if let Some(rest) = rest.strip_prefix(']') {
        return Some(rest);
    }
    loop {
        let length = match rest.bytes().next()? {
            quote @ (b'"' | b'\'') => 1 + quote_end(&rest[1..], quote)??,
            first if first.is_ascii_alphabetic() => {
                let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
                rest.bytes().position(|b| !is_part(b))?
            }
            _ => return None,
        };
        rest = rest[length..].trim_start_matches(' ');
        if let Some(rest) = rest.strip_prefix(']') {
            return Some(rest);
        }
        rest = rest.strip_prefix(", ")?.trim_start_matches(' ');
    }
}

/// The text of a plain scalar without the comment that ends it, and whether there was one.
fn without_comment(text: &str) -> (&str, bool) {
    match text.find(" #") {
        Some(at) => (text[..at].trim_end_matches(' '), true),
        None => (text, false),
    }
}

/// A plain scalar, as far as it is on the line it starts on.
fn is_plain(value: &str) -> bool {
    let mut bytes = value.bytes();
    let starts = match bytes.next() {
        Some(b'-' | b':') => bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')),
        Some(first) => first.is_ascii_alphanumeric() || !first.is_ascii() || b"/._$(^+=~;\\".contains(&first),
        None => false,
    };
    starts
        && is_plain_text(value)
        && (is_surely_text(value) || scalar_value(Cow::Borrowed(value), None, Style::Plain, Dialect::Lax).is_ok())
}

/// Nothing in it ends a plain scalar or makes it a key.
fn is_plain_text(value: &str) -> bool {
    let bytes = value.as_bytes();
    !value.contains(": ")
        && bytes.last().is_some_and(|last| *last != b':')
        && !is_dash(value)
        && bytes.first() != Some(&b'?')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::yaml::{ReadOptions, read};

    const WANTED: [&str; 3] = ["apiVersion", "kind", "metadata"];

    fn skimmed(text: &str) -> Option<Value> {
        let heads = heads(text, &|name| WANTED.contains(&name), 1000)?;
        Some(read(heads.as_bytes(), &ReadOptions::default()).unwrap())
    }

    #[test]
    fn plain_documents_are_taken() {
        let text = "---\n# a comment\napiVersion: v1\nkind: List\nmetadata:\n  name: a\n  labels: {}\nspec:\n- a: 1\n  b:\n  - - x\n    - 'y z'\n  \
                    - |-\n      text: {\n\n     more\n  c: a plain\n    text: goes\n- --flag=1\n- verbs: [ get, \"li, st\" ] # c\n  \"q/k\": 'it''s\n\n    long'\n  v: \"a \\\"b\\\" \\\n     c\"\n  w:\n    {}\n  x:\n    y\n    z # end\n  d: \"q\"\n  e:\nstatus: {}\nkind: Last\n"
            .replace("text: goes", "text goes")
            .replace("     more", "      more");
        assert_eq!(
            skimmed(&text),
            Some(serde_json::json!({"apiVersion": "v1", "kind": "Last", "metadata": {"name": "a", "labels": {}}}))
        );
    }

    #[test]
    fn what_is_odd_is_left_to_the_scanner() {
        for text in [
            "",
            "- a\n",
            "spec: &a 1\n",
            "spec: *a\n",
            "spec: {a: b}\n",
            "spec: [a b]\n",
            "spec: [a,\n  b]\n",
            "spec: [a]b\n",
            "spec: []#\n",
            "spec: 'a\nb'\n",
            "spec: 'a\n  b' c\n",
            "spec: 'a\n",
            "spec: \"\\x41\"\n",
            "'spec': a\n",
            "spec: {} {}\n",
            "spec: a #b\n  c\n",
            "spec: [a, b: c]\n",
            "spec: a: b\n",
            "spec: a\n  b: c\n",
            "spec:\n  a: 1\n b: 2\n",
            "spec:\n  a:\n- x\n",
            "spec:\n    - a\n  - b\n",
            "spec: |\n    a\n  b\n",
            "spec: |\n      \n   a\n",
            "spec: .inf\n",
            "<<: a\n",
            "null: a\n",
            "yes: a\n",
            "spec: a\n---\nkind: b\n",
            "spec: 'a' b\n",
            "spec: @a\n",
            "spec:\tb\n",
            "spec: a\u{2028}b\n",
            "spec: a # b\n  c\n",
        ] {
            assert_eq!(skimmed(text), None, "{text:?}");
        }
    }
}
