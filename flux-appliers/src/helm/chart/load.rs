//! From files to a chart.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flux_core::yaml::{self, Content, Dialect, Limits, Node, ReadOptions, Style, Tag, YamlError};
use flux_core::{Timestamp, Tree};
use serde_json::Value as Json;

use super::archive::{ChartLimits, unpack};
use super::error::ChartError;
use super::ignore::Rules;
use super::metadata::{Dependency, Metadata};
use super::{Chart, ChartFile};
use crate::helm::json::{field, mismatch, text};
use crate::helm::template::gofmt::format_float;
use crate::helm::values::{Table, read_values, yaml_fault};
use crate::helm::warning::{Level, Warning};

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
            metadata.read("Chart.yaml", read_texts(file)?)?;
            seen = true;
        }
        if seen && metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
        if depth == 0 && seen && !matches!(metadata.api_version.as_str(), "v1" | "v2" | "v3") {
            return Err(ChartError::Version);
        }
        let mut chart = Parts::default();
        for file in files {
            chart.add(file, &mut metadata)?;
        }
        if !seen && !chart.has_requirements {
            return Err(ChartError::NoMetadata);
        }
        metadata.sanitize();
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
                    file => {
                        let found = file.map(|file| file.name.clone()).unwrap_or_default();
                        return Err(ChartError::Folder { chart: metadata.name, name, found });
                    }
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
            let read = read.map_err(|error| ChartError::Subchart {
                name,
                parent: metadata.name.clone(),
                error: Box::new(error),
            })?;
            chart.warnings.extend(read.warnings.iter().cloned());
            dependencies.push(read);
        }
        Ok(Arc::new(Self {
            metadata,
            values: chart.values,
            schema: chart.schema,
            templates: chart.templates,
            files: chart.files,
            dependencies,
            warnings: chart.warnings,
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
        .map_err(|error| ChartError::File { file: file.name.clone(), reason: yaml_fault(&error) })
}

/// As [`read_yaml`], for a file whose numbers all become texts: a float becomes the text Go makes of it, which JSON does
/// not keep apart from a whole number.
fn read_texts(file: &ChartFile) -> Result<Json, ChartError> {
    let fault = |error: YamlError| ChartError::File { file: file.name.clone(), reason: yaml_fault(&error) };
    let Some(mut node) = yaml::read_first_node(&file.data, Limits::default()).map_err(fault)? else {
        return Ok(Json::Null);
    };
    floats_to_texts(&mut node);
    node.to_value(Dialect::Lax).map_err(fault)
}

fn floats_to_texts(node: &mut Node) {
    match &mut node.content {
        Content::Scalar(scalar) if scalar.style == Style::Plain && scalar.tag.is_none() => {
            let is_float = scalar.text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                && scalar.text.contains(['.', 'e', 'E']);
            if let Some(float) = scalar.text.replace('_', "").parse().ok().filter(|f: &f64| is_float && f.is_finite()) {
                scalar.text = format_float(float, 'g', None).into();
                scalar.tag = Some(Tag::Str);
            }
        }
        Content::Scalar(_) => {}
        Content::Sequence(items) => items.iter_mut().for_each(floats_to_texts),
        Content::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| floats_to_texts(value)),
    }
}

/// A lock file says nothing that a render needs, but one that cannot be read fails the chart.
fn check_lock(file: &ChartFile) -> Result<(), ChartError> {
    let fault = |reason: String| ChartError::File { file: file.name.clone(), reason };
    let fields = match read_yaml(file)? {
        Json::Null => return Ok(()),
        Json::Object(fields) => fields,
        other => return Err(fault(mismatch(&other, "", "v2.Lock"))),
    };
    match field(&fields, "generated") {
        None | Some(Json::Null) => {}
        Some(Json::String(time)) => {
            if time.parse::<Timestamp>().is_err() {
                return Err(fault(format!("error unmarshaling JSON: while decoding JSON: parsing time {time:?}")));
            }
        }
        Some(other) => return Err(fault(mismatch(other, ".generated", "time.Time"))),
    }
    if let Some(other) = field(&fields, "digest").filter(|digest| text(digest).is_none()) {
        return Err(fault(mismatch(other, ".digest", "string")));
    }
    match field(&fields, "dependencies") {
        None | Some(Json::Null) => Ok(()),
        Some(Json::Array(items)) => {
            items.iter().enumerate().try_for_each(|item| Dependency::read(item).map(|_| ())).map_err(fault)
        }
        Some(other) => Err(fault(mismatch(other, ".dependencies", "[]*v2.Dependency"))),
    }
}

#[derive(Default)]
struct Parts {
    values: Table,
    schema: Option<Bytes>,
    templates: Vec<ChartFile>,
    files: Vec<ChartFile>,
    subcharts: BTreeMap<String, Vec<ChartFile>>,
    has_requirements: bool,
    warnings: Vec<Warning>,
}

impl Parts {
    fn add(&mut self, file: ChartFile, metadata: &mut Metadata) -> Result<(), ChartError> {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => check_lock(&file)?,
            "values.yaml" => {
                self.values = read_values(&file.data)
                    .map_err(|error| ChartError::File { file: file.name, reason: error.to_string() })?;
            }
            "values.schema.json" => self.schema = Some(file.data),
            "requirements.yaml" => {
                self.has_requirements = true;
                let moved = "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend \
                             migrating dependencies to Chart.yaml.";
                self.keep_if_v1(&file, metadata, moved);
                metadata.read(&file.name, read_texts(&file)?)?;
            }
            "requirements.lock" => {
                self.has_requirements = true;
                check_lock(&file)?;
                let moved = "Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend \
                             migrating to Chart.lock.";
                self.keep_if_v1(&file, metadata, moved);
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

    /// The files of apiVersion v1 are among the files of such a chart, and a mistake in others.
    fn keep_if_v1(&mut self, file: &ChartFile, metadata: &Metadata, moved: &str) {
        if metadata.api_version == "v1" {
            self.files.push(file.clone());
        } else {
            self.warnings.push(Warning::new(Level::Info, moved));
        }
    }
}
