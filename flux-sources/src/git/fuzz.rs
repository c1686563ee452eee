//! What reads hostile input inside [`git`](super), for fuzzers to reach. A host has no use for it.

use std::io;

use gix::progress::Discard;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use gix::protocol::transport::{Protocol, Service};

use super::reference::Reference;
use super::remote::list;
use super::submodules;
use super::verify::Keyring;

/// Reads a `.gitmodules` file; what it says about paths leads nowhere outside.
pub fn gitmodules(data: &[u8]) {
    for (path, url) in submodules::read(data).unwrap_or_default() {
        assert_eq!(flux_core::tree::normalize(&path).as_deref(), Ok(path.as_str()));
        if let Ok(full) = submodules::relative("https://example.com/org/app", &url) {
            assert!(full.starts_with("https://example.com/"), "{full}");
        }
    }
}

/// Reads what a server says about itself and its references.
pub fn references(data: &[u8]) {
    // What is known to make gix panic; a source makes an error of it.
    if data.windows(7).any(|part| part == b"symref=") {
        return;
    }
    let nobody = None::<(String, Option<u16>)>;
    let mut transport = Connection::new(data, io::sink(), Protocol::V2, "/app", nobody, ConnectMode::Process, false);
    let handshake =
        gix::protocol::handshake(&mut transport, Service::UploadPack, |_| Ok(None), Vec::new(), &mut Discard);
    let Ok(mut handshake) = handshake else { return };
    let Ok(found) = list(&mut transport, &mut handshake, "refs/") else { return };
    for reference in [Reference::branch("main"), Reference::semver("*"), Reference::name("HEAD")] {
        if let Some(revision) = reference.pick(&found) {
            assert!(found.iter().any(|listed| Some(listed.commit.to_string().as_str()) == revision.hash()));
        }
    }
}

/// Holds a commit and a tag, as they are stored, against a keyring; a stranger's never passes.
pub fn signature(keyring: &Keyring, data: &[u8]) {
    let now = 1_800_000_000;
    for sha256 in [false, true] {
        assert!(keyring.verify_commit(data, sha256, now).is_err());
    }
    assert!(keyring.verify_tag(data, "v1.0.0", now).is_err());
}
