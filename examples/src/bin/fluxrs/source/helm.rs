//! `fluxrs source helm`: a chart in a Helm repository, over HTTP or in a registry.

use std::sync::Arc;

use clap::Args;
use flux_sources::helm::HelmChartSource;
use flux_sources::oci::OciChartSource;

use super::Common;
use super::registry::Registry;
use crate::Failure;

#[derive(Args)]
pub(crate) struct Helm {
    /// https://, http:// or oci:// of the repository
    #[arg(long)]
    url: String,
    /// The name of the chart
    #[arg(long)]
    chart: String,
    /// A version or a range of versions
    #[arg(long, default_value = "*")]
    version: String,
    /// Give the credentials to other hosts that the index names too
    #[arg(long)]
    pass_credentials: bool,
    #[command(flatten)]
    registry: Registry,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Helm {
    pub(super) fn source(&self) -> Result<Arc<dyn flux_core::Source>, Failure> {
        if self.common.ignore().is_some() {
            return Err("--ignore: a chart is taken whole; its own .helmignore says what it leaves out".into());
        }
        Ok(if self.url.starts_with("oci://") { Arc::new(self.in_registry()?) } else { Arc::new(self.over_http()?) })
    }

    fn over_http(&self) -> Result<HelmChartSource, Failure> {
        let mut builder = HelmChartSource::builder(&self.url, &self.chart)
            .version(&self.version)
            .credentials(self.registry.given()?)
            .pass_credentials(self.pass_credentials)
            .tls(self.registry.tls()?);
        if let Some(proxy) = self.registry.proxy()? {
            builder = builder.proxy(proxy);
        }
        Ok(builder.build()?)
    }

    fn in_registry(&self) -> Result<OciChartSource, Failure> {
        let mut builder = OciChartSource::builder(&self.url, &self.chart)
            .version(&self.version)
            .credentials(self.registry.credentials(&self.url)?)
            .tls(self.registry.tls()?)
            .insecure(self.registry.insecure);
        if let Some(proxy) = self.registry.proxy()? {
            builder = builder.proxy(proxy);
        }
        Ok(builder.build()?)
    }
}
