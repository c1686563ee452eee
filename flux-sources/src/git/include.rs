//! Parts of other artifacts among the files: `spec.include`.

use std::sync::Arc;

use flux_core::source::{Source, SourceError};
use flux_core::tree::{Entry, join};
use flux_core::{Context, Digest, Revision};

use super::Work;
use super::checkout::Content;
use crate::listing::{Found, Kind};

/// What the mark of included artifacts in a revision starts with.
const MARK: &str = "+include.";

/// A part of another source's artifact, put among the files of a repository before its ignore rules are applied.
#[derive(Debug, Clone)]
pub struct Include {
    source: Arc<dyn Source>,
    from: String,
    to: String,
}

impl Include {
    /// The whole artifact of a source, put into the directory `to`.
    pub fn new(source: Arc<dyn Source>, to: impl Into<String>) -> Self {
        Self { source, from: String::new(), to: to.into() }
    }

    /// Takes this file or directory of the artifact and nothing else.
    #[must_use]
    pub fn from_path(mut self, path: impl Into<String>) -> Self {
        self.from = path.into();
        self
    }
}

/// The revision with a mark of what is included: other included artifacts are another revision. The mark is a part of the
/// name, so that the commit can be read from the revision as ever.
pub(super) async fn marked(includes: &[Include], revision: Revision, cx: &Context) -> Result<Revision, SourceError> {
    if includes.is_empty() {
        return Ok(revision);
    }
    let mut revisions = Vec::with_capacity(includes.len());
    for include in includes {
        revisions.push(include.source.resolve(cx).await?);
    }
    Ok(with_mark(&revision, &revisions))
}

fn with_mark(revision: &Revision, included: &[Revision]) -> Revision {
    let all: Vec<&str> = included.iter().map(Revision::as_str).collect();
    let digest = Digest::sha256(all.join("\n").as_bytes());
    let mark = &digest.hex()[..12];
    match revision.as_str().rsplit_once('@') {
        Some((name, commit)) => Revision::new(format!("{name}{MARK}{mark}@{commit}")),
        None => Revision::new(format!("{MARK}{mark}@{revision}")),
    }
}

/// The revision of the repository itself.
pub(super) fn without_mark(revision: &Revision) -> Revision {
    let Some((name, commit)) = revision.as_str().rsplit_once('@') else { return revision.clone() };
    match name.rsplit_once(MARK) {
        Some(("", _)) => Revision::new(commit),
        Some((name, _)) => Revision::new(format!("{name}@{commit}")),
        None => revision.clone(),
    }
}

/// The files that are included in exactly this revision.
pub(super) fn fetch(
    includes: &[Include],
    own: &Revision,
    revision: &Revision,
    work: &Work<'_>,
    url: &str,
) -> Result<Vec<Found<Content>>, SourceError> {
    if includes.is_empty() {
        return Ok(Vec::new());
    }
    let (mut revisions, mut found) = (Vec::new(), Vec::new());
    for include in includes {
        let (included, artifact) = work.runtime.block_on(async {
            let included = include.source.resolve(work.cx).await?;
            let artifact = include.source.fetch(work.cx, &included).await?;
            Ok::<_, SourceError>((included, artifact))
        })?;
        revisions.push(included);
        include.place(&artifact.tree, &mut found).map_err(|problem| SourceError::Rejected {
            url: url.to_owned(),
            problem: format!("the included artifact `{}`: {problem}", artifact.revision),
        })?;
    }
    if with_mark(own, &revisions) == *revision { Ok(found) } else { Err(moved(url, revision)) }
}

fn moved(url: &str, revision: &Revision) -> SourceError {
    SourceError::NotFound {
        url: url.to_owned(),
        what: format!("revision `{revision}` (what is included has moved on)"),
    }
}

impl Include {
    fn place(&self, tree: &flux_core::Tree, found: &mut Vec<Found<Content>>) -> Result<(), String> {
        let from = join("", self.from.trim_start_matches('/')).map_err(|error| error.to_string())?;
        let to = join("", self.to.trim_start_matches('/')).map_err(|error| error.to_string())?;
        let before = found.len();
        for (path, entry) in tree.entries() {
            let rest = match path.strip_prefix(from.as_str()) {
                Some(rest) if from.is_empty() || rest.is_empty() => rest,
                Some(rest) if rest.starts_with('/') => &rest[1..],
                _ => continue,
            };
            let path = [to.as_str(), rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            let (kind, data) = match entry {
                Entry::File { data, executable } => (Kind::File { executable: *executable }, data.clone()),
                Entry::Link { target } => (Kind::Link, target.clone().into()),
                Entry::Directory => (Kind::Directory, Default::default()),
            };
            found.push(Found { path, kind, handle: Content::Ready(data) });
        }
        if found.len() == before && !from.is_empty() {
            return Err(format!("holds no `{}`", self.from));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_follows_what_is_included_and_leaves_the_commit_readable() {
        for text in ["main@sha1:abc", "sha1:abc", "refs/pull/1/head@sha1:abc"] {
            let own = Revision::new(text);
            let marked = with_mark(&own, &[Revision::new("main@sha1:1")]);
            assert_ne!(marked, with_mark(&own, &[Revision::new("main@sha1:2")]));
            assert_eq!(marked.hash(), Some("abc"));
            assert_eq!(without_mark(&marked), own);
            assert_eq!(without_mark(&own), own);
        }
    }
}
