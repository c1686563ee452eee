//! Charts that are built from a tree, and charts with other values than their own.
#![cfg(feature = "helm")]

mod support;

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::{Artifact, Context, Revision, Source, SourceError, Tree};
use flux_sources::Credentials;
use flux_sources::contract::{Fixture, check};
use flux_sources::helm::{
    BuiltChartSource, BuiltChartSourceBuilder, ChartRepository, HelmChartSource, ReconcileStrategy, package,
};
use flux_sources::memory::MemorySource;
use support::charts::Charts;

const COMMIT: &str = "4f26e76656790123456789012345678901234567";

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::from_files(files.iter().map(|(path, text)| (path, (*text).to_owned()))).unwrap()
}

fn repository(files: &[(&str, &str)]) -> MemorySource {
    MemorySource::new(Revision::git(Some("main"), COMMIT), tree(files))
}

fn app(files: &[(&str, &str)]) -> BuiltChartSourceBuilder {
    BuiltChartSource::in_tree(Arc::new(repository(files)), "./charts/app")
}

async fn get(builder: BuiltChartSourceBuilder) -> Result<Artifact, SourceError> {
    let source = builder.build()?;
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

async fn refused(builder: BuiltChartSourceBuilder) -> String {
    get(builder).await.unwrap_err().to_string()
}

fn names(artifact: &Artifact) -> Vec<&str> {
    artifact.tree.walk("").map(|(path, _)| path).collect()
}

fn text(artifact: &Artifact, path: &str) -> String {
    String::from_utf8(artifact.tree.read(path).unwrap().to_vec()).unwrap()
}

const CHART: (&str, &str) = ("charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 6.0.3\n");
const VALUES: (&str, &str) = ("charts/app/values.yaml", "a: 1\nb: {c: 1}\n");
const PROD: (&str, &str) = ("prod.yaml", "b: {d: 2}\n");

#[tokio::test]
async fn versions_follow_the_strategy_and_the_generation() {
    let files = [CHART, VALUES, PROD];
    let by_revision = |builder: BuiltChartSourceBuilder| builder.strategy(ReconcileStrategy::Revision);
    for (builder, version) in [
        (app(&files), "6.0.3"),
        (app(&files).generation(2), "6.0.3"),
        (by_revision(app(&files)), "6.0.3+4f26e7665679"),
        (app(&files).values_files(["prod.yaml"]).generation(2), "6.0.3+2"),
        (app(&files).values_files(["values.yaml"]).generation(2), "6.0.3"),
        (by_revision(app(&files).values_files(["prod.yaml"]).generation(2)), "6.0.3+4f26e7665679.2"),
    ] {
        let artifact = get(builder).await.unwrap();
        assert_eq!(artifact.revision.as_str(), version);
        assert!(text(&artifact, "Chart.yaml").ends_with(&format!("\nversion: {version}\n")), "{version}");
        assert_eq!(artifact.metadata["chart"], "app");
        assert_eq!(artifact.metadata["sourceRevision"], format!("main@sha1:{COMMIT}"));
    }
}

#[tokio::test]
async fn values_files_take_the_place_of_the_charts_own() {
    let files = [CHART, VALUES, PROD, ("charts/app/templates/a.yaml", "")];
    let both = ["charts/app/values.yaml", "prod.yaml"];
    let artifact = get(app(&files).values_files(both)).await.unwrap();
    assert_eq!(names(&artifact), ["Chart.yaml", "templates/a.yaml", "values.yaml"]);
    assert_eq!(text(&artifact, "values.yaml"), "a: 1\nb:\n  c: 1\n  d: 2\n");
    let one = get(app(&files).values_files(["prod.yaml"])).await.unwrap();
    assert_eq!(text(&one, "values.yaml"), "b:\n  d: 2\n");
    let error = refused(app(&files).values_files(["no.yaml"])).await;
    assert_eq!(error, "source: charts/app: no values file `no.yaml`");
    let none = get(app(&files).values_files(["no.yaml"]).ignore_missing_values_files(true)).await.unwrap();
    assert_eq!(text(&none, "values.yaml"), VALUES.1);
    let error = refused(app(&files).values_files(["../../etc/passwd"])).await;
    assert!(error.starts_with("spec.valuesFiles: "), "{error}");
}

#[tokio::test]
async fn a_chart_whose_version_stays_is_the_same_chart() {
    let memory = repository(&[CHART, VALUES]);
    let source = BuiltChartSource::in_tree(Arc::new(memory.clone()), "charts/app").build().unwrap();
    let cx = Context::background();
    let version = source.resolve(&cx).await.unwrap();
    let first = source.fetch(&cx, &version).await.unwrap();
    memory.set(Revision::git(Some("main"), &"1".repeat(40)), tree(&[CHART, ("charts/app/values.yaml", "new: 1")]));
    assert_eq!(source.resolve(&cx).await.unwrap(), version);
    assert_eq!(source.fetch(&cx, &version).await.unwrap().digest(), first.digest());
    let newer = ("charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 6.0.4\n");
    memory.set(Revision::git(Some("main"), &"2".repeat(40)), tree(&[newer]));
    let fetches = memory.fetches();
    for _ in 0..3 {
        assert_eq!(source.resolve(&cx).await.unwrap().as_str(), "6.0.4");
    }
    assert_eq!(memory.fetches() - fetches, 1, "an unchanged source costs its revision");
}

#[tokio::test]
async fn charts_that_are_none_are_named() {
    for (files, problem) in [
        (&[][..], "chart `charts/app` not found"),
        (&[VALUES], "there is no Chart.yaml"),
        (&[("charts/app/Chart.yaml", "name: app\nversion: one\n")], "the version `one` is none"),
        (&[("charts/app", "no archive")], "the archive cannot be read"),
    ] {
        let error = refused(app(files)).await;
        assert!(error.starts_with("source: charts/app: ") && error.contains(problem), "{problem}: {error}");
    }
    let outside = BuiltChartSource::in_tree(Arc::new(repository(&[])), "../x").build();
    assert!(outside.unwrap_err().to_string().starts_with("spec.chart: "));
}

fn needs(list: &str) -> String {
    format!("apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n{list}")
}

fn needing(list: &str, more: &[(&str, &str)]) -> BuiltChartSourceBuilder {
    let chart = needs(list);
    let mut files = vec![("charts/app/Chart.yaml", chart.as_str())];
    files.extend(more);
    app(&files)
}

#[tokio::test]
async fn dependencies_come_from_the_tree() {
    let library = [("charts/lib/Chart.yaml", "name: lib\nversion: 1.2.0\n"), ("charts/lib/templates/_h.tpl", "x")];
    let artifact = get(needing("- {name: lib, version: 1.x, repository: 'file://../lib'}\n", &library)).await.unwrap();
    assert_eq!(names(&artifact), ["Chart.yaml", "charts/lib/Chart.yaml", "charts/lib/templates/_h.tpl"]);
    for (dependency, problem) in [
        (
            "{name: lib, version: 2.x, repository: 'file://../lib'}",
            "`charts/lib` has version 1.2.0, and `2.x` is wanted",
        ),
        ("{name: lib, repository: 'file://../none'}", "`charts/none`: there is no Chart.yaml"),
        ("{name: lib, repository: 'file://../../../lib'}", "leads outside the tree"),
        ("{name: lib, repository: 'file:///etc/lib'}", "is absolute"),
        ("{name: lib}", "names no repository"),
        ("{name: lib, repository: '@stable'}", "by an alias"),
        ("{name: lib, repository: 's3://x'}", "the repository `s3://x` cannot be read"),
    ] {
        let error = refused(needing(&format!("- {dependency}\n"), &library)).await;
        assert!(error.starts_with("source: charts/app: dependency `lib`: ") && error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn what_is_vendored_is_not_fetched() {
    let vendored = [("charts/app/charts/lib/Chart.yaml", "name: lib\nversion: 0.1.0\n")];
    let artifact = get(needing("- {name: lib, repository: 'https://nowhere.invalid'}\n", &vendored)).await.unwrap();
    assert_eq!(names(&artifact), ["Chart.yaml", "charts/lib/Chart.yaml"]);
}

#[tokio::test]
async fn dependencies_come_from_repositories_in_the_versions_of_the_lock() {
    let charts = Charts::default();
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        charts.publish("redis", version, &[("templates/a.yaml", version)]);
    }
    let server = charts.serve(Some("Basic YWRhOmh1bnRlcjI="));
    let url = format!("http://{}/charts", server.address);
    let list = format!("- {{name: redis, version: 1.x, repository: '{url}/'}}\n");
    let known = || ChartRepository { credentials: Credentials::basic("ada", "hunter2"), ..ChartRepository::default() };
    let newest = get(needing(&list, &[]).repository(&url, known())).await.unwrap();
    assert_eq!(text(&newest, "charts/redis/templates/a.yaml"), "1.1.0");

    let lock = format!("dependencies:\n- {{name: redis, version: 1.0.0, repository: '{url}'}}\n");
    let locked = get(needing(&list, &[("charts/app/Chart.lock", &lock)]).repository(&url, known())).await.unwrap();
    assert_eq!(text(&locked, "charts/redis/templates/a.yaml"), "1.0.0");

    let error = get(needing(&list, &[])).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    let error = refused(needing(&list.replace("1.x", "3.x"), &[]).repository(&url, known())).await;
    assert!(error.contains("dependency `redis`: chart `redis` of version `3.x`"), "{error}");

    let twice = format!("{list}- {{name: redis, alias: other, version: 2.x, repository: '{url}'}}\n");
    let both = get(needing(&twice, &[]).repository(&url, known())).await.unwrap();
    assert_eq!(text(&both, "charts/redis/templates/a.yaml"), "1.1.0");
    assert_eq!(text(&both, "charts/redis-2.0.0/templates/a.yaml"), "2.0.0");
}

#[cfg(feature = "oci")]
#[tokio::test]
async fn dependencies_come_from_registries() {
    use support::registry::{CONFIG, Program, manifest};
    let Some(program) = Program::start() else { return };
    let data = support::archive::layer(&[("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 3.1.0\n")]);
    program.blob(CONFIG);
    program.blob(&data);
    program.manifest("3.1.0", &manifest(&data, "application/vnd.cncf.helm.chart.content.v1.tar+gzip"));
    let url = format!("oci://{}/org", program.address);
    let list = format!("- {{name: app, version: 3.x, repository: '{url}'}}\n");
    let known = ChartRepository { insecure: true, ..ChartRepository::default() };
    let artifact = get(needing(&list, &[]).repository(&url, known)).await.unwrap();
    assert_eq!(names(&artifact), ["Chart.yaml", "charts/app/Chart.yaml"]);
}

#[tokio::test]
async fn charts_of_repositories_get_other_values() {
    let charts = Charts::default();
    charts.publish("app", "1.0.0", &[("values.yaml", "a: 1\n"), ("prod.yaml", "b: 2\n")]);
    let server = charts.serve(None);
    let source = || {
        let source = HelmChartSource::builder(format!("http://{}/charts", server.address), "app").build().unwrap();
        BuiltChartSource::of_chart(Arc::new(source)).generation(7)
    };
    let own = get(source().values_files(["values.yaml"])).await.unwrap();
    assert_eq!((own.revision.as_str(), text(&own, "values.yaml").as_str()), ("1.0.0", "a: 1\n"));
    let both = get(source().values_files(["values.yaml", "prod.yaml"])).await.unwrap();
    assert_eq!((both.revision.as_str(), text(&both, "values.yaml").as_str()), ("1.0.0+7", "a: 1\nb: 2\n"));
    assert_eq!(both.metadata["valuesFiles"], "values.yaml,prod.yaml");
}

struct InTree(MemorySource);

#[async_trait]
impl Fixture for InTree {
    fn source(&self) -> Arc<dyn Source> {
        let builder = BuiltChartSource::in_tree(Arc::new(self.0.clone()), "charts/app");
        Arc::new(Bare(builder.strategy(ReconcileStrategy::Revision).build().unwrap()))
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        let files = files.iter().map(|(path, text)| (format!("charts/app/{path}"), (*text).to_owned()));
        self.0.set_files(files.chain([(CHART.0.to_owned(), CHART.1.to_owned())])).unwrap();
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new("6.0.3+000000000000")
    }
}

/// The source without the `Chart.yaml` that every chart needs and the contract does not know.
#[derive(Debug)]
struct Bare(BuiltChartSource);

#[async_trait]
impl Source for Bare {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        self.0.resolve(cx).await
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        let artifact = self.0.fetch(cx, revision).await?;
        let files = artifact.tree.walk("").filter(|(path, _)| *path != "Chart.yaml");
        let tree = Tree::from_files(files.map(|(path, data)| (path, data.clone()))).unwrap();
        Ok(Artifact { tree, ..artifact })
    }
}

#[tokio::test]
async fn the_contract() {
    check(&mut InTree(MemorySource::from_files::<&str, &str>([]).unwrap())).await;
}

#[tokio::test]
async fn packages_follow_from_their_content_and_are_read_back() {
    let files = [CHART, VALUES, ("charts/app/templates/a.yaml", "kind: ConfigMap\n")];
    let artifact = get(app(&files)).await.unwrap();
    let archive = package(&artifact.tree).unwrap();
    assert_eq!(archive, package(&get(app(&files)).await.unwrap().tree).unwrap());
    assert_eq!(package(&tree(&[])).unwrap_err(), "there is no Chart.yaml");

    let mut builder = Tree::builder();
    builder.file("app.tgz", archive.clone()).unwrap();
    let memory = MemorySource::new(Revision::new("sha256:00"), builder.build());
    let again = get(BuiltChartSource::in_tree(Arc::new(memory), "app.tgz")).await.unwrap();
    assert_eq!((again.revision.as_str(), names(&again)), ("6.0.3", names(&artifact)));

    let Some(helm) = std::env::var_os("FLUX_HELM") else {
        println!("skipped: no FLUX_HELM");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app-6.0.3.tgz");
    std::fs::write(&path, &archive).unwrap();
    let output = Command::new(helm).args(["show", "values"]).arg(&path).env("HOME", dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), VALUES.1.trim());
}
