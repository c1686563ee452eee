//! Field paths, as they are written in kustomizations, and what they lead to.

use flux_core::re2::Pattern;
use flux_core::yaml::{self, Content, Node};

use super::error::Cause;
use super::node::{self, text};
use super::yaml_limits;

/// Splits a path at a delimiter; `\` before it keeps it.
pub(super) fn split(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut pieces = path.split(delimiter).peekable();
    if path.contains(delimiter) && pieces.peek() == Some(&"") {
        pieces.next();
    }
    for piece in pieces {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(piece);
            }
            _ => parts.push(piece.to_owned()),
        }
    }
    parts
}

/// The same, where `[name=a.b]` is one part and `[a.b]` is the key `a.b`.
pub(super) fn split_with_brackets(path: &str, delimiter: char) -> Vec<String> {
    let mut parts = Vec::new();
    let mut pieces = split(path, delimiter).into_iter();
    while let Some(mut part) = pieces.next() {
        if part.starts_with('[') && !part.ends_with(']') {
            for piece in pieces.by_ref() {
                part.push(delimiter);
                part.push_str(&piece);
                if piece.ends_with(']') {
                    break;
                }
            }
            if !part.contains('=') {
                part = part.trim_matches(['[', ']']).to_owned();
            }
        }
        parts.push(part);
    }
    parts
}

/// One step of a path.
enum Step<'p> {
    Index(usize),
    Last,
    Every,
    /// The item of a sequence whose field, or which itself where the field is empty, has a value.
    Item(&'p str, &'p str),
    Field(&'p str),
}

fn step(part: &str) -> Result<Step<'_>, Cause> {
    if let Ok(index) = part.parse::<i64>() {
        let negative = || Cause::transform(format!("array index {part} cannot be negative"));
        return usize::try_from(index).map(Step::Index).map_err(|_| negative());
    }
    match part {
        "-" => Ok(Step::Last),
        "*" => Ok(Step::Every),
        part if is_item(part) => item(part),
        part => Ok(Step::Field(part)),
    }
}

/// True for a part that names a field.
pub(super) fn is_field(part: &str) -> bool {
    matches!(step(part), Ok(Step::Field(_)))
}

fn is_item(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn item(part: &str) -> Result<Step<'_>, Cause> {
    let inner = part.strip_prefix('[').and_then(|p| p.strip_suffix(']')).unwrap_or(part);
    let missing = "list path element must contain fieldName=fieldValue for element to match";
    let (field, value) = inner.split_once('=').ok_or_else(|| Cause::transform(missing))?;
    Ok(Step::Item(field, value))
}

/// What a path leads to; `None` where it leads nowhere.
pub(super) fn lookup<'n>(node: &'n Node, path: &[String]) -> Result<Option<&'n Node>, Cause> {
    let mut found = node;
    for part in path.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        if node::is_null(found) {
            return Ok(None);
        }
        let next = match step(part)? {
            Step::Every => return Err(Cause::transform("wildcard is not supported in PathGetter")),
            Step::Index(index) => {
                node::expect_sequence(found)?;
                node::items(found).get(index)
            }
            Step::Last => {
                node::expect_sequence(found)?;
                node::items(found).last()
            }
            Step::Item(field, value) => {
                node::expect_sequence(found)?;
                node::items(found).iter().find(|item| item_is(item, field, value))
            }
            Step::Field(name) => {
                node::expect_mapping(found)?;
                node::field(found, name)
            }
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// The same, to change.
pub(super) fn lookup_mut<'n>(node: &'n mut Node, path: &[String]) -> Result<Option<&'n mut Node>, Cause> {
    let mut found = node;
    for part in path.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        if node::is_null(found) {
            return Ok(None);
        }
        let step = step(part)?;
        if let Step::Field(name) = step {
            node::expect_mapping(found)?;
            match node::field_mut(found, name) {
                Some(next) => found = next,
                None => return Ok(None),
            }
            continue;
        }
        node::expect_sequence(found)?;
        let Content::Sequence(items) = &mut found.content else { return Ok(None) };
        let next = match step {
            Step::Every => return Err(Cause::transform("wildcard is not supported in PathGetter")),
            Step::Index(index) => items.get_mut(index),
            Step::Last => items.last_mut(),
            Step::Item(field, value) => items.iter_mut().find(|item| item_is(item, field, value)),
            Step::Field(_) => None,
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn item_is(item: &Node, field: &str, value: &str) -> bool {
    if field.is_empty() {
        return text(item) == value;
    }
    node::field(item, field).is_some_and(|found| text(found) == value)
}

/// What to make where a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    Scalar,
    Sequence,
    Mapping,
}

impl Create {
    /// The kind of a node.
    pub(super) fn like(node: &Node) -> Self {
        match &node.content {
            Content::Scalar(_) => Create::Scalar,
            Content::Sequence(_) => Create::Sequence,
            Content::Mapping(_) => Create::Mapping,
        }
    }

    pub(super) fn node(self) -> Node {
        match self {
            Create::Scalar => node::untagged(""),
            Create::Sequence => node::sequence(),
            Create::Mapping => node::mapping(),
        }
    }

    /// What must stand at a part of a path so that the next part finds its place.
    fn before(next: Option<&String>, last: Create) -> Create {
        match next.map(String::as_str) {
            None | Some("") => last,
            Some(next) if is_item(next) || next.parse::<usize>().is_ok() => Create::Sequence,
            Some(_) => Create::Mapping,
        }
    }
}

/// Calls `visit` for everything that a path matches: `*` is every item, `[name=regex]` the matching ones. Where
/// `create` is given, what is missing is made. A scalar on the way is read as YAML of its own; what is changed in it
/// is lost.
pub(super) fn each_match(
    node: &mut Node,
    path: &[String],
    create: Option<Create>,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<usize, Cause> {
    let Some((part, rest)) = path.split_first() else {
        visit(node)?;
        return Ok(1);
    };
    if let Ok(index) = part.parse::<usize>() {
        return indexed(node, index, rest, create, visit);
    }
    if is_item(part) {
        return matching(node, part, rest, create, visit);
    }
    if part == "*" {
        node::expect_sequence(node)?;
        let Content::Sequence(items) = &mut node.content else { return Ok(0) };
        return items.iter_mut().try_fold(0, |count, item| Ok(count + each_match(item, rest, create, visit)?));
    }
    if node::is_null(node) {
        return Ok(0);
    }
    node::expect_mapping(node)?;
    if node::field(node, part).is_none() {
        match create {
            None => return Ok(0),
            Some(last) => node::put_field(node, part, Create::before(rest.first(), last).node()),
        }
    }
    let Some(found) = node::field_mut(node, part) else { return Ok(0) };
    if matches!(found.content, Content::Scalar(_)) && !rest.is_empty() && !node::is_null(found) {
        let inner = yaml::read_first_node(text(found).as_bytes(), yaml_limits())?;
        let Some(mut inner) = inner else { return Ok(0) };
        node::write_tags(&mut inner);
        return each_match(&mut inner, rest, create, visit);
    }
    each_match(found, rest, create, visit)
}

fn indexed(
    node: &mut Node,
    index: usize,
    rest: &[String],
    create: Option<Create>,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<usize, Cause> {
    node::expect_sequence(node)?;
    let Content::Sequence(items) = &mut node.content else {
        return Err(Cause::transform(format!("index {index} specified but only 0 elements found")));
    };
    if items.len() == index
        && let Some(last) = create
    {
        items.push(Create::before(rest.first(), last).node());
    }
    let count = items.len();
    match items.get_mut(index) {
        Some(item) => each_match(item, rest, create, visit),
        None => Err(Cause::transform(format!("index {index} specified but only {count} elements found"))),
    }
}

fn matching(
    node: &mut Node,
    part: &str,
    rest: &[String],
    create: Option<Create>,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Cause>,
) -> Result<usize, Cause> {
    let Step::Item(field, pattern) = item(part)? else { return Ok(0) };
    let regex = Pattern::compile(pattern)
        .map_err(|error| Cause::Selector { selector: pattern.to_owned(), message: error.to_string() })?;
    node::expect_sequence(node)?;
    for attempt in 0..2 {
        let mut count = 0;
        if let Content::Sequence(items) = &mut node.content {
            for item in items {
                let found = if field.is_empty() { Some(&*item) } else { node::field(item, field) };
                let Some(found) = found else { continue };
                if regex.is_match(written(found).trim()) {
                    // What follows a primitive item in the path does not matter.
                    count += each_match(item, if field.is_empty() { &[] } else { rest }, create, visit)?;
                }
            }
        }
        if count > 0 || create.is_none() || attempt == 1 {
            return Ok(count);
        }
        let value = node::untagged(pattern);
        let item =
            if field.is_empty() { value } else { Node::new(Content::Mapping(vec![(Node::string(field), value)])) };
        match &mut node.content {
            Content::Sequence(items) => items.push(item),
            _ => return Ok(0),
        }
    }
    Ok(0)
}

/// A scalar as it would be written.
fn written(node: &Node) -> String {
    match super::json::to_value(node) {
        Ok(value) => yaml::write(&value, yaml::Layout::Compact),
        Err(_) => text(node).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split() {
        assert_eq!(split(r"metadata/annotations/a\/b", '/'), ["metadata", "annotations", "a/b"]);
        assert_eq!(split("/a/b", '/'), ["a", "b"]);
        assert_eq!(split_with_brackets("a.[name=x.y].b", '.'), ["a", "[name=x.y]", "b"]);
        assert_eq!(split_with_brackets("a.[x.y/z].b", '.'), ["a", "x.y/z", "b"]);
    }
}
