//! What every source promises, as tests that any source can be held against.
//!
//! A backend gives a [`Fixture`] that can publish files and calls [`check`]; a promise that is not kept is a panic.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flux_core::context::Interrupted;
use flux_core::source::{Source, SourceError};
use flux_core::{Context, Revision};
use tokio_util::sync::CancellationToken;

/// A source under test and a way to change what it holds.
#[async_trait]
pub trait Fixture: Send {
    /// The source.
    fn source(&self) -> Arc<dyn Source>;

    /// Makes these files, and no others, what the source holds.
    async fn publish(&mut self, files: &[(&str, &str)]);

    /// A revision that has the right form and was never published.
    fn unknown_revision(&self) -> Revision;
}

/// Holds a source against every promise.
///
/// # Panics
/// A promise is not kept.
pub async fn check(fixture: &mut dyn Fixture) {
    delivers_what_was_published(fixture).await;
    is_steady_while_nothing_changes(fixture).await;
    delivers_exactly_the_revision_or_nothing(fixture).await;
    leaves_out_what_is_ignored(fixture).await;
    does_not_know_what_was_never_published(fixture).await;
    stops_when_told(fixture).await;
}

/// The files that were published, and no others, with the revision that was asked for.
///
/// # Panics
/// The promise is not kept.
pub async fn delivers_what_was_published(fixture: &mut dyn Fixture) {
    let files = [("README.md", "read me"), ("deploy/app.yaml", "kind: ConfigMap\n"), ("deploy/sub/é.yaml", "")];
    fixture.publish(&files).await;
    let source = fixture.source();
    let cx = Context::background();
    let revision = source.resolve(&cx).await.expect("resolve");
    let artifact = source.fetch(&cx, &revision).await.expect("fetch");
    assert_eq!(artifact.revision, revision, "the artifact is of the revision that was asked for");
    let found: Vec<(&str, &[u8])> = artifact.tree.walk("").map(|(path, data)| (path, data.as_ref())).collect();
    assert_eq!(found, files.map(|(path, text)| (path, text.as_bytes())), "the files that were published, sorted");
}

/// While nothing changes, the revision and the digest stay, however often they are asked for.
///
/// # Panics
/// The promise is not kept.
pub async fn is_steady_while_nothing_changes(fixture: &mut dyn Fixture) {
    fixture.publish(&[("a.yaml", "1")]).await;
    let source = fixture.source();
    let cx = Context::background();
    let revision = source.resolve(&cx).await.expect("resolve");
    assert_eq!(source.resolve(&cx).await.expect("resolve again"), revision);
    let first = source.fetch(&cx, &revision).await.expect("fetch");
    let second = source.fetch(&cx, &revision).await.expect("fetch again");
    assert_eq!(first.digest(), second.digest());
}

/// After a change the revision is another, and the old one is still itself or an error: never the new files.
///
/// # Panics
/// The promise is not kept.
pub async fn delivers_exactly_the_revision_or_nothing(fixture: &mut dyn Fixture) {
    let source = fixture.source();
    let cx = Context::background();
    fixture.publish(&[("a.yaml", "old")]).await;
    let old = source.resolve(&cx).await.expect("resolve");
    let digest = source.fetch(&cx, &old).await.expect("fetch").digest().clone();
    fixture.publish(&[("a.yaml", "new")]).await;
    let new = source.resolve(&cx).await.expect("resolve after a change");
    assert_ne!(old, new, "other files are another revision");
    if let Ok(artifact) = source.fetch(&cx, &old).await {
        assert_eq!((&artifact.revision, artifact.digest()), (&old, &digest), "an old revision stays what it was");
    }
    assert_eq!(source.fetch(&cx, &new).await.expect("fetch").tree.read("a.yaml").expect("a.yaml").as_ref(), b"new");
}

/// The ignore rules of the files apply; a source without them, such as one in memory, may deliver everything.
///
/// # Panics
/// The promise is not kept.
pub async fn leaves_out_what_is_ignored(fixture: &mut dyn Fixture) {
    fixture
        .publish(&[(".sourceignore", "/*\n!/deploy\n*.md\n"), ("x", ""), ("deploy/a", ""), ("deploy/b.md", "")])
        .await;
    let source = fixture.source();
    let cx = Context::background();
    let revision = source.resolve(&cx).await.expect("resolve");
    let tree = source.fetch(&cx, &revision).await.expect("fetch").tree;
    let found: Vec<&str> = tree.walk("").map(|(path, _)| path).collect();
    assert!(found == ["deploy/a"] || found.len() == 4, "{found:?}");
}

/// A revision that never was is not found, and the error says so.
///
/// # Panics
/// The promise is not kept.
pub async fn does_not_know_what_was_never_published(fixture: &mut dyn Fixture) {
    fixture.publish(&[("a.yaml", "1")]).await;
    let unknown = fixture.unknown_revision();
    let error = fixture.source().fetch(&Context::background(), &unknown).await.expect_err("nothing to fetch");
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
}

/// Cancelled work and work without time left end with that and nothing else.
///
/// # Panics
/// The promise is not kept.
pub async fn stops_when_told(fixture: &mut dyn Fixture) {
    fixture.publish(&[("a.yaml", "1")]).await;
    let source = fixture.source();
    let revision = source.resolve(&Context::background()).await.expect("resolve");
    let token = CancellationToken::new();
    token.cancel();
    let cancelled = Context::background().with_cancel(token);
    let late = Context::background().with_timeout(Duration::ZERO);
    for (cx, reason) in [(cancelled, Interrupted::Cancelled), (late, Interrupted::DeadlineExceeded)] {
        let error = source.resolve(&cx).await.expect_err("resolve is cut short");
        assert!(matches!(error, SourceError::Interrupted(found) if found == reason), "resolve: {error:?}");
        let error = source.fetch(&cx, &revision).await.expect_err("fetch is cut short");
        assert!(matches!(error, SourceError::Interrupted(found) if found == reason), "fetch: {error:?}");
    }
}
