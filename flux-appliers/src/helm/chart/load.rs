//! From files to a chart.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flux_core::Tree;
use flux_core::yaml::{self, ReadOptions};

use super::archive::{ChartLimits, unpack};
use super::error::ChartError;
use super::ignore::Rules;
use super::metadata::Metadata;
use super::{Chart, ChartFile};
use crate::helm::values::{Table, read_values};

/// How deeply charts may lie in charts.
const MAX_DEPTH: usize = 50;

const BOM: &[u8] = "\u{feff}".as_bytes();

impl Chart {
    /// Reads the chart in the folder `path` of a tree; `.helmignore` applies, links are not followed.
    ///
    /// # Errors
    /// If it is no chart, or larger than the limits.
    pub fn from_tree(tree: &Tree, path: &str, limits: &ChartLimits) -> Result<Arc<Self>, ChartError> {
        let prefix = path.trim_matches('/').trim_start_matches("./");
        let prefix = if prefix == "." { "" } else { prefix };
        let base = if prefix.is_empty() { 0 } else { prefix.len() + 1 };
        let files = tree
            .walk(prefix)
            .map(|(name, data)| ChartFile { name: name.get(base..).unwrap_or("").to_owned(), data: data.clone() });
        Self::from_folder(files.collect(), limits)
    }

    /// Reads a chart from the files of a folder; `.helmignore` applies.
    ///
    /// # Errors
    /// As [`Chart::from_tree`].
    pub fn from_folder(mut files: Vec<ChartFile>, limits: &ChartLimits) -> Result<Arc<Self>, ChartError> {
        let rules = match files.iter().find(|file| file.name == ".helmignore") {
            Some(file) => Rules::parse(&String::from_utf8_lossy(&file.data))?,
            None => Rules::default(),
        };
        files.retain(|file| !rules.ignores(&file.name));
        let mut total = 0u64;
        for file in &mut files {
            total += file.data.len() as u64;
            if file.data.len() as u64 > limits.file {
                return Err(ChartError::TooLarge { what: format!("file {:?}", file.name), limit: limits.file });
            }
            if file.data.starts_with(BOM) {
                file.data = file.data.slice(BOM.len()..);
            }
        }
        if total > limits.total {
            return Err(ChartError::TooLarge { what: "as a whole".to_owned(), limit: limits.total });
        }
        files.sort_by(|a, b| walk_order(&a.name, &b.name));
        Self::from_files(files, limits, 0)
    }

    /// Reads a chart from a `.tgz`.
    ///
    /// # Errors
    /// If it is no chart archive, or larger than the limits, or has files outside the chart.
    pub fn from_archive(archive: &[u8], limits: &ChartLimits) -> Result<Arc<Self>, ChartError> {
        Self::from_files(unpack(archive, limits)?, limits, 0)
    }

    fn from_files(files: Vec<ChartFile>, limits: &ChartLimits, depth: usize) -> Result<Arc<Self>, ChartError> {
        if depth > MAX_DEPTH {
            return Err(ChartError::Depth(MAX_DEPTH));
        }
        let mut metadata = Metadata::default();
        let mut seen = false;
        for file in files.iter().filter(|file| file.name == "Chart.yaml") {
            metadata.read("Chart.yaml", read_yaml(file)?)?;
            seen = true;
        }
        if metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
        let mut chart = Parts::default();
        for file in files {
            chart.add(file, &mut metadata)?;
        }
        if !seen && !chart.has_requirements {
            return Err(ChartError::NoMetadata);
        }
        metadata.validate()?;
        let mut dependencies = Vec::new();
        for (name, files) in chart.subcharts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let read = if name.ends_with(".tgz") {
                match files.first() {
                    Some(file) if file.name == name => {
                        unpack(&file.data, limits).and_then(|files| Self::from_files(files, limits, depth + 1))
                    }
                    _ => Err(ChartError::Archive(format!("{name} is a folder"))),
                }
            } else {
                let inner: Vec<_> = files
                    .into_iter()
                    .filter_map(|file| {
                        let (_, rest) = file.name.split_once('/')?;
                        Some(ChartFile { name: rest.to_owned(), data: file.data })
                    })
                    .collect();
                Self::from_files(inner, limits, depth + 1)
            };
            dependencies.push(read.map_err(|error| ChartError::Subchart {
                name,
                parent: metadata.name.clone(),
                error: Box::new(error),
            })?);
        }
        if !matches!(metadata.api_version.as_str(), "v1" | "v2") && depth == 0 {
            return Err(ChartError::Version(metadata.api_version));
        }
        Ok(Arc::new(Self {
            metadata,
            values: chart.values,
            schema: chart.schema,
            templates: chart.templates,
            files: chart.files,
            dependencies,
            parsed: Mutex::new(HashMap::new()),
        }))
    }
}

/// Folders are walked in the order of their names, so a path sorts by its parts.
fn walk_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.split('/').cmp(b.split('/'))
}

fn read_yaml(file: &ChartFile) -> Result<serde_json::Value, ChartError> {
    yaml::read(&file.data, &ReadOptions::default())
        .map_err(|error| ChartError::File { file: file.name.clone(), reason: error.to_string() })
}

#[derive(Default)]
struct Parts {
    values: Table,
    schema: Option<Bytes>,
    templates: Vec<ChartFile>,
    files: Vec<ChartFile>,
    subcharts: BTreeMap<String, Vec<ChartFile>>,
    has_requirements: bool,
}

impl Parts {
    fn add(&mut self, file: ChartFile, metadata: &mut Metadata) -> Result<(), ChartError> {
        match file.name.as_str() {
            "Chart.yaml" | "Chart.lock" => {}
            "values.yaml" => {
                self.values = read_values(&file.data)
                    .map_err(|error| ChartError::File { file: file.name, reason: error.to_string() })?;
            }
            "values.schema.json" => self.schema = Some(file.data),
            "requirements.yaml" => {
                self.has_requirements = true;
                metadata.read(&file.name, read_yaml(&file)?)?;
                if metadata.api_version == "v1" {
                    self.files.push(file);
                }
            }
            "requirements.lock" => {
                if metadata.api_version == "v1" {
                    self.files.push(file);
                }
            }
            name if name.starts_with("templates/") => self.templates.push(file),
            name if name.starts_with("charts/") && !name.ends_with(".prov") => {
                let name = name.strip_prefix("charts/").unwrap_or(name).to_owned();
                let folder = name.split('/').next().unwrap_or(&name).to_owned();
                self.subcharts.entry(folder).or_default().push(ChartFile { name, data: file.data });
            }
            _ => self.files.push(file),
        }
        Ok(())
    }
}
