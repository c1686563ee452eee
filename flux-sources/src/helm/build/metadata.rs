//! `Chart.yaml` and what stands beside it, as far as building a chart needs it.

use flux_core::Tree;
use flux_core::semver::Version;
use flux_core::yaml::{self, Dialect, Layout, ReadOptions};
use serde::Deserialize;
use serde_json::Value;

/// How many dependencies a chart may have.
const DEPENDENCIES: usize = 200;

/// What a `Chart.yaml` says.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    /// The whole file.
    value: Value,
    pub(super) name: String,
    pub(super) version: Version,
    /// The locked ones, if there is a lock.
    pub(super) dependencies: Vec<Dependency>,
}

/// A chart that another one needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) repository: String,
}

impl Metadata {
    /// Reads the chart in a directory of a tree. Dependencies of charts of the first API version are in
    /// `requirements.yaml`; a lock outranks what was asked for.
    ///
    /// # Errors
    /// In words: no chart, or a broken one.
    pub(super) fn read(tree: &Tree, dir: &str) -> Result<Self, String> {
        let value = file(tree, dir, "Chart.yaml")?.ok_or("there is no Chart.yaml")?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_owned();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(format!("Chart.yaml: `{}` is no name of a chart", name.chars().take(128).collect::<String>()));
        }
        let version = text("version");
        let version = Version::parse_strict(version)
            .map_err(|error| format!("Chart.yaml: the version `{version}` is none: {error}"))?;
        let first = text("apiVersion") == "v1" || text("apiVersion").is_empty();
        let (asked, lock) = match first {
            true => ("requirements.yaml", "requirements.lock"),
            false => ("Chart.yaml", "Chart.lock"),
        };
        let dependencies = match dependencies(tree, dir, lock)? {
            Some(locked) => locked,
            None => dependencies(tree, dir, asked)?.unwrap_or_default(),
        };
        Ok(Self { name, version, dependencies, value })
    }

    /// The `Chart.yaml` of the same chart with another version.
    pub(super) fn with_version(&self, version: &str) -> String {
        let mut value = self.value.clone();
        if let Value::Object(fields) = &mut value {
            fields.insert("version".into(), Value::String(version.to_owned()));
        }
        yaml::write(&value, Layout::Sigs)
    }
}

/// The dependencies in a file; none where there is no file.
fn dependencies(tree: &Tree, dir: &str, name: &str) -> Result<Option<Vec<Dependency>>, String> {
    let Some(mut value) = file(tree, dir, name)? else { return Ok(None) };
    let list = value.get_mut("dependencies").map(Value::take).unwrap_or_default();
    let list: Option<Vec<Dependency>> =
        serde_json::from_value(list).map_err(|error| format!("{name}: dependencies: {error}"))?;
    let list = list.unwrap_or_default();
    if list.len() > DEPENDENCIES {
        return Err(format!("{name}: more than {DEPENDENCIES} dependencies"));
    }
    Ok(Some(list))
}

fn file(tree: &Tree, dir: &str, name: &str) -> Result<Option<Value>, String> {
    let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    if !tree.is_file(&path) {
        return Ok(None);
    }
    let text = tree.read(&path).map_err(|error| error.to_string())?;
    yaml::read(&text, &ReadOptions::new(Dialect::Lax)).map(Some).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Metadata, String> {
        Metadata::read(&Tree::from_files(files.iter().map(|(path, text)| (path, (*text).to_owned()))).unwrap(), "")
    }

    fn needed(files: &[(&str, &str)]) -> Vec<String> {
        let all = read(files).unwrap().dependencies.into_iter();
        all.map(|dependency| format!("{} {} {}", dependency.name, dependency.version, dependency.repository)).collect()
    }

    #[test]
    fn locks_outrank_what_was_asked_for() {
        let v2 = "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: d, version: 1.x, repository: r}]\n";
        let v1 = "name: a\nversion: 1.0.0\n";
        let list = |version| format!("dependencies:\n- {{name: d, version: {version}, repository: r}}\n");
        assert_eq!(needed(&[("Chart.yaml", v2)]), ["d 1.x r"]);
        assert_eq!(needed(&[("Chart.yaml", v2), ("Chart.lock", &list("1.2.3"))]), ["d 1.2.3 r"]);
        assert_eq!(needed(&[("Chart.yaml", v1), ("requirements.yaml", &list("1.x"))]), ["d 1.x r"]);
        assert_eq!(
            needed(&[("Chart.yaml", v1), ("requirements.yaml", &list("1.x")), ("requirements.lock", &list("1.9.9"))]),
            ["d 1.9.9 r"]
        );
        assert!(needed(&[("Chart.yaml", v1), ("Chart.lock", &list("1.2.3"))]).is_empty());
    }

    #[test]
    fn broken_charts_are_named() {
        for (text, problem) in [
            ("name: a\n", "Chart.yaml: the version `` is none"),
            ("name: a\nversion: '1'\n", "Chart.yaml: the version `1` is none"),
            ("name: ../a\nversion: 1.0.0\n", "Chart.yaml: `../a` is no name of a chart"),
            ("version: 1.0.0\n", "Chart.yaml: `` is no name of a chart"),
            ("a: [", "Chart.yaml: "),
            ("apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: 1\n", "Chart.yaml: dependencies: "),
        ] {
            let error = read(&[("Chart.yaml", text)]).unwrap_err();
            assert!(error.starts_with(problem), "{problem}: {error}");
        }
        assert_eq!(read(&[]).unwrap_err(), "there is no Chart.yaml");
    }

    #[test]
    fn the_version_is_written_and_the_rest_stays() {
        let chart = read(&[("Chart.yaml", "name: a\nversion: 1.0.0\nannotations: {b: c}\n")]).unwrap();
        assert_eq!(chart.with_version("1.0.0+x.2"), "annotations:\n  b: c\nname: a\nversion: 1.0.0+x.2\n");
    }
}
