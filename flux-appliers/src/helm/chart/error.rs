//! Why a chart cannot be read.

/// Why a chart cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoMetadata,
    /// Something in `Chart.yaml` is wrong.
    #[error("validation: {0}")]
    Invalid(String),
    /// A file of the chart cannot be read.
    #[error("cannot load {file}: {reason}")]
    File {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// A chart inside the chart cannot be read.
    #[error("error unpacking subchart {name} in {parent}: {error}")]
    Subchart {
        /// Its folder or archive under `charts/`.
        name: String,
        /// The chart it is in.
        parent: String,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// The archive is not one.
    #[error("{0}")]
    Archive(String),
    /// A file that lies outside the chart, or has a name that is not allowed.
    #[error("chart illegally contains {what}: {path:?}")]
    Path {
        /// What about it is not allowed.
        what: &'static str,
        /// The path as the archive gives it.
        path: String,
    },
    /// More than the limits allow.
    #[error("decompressed chart {what} is larger than the maximum size {limit}")]
    TooLarge {
        /// The chart or a file of it.
        what: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Charts within charts within charts, too far.
    #[error("charts are nested more than {0} deep")]
    Depth(usize),
    /// An `.helmignore` that cannot be used.
    #[error("{0}")]
    Ignore(String),
    /// An apiVersion that is not known.
    #[error("unsupported chart version")]
    Version,
    /// A folder where a chart archive should be.
    #[error("error unpacking subchart tar in {chart}: expected {name}, got {found}")]
    Folder {
        /// The chart it is in.
        chart: String,
        /// Its name under `charts/`.
        name: String,
        /// The first file in it.
        found: String,
    },
}
