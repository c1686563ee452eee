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
            if !is_text_key(key) {
                return None;
            }
            field = wanted(key).then_some(start);
        }
        start += line.len() + 1;
    }
    if let Some(from) = field {
        out.push_str(&text[from..]);
    }
    (!outline.blocks.is_empty()).then_some(out)
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
            return is_plain_text(content).then_some(false);
        }
        while self.blocks.last().is_some_and(|block| block.column > column) {
            self.blocks.pop();
        }
        self.entry(content, column)?;
        Some(column == 0 && !content.starts_with('-'))
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

    /// Takes the value that follows a key or a dash on its line.
    fn value(&mut self, value: &str, column: usize) -> Option<()> {
        self.last = match value.bytes().next() {
            None => Last::Open(self.blocks.len()),
            Some(b'"' | b'\'') => is_quoted(value).then_some(Last::Done)?,
            Some(b'|' | b'>') => matches!(&value[1..], "" | "-" | "+").then_some(Last::Literal {
                parent: column,
                column: None,
                blank: 0,
            })?,
            Some(b'[' | b'{') => is_flow(value).then_some(Last::Done)?,
            Some(_) => is_plain(value).then_some(Last::Plain(column))?,
        };
        Some(())
    }
}

fn is_dash(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

/// The key that a line starts with, and what follows its colon.
fn split_key(content: &str) -> Option<(&str, &str)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'$');
    let end = content.bytes().position(|byte| !is_part(&byte))?;
    let (key, rest) = content.split_at(end);
    let value = rest.strip_prefix(':').filter(|value| value.is_empty() || value.starts_with(' '))?;
    let is_key = !key.is_empty() && !key.starts_with('-') && key.len() <= MAX_KEY;
    let is_key =
        is_key && (is_surely_text(key) || key_name(Cow::Borrowed(key), None, Style::Plain, Dialect::Lax).is_ok());
    is_key.then_some((key, value))
}

/// Whether a key is named as it is written.
fn is_text_key(key: &str) -> bool {
    is_surely_text(key)
        || key_name(Cow::Borrowed(key), None, Style::Plain, Dialect::Lax).is_ok_and(|(_, name)| name == key)
}

/// Quotes that end where the line does, with nothing in them that needs a second look.
fn is_quoted(value: &str) -> bool {
    let quote = value.as_bytes()[0];
    let inner = value.as_bytes().get(1..value.len().max(2) - 1).unwrap_or_default();
    value.len() > 1 && value.as_bytes().last() == Some(&quote) && !inner.iter().any(|b| *b == quote || *b == b'\\')
}

/// Brackets around nothing, or around a list of words.
fn is_flow(value: &str) -> bool {
    if value == "{}" {
        return true;
    }
    let Some(inner) = value.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) else { return false };
    inner.is_empty()
        || inner.split(", ").all(|item| {
            let is_word = |word: &str| {
                word.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
                    && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'))
            };
            let quoted = item.len() > 2 && item.starts_with(['"', '\'']) && is_quoted(item);
            is_word(if quoted { &item[1..item.len() - 1] } else { item })
        })
}

/// A plain scalar, as far as it is on the line it starts on.
fn is_plain(value: &str) -> bool {
    let mut bytes = value.bytes();
    let starts = match bytes.next() {
        Some(b'-') => bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'-'),
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
    let is_odd = |pair: &[u8]| matches!(pair, b": " | b" #");
    !bytes.windows(2).any(is_odd) && bytes.last() != Some(&b':') && !is_dash(value) && bytes.first() != Some(&b'?')
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
                    - |-\n      text: {\n\n     more\n  c: a plain\n    text: goes\n- --flag=1\n- verbs: [get, \"list\"]\n  d: \"q\"\n  e:\nstatus: {}\nkind: Last\n"
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
            "spec: [a, b: c]\n",
            "spec: \"a\n  b\"\n",
            "spec: \"a\\n\"\n",
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
            "spec:\n  a\n",
        ] {
            assert_eq!(skimmed(text), None, "{text:?}");
        }
    }
}
