//! Which artifact of a repository is wanted: `spec.ref` of an `OCIRepository`.

use flux_core::re2::Pattern;
use flux_core::semver::{Constraint, newest_first};
use flux_core::source::SourceError;
use serde::{Deserialize, Serialize};

/// What to pull. In `spec.ref`, where several can be given, `digest` outranks `semver`, and that `tag`.
///
/// ```
/// use flux_sources::oci::OciReference;
/// let reference: OciReference = serde_json::from_str(r#"{"semver": "1.x", "tag": "latest"}"#)?;
/// assert_eq!(reference, OciReference::semver("1.x"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spec", into = "Spec")]
#[non_exhaustive]
pub enum OciReference {
    /// A tag, such as `latest`.
    Tag(String),
    /// The newest tag in a range of versions.
    Semver {
        /// The range, such as `>=1.0.0 <2.0.0`.
        range: String,
        /// A regular expression that a tag must match to be looked at.
        filter: Option<String>,
    },
    /// One manifest by its digest, for ever.
    Digest(String),
}

/// `spec.ref` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    semver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    semver_filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
}

impl OciReference {
    /// A tag.
    pub fn tag(name: impl Into<String>) -> Self {
        Self::Tag(name.into())
    }

    /// The newest tag in a range of versions.
    pub fn semver(range: impl Into<String>) -> Self {
        Self::Semver { range: range.into(), filter: None }
    }

    /// A manifest by its digest.
    pub fn digest(digest: impl Into<String>) -> Self {
        Self::Digest(digest.into())
    }

    /// Refuses what cannot be a reference.
    pub(super) fn validate(&self) -> Result<(), SourceError> {
        let invalid = |field: &str, problem: String| Err(SourceError::Invalid { field: field.into(), problem });
        match self {
            Self::Tag(tag) if !is_tag(tag) => invalid("spec.ref.tag", format!("`{}` is not a tag", tag.escape_debug())),
            Self::Digest(digest) if !is_digest(digest) => {
                invalid("spec.ref.digest", format!("`{}` is not a SHA-256 digest", digest.escape_debug()))
            }
            Self::Semver { range, filter } => {
                if let Err(error) = Constraint::parse(range) {
                    return invalid("spec.ref.semver", error.to_string());
                }
                match filter.as_deref().map(Pattern::compile) {
                    Some(Err(error)) => invalid("spec.ref.semverFilter", error.to_string()),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The tag that is wanted among all tags. The tags of charts have `_` for the `+` of a version.
    pub(super) fn pick(range: &str, filter: Option<&str>, tags: &[String], charts: bool) -> Option<String> {
        let range = Constraint::parse(range).ok()?;
        let filter = filter.map(Pattern::compile).transpose().ok()?;
        let tags = tags.iter().filter(|tag| filter.as_ref().is_none_or(|filter| filter.is_match(tag)));
        let versions: Vec<String> = tags.map(|tag| if charts { tag.replace('_', "+") } else { tag.clone() }).collect();
        let newest = newest_first(versions.iter().map(String::as_str), Some(&range)).into_iter().next()?;
        Some(if charts { newest.original().replace('+', "_") } else { newest.original().to_owned() })
    }
}

/// Whether a text can be a tag, by the rules of the OCI distribution specification.
pub(super) fn is_tag(text: &str) -> bool {
    let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.len() <= 128 && text.bytes().all(part) && text.bytes().next().is_some_and(|b| !matches!(b, b'.' | b'-'))
}

/// Whether a text is a digest that content can be held against.
pub(super) fn is_digest(text: &str) -> bool {
    text.starts_with("sha256:") && text.parse::<flux_core::Digest>().is_ok()
}

impl Default for OciReference {
    /// The tag `latest`.
    fn default() -> Self {
        Self::tag("latest")
    }
}

impl std::fmt::Display for OciReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag `{tag}`"),
            Self::Semver { range, .. } => write!(f, "tag in the range `{range}`"),
            Self::Digest(digest) => write!(f, "digest `{digest}`"),
        }
    }
}

impl From<Spec> for OciReference {
    fn from(spec: Spec) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let filter = given(spec.semver_filter);
        given(spec.digest)
            .map(Self::Digest)
            .or_else(|| given(spec.semver).map(|range| Self::Semver { range, filter }))
            .or_else(|| given(spec.tag).map(Self::Tag))
            .unwrap_or_default()
    }
}

impl From<OciReference> for Spec {
    fn from(reference: OciReference) -> Self {
        match reference {
            OciReference::Tag(tag) => Self { tag: Some(tag), ..Self::default() },
            OciReference::Semver { range, filter } => {
                Self { semver: Some(range), semver_filter: filter, ..Self::default() }
            }
            OciReference::Digest(digest) => Self { digest: Some(digest), ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_tag_in_the_range_is_picked() {
        let tags = ["1.0.0", "1.2.0", "1.10.0-rc.1", "v1.9.0", "2.0.0-dev", "latest", "1.0.0_b1"].map(str::to_owned);
        let pick = |range, filter, charts| OciReference::pick(range, filter, &tags, charts);
        assert_eq!(pick("1.x", None, false).as_deref(), Some("v1.9.0"));
        assert_eq!(pick("1.x", Some("^[0-9]"), false).as_deref(), Some("1.2.0"));
        assert_eq!(pick(">=2.0.0-0", Some("-dev$"), false).as_deref(), Some("2.0.0-dev"));
        assert_eq!(pick("1.0.0", Some("_"), true).as_deref(), Some("1.0.0_b1"));
        assert_eq!(pick(">3", None, false), None);
    }

    #[test]
    fn references_that_cannot_be_are_refused() {
        for reference in [
            OciReference::tag(""),
            OciReference::tag("a b"),
            OciReference::tag("../x"),
            OciReference::tag("-x"),
            OciReference::digest("sha256:00"),
            OciReference::semver("one"),
            OciReference::Semver { range: "1".into(), filter: Some("(".into()) },
        ] {
            assert!(reference.validate().is_err(), "{reference}");
        }
        OciReference::default().validate().unwrap();
    }
}
