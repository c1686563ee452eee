//! Which commit of a repository is wanted: `spec.ref` of a `GitRepository`.

use flux_core::Revision;
use flux_core::semver::{Constraint, newest_first};
use flux_core::source::SourceError;
use gix::ObjectId;
use serde::{Deserialize, Serialize};

/// What to check out. In `spec.ref`, where several can be given, `commit` outranks `name`, that `tag`, that `semver`, and
/// that `branch`.
///
/// ```
/// use flux_sources::git::Reference;
/// let reference: Reference = serde_json::from_str(r#"{"branch": "main", "tag": "v1.2.0"}"#)?;
/// assert_eq!(reference, Reference::tag("v1.2.0"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spec", into = "Spec")]
#[non_exhaustive]
pub enum Reference {
    /// The head of a branch, such as `main`.
    Branch(String),
    /// A tag, light or annotated; the commit it leads to is checked out.
    Tag(String),
    /// The newest tag in a range of versions, such as `>=1.0.0 <2.0.0`.
    Semver(String),
    /// Any reference by its full name, such as `refs/pull/420/head`.
    Name(String),
    /// One commit, for ever.
    Commit {
        /// All 40 hexadecimal digits; 64 in a repository of SHA-256.
        id: String,
        /// The branch to name in the revision; the commit alone decides what is fetched.
        branch: Option<String>,
    },
}

/// One reference of a repository.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// Its full name.
    pub(super) name: String,
    /// The commit it leads to.
    pub(super) commit: ObjectId,
    /// The object of an annotated tag.
    pub(super) tag: Option<ObjectId>,
}

/// `spec.ref` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    semver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
}

impl Reference {
    /// The head of a branch.
    pub fn branch(name: impl Into<String>) -> Self {
        Self::Branch(name.into())
    }

    /// A tag.
    pub fn tag(name: impl Into<String>) -> Self {
        Self::Tag(name.into())
    }

    /// The newest tag in a range of versions.
    pub fn semver(range: impl Into<String>) -> Self {
        Self::Semver(range.into())
    }

    /// A reference by its full name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// A commit by its full id.
    pub fn commit(id: impl Into<String>) -> Self {
        Self::Commit { id: id.into(), branch: None }
    }

    /// What the full names of the references to look at start with; none for a commit, which needs no look-up.
    pub(super) fn prefix(&self) -> Option<String> {
        match self {
            Self::Branch(name) => Some(format!("refs/heads/{name}")),
            Self::Tag(name) => Some(format!("refs/tags/{name}")),
            Self::Semver(_) => Some("refs/tags/".to_owned()),
            // `^{}` asks for the commit behind a tag, which is what is looked up in any case.
            Self::Name(name) => Some(name.strip_suffix("^{}").unwrap_or(name).to_owned()),
            Self::Commit { .. } => None,
        }
    }

    /// The revision that is wanted among references.
    pub(super) fn pick(&self, references: &[Listed]) -> Option<Revision> {
        let at =
            |name: &str| references.iter().find(|listed| listed.name == name).map(|listed| listed.commit.to_string());
        match self {
            Self::Branch(name) | Self::Tag(name) | Self::Name(name) => {
                at(&self.prefix()?).map(|commit| Revision::git(Some(name), &commit))
            }
            Self::Semver(range) => {
                let range = Constraint::parse(range).ok()?;
                let tags = references.iter().filter_map(|listed| listed.name.strip_prefix("refs/tags/"));
                let newest = newest_first(tags, Some(&range)).into_iter().next()?;
                let tag = newest.original();
                at(&format!("refs/tags/{tag}")).map(|commit| Revision::git(Some(tag), &commit))
            }
            Self::Commit { .. } => self.pinned(),
        }
    }

    /// The tag behind a revision, if this leads to tags.
    #[cfg(feature = "verify")]
    pub(super) fn tag_of<'a>(&'a self, revision: &'a Revision) -> Option<&'a str> {
        match self {
            Self::Tag(name) => Some(name),
            Self::Semver(_) => revision.name(),
            Self::Name(_) => self.full_tag(),
            Self::Branch(_) | Self::Commit { .. } => None,
        }
    }

    #[cfg(feature = "verify")]
    fn full_tag(&self) -> Option<&str> {
        let Self::Name(name) = self else { return None };
        let name = name.strip_suffix("^{}").unwrap_or(name);
        name.strip_prefix("refs/tags/")
    }

    /// Whether this leads to tags and to nothing else.
    #[cfg(feature = "verify")]
    pub(super) fn is_tag(&self) -> bool {
        matches!(self, Self::Tag(_) | Self::Semver(_)) || self.full_tag().is_some()
    }

    /// The revision when no look-up is needed to know it.
    pub(super) fn pinned(&self) -> Option<Revision> {
        match self {
            Self::Commit { id, branch } => Some(Revision::git(branch.as_deref(), id)),
            _ => None,
        }
    }

    /// Refuses what cannot name a reference, so that nothing odd is ever sent or looked up.
    pub(super) fn validate(&self) -> Result<(), SourceError> {
        let (field, text) = match self {
            Self::Branch(name) => ("spec.ref.branch", name),
            Self::Tag(name) => ("spec.ref.tag", name),
            Self::Semver(range) => ("spec.ref.semver", range),
            Self::Name(name) => ("spec.ref.name", name),
            Self::Commit { id, .. } => ("spec.ref.commit", id),
        };
        let invalid = |problem: &str| {
            let shown: String = text.chars().take(128).collect();
            Err(SourceError::Invalid { field: field.into(), problem: format!("`{}` {problem}", shown.escape_debug()) })
        };
        if let Self::Commit { .. } = self {
            let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            return if hex {
                Ok(())
            } else {
                invalid("is not a commit: 40 (or, of SHA-256, 64) lower-case hexadecimal digits are needed")
            };
        }
        if let Self::Semver(range) = self {
            return Constraint::parse(range).map(|_| ()).or_else(|error| invalid(&format!("is not a range: {error}")));
        }
        let name = self.prefix().unwrap_or_default();
        if gix::validate::reference::name(name.as_str().into()).is_err() {
            return invalid("is not a valid reference name");
        }
        if matches!(self, Self::Name(_)) && name != "HEAD" && !name.starts_with("refs/") {
            return invalid("is not a full name; it should start with `refs/`");
        }
        Ok(())
    }
}

impl Default for Reference {
    /// The branch `master`, as Flux has it.
    fn default() -> Self {
        Self::branch("master")
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch `{name}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
            Self::Semver(range) => write!(f, "tag in the range `{range}`"),
            Self::Name(name) => write!(f, "reference `{name}`"),
            Self::Commit { id, .. } => write!(f, "commit `{id}`"),
        }
    }
}

impl From<Spec> for Reference {
    fn from(spec: Spec) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(id) = given(spec.commit) {
            return Self::Commit { id, branch: given(spec.branch) };
        }
        given(spec.name)
            .map(Self::Name)
            .or_else(|| given(spec.tag).map(Self::Tag))
            .or_else(|| given(spec.semver).map(Self::Semver))
            .or_else(|| given(spec.branch).map(Self::Branch))
            .unwrap_or_default()
    }
}

impl From<Reference> for Spec {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::Branch(name) => Self { branch: Some(name), ..Self::default() },
            Reference::Tag(name) => Self { tag: Some(name), ..Self::default() },
            Reference::Semver(range) => Self { semver: Some(range), ..Self::default() },
            Reference::Name(name) => Self { name: Some(name), ..Self::default() },
            Reference::Commit { id, branch } => Self { commit: Some(id), branch, ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";

    #[test]
    fn revisions_read_as_flux_writes_them() {
        let id = ObjectId::from_hex(ID.as_bytes()).unwrap();
        let names = ["refs/heads/feat/x", "refs/tags/v1.0.0", "refs/pull/1/head"];
        let references = names.map(|name| Listed { name: name.to_owned(), commit: id, tag: None });
        let pinned = Reference::Commit { id: ID.into(), branch: Some("main".into()) };
        for (reference, revision) in [
            (Reference::branch("feat/x"), format!("feat/x@sha1:{ID}")),
            (Reference::tag("v1.0.0"), format!("v1.0.0@sha1:{ID}")),
            (Reference::semver(">0.1"), format!("v1.0.0@sha1:{ID}")),
            (Reference::name("refs/pull/1/head"), format!("refs/pull/1/head@sha1:{ID}")),
            (Reference::name("refs/heads/feat/x"), format!("refs/heads/feat/x@sha1:{ID}")),
            (Reference::commit(ID), format!("sha1:{ID}")),
            (pinned, format!("main@sha1:{ID}")),
        ] {
            assert_eq!(reference.pick(&references).unwrap().as_str(), revision);
        }
    }

    #[test]
    fn the_newest_tag_in_the_range_is_picked() {
        let id = ObjectId::from_hex(ID.as_bytes()).unwrap();
        let names = ["v1.2.0", "1.10.0", "v1.9.9", "v2.0.0", "v2.1.0-rc.1", "1.20", "latest"];
        let references = names.map(|name| Listed { name: format!("refs/tags/{name}"), commit: id, tag: None });
        let pick = |range: &str| Reference::semver(range).pick(&references);
        assert_eq!(pick("1.x").unwrap().name(), Some("1.10.0"));
        assert_eq!(pick("*").unwrap().name(), Some("v2.0.0"));
        assert_eq!(pick(">=2.0.0-0").unwrap().name(), Some("v2.1.0-rc.1"));
        assert_eq!(pick(">3"), None);
    }

    #[test]
    fn the_most_exact_field_wins() {
        let parse = |json: &str| serde_json::from_str::<Reference>(json).unwrap();
        assert_eq!(parse(r#"{"branch":"b","tag":"t","name":"n","commit":"c"}"#).to_string(), "commit `c`");
        assert_eq!(parse(r#"{"branch":"b","tag":"t","name":"n"}"#), Reference::name("n"));
        assert_eq!(parse(r#"{"branch":"b","semver":"1.x"}"#), Reference::semver("1.x"));
        assert_eq!(parse(r#"{"branch":"b","tag":""}"#), Reference::branch("b"));
        assert_eq!(parse("{}"), Reference::branch("master"));
    }

    #[test]
    fn names_that_cannot_be_references_are_refused() {
        for reference in [
            Reference::branch(""),
            Reference::branch("a..b"),
            Reference::branch("a b"),
            Reference::branch("x\nwant"),
            Reference::tag("x/"),
            Reference::name("main"),
            Reference::name("--upload-pack=x"),
            Reference::name("/refs/heads/main"),
            Reference::semver("one"),
            Reference::commit("abc"),
            Reference::commit(ID.to_uppercase().replace('0', "A")),
        ] {
            assert!(reference.validate().is_err(), "{reference}");
        }
        for reference in [Reference::branch("-x"), Reference::name("HEAD"), Reference::name("refs/tags/v1^{}")] {
            reference.validate().unwrap();
        }
    }
}
