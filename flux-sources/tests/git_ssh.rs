//! Git over ssh against a real sshd on loopback.
#![cfg(feature = "ssh")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use flux_core::{Artifact, Class, Context, Source, SourceError};
use flux_sources::Secret;
use flux_sources::git::{GitSource, GitSourceBuilder, Reference, SshIdentity};
use support::sshd::{Sshd, have_sshd, keygen};
use support::{Repository, have_git};

/// A repository behind sshd, and a key that is let in.
struct Setup {
    repository: Repository,
    server: Sshd,
    keys: tempfile::TempDir,
}

fn setup() -> Option<Setup> {
    let sshd = have_sshd().filter(|_| have_git(&[]))?;
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("first");
    let (server, keys) = (Sshd::start(&sshd, "ed25519"), tempfile::tempdir().unwrap());
    let key = keys.path().join("ed25519");
    keygen(&key, &["-N", "", "-t", "ed25519"]);
    server.allow(&key);
    Some(Setup { repository, server, keys })
}

impl Setup {
    fn key(&self) -> String {
        fs::read_to_string(self.keys.path().join("ed25519")).unwrap()
    }

    fn builder(&self) -> GitSourceBuilder {
        GitSource::builder(self.server.url(&self.repository.work())).reference(Reference::branch("main"))
    }

    fn with(&self, known_hosts: &str) -> GitSourceBuilder {
        self.builder().ssh_identity(SshIdentity::new(&self.key(), None, known_hosts).unwrap())
    }
}

async fn get(builder: GitSourceBuilder) -> Result<Artifact, SourceError> {
    let (source, cx) = (builder.build()?, Context::background());
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

#[tokio::test]
async fn a_repository_is_fetched_with_every_kind_of_key_in_every_format() {
    let Some(setup) = setup() else { return };
    for (kind, bits, format, password) in [
        ("ed25519", "256", "RFC4716", ""),
        ("ed25519", "256", "RFC4716", "hunter2"),
        ("ecdsa", "256", "RFC4716", "hunter2"),
        ("ecdsa", "384", "PKCS8", ""),
        ("ecdsa", "521", "RFC4716", ""),
        ("ecdsa", "256", "PEM", ""),
        ("rsa", "2048", "RFC4716", "hunter2"),
        ("rsa", "2048", "PEM", ""),
        ("rsa", "2048", "PEM", "hunter2"),
        ("rsa", "2048", "PKCS8", "hunter2"),
    ] {
        let name = format!("{kind} {bits} {format} {password}");
        let path = setup.keys.path().join(name.replace(' ', "-"));
        keygen(&path, &["-t", kind, "-b", bits, "-m", format, "-N", password]);
        setup.server.allow(&path);
        let key = fs::read_to_string(&path).unwrap();
        let known_hosts = setup.server.known_hosts();
        let mut data = vec![("identity", key.as_str()), ("known_hosts", &known_hosts)];
        if !password.is_empty() {
            let error = SshIdentity::from_secret(&Secret::new("ns/s", data.clone())).unwrap_err().to_string();
            assert!(error.starts_with("Secret `ns/s`: data."), "{name}: {error}");
            data.push(("password", "wrong"));
            assert!(SshIdentity::from_secret(&Secret::new("ns/s", data.clone())).is_err(), "{name}");
            data.pop();
            data.push(("password", password));
        }
        let identity = SshIdentity::from_secret(&Secret::new("ns/s", data)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let artifact = get(setup.builder().ssh_identity(identity)).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(artifact.tree.read("v").unwrap().as_ref(), b"1", "{name}");
    }
}

#[tokio::test]
async fn every_kind_of_host_key_is_known_again() {
    let Some(setup) = setup() else { return };
    let sshd = have_sshd().unwrap();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let server = Sshd::start(&sshd, kind);
        server.allow(&setup.keys.path().join("ed25519"));
        let identity = SshIdentity::new(&setup.key(), None, &server.known_hosts()).unwrap();
        let builder = GitSource::builder(server.url(&setup.repository.work())).reference(Reference::branch("main"));
        get(builder.ssh_identity(identity)).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_known_is_told_nothing() {
    let Some(setup) = setup() else { return };
    let (port, ours) = (setup.server.address.port(), setup.server.host_key());
    let other = setup.keys.path().join("other");
    keygen(&other, &["-N", "", "-t", "ed25519"]);
    let others = fs::read_to_string(other.with_extension("pub")).unwrap();
    let rsa = setup.keys.path().join("rsa");
    keygen(&rsa, &["-N", "", "-t", "rsa", "-b", "2048"]);
    let rsa = fs::read_to_string(rsa.with_extension("pub")).unwrap();
    let hashed = {
        let file = setup.keys.path().join("known_hosts");
        fs::write(&file, setup.server.known_hosts()).unwrap();
        assert!(Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap().status.success());
        fs::read_to_string(file).unwrap()
    };
    assert!(hashed.starts_with("|1|"));
    get(setup.with(&hashed)).await.unwrap();
    get(setup.with(&format!("[127.0.0.1]:{port} {others}{}", setup.server.known_hosts()))).await.unwrap();
    for (known_hosts, problem) in [
        (String::new(), "known_hosts does not name the server: it showed an ssh-ed25519 key SHA256:"),
        (format!("[127.0.0.1]:{port} {others}"), "known_hosts has other keys for the server"),
        (format!("127.0.0.1 {ours}\n"), "does not name the server"),
        (format!("[127.0.0.2]:{port} {ours}\n"), "does not name the server"),
        (format!("[127.0.0.1]:{port} {rsa}"), "no key of a kind that known_hosts has for it"),
        (format!("{}@revoked * {ours}\n", setup.server.known_hosts()), "revokes the key"),
        (format!("@cert-authority * {ours}\n"), "does not name the server"),
    ] {
        let error = get(setup.with(&known_hosts)).await.unwrap_err();
        assert!(matches!(error, SourceError::Unverified { .. }), "{known_hosts}: {error:?}");
        assert!(error.to_string().contains(problem), "{known_hosts}: {error}");
        assert_eq!(error.class(), Class::Denied);
    }
}

#[tokio::test]
async fn who_is_not_let_in_and_what_is_not_there_is_told() {
    let Some(setup) = setup() else { return };
    let stranger = setup.keys.path().join("stranger");
    keygen(&stranger, &["-N", "", "-t", "ed25519"]);
    let stranger = fs::read_to_string(stranger).unwrap();
    let identity = SshIdentity::new(&stranger, None, &setup.server.known_hosts()).unwrap();
    let error = get(setup.builder().ssh_identity(identity.clone())).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    assert!(!format!("{error:?} {identity:?}").contains("PRIVATE"));

    let identity = SshIdentity::new(&setup.key(), None, &setup.server.known_hosts()).unwrap();
    let missing = setup.repository.root().join("it's not here");
    let builder = GitSource::builder(setup.server.url(&missing).replace(' ', "%20")).ssh_identity(identity);
    let error = get(builder).await.unwrap_err();
    assert!(matches!(&error, SourceError::NotFound { what, .. } if what == "repository"), "{error:?}");
    let error = get(setup.with(&setup.server.known_hosts()).reference(Reference::branch("nope"))).await.unwrap_err();
    assert!(error.to_string().contains("branch `nope` (the only branch is `main`)"), "{error}");
}

#[tokio::test]
async fn dead_and_silent_servers_are_given_up() {
    let Some(setup) = setup() else { return };
    let identity = |address: std::net::SocketAddr| {
        let known_hosts = format!("[127.0.0.1]:{} {}", address.port(), setup.server.host_key());
        SshIdentity::new(&setup.key(), None, &known_hosts).unwrap()
    };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let source =
        GitSource::builder(format!("ssh://git@{address}/app")).ssh_identity(identity(address)).build().unwrap();
    let start = Instant::now();
    let cx = Context::background().with_timeout(Duration::from_millis(300));
    let error = source.resolve(&cx).await.unwrap_err();
    assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    drop(silent);
    let error = source.resolve(&Context::background()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn limits_hold_over_ssh() {
    let Some(setup) = setup() else { return };
    let limits = flux_sources::git::GitLimits { refs_bytes: 20, ..Default::default() };
    let error = get(setup.with(&setup.server.known_hosts()).limits(limits)).await.unwrap_err();
    assert!(error.to_string().ends_with("the server sent more than 20 bytes"), "{error}");
}

#[tokio::test]
async fn h28_urls_that_are_options_or_commands_are_refused() {
    let identity = || {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("key");
        keygen(&path, &["-N", "", "-t", "ed25519"]);
        SshIdentity::new(&fs::read_to_string(&path).unwrap(), None, "").unwrap()
    };
    if have_sshd().is_none() {
        return;
    }
    for url in ["ssh://-oProxyCommand=touch%20x/app", "ssh://host/app\n", "git@example.com:app", "ssh://git@/app"] {
        let error = GitSource::builder(url).ssh_identity(identity()).build().unwrap_err();
        assert!(matches!(error, SourceError::Invalid { .. }), "{url}: {error:?}");
    }
    let error = GitSource::builder("ssh://git@example.com/app").build().unwrap_err().to_string();
    assert!(error.starts_with("spec.secretRef: an ssh URL needs"), "{error}");
    assert!(!Path::new("x").exists());
}
