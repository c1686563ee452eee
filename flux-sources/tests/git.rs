//! Git sources against real servers.
#![cfg(feature = "git")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flux_core::tree::{Entry, TreeLimits};
use flux_core::{Artifact, Class, Context, Source, SourceError};
use flux_sources::git::{GitLimits, GitSource, Reference};
use flux_sources::{Credentials, Secret, Tls};
use support::tls::Authority;
use support::{Daemon, HttpServer, Repository, have_git, respond, serve_git};

fn source(url: &str, reference: Reference) -> GitSource {
    GitSource::builder(url).reference(reference).build().unwrap()
}

async fn get(source: &GitSource) -> Result<Artifact, SourceError> {
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

/// Every place that serves one repository.
struct Places {
    _daemon: Daemon,
    urls: Vec<String>,
}

fn places(repository: &Repository) -> Option<Places> {
    if !have_git(&["git-daemon", "git-http-backend"]) {
        return None;
    }
    let (daemon, server) = (Daemon::start(repository.root()), HttpServer::git(repository.root()));
    let urls = vec![
        format!("file://{}", repository.work().display()),
        repository.work().display().to_string(),
        daemon.url(),
        server.url(),
    ];
    Some(Places { _daemon: daemon, urls })
}

#[tokio::test]
async fn every_kind_of_reference_is_found_at_every_place() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    let first = repository.commit("first\n\nbody");
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message=x", "v1.0.0"]);
    repository.git(&["branch", "feat/x"]);
    repository.git(&["update-ref", "refs/pull/7/head", "HEAD"]);
    repository.write("v", "2");
    let second = repository.commit("second");
    let Some(places) = places(&repository) else { return };
    let pinned = Reference::Commit { id: first.clone(), branch: Some("main".into()) };
    for url in &places.urls {
        for (reference, revision, content) in [
            (Reference::branch("main"), format!("main@sha1:{second}"), "2"),
            (Reference::branch("feat/x"), format!("feat/x@sha1:{first}"), "1"),
            (Reference::tag("light"), format!("light@sha1:{first}"), "1"),
            (Reference::tag("v1.0.0"), format!("v1.0.0@sha1:{first}"), "1"),
            (Reference::semver("1.x"), format!("v1.0.0@sha1:{first}"), "1"),
            (Reference::name("refs/pull/7/head"), format!("refs/pull/7/head@sha1:{first}"), "1"),
            (Reference::name("refs/tags/v1.0.0^{}"), format!("refs/tags/v1.0.0^{{}}@sha1:{first}"), "1"),
            (Reference::name("HEAD"), format!("HEAD@sha1:{second}"), "2"),
            (Reference::commit(&first), format!("sha1:{first}"), "1"),
            (pinned.clone(), format!("main@sha1:{first}"), "1"),
        ] {
            let artifact = get(&source(url, reference)).await.unwrap();
            assert_eq!(artifact.revision.as_str(), revision, "{url}");
            assert_eq!(artifact.tree.read("v").unwrap().as_ref(), content.as_bytes(), "{url} {revision}");
            assert_eq!(artifact.metadata["author"], "Ada <ada@example.com>");
            assert_eq!(artifact.metadata["message"], if content == "1" { "first\n\nbody" } else { "second" });
        }
    }
}

#[tokio::test]
async fn files_come_as_they_are_stored() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    repository.write("crlf.txt", "a\r\nb\r\n");
    repository.write("run.sh", "#!/bin/sh\n");
    repository.write("secret/export.txt", "kept");
    repository.write(".gitattributes", "* text eol=lf\nsecret export-ignore\n");
    std::os::unix::fs::symlink("run.sh", repository.work().join("link")).unwrap();
    repository.git(&["-c", "core.autocrlf=false", "add", "--all"]);
    repository.git(&["update-index", "--chmod=+x", "run.sh"]);
    let submodule = format!("160000,{},sub", "1".repeat(40));
    repository.git(&["update-index", "--add", "--cacheinfo", &submodule]);
    repository.git(&["commit", "--quiet", "--message=x"]);
    let Some(places) = places(&repository) else { return };
    let mut digests = Vec::new();
    for url in &places.urls {
        let tree = get(&source(url, Reference::branch("main"))).await.unwrap().tree;
        let entries: Vec<(&str, &Entry)> = tree.entries().collect();
        let names: Vec<&str> = entries.iter().map(|(path, _)| *path).collect();
        assert_eq!(names, ["crlf.txt", "link", "run.sh", "secret/export.txt"]);
        assert!(matches!(entries[1].1, Entry::Link { target } if target == "run.sh"));
        assert!(matches!(entries[2].1, Entry::File { executable: true, .. }));
        digests.push(tree.digest().clone());
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "the same files wherever they come from");
}

#[tokio::test]
async fn ignore_rules_apply_and_ignored_files_are_not_even_read() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    repository.write("deploy/app.yaml", "x");
    repository.write("docs/big.txt", "x".repeat(4096));
    repository.commit("x");
    let url = repository.work().display().to_string();
    let limits = TreeLimits { file_bytes: 1024, ..TreeLimits::default() };
    let builder = GitSource::builder(url).reference(Reference::branch("main")).tree_limits(limits);
    let error = get(&builder.clone().build().unwrap()).await.unwrap_err();
    assert!(error.to_string().ends_with("`docs/big.txt`: more than 1024 bytes in one file"), "{error}");
    let tree = get(&builder.ignore("/*\n!/deploy").build().unwrap()).await.unwrap().tree;
    assert_eq!(tree.walk("").map(|(path, _)| path).collect::<Vec<_>>(), ["deploy/app.yaml"]);
}

#[tokio::test]
async fn a_missing_reference_is_named_with_the_branches_that_are_there() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    let Some(places) = places(&repository) else { return };
    for url in &places.urls {
        let error = get(&source(url, Reference::default())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: branch `master` (the repository has no branches) not found"));
    }
    repository.write("v", "1");
    let id = repository.commit("first");
    for url in &places.urls {
        let error = get(&source(url, Reference::default())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: branch `master` (the only branch is `main`) not found"));
    }
    for name in ["b", "c", "d", "e", "f"] {
        repository.git(&["branch", name]);
    }
    for url in &places.urls {
        // A name that others start with is still not there.
        let error = get(&source(url, Reference::branch("mai"))).await.unwrap_err();
        let branches = "there are the branches `b`, `c`, `d`, `e`, `f`, …";
        assert_eq!(error.to_string(), format!("{url}: branch `mai` ({branches}) not found"));
        assert!(matches!(error, SourceError::NotFound { .. }));
        let error = get(&source(url, Reference::semver(">1"))).await.unwrap_err();
        assert!(error.to_string().contains("tag in the range `>1`"), "{error}");
        let error = get(&source(url, Reference::tag("v9"))).await.unwrap_err();
        assert!(error.to_string().contains("tag `v9`"), "{error}");
        let absent = id.replace(|c: char| c.is_ascii_digit(), "a");
        let error = get(&source(url, Reference::commit(&absent))).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: commit `{absent}` not found"));
    }
}

#[tokio::test]
async fn missing_repositories_and_dead_remotes_are_told_apart() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    let Some(places) = places(&repository) else { return };
    for url in &places.urls {
        let url = url.replace("app", "other");
        let error = get(&source(&url, Reference::default())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: repository not found"));
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https", "git"] {
        let url = format!("{scheme}://{free}/app");
        let error = get(&source(&url, Reference::default())).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreachable { .. }), "{scheme}: {error:?}");
        assert_eq!(error.class(), Class::Transient);
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so() {
    for (status, denied) in [("401 Unauthorized", true), ("403 Forbidden", true), ("500 Oops", false)] {
        let server = HttpServer::start(move |_, stream| respond(stream, status, &[("www-authenticate", "Basic")], b""));
        let error = get(&source(&server.url(), Reference::default())).await.unwrap_err();
        assert_eq!(matches!(error, SourceError::Denied { .. }), denied, "{status}: {error:?}");
        assert_eq!(matches!(error, SourceError::Unreachable { .. }), !denied, "{status}: {error:?}");
    }
}

#[tokio::test]
async fn credentials_are_given_and_follow_no_redirect() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("first");
    let root = repository.root().to_owned();
    let server = HttpServer::start(move |request, stream| match request.header("authorization") {
        // base64 of `user:hunter2`.
        Some("Basic dXNlcjpodW50ZXIy" | "Bearer t0ken") => serve_git(&root, request, stream),
        _ => respond(stream, "401 Unauthorized", &[("www-authenticate", "Basic")], b""),
    });
    let thief = HttpServer::start(|_, stream| respond(stream, "404 Not Found", &[], b""));
    let target = format!("http://{}/app/.git/info/refs?service=git-upload-pack", thief.address);
    let trap = HttpServer::start(move |_, stream| respond(stream, "302 Found", &[("location", target.as_str())], b""));
    let with = |url: String, credentials| {
        let builder = GitSource::builder(url).reference(Reference::branch("main"));
        builder.credentials(credentials).build().unwrap()
    };
    for credentials in [Credentials::basic("user", "hunter2"), Credentials::bearer("t0ken")] {
        get(&with(server.url(), credentials.clone())).await.unwrap();
        get(&with(trap.url(), credentials)).await.unwrap_err();
        assert!(thief.requests().iter().all(|request| request.header("authorization").is_none()));
    }
    let in_url = server.url().replace("http://", "http://user:hunter2@");
    get(&with(in_url, Credentials::Anonymous)).await.unwrap();
    for credentials in [Credentials::Anonymous, Credentials::basic("user", "wrong"), Credentials::bearer("wrong")] {
        let error = get(&with(server.url(), credentials)).await.unwrap_err();
        assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
}

#[tokio::test]
async fn an_unchanged_head_costs_one_request_and_no_fetch() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("first");
    repository.git(&["branch", "other"]);
    let server = HttpServer::git(repository.root());
    let source = source(&server.url(), Reference::branch("main"));
    let cx = Context::background();
    let asked = |server: &HttpServer| -> Vec<String> {
        let requests = server.requests();
        server.forget_requests();
        requests
            .iter()
            .map(|request| format!("{} {}", request.method, String::from_utf8_lossy(&request.body)))
            .collect()
    };
    let revision = source.resolve(&cx).await.unwrap();
    let first = asked(&server);
    assert!(first.len() == 2 && first[0].starts_with("GET "), "what the server can do, then one list: {first:?}");
    assert_eq!(source.resolve(&cx).await.unwrap(), revision);
    let again = asked(&server);
    assert!(again.len() == 1 && again[0].contains("command=ls-refs"), "{again:?}");
    assert!(again[0].contains("ref-prefix refs/heads/main"), "{again:?}");
    source.fetch(&cx, &revision).await.unwrap();
    let fetch = asked(&server);
    assert!(fetch.len() == 1 && fetch[0].contains("command=fetch") && fetch[0].contains("deepen 1"), "{fetch:?}");
}

#[tokio::test]
async fn a_server_that_can_do_other_things_than_before_is_asked_anew() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("first");
    let (root, broken) = (repository.root().to_owned(), Arc::new(AtomicBool::new(false)));
    let flag = broken.clone();
    // Once broken, a POST fails until somebody has asked anew.
    let server = HttpServer::start(move |request, stream| {
        if request.method == "GET" {
            flag.store(false, Ordering::SeqCst);
        }
        match flag.load(Ordering::SeqCst) {
            true => respond(stream, "400 What", &[], b""),
            false => serve_git(&root, request, stream),
        }
    });
    let source = source(&server.url(), Reference::branch("main"));
    let cx = Context::background();
    let revision = source.resolve(&cx).await.unwrap();
    broken.store(true, Ordering::SeqCst);
    assert_eq!(source.resolve(&cx).await.unwrap(), revision);
    broken.store(true, Ordering::SeqCst);
    source.fetch(&cx, &revision).await.unwrap();
}

#[tokio::test]
async fn https_with_an_authority_of_its_own_a_certificate_and_credentials() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("first");
    let (root, authority) = (repository.root().to_owned(), Authority::new());
    let server = HttpServer::start_tls(authority.server_asking(), move |request, stream| {
        // base64 of `user:hunter2`.
        match (request.certified, request.header("authorization")) {
            (true, Some("Basic dXNlcjpodW50ZXIy")) => serve_git(&root, request, stream),
            _ => respond(stream, "401 Unauthorized", &[("www-authenticate", "Basic")], b""),
        }
    });
    let (certificate, key) = authority.client();
    let secret = |with_certificate: bool, password: &str| {
        let mut data = vec![("ca.crt", authority.certificate()), ("username", "user".into())];
        data.push(("password", password.into()));
        if with_certificate {
            data.extend([("tls.crt", certificate.clone()), ("tls.key", key.clone())]);
        }
        Secret::new("ns/git", data)
    };
    let with = |secret: &Secret| {
        let builder = GitSource::builder(format!("{}/app/.git", server.https())).reference(Reference::branch("main"));
        let builder = builder.credentials(Credentials::from_secret(secret).unwrap());
        builder.tls(Tls::from_secret(secret).unwrap()).build().unwrap()
    };
    let tree = get(&with(&secret(true, "hunter2"))).await.unwrap().tree;
    assert_eq!(tree.read("v").unwrap().as_ref(), b"1");
    for wrong in [secret(false, "hunter2"), secret(true, "wrong")] {
        let error = get(&with(&wrong)).await.unwrap_err();
        assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    }
    let untrusting = GitSource::builder(format!("{}/app/.git", server.https())).build().unwrap();
    let error = get(&untrusting).await.unwrap_err();
    assert!(flux_core::error::chain(&error).contains("invalid peer certificate"), "{error:?}");
}

#[tokio::test]
async fn history_is_not_fetched() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    // What no longer is in the files is large and cannot be compressed.
    let mut noise = 1_u32;
    let large: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()
    })
    .take(1 << 16)
    .flatten()
    .collect();
    repository.write("large", large);
    repository.commit("large");
    repository.replace(&[("small", "x")]);
    let server = HttpServer::git(repository.root());
    let limits = GitLimits { pack_bytes: 4096, ..GitLimits::default() };
    let builder = GitSource::builder(server.url()).reference(Reference::branch("main")).limits(limits);
    assert_eq!(get(&builder.build().unwrap()).await.unwrap().tree.file_count(), 1);
}

#[tokio::test]
async fn limits_hold_at_every_place() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    for index in 0..50 {
        repository.write(&format!("f{index}"), format!("{index:0>64}"));
    }
    repository.commit("x");
    let Some(places) = places(&repository) else { return };
    for url in &places.urls {
        let builder = GitSource::builder(url).reference(Reference::branch("main"));
        let limits = TreeLimits { entries: 49, ..TreeLimits::default() };
        let error = get(&builder.clone().tree_limits(limits).build().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: more than 49 entries"));
        let limits = TreeLimits { total_bytes: 100, ..TreeLimits::default() };
        let error = get(&builder.clone().tree_limits(limits).build().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: `f1`: more than 100 bytes in all files"));
        if url.contains("://127") {
            let limits = GitLimits { pack_bytes: 300, ..GitLimits::default() };
            let error = get(&builder.clone().limits(limits).build().unwrap()).await.unwrap_err();
            assert_eq!(error.to_string(), format!("{url}: the server sent more than 300 bytes"));
            let limits = GitLimits { refs_bytes: 20, ..GitLimits::default() };
            let error = get(&builder.limits(limits).build().unwrap()).await.unwrap_err();
            assert_eq!(error.to_string(), format!("{url}: the server sent more than 20 bytes"));
        }
    }
}

#[tokio::test]
async fn nothing_is_left_behind_after_a_fetch_or_a_failure() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    repository.commit("first");
    let server = HttpServer::git(repository.root());
    let dir = tempfile::tempdir().unwrap();
    let builder = GitSource::builder(server.url()).reference(Reference::branch("main")).temporary_dir(dir.path());
    get(&builder.clone().build().unwrap()).await.unwrap();
    let limits = GitLimits { pack_bytes: 60, ..GitLimits::default() };
    get(&builder.limits(limits).build().unwrap()).await.unwrap_err();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn credentials_in_a_url_are_never_shown() {
    let source = source("https://user:hunter2@example.com/app", Reference::default());
    assert_eq!(source.url(), "https://example.com/app");
    assert!(!format!("{source:?}").contains("hunter2"));
}

#[tokio::test]
async fn urls_that_lead_nowhere_are_refused() {
    for url in
        ["", "ssh://git@example.com/app", "git@example.com:app", "ssh:app", "ftp://example.com/app", "https:///app"]
    {
        let error = GitSource::builder(url).build().unwrap_err();
        assert!(matches!(error, SourceError::Invalid { .. }), "{url}: {error:?}");
    }
}
