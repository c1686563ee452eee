//! The writer: block style throughout, strings in the style that Go gives them.

use serde_json::{Map, Number, Value};

use super::Layout;
use super::analysis::{Analysis, is_break, is_printable, wanted_style};
use super::node::{Content, Node, Scalar, Style, Tag};
use super::number::{go_float, json_number};
use super::order::key_order;
use super::scalar::resolve;

const INDENT: usize = 2;
/// The longest key that stands before its colon; longer ones need `? `.
const SIMPLE_KEY: usize = 128;
/// The column where the second generation folds long texts.
const WIDTH: usize = 80;

/// Writes one value as a document.
pub(super) fn emit(value: &Value, layout: Layout) -> String {
    let mut emitter = Emitter { out: String::new(), column: 0, layout, fresh: true };
    emitter.node(value, None, Context::Root);
    if emitter.column > 0 {
        emitter.line();
    }
    emitter.out
}

/// Writes a node as a document: order, quotes and block styles stay as they were.
pub(super) fn emit_node(node: &Node, layout: Layout) -> String {
    let mut emitter = Emitter { out: String::new(), column: 0, layout, fresh: true };
    emitter.source(node, None, Context::Root);
    if emitter.column > 0 {
        emitter.line();
    }
    emitter.out
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Root,
    /// After `key:`.
    Value,
    /// After `- `, `? ` or `: `: a collection starts on the same line.
    Item,
}

/// Where a scalar stands.
#[derive(Clone, Copy)]
enum Place {
    Block { key: bool },
    Flow { key: bool },
}

struct Emitter {
    out: String,
    column: usize,
    layout: Layout,
    /// Only indentation and indicators stand on the line so far.
    fresh: bool,
}

impl Emitter {
    /// Writes a node inside the collection whose entries stand at `indent`; `None` at the root.
    fn node(&mut self, value: &Value, indent: Option<usize>, context: Context) {
        match value {
            Value::Array(items) if !items.is_empty() => {
                let nested = self.sequence_indent(indent, context);
                for item in items {
                    self.start(nested);
                    self.indicator("- ");
                    self.node(item, Some(nested), Context::Item);
                }
            }
            Value::Object(map) if !map.is_empty() => self.mapping(map, indent.map_or(0, |indent| indent + INDENT)),
            scalar => {
                if context == Context::Value {
                    self.text(" ");
                }
                self.scalar(scalar, indent.map_or(INDENT, |indent| indent + INDENT), false);
            }
        }
    }

    /// Where the items of a sequence stand.
    fn sequence_indent(&self, indent: Option<usize>, context: Context) -> usize {
        match (context, indent) {
            (_, None) => 0,
            (Context::Value, Some(indent)) if self.layout != Layout::Wide => indent,
            (_, Some(indent)) => indent + INDENT,
        }
    }

    fn mapping(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| key_order(a, b));
        for (key, value) in entries {
            self.start(indent);
            let analysis = Analysis::of(key, self.layout);
            if analysis.multiline || key.len() > SIMPLE_KEY {
                self.indicator("? ");
                self.string(key, &analysis, indent + INDENT, false);
                self.start(indent);
                self.indicator(": ");
                self.node(value, Some(indent), Context::Item);
            } else {
                self.string(key, &analysis, indent + INDENT, true);
                self.text(":");
                self.node(value, Some(indent), Context::Value);
            }
        }
    }

    fn source(&mut self, node: &Node, indent: Option<usize>, context: Context) {
        match &node.content {
            Content::Sequence(items) if !items.is_empty() && !node.flow => {
                let nested = self.sequence_indent(indent, context);
                for item in items {
                    self.start(nested);
                    self.indicator("- ");
                    self.source(item, Some(nested), Context::Item);
                }
            }
            Content::Mapping(entries) if !entries.is_empty() && !node.flow => {
                let nested = indent.map_or(0, |indent| indent + INDENT);
                for (key, value) in entries {
                    self.start(nested);
                    match &key.content {
                        Content::Scalar(scalar) if !scalar.text.contains('\n') && scalar.text.len() <= SIMPLE_KEY => {
                            self.source_scalar(scalar, nested + INDENT, Place::Block { key: true });
                            self.text(":");
                            self.source(value, Some(nested), Context::Value);
                        }
                        _ => {
                            self.indicator("? ");
                            self.source(key, Some(nested), Context::Item);
                            self.start(nested);
                            self.indicator(": ");
                            self.source(value, Some(nested), Context::Item);
                        }
                    }
                }
            }
            leaf => {
                let nothing = matches!(leaf, Content::Scalar(s) if s.text.is_empty() && s.style == Style::Plain)
                    && !matches!(leaf, Content::Scalar(s) if s.tag == Some(Tag::Str));
                if context == Context::Value && !nothing {
                    self.text(" ");
                }
                match leaf {
                    Content::Scalar(scalar) => {
                        let indent = indent.map_or(INDENT, |indent| indent + INDENT);
                        self.source_scalar(scalar, indent, Place::Block { key: false });
                    }
                    _ => self.flow(node),
                }
            }
        }
    }

    /// A collection in brackets or braces, on one line.
    fn flow(&mut self, node: &Node) {
        match &node.content {
            Content::Scalar(scalar) => self.source_scalar(scalar, 0, Place::Flow { key: false }),
            Content::Sequence(items) => {
                self.char('[');
                for (i, item) in items.iter().enumerate() {
                    self.text(if i > 0 { ", " } else { "" });
                    self.flow(item);
                }
                self.char(']');
            }
            Content::Mapping(entries) => {
                self.char('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    self.text(if i > 0 { ", " } else { "" });
                    match &key.content {
                        Content::Scalar(scalar) => self.source_scalar(scalar, 0, Place::Flow { key: true }),
                        _ => {
                            self.text("? ");
                            self.flow(key);
                        }
                    }
                    self.text(": ");
                    self.flow(value);
                }
                self.char('}');
            }
        }
    }

    fn source_scalar(&mut self, scalar: &Scalar, indent: usize, place: Place) {
        let (Place::Block { key } | Place::Flow { key }) = place;
        let quoted = scalar.style != Style::Plain;
        let plain = resolve(&scalar.text, false).tag();
        let is_string = scalar.tag.as_ref().is_some_and(|tag| *tag == Tag::Str);
        let wanted = if quoted {
            scalar.style
        } else if scalar.text.contains('\n') {
            Style::Literal
        } else if is_string && plain != Tag::Str {
            Style::Double
        } else {
            Style::Plain
        };
        // A tag that neither text nor quotes would give is written.
        if let Some(tag) = scalar.tag.as_ref().filter(|tag| **tag != plain && **tag != Tag::Str && **tag != Tag::Merge)
        {
            self.text(tag.as_str());
            self.text(" ");
        }
        if scalar.text.is_empty() && wanted == Style::Plain && !key {
            return;
        }
        let analysis = Analysis::of(&scalar.text, self.layout);
        let style = match place {
            Place::Block { key } => analysis.style(wanted, key),
            Place::Flow { key } => analysis.flow_style(wanted, key),
        };
        match style {
            Style::Plain => self.plain(&scalar.text, indent, key),
            Style::Single => self.single_quoted(&scalar.text, indent, key),
            Style::Double => self.double_quoted(&scalar.text, indent, key),
            Style::Literal | Style::Folded => self.literal(&scalar.text, indent),
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, key: bool) {
        match value {
            Value::Null => self.text("null"),
            Value::Bool(true) => self.text("true"),
            Value::Bool(false) => self.text("false"),
            Value::Number(number) => self.text(&number_text(number, self.layout)),
            Value::String(text) => self.string(text, &Analysis::of(text, self.layout), indent, key),
            Value::Array(_) => self.text("[]"),
            Value::Object(_) => self.text("{}"),
        }
    }

    fn string(&mut self, text: &str, analysis: &Analysis, indent: usize, key: bool) {
        match analysis.style(wanted_style(text), key) {
            Style::Plain => self.plain(text, indent, key),
            Style::Single => self.single_quoted(text, indent, key),
            Style::Double => self.double_quoted(text, indent, key),
            Style::Literal | Style::Folded => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, key: bool) {
        if key || !self.may_fold(text) {
            return self.text(text);
        }
        let mut chars = text.chars().peekable();
        let mut after_space = false;
        while let Some(c) = chars.next() {
            if c == ' ' && !after_space && self.folds() && chars.peek() != Some(&' ') {
                self.break_to(indent);
            } else {
                self.char(c);
            }
            after_space = c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.char('\'');
        if (key || !self.may_fold(text)) && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\'') {
            self.text(text);
            return self.char('\'');
        }
        let mut chars = text.chars().enumerate().peekable();
        let (mut after_space, mut after_break) = (false, false);
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                let inside = i > 0 && next.is_some_and(|next| next != ' ');
                if !key && !after_space && inside && self.folds() { self.break_to(indent) } else { self.char(c) }
            } else if is_break(c) {
                if !after_break && c == '\n' {
                    self.line();
                }
                self.line_break(c);
            } else {
                if after_break {
                    self.indent(indent);
                }
                self.char(c);
                if c == '\'' {
                    self.char(c);
                }
            }
            (after_space, after_break) = (c == ' ', is_break(c));
        }
        self.char('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.char('"');
        if (key || !self.may_fold(text))
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
        {
            self.text(text);
            return self.char('"');
        }
        // Go's writer asks every character whether the text starts with a byte order mark.
        let escapes_all = text.starts_with('\u{feff}');
        let mut chars = text.chars().enumerate().peekable();
        let mut after_space = false;
        while let Some((i, c)) = chars.next() {
            if escapes_all {
                self.text(&escape(c));
            } else if c == ' ' {
                let next = chars.peek().map(|(_, next)| *next);
                if !key && !after_space && self.folds() && i > 0 && next.is_some() {
                    self.break_to(indent);
                    if next == Some(' ') {
                        self.char('\\');
                    }
                } else {
                    self.char(c);
                }
            } else if !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.text(&escape(c));
            } else {
                self.char(c);
            }
            after_space = c == ' ';
        }
        self.char('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.char('|');
        if text.starts_with(|c: char| c == ' ' || is_break(c)) {
            self.text(&INDENT.to_string());
        }
        let mut back = text.chars().rev();
        match (back.next(), back.next()) {
            (Some(last), _) if !is_break(last) => self.char('-'),
            (_, None) => self.char('+'),
            (_, Some(before)) if is_break(before) => self.char('+'),
            _ => {}
        }
        self.line();
        for line in text.split_inclusive(is_break) {
            let content = line.trim_end_matches(is_break);
            if !content.is_empty() {
                self.indent(indent);
                self.text(content);
            }
            if let Some(end) = line[content.len()..].chars().next() {
                self.line_break(end);
            }
        }
    }

    /// True where a text may reach the column at which long ones are folded.
    fn may_fold(&self, text: &str) -> bool {
        self.layout == Layout::Sigs && self.column + text.len() > WIDTH
    }

    fn folds(&self) -> bool {
        self.layout == Layout::Sigs && self.column > WIDTH
    }

    /// Moves to where an entry starts: a new line, unless only indicators stand on this one.
    fn start(&mut self, indent: usize) {
        if !(self.fresh && self.column == indent) {
            if self.column > 0 {
                self.line();
            }
            self.indent(indent);
        }
        self.fresh = true;
    }

    fn indicator(&mut self, text: &str) {
        self.text(text);
        self.fresh = true;
    }

    fn break_to(&mut self, indent: usize) {
        self.line();
        self.indent(indent);
    }

    fn indent(&mut self, indent: usize) {
        const SPACES: &str = "                                                                ";
        while self.column < indent {
            self.text(&SPACES[..(indent - self.column).min(SPACES.len())]);
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.fresh = true;
    }

    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.fresh = true;
    }

    fn char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
        self.fresh = false;
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
        self.fresh = false;
    }
}

fn number_text(number: &Number, layout: Layout) -> String {
    if let Some(value) = number.as_f64().filter(|_| number.is_f64()) {
        return match json_number(value) {
            // Through JSON, an integral float is an integer.
            Some(read) if layout == Layout::Sigs && !read.is_f64() => read.to_string(),
            _ => go_float(value),
        };
    }
    number.to_string()
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => "\\0",
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\x0b' => "\\v",
        '\x0c' => "\\f",
        '\r' => "\\r",
        '\x1b' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        c => {
            return match c as u32 {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    short.to_owned()
}
