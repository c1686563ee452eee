//! The requests that the server was sent: which they were, which are meant, and how many there were.

mod log;
mod select;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::registry::Resource;
pub use log::Count;
pub(crate) use log::Log;
pub use select::Calls;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verb {
    /// Which kinds there are.
    Discover,
    /// One object.
    Get,
    /// The objects of a kind.
    List,
    /// The changes to the objects of a kind.
    Watch,
    /// A new object.
    Create,
    /// Another object in place of one.
    Update,
    /// A JSON, merge or strategic merge patch.
    Patch,
    /// A server-side apply.
    Apply,
    /// The end of one object.
    Delete,
    /// The end of the objects that a selector names.
    DeleteCollection,
}

impl Verb {
    /// Whether it changes objects.
    pub fn writes(self) -> bool {
        !matches!(self, Verb::Discover | Verb::Get | Verb::List | Verb::Watch)
    }

    /// The verb as roles name it.
    pub(crate) fn of_roles(self) -> &'static str {
        match self {
            Verb::Discover | Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch | Verb::Apply => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Discover => "discover",
            Verb::Apply => "apply",
            other => other.of_roles(),
        })
    }
}

/// A request that was answered.
#[derive(Clone)]
pub struct Request {
    /// When it came, counted from the server's start.
    pub at: Duration,
    /// What it asked for.
    pub verb: Verb,
    /// The part of the object it was about, such as `status`; empty for all of it.
    pub subresource: String,
    /// The namespace; empty for none and for all.
    pub namespace: String,
    /// The object's name; empty where there is none yet, or there are many.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// It asked only what would happen.
    pub dry_run: bool,
    /// The HTTP status code of the answer: 200 for all that succeeded, 0 for an answer that never arrived.
    pub code: u16,
    /// The answer is due to a [`Fault`](super::Fault).
    pub injected: bool,
    pub(crate) resource: Option<Arc<Resource>>,
}

impl Request {
    /// The kind it was about; empty for discovery.
    pub fn kind(&self) -> &str {
        self.resource.as_ref().map_or("", |r| &r.kind)
    }

    /// The API group of the kind; empty for the core group.
    pub fn group(&self) -> &str {
        self.resource.as_ref().map_or("", |r| &r.group)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {}", self.at, self.verb, self.kind())?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        write!(f, " {}/{} by {}: {}", self.namespace, self.name, self.user, self.code)?;
        f.write_str(match (self.dry_run, self.injected) {
            (false, false) => "",
            (true, false) => " (dry run)",
            (false, true) => " (injected)",
            (true, true) => " (dry run, injected)",
        })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
