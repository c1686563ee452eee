//! Submodules, sparse checkouts, included artifacts, repositories of SHA-256 and GitHub Apps.
#![cfg(feature = "git")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flux_core::time::{Clock, Timestamp};
use flux_core::{Artifact, Context, Source, SourceError};
use flux_sources::git::{GitSource, GitSourceBuilder, GithubApp, Include, Reference};
use flux_sources::memory::MemorySource;
use flux_sources::{Credentials, Secret};
use support::{HttpServer, Repository, have_git, respond, serve_git};

async fn get(builder: GitSourceBuilder) -> Result<Artifact, SourceError> {
    let (source, cx) = (builder.build()?, Context::background());
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

fn builder(url: impl Into<String>) -> GitSourceBuilder {
    GitSource::builder(url).reference(Reference::branch("main"))
}

fn names(artifact: &Artifact) -> Vec<&str> {
    artifact.tree.walk("").map(|(path, _)| path).collect()
}

fn here(repository: &Repository) -> String {
    format!("file://{}", repository.work().display())
}

/// Puts a link to another commit at `path`, described by this URL.
fn add_submodule(repository: &Repository, path: &str, url: &str, commit: &str) {
    repository.write(".gitmodules", format!("[submodule \"x\"]\n\tpath = {path}\n\turl = {url}\n"));
    repository.git(&["add", ".gitmodules"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    repository.git(&["commit", "--quiet", "--message=submodule"]);
}

/// A repository beside another one, with one file.
fn sibling(repository: &Repository, name: &str) -> (std::path::PathBuf, String) {
    let path = repository.root().join(name);
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([
                ("GIT_AUTHOR_NAME", "A"),
                ("GIT_AUTHOR_EMAIL", "a@b"),
                ("GIT_COMMITTER_NAME", "A"),
                ("GIT_COMMITTER_EMAIL", "a@b"),
            ])
            .current_dir(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    fs::create_dir(&path).unwrap();
    git(&["init", "--quiet", "--initial-branch=main"]);
    fs::write(path.join("inside.yaml"), name).unwrap();
    fs::write(path.join(".sourceignore"), "*.md\n").unwrap();
    fs::write(path.join("readme.md"), "x").unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=x"]);
    let commit = git(&["rev-parse", "HEAD"]);
    (path, commit)
}

#[tokio::test]
async fn submodules_are_fetched_when_they_are_asked_for() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("own.yaml", "1");
    repository.write("own.md", "1");
    repository.commit("first");
    let (lib, commit) = sibling(&repository, "lib");
    add_submodule(&repository, "vendor/lib", "../lib/", &commit);
    let server = HttpServer::git(repository.root());
    // Over HTTP the work tree's `.git` is served, and the submodule is beside that.
    let served = format!("http://{}/app", server.address);
    for url in [here(&repository), served.clone()] {
        let artifact = get(builder(&url)).await.unwrap();
        assert_eq!(names(&artifact), ["own.md", "own.yaml"], "{url}");
        let artifact = get(builder(&url).recurse_submodules(true)).await.unwrap();
        let found = ["own.md", "own.yaml", "vendor/lib/.sourceignore", "vendor/lib/inside.yaml"];
        assert_eq!(names(&artifact), found, "{url}");
        let limits = flux_core::tree::TreeLimits { entries: 6, ..Default::default() };
        let error = get(builder(&url).recurse_submodules(true).tree_limits(limits)).await.unwrap_err();
        assert!(error.to_string().ends_with("more than 6 entries"), "{error}");
        let without = builder(&url).recurse_submodules(true).sparse_checkout(["own.yaml"]);
        assert_eq!(names(&get(without).await.unwrap()), ["own.yaml"]);
    }
    // A commit that is not there any more.
    let absent = "1".repeat(40);
    add_submodule(&repository, "vendor/lib", "../lib", &absent);
    let error = get(builder(&served).recurse_submodules(true)).await.unwrap_err();
    assert!(error.to_string().contains(&format!("commit `{absent}` not found")), "{error}");
    drop(lib);
}

#[tokio::test]
async fn h28_submodules_lead_nowhere_else() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("own.yaml", "1");
    repository.commit("first");
    let (lib, commit) = sibling(&repository, "lib");
    let server = HttpServer::git(repository.root());
    let served = format!("http://{}/app", server.address);
    let absolute = lib.display().to_string();
    for (url, problem) in [
        (absolute.as_str(), "the URL leads to this machine"),
        (&format!("file://{absolute}"), "the URL leads to this machine"),
        ("--upload-pack=touch x", "is none"),
        ("ext::sh -c touch% x", ""),
        ("ssh://-oProxyCommand=touch%20x/y", ""),
        ("../../../lib", "leads above its server"),
        ("http://169.254.169.254/lib", "machine itself"),
    ] {
        add_submodule(&repository, "lib", url, &commit);
        let error = get(builder(&served).recurse_submodules(true)).await.unwrap_err();
        assert!(matches!(error, SourceError::Rejected { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains(problem), "{url}: {error}");
    }
    assert!(!Path::new("x").exists());
    // A path that leads outside.
    repository.write(".gitmodules", "[submodule \"x\"]\n\tpath = ../../etc\n\turl = ../lib\n");
    repository.git(&["add", ".gitmodules"]);
    repository.git(&["commit", "--quiet", "--message=x"]);
    let error = get(builder(&served).recurse_submodules(true)).await.unwrap_err();
    assert!(error.to_string().contains("leads outside"), "{error}");
}

#[tokio::test]
async fn submodules_elsewhere_see_no_credentials_and_those_in_circles_end() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("own.yaml", "1");
    repository.commit("first");
    let (_, commit) = sibling(&repository, "lib");
    let other = HttpServer::git(repository.root());
    add_submodule(&repository, "lib", &format!("http://user:stolen@{}/lib/.git", other.address), &commit);
    let root = repository.root().to_owned();
    let server = HttpServer::start(move |request, stream| match request.header("authorization") {
        Some("Bearer t0ken") => serve_git(&root, request, stream),
        _ => respond(stream, "401 Unauthorized", &[], b""),
    });
    let url = format!("http://{}/app/.git", server.address);
    let with = || builder(&url).credentials(Credentials::bearer("t0ken")).recurse_submodules(true);
    assert_eq!(names(&get(with()).await.unwrap()), ["lib/.sourceignore", "lib/inside.yaml", "own.yaml"]);
    assert!(other.requests().iter().all(|request| request.header("authorization").is_none()));

    // A commit cannot hold its own id, but a server can answer with a repository that leads back to a branch of itself.
    let own = repository.head();
    add_submodule(&repository, "again", &url, &own);
    add_submodule(&repository, "again", &url, &repository.head());
    for _ in 0..12 {
        add_submodule(&repository, "again", &url, &repository.head());
    }
    let error = get(with()).await.unwrap_err();
    assert!(error.to_string().contains("more than 10 submodules in each other"), "{error}");
}

#[tokio::test]
async fn a_sparse_checkout_holds_what_is_named_and_has_to_hold_it() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    for path in ["apps/a.yaml", "apps/sub/b.yaml", "apps-old/c.yaml", "infra/d.yaml", "top.yaml"] {
        repository.write(path, path);
    }
    repository.commit("x");
    for (paths, found) in [
        (&["./apps/"][..], &["apps/a.yaml", "apps/sub/b.yaml"][..]),
        (&["apps"], &["apps-old/c.yaml", "apps/a.yaml", "apps/sub/b.yaml"]),
        (&["apps/sub", "infra"], &["apps/sub/b.yaml", "infra/d.yaml"]),
        (&["top.yaml"], &["top.yaml"]),
        (&["./"], &["apps-old/c.yaml", "apps/a.yaml", "apps/sub/b.yaml", "infra/d.yaml", "top.yaml"]),
    ] {
        let artifact = get(builder(here(&repository)).sparse_checkout(paths.iter().copied())).await.unwrap();
        assert_eq!(names(&artifact), found, "{paths:?}");
        let only = artifact.tree.entries().all(|(_, entry)| !matches!(entry, flux_core::tree::Entry::Directory));
        assert!(only, "no empty directory is left of what is not wanted");
    }
    let error = get(builder(here(&repository)).sparse_checkout(["apps", "nope"])).await.unwrap_err();
    assert!(error.to_string().ends_with("`nope` of the sparse checkout not found"), "{error}");
}

#[tokio::test]
async fn parts_of_other_artifacts_are_included_and_a_change_of_them_is_a_change() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    repository.write("own.yaml", "1");
    repository.write(".sourceignore", "*.md\n");
    let commit = repository.commit("x");
    let other = MemorySource::from_files([("deploy/a.yaml", "a"), ("deploy/b.md", "b"), ("c.yaml", "c")]).unwrap();
    let include = |to: &str| Include::new(Arc::new(other.clone()), to);
    let whole = builder(here(&repository)).include(include("lib"));
    let artifact = get(whole.clone()).await.unwrap();
    assert_eq!(names(&artifact), [".sourceignore", "lib/c.yaml", "lib/deploy/a.yaml", "own.yaml"]);
    assert_eq!(artifact.revision.hash(), Some(commit.as_str()));
    let part = builder(here(&repository)).include(include("./lib/x").from_path("./deploy"));
    assert_eq!(names(&get(part).await.unwrap()), [".sourceignore", "lib/x/a.yaml", "own.yaml"]);
    let file = builder(here(&repository)).include(include("one.yaml").from_path("c.yaml"));
    assert_eq!(names(&get(file).await.unwrap()), [".sourceignore", "one.yaml", "own.yaml"]);

    let (source, cx) = (whole.build().unwrap(), Context::background());
    let before = source.resolve(&cx).await.unwrap();
    assert_eq!(before, artifact.revision);
    other.set_files([("c.yaml", "other")]).unwrap();
    let after = source.resolve(&cx).await.unwrap();
    assert_ne!(before, after);
    assert!(matches!(source.fetch(&cx, &before).await, Err(SourceError::NotFound { .. })));
    assert_eq!(source.fetch(&cx, &after).await.unwrap().tree.read("lib/c.yaml").unwrap().as_ref(), b"other");

    for (wrong, problem) in [
        (include("x").from_path("nope"), "holds no `nope`"),
        (include("../x"), "leads outside"),
        (include("x").from_path("../.."), "leads outside"),
        (include("own.yaml").from_path("c.yaml"), "given twice"),
        (include("own.yaml"), "`own.yaml` is a file and a directory"),
    ] {
        let error = get(builder(here(&repository)).include(wrong)).await.unwrap_err().to_string();
        assert!(error.contains(problem), "{problem}: {error}");
    }
}

#[tokio::test]
async fn repositories_of_sha256_are_read_everywhere() {
    if !have_git(&["git-http-backend", "git-daemon"]) {
        return;
    }
    let repository = Repository::new();
    fs::remove_dir_all(repository.work().join(".git")).unwrap();
    repository.git(&["init", "--quiet", "--initial-branch=main", "--object-format=sha256"]);
    repository.write("v", "1");
    let commit = repository.commit("x");
    repository.git(&["tag", "--annotate", "--message=x", "v1.0.0"]);
    assert_eq!(commit.len(), 64);
    let (server, daemon) = (HttpServer::git(repository.root()), support::Daemon::start(repository.root()));
    for url in [here(&repository), server.url(), daemon.url()] {
        for (reference, revision) in [
            (Reference::branch("main"), format!("main@sha256:{commit}")),
            (Reference::semver("*"), format!("v1.0.0@sha256:{commit}")),
            (Reference::commit(&commit), format!("sha256:{commit}")),
        ] {
            let artifact =
                get(GitSource::builder(&url).reference(reference)).await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
            assert_eq!(artifact.revision.as_str(), revision);
            assert_eq!(artifact.tree.read("v").unwrap().as_ref(), b"1");
        }
    }
}

/// The claims of a token whose signature holds, checked with the openssl program.
fn claims(token: &str, key: &Path) -> serde_json::Value {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (data, sig) = (dir.path().join("data"), dir.path().join("sig"));
    fs::write(&data, text).unwrap();
    fs::write(&sig, URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let checked = Command::new("openssl")
        .args(["dgst", "-sha256", "-prverify"])
        .arg(key)
        .arg("-signature")
        .arg(&sig)
        .arg(&data)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_github_app_gets_tokens_and_renews_them() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: no openssl");
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("x");
    let (root, revoked) = (repository.root().to_owned(), Arc::new(AtomicBool::new(false)));
    let refuse = revoked.clone();
    let server = HttpServer::start(move |request, stream| {
        let json = |stream: &mut dyn std::io::Write, status: &str, text: &str| {
            respond(stream, status, &[("content-type", "application/json")], text.as_bytes())
        };
        match (request.method.as_str(), request.target.as_str()) {
            ("GET", "/api/v3/orgs/ada/installation") => json(stream, "404 Not Found", "{}"),
            ("GET", "/api/v3/users/ada/installation") => json(stream, "200 OK", r#"{"id": 7}"#),
            ("POST", "/api/v3/app/installations/7/access_tokens") if !refuse.load(Ordering::SeqCst) => {
                json(stream, "201 Created", r#"{"token": "ghs_t0ken", "expires_at": "1970-01-01T01:00:00Z"}"#)
            }
            (_, target) if target.starts_with("/api/") => json(stream, "401 Unauthorized", r#"{"token": "hunter2"}"#),
            // base64 of `x-access-token:ghs_t0ken`.
            _ if request.header("authorization") == Some("Basic eC1hY2Nlc3MtdG9rZW46Z2hzX3Qwa2Vu") => {
                serve_git(&root, request, stream)
            }
            _ => respond(stream, "401 Unauthorized", &[], b""),
        }
    });
    let pem = fs::read_to_string(&key).unwrap();
    let base = format!("http://{}/api/v3/", server.address);
    let secret = |installation: (&str, &str)| {
        let rest = [("githubAppID", "42"), ("githubAppPrivateKey", pem.as_str()), ("githubAppBaseURL", base.as_str())];
        Secret::new("ns/app", rest.into_iter().chain([installation]))
    };
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    let cx = Context::background().with_clock(clock);
    for installation in [("githubAppInstallationOwner", "ada"), ("githubAppInstallationID", "7")] {
        let app = GithubApp::from_secret(&secret(installation), None).unwrap().unwrap();
        let source = builder(server.url()).github_app(app).build().unwrap();
        server.forget_requests();
        let revision = source.resolve(&cx).await.unwrap();
        source.fetch(&cx, &revision).await.unwrap();
        let seen = server.requests();
        let api: Vec<_> = seen.iter().filter(|request| request.target.starts_with("/api/")).collect();
        assert_eq!(api.len(), if installation.1 == "ada" { 3 } else { 1 }, "one token serves many requests");
        for request in api {
            let claims = claims(request.header("authorization").unwrap().strip_prefix("Bearer ").unwrap(), &key);
            assert_eq!(claims["iss"], "42");
            let (from, to) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
            assert!(from <= 0 && to > 0 && to - from <= 600, "{claims}");
        }
        // Shortly before its end a token is renewed.
        server.forget_requests();
        let later = Context::background().with_clock(Clock::starting_at(Timestamp::from_unix_seconds(3500)));
        source.resolve(&later).await.unwrap();
        assert!(server.requests().iter().any(|request| request.target.ends_with("/access_tokens")));
    }
    revoked.store(true, Ordering::SeqCst);
    let app = GithubApp::from_secret(&secret(("githubAppInstallationID", "7")), None).unwrap().unwrap();
    let error = get(builder(server.url()).github_app(app.clone())).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    assert!(!format!("{error:?} {app:?}").contains("hunter2") && !format!("{app:?}").contains("PRIVATE"));

    assert!(GithubApp::from_secret(&Secret::new("ns/app", [("username", "x")]), None).unwrap().is_none());
    for (data, problem) in [
        (vec![("githubAppID", "42")], "exactly one of"),
        (vec![("githubAppID", "42"), ("githubAppInstallationID", "7")], "githubAppPrivateKey: is missing"),
        (vec![("githubAppID", "42"), ("githubAppInstallationID", "7"), ("githubAppPrivateKey", "x")], "no RSA key"),
        (
            vec![("githubAppID", "42"), ("githubAppInstallationID", "../7"), ("githubAppPrivateKey", &pem)],
            "plain names",
        ),
    ] {
        let error = GithubApp::from_secret(&Secret::new("ns/app", data), None).unwrap_err().to_string();
        assert!(error.starts_with("Secret `ns/app`: ") && error.contains(problem), "{error}");
    }
}
