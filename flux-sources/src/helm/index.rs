//! The index of a chart repository: `index.yaml`, tens of megabytes of which a source wants one chart.
//!
//! Every tool writes the index one chart after the other, so it is cut into charts by looking at indentation alone and
//! only the wanted chart is read. An index that is laid out otherwise, such as one in JSON, is read whole.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use flux_core::semver::{Constraint, Version};
use flux_core::yaml::{self, Dialect, ReadOptions};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// An index that was read.
#[derive(Debug, Clone)]
pub(super) struct Index {
    text: Bytes,
    /// Where each chart's versions are in the text.
    charts: HashMap<String, Range<usize>>,
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A chart is a key and its value, in YAML.
    Block,
    /// A chart is a value, in JSON.
    Json,
}

/// One version of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ChartVersion {
    #[serde(default)]
    pub(super) name: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) urls: Vec<String>,
    #[serde(default)]
    pub(super) digest: Option<String>,
    #[serde(default)]
    pub(super) created: Option<String>,
    #[serde(default, rename = "appVersion")]
    pub(super) app_version: Option<Value>,
}

impl Index {
    /// Reads an index as far as is needed to find charts in it.
    ///
    /// # Errors
    /// In words: a text that is no index.
    pub(super) fn read(text: Bytes) -> Result<Self, String> {
        if text.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') {
            return Self::read_json(text);
        }
        match cut(&text) {
            Some(charts) => Ok(Self { text, charts, layout: Layout::Block }),
            None => {
                let value = read_strict(&text).map_err(|error| error.to_string())?;
                let text = serde_json::to_vec(&value).map_err(|error| error.to_string())?;
                Self::read_json(text.into())
            }
        }
    }

    fn read_json(text: Bytes) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(rename = "apiVersion")]
            api_version: Option<String>,
            #[serde(borrow)]
            entries: Option<HashMap<String, &'a RawValue>>,
        }
        let document: Document<'_> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if document.api_version.is_none_or(|version| version.is_empty()) {
            return Err("no API version specified".into());
        }
        let start = text.as_ptr() as usize;
        let range = |raw: &RawValue| {
            let from = (raw.get().as_ptr() as usize).saturating_sub(start);
            from..from + raw.get().len()
        };
        let charts = document.entries.unwrap_or_default().into_iter().map(|(name, raw)| (name, range(raw))).collect();
        Ok(Self { text, charts, layout: Layout::Json })
    }

    /// The versions of a chart as they stand in the index; entries that are not versions of it are left out, as Helm
    /// leaves them out.
    ///
    /// # Errors
    /// In words: a chart whose part of the index cannot be read.
    pub(super) fn versions(&self, chart: &str) -> Result<Vec<ChartVersion>, String> {
        let Some(part) = self.charts.get(chart).and_then(|range| self.text.get(range.clone())) else {
            return Ok(Vec::new());
        };
        let value: Value = match self.layout {
            Layout::Json => serde_json::from_slice(part).map_err(|error| error.to_string())?,
            Layout::Block => match read_strict(part).map_err(|error| error.to_string())? {
                Value::Object(map) => map.into_iter().next().map(|(_, value)| value).unwrap_or_default(),
                _ => Value::Null,
            },
        };
        let Value::Array(entries) = value else { return Ok(Vec::new()) };
        let versions = entries.into_iter().filter_map(|entry| serde_json::from_value::<ChartVersion>(entry).ok());
        let valid = |entry: &ChartVersion| {
            (entry.name.is_empty() || entry.name == chart) && Version::parse_strict(&entry.version).is_ok()
        };
        Ok(versions.filter(valid).collect())
    }

    /// The version of a chart that a range asks for: the one that reads exactly so, else the newest in the range. No range
    /// is the newest that is no prerelease. Of equal versions the youngest is taken.
    ///
    /// # Errors
    /// In words: a range that is none, or a part of the index that cannot be read.
    pub(super) fn find(&self, chart: &str, range: &str) -> Result<Option<ChartVersion>, String> {
        let versions = self.versions(chart)?;
        let range = if range.is_empty() { "*" } else { range };
        if let Some(exact) = versions.iter().find(|entry| entry.version == range) {
            return Ok(Some(exact.clone()));
        }
        let range = Constraint::parse(range).map_err(|error| error.to_string())?;
        let parsed = versions.into_iter().filter_map(|entry| Some((Version::parse(&entry.version).ok()?, entry)));
        let admitted = parsed.filter(|(version, _)| range.matches(version));
        Ok(admitted
            .max_by(|(a, one), (b, other)| a.cmp_precedence(b).then_with(|| one.created.cmp(&other.created)))
            .map(|(_, entry)| entry))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.charts.len()
    }
}

/// Reads as Helm reads an index: a key that is set twice is an error.
fn read_strict(text: &[u8]) -> Result<Value, yaml::YamlError> {
    yaml::read(text, &ReadOptions::new(Dialect::Strict))
}

/// Where each chart is; none for an index that is not laid out as block YAML, chart by chart.
fn cut(text: &[u8]) -> Option<HashMap<String, Range<usize>>> {
    let mut charts = HashMap::new();
    let mut api_version = false;
    let mut in_entries = false;
    // The indentation of chart names.
    let mut depth = None;
    let mut open: Option<(String, usize)> = None;
    let mut at = 0;
    let mut close = |open: &mut Option<(String, usize)>, end: usize| -> Option<()> {
        if let Some((name, start)) = open.take() {
            // The later of two charts of one name wins in the readers, which is not for us to imitate.
            charts.insert(name, start..end).is_none().then_some(())
        } else {
            Some(())
        }
    };
    for line in text.split_inclusive(|&b| b == b'\n') {
        let start = at;
        at += line.len();
        let indent = line.iter().take_while(|&&b| b == b' ').count();
        let content = line.get(indent..)?.trim_ascii_end();
        match content.first() {
            None | Some(b'#') => continue,
            Some(b'\t') => return None,
            Some(_) if indent == 0 => {
                close(&mut open, start)?;
                in_entries = content == b"entries:";
                depth = None;
                api_version |= content.starts_with(b"apiVersion:");
                // Only plain keys, and no entries in flow style: those are read whole.
                let key = content.split(|&b| b == b':').next()?;
                let flow = key == b"entries" && !in_entries && content != b"entries: {}";
                if flow || !key.iter().all(u8::is_ascii_alphanumeric) {
                    return None;
                }
            }
            Some(_) if !in_entries => {}
            Some(_) => {
                let depth = *depth.get_or_insert(indent);
                if indent > depth {
                    continue;
                }
                if indent < depth {
                    return None;
                }
                if content.starts_with(b"- ") || content == b"-" {
                    open.as_ref()?;
                    continue;
                }
                close(&mut open, start)?;
                open = Some((chart_name(content)?, start));
            }
        }
    }
    close(&mut open, at)?;
    api_version.then_some(charts)
}

/// The name in a line such as `nginx:`; none for a line that is anything else.
fn chart_name(content: &[u8]) -> Option<String> {
    let name = content.strip_suffix(b":").or_else(|| content.strip_suffix(b": []"))?;
    let name = std::str::from_utf8(name).ok()?;
    let name = name.strip_prefix('"').map_or(Some(name), |rest| rest.strip_suffix('"'))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    // What YAML would read as something other than the text it is has to be read by YAML.
    let word = name.bytes().next()?.is_ascii_alphabetic() && name.len() > 3;
    (word && name.bytes().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"apiVersion: v1
entries:
  alpine:
  - name: alpine
    version: 0.2.0
    created: "2016-10-06T16:23:20Z"
    description: |
      nginx:
        not a chart
    digest: sha256:99c76e403d752c84ead610644d4b1c2f2b453a74b921f422b9dcb8a7c8b559cd
    urls: [alpine-0.2.0.tgz]
  - name: alpine
    version: 0.1.0
    urls:
    - https://example.com/alpine-0.1.0.tgz
  nginx:
  - name: nginx
    version: 1.0.0+b2
    created: 2020-01-01T00:00:00Z
    urls: [n2.tgz]
  - name: nginx
    version: 1.0.0+b1
    created: 2021-01-01T00:00:00Z
    urls: [n1.tgz]
  - null
  - name: nginx
    version: not-a-version
  - name: nginx
    version: 2.0.0-rc.1
  empty: []
generated: "2016-10-06T16:23:20Z"
"#;

    fn index(text: &str) -> Index {
        Index::read(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn found(index: &Index, chart: &str, range: &str) -> Option<String> {
        index.find(chart, range).unwrap().map(|entry| entry.version)
    }

    #[test]
    fn charts_are_cut_out_and_read_alone() {
        let index = index(INDEX);
        assert_eq!((index.layout, index.len()), (Layout::Block, 3));
        assert_eq!(index.versions("alpine").unwrap()[0].urls, ["alpine-0.2.0.tgz"]);
        assert_eq!(index.versions("nginx").unwrap().len(), 3, "nil and unreadable entries are left out");
        assert!(index.versions("empty").unwrap().is_empty() && index.versions("none").unwrap().is_empty());
    }

    #[test]
    fn the_version_is_chosen_as_helm_chooses_it() {
        let index = index(INDEX);
        assert_eq!(found(&index, "alpine", "").as_deref(), Some("0.2.0"));
        assert_eq!(found(&index, "alpine", "<0.2").as_deref(), Some("0.1.0"));
        assert_eq!(found(&index, "nginx", "*").as_deref(), Some("1.0.0+b1"), "the youngest of equal versions");
        assert_eq!(
            found(&index, "nginx", "1.0.0+b2").as_deref(),
            Some("1.0.0+b2"),
            "what reads exactly so comes first"
        );
        assert_eq!(found(&index, "nginx", ">=2.0.0-0").as_deref(), Some("2.0.0-rc.1"));
        assert_eq!(found(&index, "nginx", "3.x"), None);
        assert!(index.find("nginx", "one").is_err());
    }

    #[test]
    fn every_layout_says_the_same() {
        let value = yaml::read(INDEX.as_bytes(), &ReadOptions::default()).unwrap();
        let json = index(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(json.layout, Layout::Json);
        let indented = yaml::write(&value, yaml::Layout::Wide);
        let flow = format!("apiVersion: v1\nentries: {}\n", value["entries"]);
        for other in [json, index(&yaml::write(&value, yaml::Layout::Sigs)), index(&indented), index(&flow)] {
            for chart in ["alpine", "nginx", "empty"] {
                assert_eq!(other.versions(chart).unwrap(), index(INDEX).versions(chart).unwrap(), "{chart}");
            }
        }
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for text in ["", "entries: {}", "{}", "[]", "<html></html>", "apiVersion: v1\nentries: [", "{\"entries\":{}}"] {
            assert!(Index::read(Bytes::copy_from_slice(text.as_bytes())).is_err(), "{text:?}");
        }
        assert_eq!(index("apiVersion: v1\nentries: {}\n").len(), 0);
    }
    #[test]
    fn h25_nil_entries_are_left_out_and_duplicates_refused() {
        let nil =
            index("apiVersion: v1\nentries:\n  nothing: null\n  app:\n  - null\n  - {name: app, version: 1.0.0}\n");
        assert!(nil.versions("nothing").unwrap().is_empty());
        assert_eq!(nil.versions("app").unwrap().len(), 1);
        let empty = index("apiVersion: v1\nentries: null\n");
        assert!(empty.versions("app").unwrap().is_empty());
        let entry = "  apps:\n  - name: apps\n    version: 1.0.0\n";
        let twice = format!("apiVersion: v1\nentries:\n{entry}{entry}");
        assert!(Index::read(twice.into()).is_err(), "a chart that is there twice");
        let twice = index(&format!("apiVersion: v1\nentries:\n{entry}    version: 2.0.0\n  other: []\n"));
        assert!(twice.versions("apps").is_err(), "a key that is there twice");
        assert!(twice.versions("other").unwrap().is_empty(), "and the other charts are not touched by it");
    }

    #[test]
    fn h25_a_huge_chart_costs_the_others_nothing() {
        let mut text = String::from("apiVersion: v1\nentries:\n  huge:\n");
        let entry = format!("  - name: huge\n    version: 1.0.0\n    description: {}\n", "x".repeat(1000));
        text.push_str(&entry.repeat(8000));
        text.push_str("  small:\n  - name: small\n    version: 2.0.0\n");
        let index = index(&text);
        assert_eq!(index.layout, Layout::Block);
        assert_eq!(found(&index, "small", "*").as_deref(), Some("2.0.0"));
    }
}
