use std::fmt;
use std::sync::Arc;

use flux_core::Origin;
use flux_core::yaml::{Node, YamlError};

use super::node::kind_name;

/// Why a build failed, and where: the file, the line, the object and the overlays that led there.
#[derive(Debug, Clone, thiserror::Error)]
pub struct BuildError {
    /// The file and line, and the kustomizations that led there, outermost first.
    pub origin: Origin,
    /// The object that was being read, changed or written, such as `Deployment.v1.apps/web.default`; may be empty.
    pub object: String,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with a build.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A file is not YAML.
    #[error("{0}")]
    Yaml(#[from] YamlError),
    /// A file could not be changed as it is read: decrypted.
    #[error("{path}: {problem}")]
    Filter {
        /// The file, from the root of the tree.
        path: String,
        /// Why not.
        problem: String,
    },
    /// A directory has none of the file names that make it a kustomization.
    #[error("unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{dir}'")]
    NoKustomization {
        /// The directory.
        dir: String,
    },
    /// A directory has more than one of them.
    #[error("found multiple kustomization files under '{dir}'")]
    SeveralKustomizations {
        /// The directory.
        dir: String,
    },
    /// A field of a kustomization or of a plugin's configuration is wrong.
    #[error("invalid Kustomization: {field}: {message}")]
    Kustomization {
        /// The field, such as `images[0].newTag`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A file or directory that is named is not there.
    #[error("'{path}' does not exist")]
    NotFound {
        /// The path as written.
        path: String,
    },
    /// A path that is neither what it should be: a file, or a directory.
    #[error("'{path}' must be {wanted}")]
    WrongKind {
        /// The path as written.
        path: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A file lies outside the kustomization that names it.
    #[error("security; file '{path}' is not in or below '{root}'")]
    Outside {
        /// The path.
        path: String,
        /// The kustomization's directory.
        root: String,
    },
    /// A kustomization leads back to itself.
    #[error("cycle detected: candidate root '{candidate}' contains visited root '{visited}'")]
    Cycle {
        /// The directory that was named.
        candidate: String,
        /// The directory on the way to it.
        visited: String,
    },
    /// Two resources have the same identity.
    #[error("may not add resource with an already registered id: {id}")]
    Conflict {
        /// The identity.
        id: String,
    },
    /// An object is not one, or cannot be written as JSON.
    #[error("{message}")]
    Object {
        /// What is wrong.
        message: String,
        /// The line inside the object's text, zero where unknown.
        line: usize,
    },
    /// A field holds another kind of node than the operation needs.
    #[error("wrong node kind: expected {wanted} but got {found}")]
    NodeKind {
        /// What is needed.
        wanted: &'static str,
        /// What is there.
        found: &'static str,
        /// The line, zero where unknown.
        line: usize,
    },
    /// A step of the build failed at a field.
    #[error("considering field '{field}': {cause}")]
    Field {
        /// The field's path.
        field: String,
        /// What is wrong there.
        cause: Box<Cause>,
    },
    /// A regular expression or a label selector is malformed.
    #[error("invalid selector '{selector}': {message}")]
    Selector {
        /// The selector.
        selector: String,
        /// What is wrong with it.
        message: String,
    },
    /// A generator cannot make its object.
    #[error("{generator}: {message}")]
    Generator {
        /// The generator and its name.
        generator: String,
        /// What is wrong.
        message: String,
    },
    /// A chart is not there, or does not render.
    #[error("chart {chart}: {message}")]
    Chart {
        /// The chart's name.
        chart: String,
        /// What is wrong.
        message: String,
    },
    /// A patch is malformed, has no target or does not apply.
    #[error("patch {patch}: {message}")]
    Patch {
        /// The patch: its file or its beginning.
        patch: String,
        /// What is wrong.
        message: String,
    },
    /// A transformer, a replacement, a variable or a name reference cannot do its work.
    #[error("{message}")]
    Transform {
        /// What is wrong.
        message: String,
    },
    /// A feature that this engine refuses: remote resources without a resolver, exec, container and Go plugins.
    #[error("{0}")]
    Unsupported(String),
    /// A limit of the build was passed.
    #[error("more than {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The build was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl Cause {
    pub(super) fn kind(wanted: &'static str, node: &Node) -> Self {
        Cause::NodeKind { wanted, found: kind_name(node), line: node.line as usize }
    }

    pub(super) fn transform(message: impl Into<String>) -> Self {
        Cause::Transform { message: message.into() }
    }

    pub(super) fn field(field: impl Into<String>) -> impl FnOnce(Cause) -> Cause {
        move |cause| Cause::Field { field: field.into(), cause: Box::new(cause) }
    }

    fn line(&self) -> usize {
        match self {
            Cause::Yaml(error) => error.line,
            Cause::Object { line, .. } | Cause::NodeKind { line, .. } => *line,
            Cause::Field { cause, .. } => cause.line(),
            _ => 0,
        }
    }
}

impl From<Cause> for BuildError {
    fn from(cause: Cause) -> Self {
        Self { origin: Origin::default(), object: String::new(), cause }
    }
}

impl BuildError {
    /// Names the file, where none is named yet.
    pub(super) fn in_file(mut self, file: &str) -> Self {
        if self.origin.file.is_empty() {
            self.origin.file = Arc::from(file);
            self.origin.line = self.cause.line();
        }
        self
    }

    /// Names the object and its place, where none is named yet.
    pub(super) fn of(mut self, object: impl fmt::Display, file: &Arc<str>, line: usize) -> Self {
        if self.object.is_empty() {
            self.object = object.to_string();
        }
        if self.origin.file.is_empty() && !file.is_empty() {
            self.origin.file = Arc::clone(file);
            self.origin.line = match self.cause.line() {
                0 => line,
                inner => inner,
            };
        }
        self
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.origin.file.is_empty() {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        self.cause.fmt(f)
    }
}
