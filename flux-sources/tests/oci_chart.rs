//! Charts in the real registry program.
#![cfg(all(feature = "oci", feature = "helm"))]

mod support;

use flux_core::{Artifact, Context, Revision, Source, SourceError};
use flux_sources::helm::HelmLimits;
use flux_sources::oci::{CosignKeys, OciChartSource, OciChartSourceBuilder};
use support::archive::layer;
use support::registry::{CONFIG, FLUX_LAYER, Program, manifest};

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

fn publish(program: &Program, version: &str, media_type: &str) {
    let text = format!("apiVersion: v2\nname: app\nversion: {version}\n");
    let data = layer(&[("app/Chart.yaml", &text), ("app/templates/a.yaml", "kind: A\n")]);
    program.blob(CONFIG);
    program.blob(&data);
    program.manifest(&version.replace('+', "_"), &manifest(&data, media_type));
}

fn chart(program: &Program, version: &str) -> OciChartSourceBuilder {
    OciChartSource::builder(format!("oci://{}/org/", program.address), "app").version(version).insecure(true)
}

async fn get(builder: OciChartSourceBuilder) -> Result<Artifact, SourceError> {
    let source = builder.build()?;
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

#[tokio::test]
async fn the_version_is_the_revision_and_the_chart_is_at_the_root() {
    let Some(program) = Program::start() else { return };
    for version in ["1.0.0", "1.1.0+build.2", "2.0.0-rc.1"] {
        publish(&program, version, CHART);
    }
    for (range, version) in [
        ("", "1.1.0+build.2"),
        ("1.0.x", "1.0.0"),
        (">=2.0.0-0", "2.0.0-rc.1"),
        ("1.0.0", "1.0.0"),
        ("1.1.0+build.2", "1.1.0+build.2"),
    ] {
        let artifact = get(chart(&program, range)).await.unwrap();
        assert_eq!((artifact.revision.as_str(), artifact.metadata["version"].as_str()), (version, version), "{range}");
        let names: Vec<&str> = artifact.tree.walk("").map(|(path, _)| path).collect();
        assert_eq!(names, ["Chart.yaml", "templates/a.yaml"]);
        let text = artifact.tree.read("Chart.yaml").unwrap();
        assert!(String::from_utf8_lossy(&text).ends_with(&format!("version: {version}\n")), "{range}");
    }
}

#[tokio::test]
async fn what_is_no_such_chart_is_refused() {
    let Some(program) = Program::start() else { return };
    publish(&program, "1.0.0", CHART);
    publish(&program, "2.0.0", FLUX_LAYER);
    for version in ["3.0.0", "3.x", "2.0.0"] {
        let error = get(chart(&program, version)).await.unwrap_err();
        assert!(matches!(error, SourceError::NotFound { .. }), "{version}: {error:?}");
    }
    let small = HelmLimits { chart_bytes: 10, ..HelmLimits::default() };
    let error = get(chart(&program, "1.0.0").limits(small)).await.unwrap_err();
    assert!(error.to_string().ends_with("the layer has more than 10 bytes"), "{error}");
    let error = get(chart(&program, "1.0.0").verify(CosignKeys::default())).await.unwrap_err();
    assert!(matches!(error, SourceError::Unverified { .. }), "{error:?}");
    let source = chart(&program, "1.x").build().unwrap();
    for revision in ["latest", "../x", "9.0.0"] {
        let error = source.fetch(&Context::background(), &Revision::new(revision)).await.unwrap_err();
        assert!(matches!(error, SourceError::NotFound { .. }), "{revision}: {error:?}");
    }
    assert!(matches!(chart(&program, "one").build(), Err(SourceError::Invalid { .. })));
}
