use super::Text;

/// One node of a document: what was written, before it is resolved to JSON.
///
/// Aliases are expanded; merge keys and the spelling of scalars are kept, since readers differ in what they make of
/// them.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What the node holds.
    pub content: Content,
    /// The line it starts on, from one; zero for a node that no text was read for.
    pub line: u32,
    /// The column it starts on, from one.
    pub column: u32,
    /// A collection that was written in brackets or braces.
    pub flow: bool,
}

/// The content of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the text.
    Mapping(Vec<(Node, Node)>),
}

/// A scalar: its text after unquoting and unfolding, with what is needed to resolve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: Text,
    /// The tag where one is written or set; otherwise text and style decide.
    pub tag: Option<Tag>,
    /// How the text was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Style {
    /// Without quotes.
    #[default]
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A literal block (`|`).
    Literal,
    /// A folded block (`>`).
    Folded,
}

/// The tag of a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!str`
    Str,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!timestamp`
    Timestamp,
    /// `!!binary`
    Binary,
    /// `!!merge`
    Merge,
    /// A tag that no reader here knows; its values are strings.
    Other(Box<String>),
}

impl Tag {
    /// The short form, such as `!!int`.
    pub fn as_str(&self) -> &str {
        match self {
            Tag::Other(name) => name,
            known => known.name(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Tag::Null => "!!null",
            Tag::Bool => "!!bool",
            Tag::Str => "!!str",
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::Timestamp => "!!timestamp",
            Tag::Binary => "!!binary",
            Tag::Merge => "!!merge",
            Tag::Other(_) => "a local tag",
        }
    }

    /// Reads a tag in its long (`tag:yaml.org,2002:int`) or short form; the non-specific `!` is none.
    pub(super) fn read(tag: &str) -> Option<Tag> {
        let short = tag.strip_prefix("tag:yaml.org,2002:").or_else(|| tag.strip_prefix("!!"));
        Some(match short {
            Some("null") => Tag::Null,
            Some("bool") => Tag::Bool,
            Some("str") => Tag::Str,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("timestamp") => Tag::Timestamp,
            Some("binary") => Tag::Binary,
            Some("merge") => Tag::Merge,
            Some(other) => Tag::Other(Box::new(format!("!!{other}"))),
            None if tag == "!" || tag.is_empty() => return None,
            None => Tag::Other(Box::new(tag.to_owned())),
        })
    }
}

impl Scalar {
    /// A scalar without quotes or tag.
    pub fn plain(text: impl Into<Text>) -> Self {
        Self { text: text.into(), tag: None, style: Style::Plain }
    }

    /// A string, whatever its text looks like.
    pub fn string(text: impl Into<Text>) -> Self {
        Self { text: text.into(), tag: Some(Tag::Str), style: Style::Plain }
    }
}

impl Node {
    /// A node that no text was read for.
    pub fn new(content: Content) -> Self {
        Self { content, line: 0, column: 0, flow: false }
    }

    /// A null.
    pub fn null() -> Self {
        Self::new(Content::Scalar(Scalar { text: "null".into(), tag: Some(Tag::Null), style: Style::Plain }))
    }

    /// A string, whatever its text looks like.
    pub fn string(text: impl Into<Text>) -> Self {
        Self::new(Content::Scalar(Scalar::string(text)))
    }

    pub(super) fn at(&self) -> (usize, usize) {
        (self.line as usize, self.column as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_one_line_of_a_cache() {
        assert!(size_of::<Node>() <= 64, "{}", size_of::<Node>());
    }
}
