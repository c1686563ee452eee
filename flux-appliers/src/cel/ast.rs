//! What an expression is once it is parsed.

use super::value::Value;

/// One node and where it stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) node: Node,
    /// Byte offset, for errors.
    pub(super) at: usize,
    /// Levels below and with this one.
    pub(super) depth: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Literal(Value<'static>),
    Ident(String),
    /// `operand.field`, `operand.?field`, `has(operand.field)`.
    Select {
        operand: Box<Expr>,
        field: String,
        access: Access,
    },
    /// `operand[index]`, `operand[?index]`.
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    /// A function, a method or an operator (`_+_`, `!_`, `@in`).
    Call {
        function: String,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    /// A chain of `&&` or of `||`; `stops_at` is the value that settles it.
    Logic {
        stops_at: bool,
        operands: Vec<Expr>,
    },
    Ternary {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    List(Vec<Element>),
    Map(Vec<(Expr, Element)>),
    /// `type.name{field: value}`.
    Message {
        name: String,
        fields: Vec<(String, Expr)>,
    },
    Comprehension {
        kind: Comprehension,
        range: Box<Expr>,
        variable: String,
        body: Box<Expr>,
        filter: Option<Box<Expr>>,
    },
}

/// One element of a list or map; one that is optional and empty is left out.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) value: Expr,
    pub(super) optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Plain,
    Optional,
    /// Asks whether the field is there.
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comprehension {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    /// `optional.optMap(v, …)` and `optional.optFlatMap(v, …)`.
    OptMap,
    OptFlatMap,
}

impl Node {
    /// Every node directly below.
    pub(super) fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(_) | Self::Ident(_) => Vec::new(),
            Self::Select { operand, .. } => vec![operand],
            Self::Index { operand, index, .. } => vec![operand, index],
            Self::Call { target, arguments, .. } => target.iter().map(|target| &**target).chain(arguments).collect(),
            Self::Logic { operands, .. } => operands.iter().collect(),
            Self::Ternary { condition, then, otherwise } => vec![condition, then, otherwise],
            Self::List(elements) => elements.iter().map(|element| &element.value).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, element)| [key, &element.value]).collect(),
            Self::Message { fields, .. } => fields.iter().map(|(_, value)| value).collect(),
            Self::Comprehension { range, body, filter, .. } => {
                [range, body].into_iter().chain(filter).map(|expr| &**expr).collect()
            }
        }
    }
}

impl Expr {
    pub(super) fn new(node: Node, at: usize) -> Self {
        let depth = 1 + node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        Self { node, at, depth }
    }

    /// `a.b.c`, where it is a chain of names.
    pub(super) fn path(&self) -> Option<String> {
        match &self.node {
            Node::Ident(name) => Some(name.clone()),
            Node::Select { operand, field, access: Access::Plain } => Some(format!("{}.{field}", operand.path()?)),
            _ => None,
        }
    }
}
