//! Signatures made by the real git, gpg and ssh-keygen.
#![cfg(feature = "verify")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flux_core::time::{Clock, Timestamp};
use flux_core::{Artifact, Class, Context, Source, SourceError};
use flux_sources::Secret;
use flux_sources::git::{GitSource, Keyring, Reference, VerifyMode};
use support::gpg::Gpg;
use support::{HttpServer, Repository, have_git};

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

fn ssh_key(dir: &Path, kind: &str) -> (PathBuf, String) {
    let path = dir.join(format!("{kind}-{}", fs::read_dir(dir).unwrap().count()));
    let status = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "ada", "-t", kind, "-f"])
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public)
}

fn openpgp(text: &str) -> Keyring {
    Keyring::from_secret(&Secret::new("ns/keys", [("ada.asc", text)])).unwrap()
}

fn ssh(text: &str) -> Keyring {
    Keyring::from_secret(&Secret::new("ns/keys", [("ada.sshpub", text)])).unwrap()
}

fn url(repository: &Repository) -> String {
    format!("file://{}", repository.work().display())
}

async fn get(url: &str, reference: Reference, mode: VerifyMode, keyring: &Keyring) -> Result<Artifact, SourceError> {
    get_at(url, reference, mode, keyring, &Context::background()).await
}

async fn get_at(
    url: &str,
    reference: Reference,
    mode: VerifyMode,
    keyring: &Keyring,
    cx: &Context,
) -> Result<Artifact, SourceError> {
    let source = GitSource::builder(url).reference(reference).verify(mode, keyring.clone()).build()?;
    let revision = source.resolve(cx).await?;
    source.fetch(cx, &revision).await
}

#[track_caller]
fn refused(outcome: Result<Artifact, SourceError>, problem: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, SourceError::Unverified { .. }), "{error:?}");
    assert!(error.to_string().contains(problem), "{problem}: {error}");
    assert_eq!(error.class(), Class::Denied);
}

fn head() -> Reference {
    Reference::branch("main")
}

#[tokio::test]
async fn h33_commits_signed_with_openpgp() {
    let Some(gpg) = Gpg::new().filter(|_| have_git(&["git-http-backend"])) else { return };
    let repository = Repository::new();
    let server = HttpServer::git(repository.root());
    let commit = |key: &str| {
        let sign = format!("--gpg-sign={key}");
        repository
            .git_with(&[("GNUPGHOME", gpg.home())], &["commit", "--quiet", "--allow-empty", &sign, "--message=x"]);
    };
    let ada = gpg.key("ada@example.com", "ed25519", "sign,cert", "2y");
    let rsa = gpg.key("rsa@example.com", "rsa2048", "sign,cert", "0");
    let bob = gpg.key("bob@example.com", "ed25519", "sign,cert", "0");
    let with_subkey = gpg.key("sub@example.com", "ed25519", "cert", "0");
    gpg.run(&["--quick-add-key", &with_subkey, "ed25519", "sign", "0"]);
    let (ring, bobs) =
        (openpgp(&(gpg.export(&ada) + &gpg.export(&rsa) + &gpg.export(&with_subkey))), openpgp(&gpg.export(&bob)));

    for key in [&rsa, &with_subkey, &ada] {
        commit(key);
        for url in [url(&repository), server.url()] {
            let artifact = get(&url, head(), VerifyMode::Head, &ring).await.unwrap();
            assert!(artifact.metadata["verified"].starts_with("commit: OpenPGP key "), "{:?}", artifact.metadata);
        }
    }
    let here = url(&repository);
    refused(get(&here, head(), VerifyMode::Head, &bobs).await, "no key of the keyring made the signature");
    refused(get(&here, head(), VerifyMode::Head, &Keyring::default()).await, "the keyring is empty");
    let late = Context::background().with_clock(Clock::starting_at(now().plus(3 * YEAR)));
    refused(get_at(&here, head(), VerifyMode::Head, &ring, &late).await, "expired");
    let early = Context::background().with_clock(Clock::starting_at(Timestamp::UNIX_EPOCH));
    refused(get_at(&here, head(), VerifyMode::Head, &ring, &early).await, "not valid at this time");

    // The signature of one commit on another, with other files or another message.
    let signed = repository.git(&["cat-file", "commit", "HEAD"]) + "\n";
    for (from, to) in [("\n\nx", "\n\ny"), ("author Ada", "author Eve")] {
        let moved = repository.store("commit", signed.replace(from, to).as_bytes());
        repository.git(&["update-ref", "refs/heads/moved", &moved]);
        refused(get(&here, Reference::branch("moved"), VerifyMode::Head, &ring).await, "no key of the keyring");
    }
    // A second signature beside the first.
    let (before, message) = signed.split_once("\n\nx").unwrap();
    let twice = format!("{before}\ngpgsig x\n\nx{message}");
    let twice = repository.store("commit", twice.as_bytes());
    repository.git(&["update-ref", "refs/heads/twice", &twice]);
    refused(get(&here, Reference::branch("twice"), VerifyMode::Head, &ring).await, "more than one signature");

    // A key that is revoked, whose signatures were good.
    let certificate = fs::read_to_string(Path::new(gpg.home()).join(format!("openpgp-revocs.d/{ada}.rev"))).unwrap();
    let file = Path::new(gpg.home()).join("revoke");
    fs::write(&file, certificate.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    gpg.run(&["--import", file.to_str().unwrap()]);
    refused(get(&here, head(), VerifyMode::Head, &openpgp(&gpg.export(&ada))).await, "revoked");

    repository.commit("unsigned");
    refused(get(&here, head(), VerifyMode::Head, &ring).await, "has no signature");
}

fn now() -> Timestamp {
    Clock::system().now()
}

#[tokio::test]
async fn h33_commits_signed_with_ssh_keys() {
    if !have_git(&["git-http-backend"]) || Command::new("ssh-keygen").arg("-?").output().is_err() {
        println!("skipped: no ssh-keygen");
        return;
    }
    let (repository, dir) = (Repository::new(), tempfile::tempdir().unwrap());
    let server = HttpServer::git(repository.root());
    let commit = |key: &Path| {
        let key = format!("user.signingkey={}", key.display());
        repository.git(&[
            "-c",
            "gpg.format=ssh",
            "-c",
            &key,
            "commit",
            "--quiet",
            "--allow-empty",
            "-S",
            "--message=x",
        ]);
    };
    let here = url(&repository);
    let (_, stranger) = ssh_key(dir.path(), "ed25519");
    for kind in ["ecdsa", "rsa", "ed25519"] {
        let (key, public) = ssh_key(dir.path(), kind);
        commit(&key);
        for url in [here.clone(), server.url()] {
            let ring = ssh(&format!("# who\n{stranger}{public}"));
            let artifact = get(&url, head(), VerifyMode::Head, &ring).await.unwrap();
            assert!(artifact.metadata["verified"].starts_with("commit: SSH key SHA256:"), "{kind}");
        }
        refused(get(&here, head(), VerifyMode::Head, &ssh(&stranger)).await, "no key of the keyring");
        refused(get(&here, head(), VerifyMode::Head, &Keyring::default()).await, "the keyring is empty");
        let signed = repository.git(&["cat-file", "commit", "HEAD"]) + "\n";
        let moved = repository.store("commit", signed.replace("\n\nx", "\n\ny").as_bytes());
        repository.git(&["update-ref", "refs/heads/moved", &moved]);
        refused(get(&here, Reference::branch("moved"), VerifyMode::Head, &ssh(&public)).await, "not over this object");
    }
    // What was signed for something else than Git does not count.
    let (key, public) = ssh_key(dir.path(), "ed25519");
    let payload = repository.git(&["cat-file", "commit", "HEAD"]);
    let (head_lines, rest) = payload.split_once("\ngpgsig ").unwrap();
    let payload = format!("{head_lines}\n\n{}\n", rest.split_once("\n\n").unwrap().1);
    let file = dir.path().join("payload");
    fs::write(&file, &payload).unwrap();
    let sign = Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", "file", "-f"]).arg(&key).arg(&file).output();
    assert!(sign.unwrap().status.success());
    let signature = fs::read_to_string(file.with_extension("sig")).unwrap().trim_end().replace('\n', "\n ");
    let (lines, message) = payload.split_once("\n\n").unwrap();
    let other = repository.store("commit", format!("{lines}\ngpgsig {signature}\n\n{message}").as_bytes());
    repository.git(&["update-ref", "refs/heads/other", &other]);
    refused(get(&here, Reference::branch("other"), VerifyMode::Head, &ssh(&public)).await, "not over this object");
}

#[tokio::test]
async fn h33_signed_tags() {
    let Some(gpg) = Gpg::new().filter(|_| have_git(&["git-http-backend"])) else { return };
    let repository = Repository::new();
    repository.write("v", "1");
    let first = repository.commit("unsigned");
    let ada = gpg.key("ada@example.com", "ed25519", "sign,cert", "0");
    let bob = gpg.key("bob@example.com", "ed25519", "sign,cert", "0");
    let (ring, bobs) = (openpgp(&gpg.export(&ada)), openpgp(&gpg.export(&bob)));
    let home = [("GNUPGHOME", gpg.home())];
    repository.git_with(&home, &["tag", "--local-user", &ada, "--message=x", "v1.0.0"]);
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message=x", "plain"]);
    let server = HttpServer::git(repository.root());
    let urls = [url(&repository), server.url()];
    for url in &urls {
        for reference in [Reference::tag("v1.0.0"), Reference::semver("1.x"), Reference::name("refs/tags/v1.0.0")] {
            let artifact = get(url, reference.clone(), VerifyMode::Tag, &ring).await.unwrap();
            assert_eq!(artifact.revision.hash(), Some(first.as_str()));
            assert!(artifact.metadata["verified"].starts_with("tag: OpenPGP key "), "{reference}");
            refused(get(url, reference.clone(), VerifyMode::TagAndHead, &ring).await, "has no signature");
            refused(get(url, reference.clone(), VerifyMode::Head, &ring).await, "has no signature");
            refused(get(url, reference, VerifyMode::Tag, &bobs).await, "no key of the keyring");
        }
        refused(get(url, Reference::tag("light"), VerifyMode::Tag, &ring).await, "is not annotated");
        refused(get(url, Reference::tag("plain"), VerifyMode::Tag, &ring).await, "has no signature");
    }
    let here = &urls[0];
    // The same signed object under another name, and its signature under another commit.
    let object = repository.git(&["rev-parse", "refs/tags/v1.0.0"]);
    repository.git(&["update-ref", "refs/tags/v9.0.0", &object]);
    refused(
        get(here, Reference::tag("v9.0.0"), VerifyMode::Tag, &ring).await,
        "is the tag `v1.0.0` by its own account",
    );
    let sign = format!("--gpg-sign={ada}");
    repository.git_with(&home, &["commit", "--quiet", "--allow-empty", &sign, "--message=signed"]);
    let second = repository.head();
    let signed = repository.git(&["cat-file", "tag", "v1.0.0"]) + "\n";
    let moved = repository.store("tag", signed.replace(&first, &second).as_bytes());
    repository.git(&["update-ref", "refs/tags/v1.0.0", &moved]);
    refused(get(here, Reference::tag("v1.0.0"), VerifyMode::Tag, &ring).await, "no key of the keyring");
    repository.git_with(&home, &["tag", "--local-user", &ada, "--message=x", "v2.0.0"]);
    let both = get(here, Reference::semver("2.x"), VerifyMode::TagAndHead, &ring).await.unwrap();
    assert!(both.metadata["verified"].contains("tag: ") && both.metadata["verified"].contains("commit: "));
    let error = get(here, head(), VerifyMode::Tag, &ring).await.unwrap_err();
    assert_eq!(error.to_string(), "spec.verify.mode: a tag has to be verified, and branch `main` is none");
}

#[test]
fn keyrings_hold_keys_and_nothing_else() {
    let read = |key: &str, text: &str| Keyring::from_secret(&Secret::new("ns/keys", [(key, text)]));
    for (key, text, problem) in [
        ("a.asc", "hello", "holds no OpenPGP key"),
        ("a.sshpub", "hello", "no SSH key"),
        ("a.sshpub", "", ""),
        ("a.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n", ""),
    ] {
        match read(key, text) {
            Ok(keyring) => assert_eq!(format!("{keyring:?}"), "Keyring { openpgp: 0, ssh: 0 }"),
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.starts_with(&format!("Secret `ns/keys`: data.{key}: ")) && error.contains(problem),
                    "{error}"
                );
            }
        }
    }
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH3yXrj5IsJt58I/BJxA27bbgk+bTfo8clTV5oX1ZvGx";
    assert_eq!(format!("{:?}", read("k.sshpub", key).unwrap()), "Keyring { openpgp: 0, ssh: 1 }");
    let error = read("k.sshpub", &format!("cert-authority {key} ada")).unwrap_err().to_string();
    assert!(error.contains("with options"), "{error}");
}
