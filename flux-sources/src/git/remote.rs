//! Asking a remote over the Git protocol: one list of references to resolve, one commit without history to fetch.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::path::Path;

use flux_core::Revision;
use flux_core::source::SourceError;
use gix::ObjectId;
use gix::bstr::BString;
use gix::odb::pack;
use gix::progress::Discard;
use gix::protocol::fetch::negotiate::{Action, Round, one_round};
use gix::protocol::fetch::{Arguments, Context as FetchContext, Negotiate, Options, Response, Shallow, Tags};
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::{Protocol, Service};
use gix::protocol::{Handshake, LsRefsCommand};

use super::http::HttpRemote;
use super::reference::{Listed, Reference};
use super::session::Session;
#[cfg(feature = "ssh")]
use super::ssh::SshServer;
use super::{daemon, error};

/// How many branches an error names.
const BRANCHES_NAMED: usize = 5;

/// Bytes of unpacked objects that are kept at hand while files are read.
const PACK_CACHE: usize = 32 << 20;

/// Where a repository is that is not on this machine.
#[derive(Debug)]
pub(super) enum Server {
    Http(HttpRemote),
    Daemon(gix::Url),
    #[cfg(feature = "ssh")]
    Ssh(SshServer),
}

/// A repository behind a URL, for one operation.
pub(super) struct Remote<'a> {
    pub(super) server: &'a Server,
    /// The URL without credentials.
    pub(super) shown: &'a str,
    pub(super) session: Session<'a>,
}

impl Remote<'_> {
    /// The revision of a reference: one list of the references that start as its name does.
    pub(super) fn resolve(&self, reference: &Reference) -> Result<Revision, SourceError> {
        self.with_fresh_abilities(|| true, || self.resolve_once(reference))
    }

    fn resolve_once(&self, reference: &Reference) -> Result<Revision, SourceError> {
        let failed = |error| self.failed(&reference.to_string(), error);
        let prefix = reference.prefix().unwrap_or_default();
        let mut transport = self.connect()?;
        let mut handshake = handshake(&mut *transport).map_err(failed)?;
        let references = list(&mut *transport, &mut handshake, &prefix).map_err(failed)?;
        let revision = match reference.pick(&references) {
            Some(revision) => Ok(revision),
            // Only who asked for something that is not there pays for a second list.
            None if handshake.server_protocol_version == Protocol::V2 => {
                let branches = list(&mut *transport, &mut handshake, "refs/heads/").map_err(failed)?;
                Err(not_found(self.shown, reference, &branches))
            }
            None => Err(not_found(self.shown, reference, &references)),
        };
        // The answer is here; whether the farewell arrives does not matter.
        let _ = gix::protocol::indicate_end_of_interaction(&mut *transport, false);
        revision
    }

    /// The references whose full name starts like this.
    #[cfg(feature = "verify")]
    pub(super) fn references(&self, prefix: &str) -> Result<Vec<Listed>, SourceError> {
        let references = || {
            let failed = |error| self.failed(prefix, error);
            let mut transport = self.connect()?;
            let mut handshake = handshake(&mut *transport).map_err(failed)?;
            let references = list(&mut *transport, &mut handshake, prefix).map_err(failed)?;
            let _ = gix::protocol::indicate_end_of_interaction(&mut *transport, false);
            Ok(references)
        };
        self.with_fresh_abilities(|| true, references)
    }

    /// Fetches a commit, and the tag that leads to it if that is wanted too, with its files and without its history into
    /// `dir`, and opens it. No object has more than `limit` bytes when it is unpacked.
    pub(super) fn fetch(&self, wants: &[ObjectId], dir: &Path, limit: u64) -> Result<gix::odb::Handle, SourceError> {
        // Once files have come, what is wrong is not what the server can do.
        let begun = Cell::new(false);
        self.with_fresh_abilities(|| !begun.get(), || self.fetch_once(wants, dir, limit, &begun))
    }

    fn fetch_once(
        &self,
        wants: &[ObjectId],
        dir: &Path,
        limit: u64,
        begun: &Cell<bool>,
    ) -> Result<gix::odb::Handle, SourceError> {
        let names: Vec<String> = wants.iter().map(|want| format!("`{want}`")).collect();
        let wanted = format!("commit {}", names.join(" and "));
        let kind = wants.first().map_or(gix::hash::Kind::Sha1, |want| want.kind());
        let failed = |error| self.failed(&wanted, error);
        let objects = dir.join("objects");
        let packs = objects.join("pack");
        std::fs::create_dir_all(&packs).map_err(|error| error::local(self.shown, error))?;
        let mut transport = self.connect()?;
        let mut handshake = handshake(&mut *transport).map_err(failed)?;
        let mut received = false;
        gix::protocol::fetch(
            &mut Want(wants.to_vec()),
            |pack, progress, stop| {
                begun.set(true);
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let options = pack::bundle::write::Options { alloc_limit_bytes: Some(limit), ..Default::default() };
                let thin = None::<gix::odb::Handle>;
                pack::Bundle::write_to_directory(pack, Some(&packs), progress, stop, thin, kind, options)?;
                received = true;
                Ok(true)
            },
            Discard,
            self.session.stop,
            FetchContext {
                handshake: &mut handshake,
                transport: &mut transport,
                user_agent: agent(),
                trace_packetlines: false,
            },
            Options {
                shallow_file: dir.join("shallow"),
                shallow: &Shallow::DepthAtRemote(NonZeroU32::MIN),
                tags: Tags::None,
                reject_shallow_remote: false,
            },
        )
        .map_err(failed)?;
        let _ = gix::protocol::indicate_end_of_interaction(&mut *transport, false);
        if !received {
            return Err(SourceError::NotFound { url: self.shown.to_owned(), what: wanted });
        }
        let mut objects = gix::odb::at(objects, kind).map_err(|error| error::local(self.shown, error))?;
        // Files that are stored as differences share their bases.
        objects.set_pack_cache(|| Box::new(pack::cache::lru::MemoryCappedHashmap::new(PACK_CACHE)));
        Ok(objects)
    }

    fn connect(&self) -> Result<Box<dyn Transport + '_>, SourceError> {
        match self.server {
            Server::Http(remote) => Ok(remote.connect(self.shown, &self.session)),
            Server::Daemon(url) => daemon::connect(url, self.shown, &self.session),
            #[cfg(feature = "ssh")]
            Server::Ssh(server) => server.connect(self.shown, &self.session),
        }
    }

    /// Runs an operation, and once more if it failed on what a server was remembered to be able to do.
    fn with_fresh_abilities<T>(
        &self,
        may_repeat: impl Fn() -> bool,
        operation: impl Fn() -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let Server::Http(remote) = self.server else { return operation() };
        let remembered = remote.is_known();
        let outcome = operation();
        let Err(error) = &outcome else { return outcome };
        remote.forget();
        let doubtful = matches!(error, SourceError::Rejected { .. } | SourceError::Unreachable { .. });
        if remembered && doubtful && may_repeat() { operation() } else { outcome }
    }

    /// What a failure inside gix means: a connection says best itself why it failed.
    fn failed(&self, wanted: &str, error: gix::Error) -> SourceError {
        self.session.failure().unwrap_or_else(|| error::remote(self.shown, wanted, error))
    }
}

fn handshake(transport: &mut dyn Transport) -> gix::Result<Handshake> {
    gix::protocol::handshake(transport, Service::UploadPack, |_| Ok(None), Vec::new(), &mut Discard)
}

/// The references whose name starts with `prefix`; all of them from a server that tells them unasked.
pub(super) fn list(transport: &mut dyn Transport, handshake: &mut Handshake, prefix: &str) -> gix::Result<Vec<Listed>> {
    let references = match handshake.refs.take() {
        Some(references) => references,
        None => {
            let mut prefixes = RefPrefixes::new();
            prefixes.extend([BString::from(prefix)]);
            LsRefsCommand::new(Some(prefixes), &handshake.capabilities, agent()).invoke_blocking(
                transport,
                &mut Discard,
                false,
            )?
        }
    };
    let found = references.iter().filter_map(|reference| {
        let (name, object, peeled) = reference.unpack();
        let object = object?.to_owned();
        let commit = peeled.map_or(object, ToOwned::to_owned);
        Some(Listed { name: name.to_string(), commit, tag: peeled.map(|_| object) })
    });
    Ok(found.collect())
}

/// A reference that is not there, with the branches that are.
pub(super) fn not_found(url: &str, reference: &Reference, references: &[Listed]) -> SourceError {
    let mut branches: Vec<&str> =
        references.iter().filter_map(|listed| listed.name.strip_prefix("refs/heads/")).collect();
    branches.sort_unstable();
    let more = if branches.len() > BRANCHES_NAMED { ", …" } else { "" };
    let names: Vec<String> = branches.iter().take(BRANCHES_NAMED).map(|name| format!("`{name}`")).collect();
    let what = match names.as_slice() {
        [] => format!("{reference} (the repository has no branches)"),
        [name] => format!("{reference} (the only branch is {name})"),
        names => format!("{reference} (there are the branches {}{more})", names.join(", ")),
    };
    SourceError::NotFound { url: url.to_owned(), what }
}

fn agent() -> (&'static str, Option<String>) {
    ("agent", Some(concat!("flux-rs/", env!("CARGO_PKG_VERSION")).to_owned()))
}

/// Wants a few objects and has nothing.
struct Want(Vec<ObjectId>);

impl Negotiate for Want {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<Action> {
        Ok(Action::MustNegotiate { remote_ref_target_known: Vec::new() })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        self.0.iter().for_each(|want| arguments.want(*want));
        true
    }

    fn one_round(
        &mut self,
        _state: &mut one_round::State,
        _arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(Round, bool)> {
        let round =
            Round { haves_sent: 0, in_vain: 0, haves_to_send: 0, previous_response_had_at_least_one_in_common: false };
        Ok((round, true))
    }
}
