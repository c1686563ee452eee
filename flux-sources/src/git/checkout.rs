//! From a revision to an artifact: the commit and what it leads to is fetched, verified, listed and read.

use std::collections::BTreeMap;

use bytes::Bytes;
use flux_core::source::SourceError;
use flux_core::{Artifact, Revision};
use gix::ObjectId;
use tempfile::TempDir;

use super::materialise::{Gitlink, Materialise};
use super::place::Place;
use super::{Inner, Work, error, include, submodules};
use crate::listing::{Found, Kind};

/// How deep submodules may lie in each other, as in Flux.
const DEPTH: usize = 10;

/// Objects that can be read, and where they came from.
struct Repository {
    shown: String,
    objects: gix::odb::Handle,
    /// The packs are in here; none for a repository that is read in place.
    _dir: Option<TempDir>,
}

/// Where the content of a file is.
pub(super) enum Content {
    Object { repository: usize, id: ObjectId },
    Ready(Bytes),
}

/// What is gathered for one artifact.
struct Checkout<'a> {
    inner: &'a Inner,
    work: &'a Work<'a>,
    repositories: Vec<Repository>,
    found: Vec<Found<Content>>,
}

impl Inner {
    /// The artifact of exactly this revision.
    pub(super) fn fetch(&self, revision: &Revision, work: &Work<'_>) -> Result<Artifact, SourceError> {
        let url = self.shown.as_str();
        let missing = || SourceError::NotFound { url: url.to_owned(), what: format!("revision `{revision}`") };
        let own = if self.includes.is_empty() { revision.clone() } else { include::without_mark(revision) };
        let commit = own.hash().and_then(|hash| ObjectId::from_hex(hash.as_bytes()).ok()).ok_or_else(missing)?;
        let included = include::fetch(&self.includes, &own, revision, work, url)?;
        #[cfg(feature = "verify")]
        let tag = self.tag_to_verify(&own, commit, work)?;
        #[cfg(not(feature = "verify"))]
        let tag: Option<(String, ObjectId)> = None;
        let mut wants = vec![commit];
        wants.extend(tag.as_ref().map(|(_, id)| *id));

        let mut checkout = Checkout { inner: self, work, repositories: Vec::new(), found: Vec::new() };
        let main = checkout.open(&self.place, url, &wants)?;
        #[cfg(feature = "verify")]
        let signers = self.verify(&checkout.repositories[main].objects, commit, tag.as_ref(), work)?;
        let mut metadata = checkout.gather(&self.place, main, commit, "", 0)?;
        self.sparse.check(url, &checkout.found)?;
        checkout.found.extend(included);
        let tree = self.selection.read(url, &checkout.found, |entry| checkout.content(entry))?;
        metadata.insert("origin".to_owned(), url.to_owned());
        #[cfg(feature = "verify")]
        metadata.extend(signers.map(|signers| ("verified".to_owned(), signers)));
        Ok(Artifact { revision: revision.clone(), tree, metadata })
    }
}

impl Checkout<'_> {
    /// Makes the objects of a repository ready to be read.
    fn open(&mut self, place: &Place, shown: &str, wants: &[ObjectId]) -> Result<usize, SourceError> {
        let repository = match place {
            Place::Local(path) => {
                let objects = super::local::Local::open(path, shown)?.into_objects(wants)?;
                Repository { shown: shown.to_owned(), objects, _dir: None }
            }
            Place::Remote(server) => {
                let dir = self.inner.temporary().map_err(|error| error::local(shown, error))?;
                let remote = self.inner.remote(server, shown, self.inner.limits.pack_bytes, self.work);
                let objects = remote.fetch(wants, dir.path(), self.inner.limits.object_bytes)?;
                Repository { shown: shown.to_owned(), objects, _dir: Some(dir) }
            }
        };
        self.repositories.push(repository);
        Ok(self.repositories.len() - 1)
    }

    /// Lists the files of a commit below `prefix`, and those of its submodules; what the commit says about itself.
    fn gather(
        &mut self,
        place: &Place,
        repository: usize,
        commit: ObjectId,
        prefix: &str,
        depth: usize,
    ) -> Result<BTreeMap<String, String>, SourceError> {
        let reader = self.reader(repository);
        let (tree, metadata) = reader.commit(commit)?;
        let taken = self.found.len();
        let mut listed = Vec::new();
        let links = reader.list(tree, prefix, taken, &self.inner.sparse, |path, kind, id| {
            listed.push(Found { path, kind, handle: Content::Object { repository, id } });
        })?;
        self.found.extend(listed);
        if self.inner.submodules && !links.is_empty() {
            self.submodules(place, repository, prefix, &links, depth)?;
        }
        Ok(metadata)
    }

    fn submodules(
        &mut self,
        place: &Place,
        repository: usize,
        prefix: &str,
        links: &[Gitlink],
        depth: usize,
    ) -> Result<(), SourceError> {
        let shown = self.repositories[repository].shown.clone();
        let named = format!("{prefix}.gitmodules");
        let Some(file) = self.found.iter().find(|entry| entry.path == named) else { return Ok(()) };
        let rejected = |problem: String| SourceError::Rejected { url: shown.clone(), problem };
        if !matches!(file.kind, Kind::File { .. }) {
            return Err(rejected(format!("`{named}` is not a file")));
        }
        let urls =
            submodules::read(&self.content(file)?).map_err(|problem| rejected(format!("`{named}`: {problem}")))?;
        for Gitlink { path, commit } in links {
            // One that is not described is left out, as in Flux.
            let Some(url) = urls.get(path.strip_prefix(prefix).unwrap_or(path)) else { continue };
            if depth >= DEPTH {
                return Err(rejected(format!("submodule `{path}`: more than {DEPTH} submodules in each other")));
            }
            let refused = |problem: String| rejected(format!("submodule `{path}`: {problem}"));
            let (inside, inside_shown) = self.inner.access.submodule(place, &shown, url).map_err(refused)?;
            let index = self.open(&inside, &inside_shown, &[*commit])?;
            self.found.push(Found {
                path: path.clone(),
                kind: Kind::Directory,
                handle: Content::Object { repository: index, id: *commit },
            });
            self.gather(&inside, index, *commit, &format!("{path}/"), depth + 1)?;
        }
        Ok(())
    }

    fn reader(&self, repository: usize) -> Materialise<'_> {
        let Repository { shown, objects, .. } = &self.repositories[repository];
        Materialise { url: shown, objects, limits: self.inner.selection.limits, stop: self.work.stop }
    }

    fn content(&self, entry: &Found<Content>) -> Result<Bytes, SourceError> {
        match &entry.handle {
            Content::Ready(data) => Ok(data.clone()),
            Content::Object { repository, id } => self.reader(*repository).blob(&entry.path, *id),
        }
    }
}
