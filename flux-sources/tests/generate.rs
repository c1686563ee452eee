//! Artifacts that are put together from parts of others.
#![cfg(all(feature = "generate", feature = "helm"))]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use flux_core::tree::{Entry, TreeLimits};
use flux_core::{Artifact, Context, Revision, Source, SourceError, Tree};
use flux_sources::contract::{Fixture, check};
use flux_sources::generate::{CopyRule, CopyStrategy, GeneratedSource, GeneratedSourceBuilder};
use flux_sources::memory::MemorySource;
use support::archive::layer;

fn repo() -> MemorySource {
    let mut builder = Tree::builder();
    for (path, text) in [
        ("README.md", "r"),
        ("deploy/app.yaml", "a: {x: 1}\n"),
        ("deploy/sub/b.yaml", "b: 1\n"),
        ("deploy/sub/notes.md", "n"),
        ("env.yaml", "a: {y: 2}\nlist: [1]\n"),
        ("empty/.keep", ""),
    ] {
        builder.file(path, text).unwrap();
    }
    builder.file("archives/app-1.0.0.tgz", layer(&[("app/Chart.yaml", "name: app\n"), ("app/t/x", "1")])).unwrap();
    builder.entry("bin/run", Entry::File { data: "#!".into(), executable: true }).unwrap();
    builder.link("link.yaml", "env.yaml").unwrap();
    builder.link("out.yaml", "../secret").unwrap();
    MemorySource::new(Revision::git(Some("main"), &"1".repeat(40)), builder.build())
}

fn of(rules: impl IntoIterator<Item = CopyRule>) -> GeneratedSourceBuilder {
    rules.into_iter().fold(GeneratedSource::builder().source("repo", Arc::new(repo())), GeneratedSourceBuilder::copy)
}

async fn get(builder: GeneratedSourceBuilder) -> Result<Artifact, SourceError> {
    let source = builder.build()?;
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

async fn names(from: &str, to: &str) -> Vec<String> {
    let artifact = get(of([CopyRule::new(from, to)])).await.unwrap_or_else(|error| panic!("{from}: {error}"));
    artifact.tree.walk("").map(|(path, _)| path.to_owned()).collect()
}

async fn refused(rules: impl IntoIterator<Item = CopyRule>) -> String {
    get(of(rules)).await.unwrap_err().to_string()
}

#[tokio::test]
async fn files_directories_and_patterns_go_where_cp_would_put_them() {
    for (from, to, wanted) in [
        ("@repo/env.yaml", "@artifact/x.yaml", &["x.yaml"][..]),
        ("@repo/env.yaml", "@artifact/d/", &["d/env.yaml"]),
        ("@repo/env.yaml", "@artifact/", &["env.yaml"]),
        ("@repo/link.yaml", "@artifact/", &["link.yaml"]),
        ("@repo/deploy/", "@artifact/", &["deploy/app.yaml", "deploy/sub/b.yaml", "deploy/sub/notes.md"]),
        ("@repo/deploy/sub", "@artifact/d/", &["d/sub/b.yaml", "d/sub/notes.md"]),
        ("@repo/deploy/sub", "@artifact/d", &["d/b.yaml", "d/notes.md"]),
        ("@repo/deploy/**", "@artifact/d/", &["d/app.yaml", "d/sub/b.yaml", "d/sub/notes.md"]),
        ("@repo/deploy/*.yaml", "@artifact/d/", &["d/deploy/app.yaml"]),
        ("@repo/**/*.yaml", "@artifact/", &["deploy/app.yaml", "deploy/sub/b.yaml", "env.yaml"]),
        ("@repo/{README,deploy/sub/notes}.md", "@artifact/d", &["d/README.md", "d/deploy/sub/notes.md"]),
    ] {
        assert_eq!(names(from, to).await, wanted, "{from} {to}");
    }
    let all = names("@repo/**", "@artifact/").await;
    assert_eq!((all.len(), all.contains(&"link.yaml".to_owned())), (8, false), "links are left out: {all:?}");
    let run = get(of([CopyRule::new("@repo/bin/run", "@artifact/x")])).await.unwrap();
    assert!(matches!(run.tree.entries().next(), Some(("x", Entry::File { executable: true, .. }))));
}

#[tokio::test]
async fn what_is_excluded_is_left_out() {
    let rule = CopyRule::new("@repo/deploy/**", "@artifact/").exclude(["**/*.md", "deploy/app.yaml"]);
    let artifact = get(of([rule])).await.unwrap();
    assert_eq!(artifact.tree.walk("").map(|(path, _)| path).collect::<Vec<_>>(), ["sub/b.yaml"]);
    let error = refused([CopyRule::new("@repo/deploy/**", "@artifact/").exclude(["**"])]).await;
    assert_eq!(error, "copy `@repo/deploy/**` to `@artifact/`: no file is matched, or every one that is is excluded");
}

#[tokio::test]
async fn later_rules_overwrite_or_merge() {
    let first = || CopyRule::new("@repo/deploy/app.yaml", "@artifact/v.yaml");
    let second = |strategy| CopyRule::new("@repo/env.yaml", "@artifact/v.yaml").strategy(strategy);
    for (strategy, wanted) in [
        (CopyStrategy::Overwrite, "a: {y: 2}\nlist: [1]\n"),
        (CopyStrategy::Merge, "a:\n  x: 1\n  \"y\": 2\nlist:\n- 1\n"),
    ] {
        let artifact = get(of([first(), second(strategy)])).await.unwrap();
        let found = artifact.tree.read("v.yaml").unwrap();
        // YAML 1.1 reads `y` as true, as Helm does.
        let wanted = wanted.replace("x: 1\n  \"y\": 2", "\"true\": 2\n  x: 1");
        assert_eq!(String::from_utf8_lossy(&found), wanted);
    }
    let merge = |from: &str, to: &str| CopyRule::new(from, to).strategy(CopyStrategy::Merge);
    let alone = get(of([merge("@repo/README.md", "@artifact/r.md")])).await.unwrap();
    assert_eq!(alone.tree.read("r.md").unwrap().as_ref(), b"r", "there is nothing to merge with");
    let twice = refused([merge("@repo/README.md", "@artifact/r.md"), merge("@repo/env.yaml", "@artifact/r.md")]).await;
    assert!(twice.ends_with("`r.md` is no YAML file, and only those are merged"), "{twice}");
}

#[tokio::test]
async fn archives_are_unpacked() {
    let extract = |from: &str, to: &str| CopyRule::new(from, to).strategy(CopyStrategy::Extract);
    for (from, to, wanted) in [
        ("@repo/archives/app-1.0.0.tgz", "@artifact/", ["app/Chart.yaml", "app/t/x"]),
        ("@repo/archives/app-1.0.0.tgz", "@artifact/d", ["d/app/Chart.yaml", "d/app/t/x"]),
        ("@repo/archives/**", "@artifact/d/", ["d/app/Chart.yaml", "d/app/t/x"]),
        ("@repo/**/*.tgz", "@artifact/", ["archives/app/Chart.yaml", "archives/app/t/x"]),
    ] {
        let artifact = get(of([extract(from, to)])).await.unwrap();
        assert_eq!(artifact.tree.walk("").map(|(path, _)| path).collect::<Vec<_>>(), wanted, "{from} {to}");
    }
    let error = refused([extract("@repo/env.yaml", "@artifact/")]).await;
    assert!(error.ends_with("`env.yaml` is no .tar.gz or .tgz"), "{error}");
}

#[tokio::test]
async fn rules_that_cannot_be_carried_out_are_named() {
    for (from, to, problem) in [
        ("@repo/none", "@artifact/", "copy `@repo/none` to `@artifact/`: `none` is not in the source"),
        ("@repo/none/**", "@artifact/", "`none` is no directory of the source"),
        ("@repo/*.none", "@artifact/", "no file is matched"),
        ("@repo/out.yaml", "@artifact/", "is not in the source"),
        ("@repo/../x", "@artifact/", "copy[0].from: path `../x` leads outside the tree"),
        ("@repo/x", "@artifact/../y", "copy[0].to: path `../y` leads outside the tree"),
        ("@repo/x", "y", "copy[0].to: should start with `@artifact/`"),
        ("repo/x", "@artifact/", "copy[0].from: should start with `@` and an alias"),
        ("@other/x", "@artifact/", "copy[0].from: there is no source `other`"),
        ("@repo/[x", "@artifact/", "copy[0].from: `[x`: a `[` is not closed"),
    ] {
        let error = refused([CopyRule::new(from, to)]).await;
        assert!(error.contains(problem), "{problem}: {error}");
    }
    let into_a_file = [("@repo/env.yaml", "@artifact/d"), ("@repo/README.md", "@artifact/d/")];
    let error = refused(into_a_file.map(|(from, to)| CopyRule::new(from, to))).await;
    assert!(error.ends_with("`d/README.md`: `d` is a file"), "{error}");
    let onto_a_directory = [("@repo/deploy/**", "@artifact/d/"), ("@repo/README.md", "@artifact/d")];
    let error = refused(onto_a_directory.map(|(from, to)| CopyRule::new(from, to))).await;
    assert!(error.ends_with("`d` is a directory"), "{error}");
    for (built, problem) in [
        (of([]), "copy: is empty"),
        (of([]).source("repo", Arc::new(repo())), "sources[1].alias: `repo` is given twice"),
        (of([]).source("a b", Arc::new(repo())), "sources[1].alias: `a b` should be"),
        (of([CopyRule::new("@repo/x", "@artifact/")]).revision_of("x"), "revision: there is no source `x`"),
    ] {
        let error = built.build().unwrap_err().to_string();
        assert!(error.starts_with(problem), "{problem}: {error}");
    }
}

#[tokio::test]
async fn what_is_copied_many_times_over_is_bounded() {
    let limits = TreeLimits { total_bytes: 20, ..TreeLimits::default() };
    let rules = (0..10).map(|index| CopyRule::new("@repo/env.yaml", format!("@artifact/{index}")));
    let error = get(of(rules).tree_limits(limits)).await.unwrap_err().to_string();
    assert!(error.ends_with("more than 20 bytes in all files"), "{error}");
    let small = TreeLimits { entries: 2, ..TreeLimits::default() };
    let error = get(of([CopyRule::new("@repo/**", "@artifact/")]).tree_limits(small)).await.unwrap_err().to_string();
    assert!(error.ends_with("more than 2 entries"), "{error}");
}

#[tokio::test]
async fn the_revision_changes_with_the_parts_that_are_used() {
    let memory = MemorySource::from_files([("used/a", "1"), ("other", "1")]).unwrap();
    let builder = || {
        GeneratedSource::builder().source("m", Arc::new(memory.clone())).copy(CopyRule::new("@m/used/**", "@artifact/"))
    };
    let source = builder().build().unwrap();
    let cx = Context::background();
    let first = source.resolve(&cx).await.unwrap();
    assert!(first.as_str().starts_with("latest@sha256:"));
    let fetches = memory.fetches();
    source.fetch(&cx, &first).await.unwrap();
    assert_eq!(memory.fetches(), fetches, "what is unchanged is not fetched again");
    memory.set_files([("used/a", "1"), ("other", "2")]).unwrap();
    assert_eq!(source.resolve(&cx).await.unwrap(), first, "what is not used changes nothing");
    memory.set_files([("used/a", "2")]).unwrap();
    assert_ne!(source.resolve(&cx).await.unwrap(), first);

    let named = builder().revision_of("m").origin_revision_of("m").build().unwrap();
    let revision = memory.resolve(&cx).await.unwrap();
    assert_eq!(named.resolve(&cx).await.unwrap(), revision);
    let artifact = named.fetch(&cx, &revision).await.unwrap();
    assert_eq!(artifact.metadata["org.opencontainers.image.revision"], revision.as_str());
}

struct Copied(MemorySource);

#[async_trait]
impl Fixture for Copied {
    fn source(&self) -> Arc<dyn Source> {
        let builder = GeneratedSource::builder().source("m", Arc::new(self.0.clone()));
        Arc::new(builder.copy(CopyRule::new("@m/**", "@artifact/")).build().unwrap())
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        self.0.set_files(files.iter().map(|(path, text)| (path, (*text).to_owned()))).unwrap();
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new("latest@sha256:00")
    }
}

#[tokio::test]
async fn the_contract() {
    check(&mut Copied(MemorySource::from_files::<&str, &str>([]).unwrap())).await;
}
