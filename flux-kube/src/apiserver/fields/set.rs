//! Sets of field paths: a sorted tree, with the algebra that field ownership needs.

use std::cmp::Ordering;

use super::element::PathElement;
use crate::apiserver::schema::{Schema, Type, TypeId};

/// A set of paths below one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// Sorted by element; no node is both no member and without children.
    nodes: Vec<Node>,
}

/// One element: whether the path that ends here is in the set, and the paths that go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) element: PathElement,
    pub(crate) member: bool,
    pub(crate) children: FieldSet,
}

impl FieldSet {
    /// No path at all.
    pub(crate) const EMPTY: FieldSet = FieldSet { nodes: Vec::new() };

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn get(&self, element: &PathElement) -> Option<&Node> {
        self.nodes.binary_search_by(|n| n.element.cmp(element)).ok().and_then(|i| self.nodes.get(i))
    }

    /// The node of a field, looked up by name.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        let found = self.nodes.binary_search_by(|n| match &n.element {
            PathElement::Field(f) => (**f).cmp(name),
            _ => Ordering::Greater,
        });
        found.ok().and_then(|i| self.nodes.get(i))
    }

    /// Adds `element`, as a member or with children or both; does nothing if neither.
    pub(crate) fn add(&mut self, element: PathElement, member: bool, children: FieldSet) {
        if !member && children.is_empty() {
            return;
        }
        // Fields are mostly visited in order, so the end is where most go.
        if self.nodes.last().is_none_or(|last| last.element < element) {
            self.nodes.push(Node { element, member, children });
            return;
        }
        match self.nodes.binary_search_by(|n| n.element.cmp(&element)) {
            Err(i) => self.nodes.insert(i, Node { element, member, children }),
            Ok(i) => {
                if let Some(node) = self.nodes.get_mut(i) {
                    node.member |= member;
                    node.children = if node.children.is_empty() { children } else { node.children.union(&children) };
                }
            }
        }
    }

    /// Walks two sets side by side; `keep` makes the node of the result.
    fn zip(&self, other: &FieldSet, keep: impl Fn(Option<&Node>, Option<&Node>) -> Option<Node>) -> FieldSet {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        let (mut a, mut b) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        loop {
            let node = match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some(_), None) => keep(a.next(), None),
                (None, Some(_)) => keep(None, b.next()),
                (Some(x), Some(y)) => match x.element.cmp(&y.element) {
                    Ordering::Less => keep(a.next(), None),
                    Ordering::Greater => keep(None, b.next()),
                    Ordering::Equal => keep(a.next(), b.next()),
                },
            };
            if let Some(node) = node.filter(|n| n.member || !n.children.is_empty()) {
                nodes.push(node);
            }
        }
        FieldSet { nodes }
    }

    pub(crate) fn union(&self, other: &FieldSet) -> FieldSet {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        self.zip(other, |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(Node {
                element: a.element.clone(),
                member: a.member || b.member,
                children: a.children.union(&b.children),
            }),
            (a, b) => a.or(b).cloned(),
        })
    }

    pub(crate) fn intersection(&self, other: &FieldSet) -> FieldSet {
        if self.is_empty() || other.is_empty() {
            return FieldSet::default();
        }
        self.zip(other, |a, b| {
            let (a, b) = (a?, b?);
            let children = a.children.intersection(&b.children);
            Some(Node { element: a.element.clone(), member: a.member && b.member, children })
        })
    }

    /// Whether any path is in both.
    pub(crate) fn overlaps(&self, other: &FieldSet) -> bool {
        other.nodes.iter().any(|theirs| {
            self.get(&theirs.element)
                .is_some_and(|own| (own.member && theirs.member) || own.children.overlaps(&theirs.children))
        })
    }

    /// The paths that are not in `other`.
    pub(crate) fn difference(&self, other: &FieldSet) -> FieldSet {
        if other.is_empty() {
            return self.clone();
        }
        self.zip(other, |a, b| {
            let a = a?;
            let Some(b) = b else { return Some(a.clone()) };
            let children = a.children.difference(&b.children);
            Some(Node { element: a.element.clone(), member: a.member && !b.member, children })
        })
    }

    /// The paths that neither are in `other` nor lie below one that is.
    pub(crate) fn difference_below(&self, other: &FieldSet) -> FieldSet {
        if other.is_empty() {
            return self.clone();
        }
        self.zip(other, |a, b| {
            let a = a?;
            let Some(b) = b else { return Some(a.clone()) };
            if b.member {
                return None;
            }
            let children = a.children.difference_below(&b.children);
            Some(Node { element: a.element.clone(), member: a.member, children })
        })
    }

    /// With the named fields on the way to a member as members too (`a` of `a.b.c` if it is a struct's field).
    pub(crate) fn with_named_fields(&self, schema: &Schema, ty: Option<TypeId>) -> FieldSet {
        let ty = ty.map(|t| schema.get(t));
        let nodes = self.nodes.iter().map(|node| {
            let (named, below) = match (&node.element, ty) {
                (PathElement::Field(name), Some(Type::Map(m))) => {
                    (m.field(name).is_some() && !node.children.is_empty(), m.type_of(name))
                }
                (PathElement::Key(_), Some(Type::List(l))) => (false, Some(l.element)),
                _ => (false, None),
            };
            let children = if node.children.is_empty() {
                FieldSet::default()
            } else {
                node.children.with_named_fields(schema, below)
            };
            Node { element: node.element.clone(), member: node.member || named, children }
        });
        FieldSet { nodes: nodes.collect() }
    }

    /// Calls `f` with every path of the set: at each level first what ends there, then what goes on.
    pub(crate) fn each<'a>(&'a self, path: &mut Vec<&'a PathElement>, f: &mut impl FnMut(&[&'a PathElement])) {
        for node in self.nodes.iter().filter(|n| n.member) {
            path.push(&node.element);
            f(path);
            path.pop();
        }
        for node in &self.nodes {
            path.push(&node.element);
            node.children.each(path, f);
            path.pop();
        }
    }

    /// Whether the path is a member.
    pub(crate) fn has(&self, path: &[&PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.get(last).is_some_and(|n| n.member),
            [first, rest @ ..] => self.get(first).is_some_and(|n| n.children.has(rest)),
        }
    }
}
