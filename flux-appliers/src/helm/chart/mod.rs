//! Charts: what they are made of and how they are read.

mod archive;
mod error;
mod ignore;
mod load;
mod metadata;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

pub use archive::ChartLimits;
pub use error::ChartError;
pub(crate) use ignore::glob;
pub use metadata::{Dependency, ImportValues, Metadata};

use super::template::ParseError;
use super::template::parse::parse;
use super::template::set::Parsed;
use super::values::Table;
use super::warning::Warning;

/// One file of a chart, its name relative to the chart.
#[derive(Clone)]
pub struct ChartFile {
    /// The path within the chart.
    pub name: String,
    /// The content.
    pub data: Bytes,
}

impl fmt::Debug for ChartFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChartFile({}, {} bytes)", self.name, self.data.len())
    }
}

/// A chart as it was read, with the charts inside it. Immutable, and shared between renders; its templates are parsed
/// once.
#[derive(Debug)]
pub struct Chart {
    metadata: Metadata,
    values: Table,
    schema: Option<Bytes>,
    templates: Vec<ChartFile>,
    files: Vec<ChartFile>,
    dependencies: Vec<Arc<Chart>>,
    /// What there was to remark when it was read, its dependencies included.
    warnings: Vec<Warning>,
    /// Parsed templates by the path of the chart among its parents, which is part of their names.
    parsed: Mutex<HashMap<String, ParsedFiles>>,
}

type ParsedFiles = Arc<Vec<(String, Parsed)>>;

impl Chart {
    /// What `Chart.yaml` says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What `values.yaml` says.
    pub fn values(&self) -> &Table {
        &self.values
    }

    /// The files that are neither templates nor Helm's own.
    pub fn files(&self) -> &[ChartFile] {
        &self.files
    }

    /// The templates.
    pub fn templates(&self) -> &[ChartFile] {
        &self.templates
    }

    /// The charts inside this one.
    pub fn dependencies(&self) -> &[Arc<Self>] {
        &self.dependencies
    }

    /// What Helm would remark when it reads the chart.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn schema(&self) -> Option<&Bytes> {
        self.schema.as_ref()
    }

    /// The parsed templates under the names they have when the chart is found at `path`.
    pub(crate) fn parsed(&self, path: &str) -> Result<ParsedFiles, (String, ParseError)> {
        let mut cache = self.parsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(files) = cache.get(path) {
            return Ok(Arc::clone(files));
        }
        let mut files = Vec::with_capacity(self.templates.len());
        for file in &self.templates {
            let base = file.name.rsplit('/').next().unwrap_or(&file.name);
            // A library chart only lends its partials.
            if self.metadata.is_library() && !base.starts_with('_') {
                continue;
            }
            let name = format!("{path}/{}", file.name);
            let templates =
                parse(&name, &file.data, &super::funcs::HelmFunctions).map_err(|error| (name.clone(), error))?;
            files.push((name, Parsed::new(templates)));
        }
        let files = Arc::new(files);
        cache.insert(path.to_owned(), Arc::clone(&files));
        Ok(files)
    }
}
