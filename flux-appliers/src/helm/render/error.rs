//! Why a chart cannot be rendered.

use crate::helm::chart::ChartError;
use crate::helm::template::Abort;
use crate::helm::warning::Warning;

/// Why a chart cannot be rendered. Prints as Helm prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelmError {
    /// The chart cannot be read.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// Values that do not fit the chart.
    #[error("{0}")]
    Values(String),
    /// Values that do not fit a chart's dependencies.
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(String),
    /// Values that its schema does not admit.
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    /// A release name that Kubernetes would not take.
    #[error("release name check failed: {0}")]
    Name(String),
    /// Dependencies that are named but not there.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
             fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {0}"
    )]
    Missing(String),
    /// A chart that is not for this version of Kubernetes.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The range the chart gives.
        wanted: String,
        /// The version there is.
        found: String,
    },
    /// A chart that is not installed by itself.
    #[error("{0} charts are not installable")]
    Kind(String),
    /// Charts in a chart of apiVersion v3 that it does not name.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
             fetch missing dependencies: unsupported chart dependency type"
    )]
    Unnamed,
    /// A chart of apiVersion v3, which cannot be installed yet.
    #[error("invalid chart apiVersion")]
    ApiVersion,
    /// A template that does not parse.
    #[error("{message}")]
    Parse {
        /// The template.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The whole message.
        message: String,
    },
    /// A template that fails.
    #[error("{message}")]
    Execution {
        /// The template.
        file: String,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// The whole message.
        message: String,
    },
    /// A template that does not make YAML.
    #[error("YAML parse error on {file}: {reason}")]
    Yaml {
        /// The template.
        file: String,
        /// Why.
        reason: String,
    },
    /// A limit that the render reached.
    #[error("{file}: {limit}")]
    Limit {
        /// The template.
        file: String,
        /// Which.
        limit: Abort,
    },
    /// A template asked for that is not there.
    #[error("could not find template {0} in chart")]
    NoTemplate(String),
    /// The thread that renders could not be started.
    #[error("cannot start rendering: {0}")]
    Thread(String),
}

impl HelmError {
    /// Whether the chart and its values were good and its templates are to blame.
    pub fn is_of_templates(&self) -> bool {
        matches!(
            self,
            Self::KubeVersion { .. }
                | Self::Parse { .. }
                | Self::Execution { .. }
                | Self::Yaml { .. }
                | Self::Limit { .. }
        )
    }
}

/// A render that failed, and what there was to remark before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct RenderFailure {
    /// Why it failed.
    #[source]
    pub error: HelmError,
    /// What Helm would have printed by then.
    pub warnings: Vec<Warning>,
}
