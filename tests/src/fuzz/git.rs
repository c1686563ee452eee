//! What Git sources read from strangers: servers, repositories, and the files in them.

use std::sync::LazyLock;

use flux_sources::git::{Keyring, KnownHosts, fuzz};
use flux_sources::ignore::IgnoreRules;

/// A key that has signed nothing of what is fed.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH3yXrj5IsJt58I/BJxA27bbgk+bTfo8clTV5oX1ZvGx";

/// Ignore rules, and after a zero byte the path they are asked about.
pub(super) fn ignore(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (rules, path) = text.split_once('\0').unwrap_or((&text, "deploy/app.yaml"));
    let mut read = IgnoreRules::default();
    read.add_text(rules, "");
    read.add_text(rules, "deploy");
    let read = read.with_defaults();
    for directory in [true, false] {
        let first = read.ignores(path, directory);
        assert_eq!(first, read.ignores(path, directory));
    }
    assert!(read.ignores(".git/config", false) || rules.contains('!'));
}

/// A `known_hosts` file; whatever it says, a key that it does not hold is not trusted.
pub(super) fn known_hosts(data: &[u8]) {
    let Ok(known) = String::from_utf8_lossy(data).parse::<KnownHosts>() else { return };
    for (host, port) in [("git.example.com", 22), ("git.example.com", 2222), ("[::1]", 22)] {
        let algorithms = known.algorithms(host, port).len();
        assert!(known.check(host, port, b"no key").is_err());
        assert!(algorithms <= data.len());
    }
}

/// A `.gitmodules` file.
pub(super) fn gitmodules(data: &[u8]) {
    fuzz::gitmodules(data);
}

/// What a server says about itself and its references.
pub(super) fn references(data: &[u8]) {
    fuzz::references(data);
}

/// A commit or a tag, with a signature that is none of ours.
pub(super) fn signature(data: &[u8]) {
    static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
        let openpgp = include_str!("../../fuzz/keys/openpgp.asc");
        Keyring::default().with_ssh(KEY).and_then(|keyring| keyring.with_openpgp(openpgp)).expect("keys")
    });
    fuzz::signature(&KEYRING, data);
}
