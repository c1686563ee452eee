//! Every backend against what a source promises.
#![cfg(feature = "git")]

mod support;

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::{Revision, Source};
use flux_sources::contract::{Fixture, check};
use flux_sources::dir::DirSource;
use flux_sources::git::{GitSource, Reference};
use flux_sources::memory::MemorySource;
use support::{Daemon, HttpServer, Repository, have_git};

struct Memory(MemorySource);

#[async_trait]
impl Fixture for Memory {
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(self.0.clone())
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        self.0.set_files(files.iter().map(|(path, text)| (path, (*text).to_owned()))).unwrap();
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new("sha256:00")
    }
}

#[tokio::test]
async fn memory() {
    check(&mut Memory(MemorySource::from_files::<&str, &str>([]).unwrap())).await;
}

struct Directory(tempfile::TempDir);

#[async_trait]
impl Fixture for Directory {
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(DirSource::new(self.0.path().join("content")))
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        let content = self.0.path().join("content");
        let _ = fs::remove_dir_all(&content);
        for (path, text) in files {
            let path = content.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new("sha256:00")
    }
}

#[tokio::test]
async fn directory() {
    check(&mut Directory(tempfile::tempdir().unwrap())).await;
}

struct Git {
    repository: Repository,
    url: String,
}

#[async_trait]
impl Fixture for Git {
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(GitSource::builder(&self.url).reference(Reference::branch("main")).build().unwrap())
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        self.repository.replace(files);
    }

    fn unknown_revision(&self) -> Revision {
        Revision::git(Some("main"), "0123456789012345678901234567890123456789")
    }
}

#[tokio::test]
async fn git_on_this_machine() {
    if !have_git(&[]) {
        return;
    }
    let repository = Repository::new();
    let url = format!("file://{}", repository.work().display());
    check(&mut Git { repository, url }).await;
}

#[tokio::test]
async fn git_over_http() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    let server = HttpServer::git(repository.root());
    check(&mut Git { repository, url: server.url() }).await;
}

#[tokio::test]
async fn git_from_a_daemon() {
    if !have_git(&["git-daemon"]) {
        return;
    }
    let repository = Repository::new();
    let daemon = Daemon::start(repository.root());
    check(&mut Git { repository, url: daemon.url() }).await;
}
