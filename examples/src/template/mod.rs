//! `helm template` on this library: the flags of Helm v4.3.1, and what it prints.

mod dns;
mod folder;
mod passive;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use flux_appliers::helm::{
    Capabilities, Chart, ChartError, ChartLimits, HelmError, Host, KubeVersion, PrintOptions, Release, ReleaseInfo,
    RenderFailure, RenderOptions, Warning, name_from_template, render,
};

/// What a command ends with when it fails.
type Failure = Box<dyn std::error::Error>;

/// The arguments of `helm template`.
#[derive(Args, Debug)]
#[group(skip)]
pub struct Template {
    /// The name of the release, unless it is left out, and the chart: a folder or an archive
    #[arg(value_names = ["NAME", "CHART"], num_args = 1..=2, required = true)]
    name_and_chart: Vec<String>,
    /// The namespace of the release
    #[arg(short, long, default_value = "default", overrides_with = "namespace")]
    namespace: String,
    #[command(flatten)]
    values: values::Values,
    /// A template that makes the name of the release
    #[arg(long, overrides_with = "name_template")]
    name_template: Option<String>,
    /// Make up the name of the release
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "generate_name")]
    generate_name: bool,
    /// The version of Kubernetes that templates see
    #[arg(long, overrides_with = "kube_version")]
    kube_version: Option<String>,
    /// More APIs that templates see, as group/version or group/version/Kind
    #[arg(short, long, value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Print only what comes from these templates
    #[arg(short, long)]
    show_only: Vec<String>,
    /// Print the files of crds/ first
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "include_crds")]
    include_crds: bool,
    /// Leave out hooks
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "no_hooks")]
    no_hooks: bool,
    /// Leave out hooks that are tests
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "skip_tests")]
    skip_tests: bool,
    /// Let templates see an upgrade rather than an installation
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "is_upgrade")]
    is_upgrade: bool,
    /// Do not check values against the charts' schemas
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "skip_schema_validation")]
    skip_schema_validation: bool,
    /// The opposite of --skip-schema-validation
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", overrides_with = "validate_schema")]
    validate_schema: bool,
    /// Resolve names for getHostByName
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "enable_dns")]
    enable_dns: bool,
    /// Make the notes of dependencies part of the notes, which are not printed
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "render_subchart_notes")]
    render_subchart_notes: bool,
    /// Write the documents to files in this folder
    #[arg(long, overrides_with = "output_dir")]
    output_dir: Option<PathBuf>,
    /// Write them to a folder of the release's name in it
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", overrides_with = "release_name")]
    release_name: bool,
    #[command(flatten)]
    passive: passive::Passive,
}

/// What a run of the command prints.
#[derive(Debug, Default)]
pub struct Printed {
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
    /// Whether the command failed.
    pub failed: bool,
    /// What was rendered. A program that ends now need not give its memory back piece by piece.
    rendered: Option<(Arc<Chart>, Release)>,
}

impl Template {
    /// Runs the command. Only `--output-dir` writes anything.
    pub fn run(&self) -> Printed {
        let mut printed = Printed::default();
        let outcome = self.render(&mut printed.err).and_then(|rendered| {
            let (_, release) = printed.rendered.insert(rendered);
            self.print(release)
        });
        match outcome {
            Ok(out) => printed.out = out,
            Err(error) => {
                printed.failed = true;
                printed.err.push_str(&format!("Error: {error}\n"));
                if error.downcast_ref::<HelmError>().is_some_and(HelmError::is_of_templates) {
                    printed.err.push_str("\nUse --debug flag to render out invalid YAML\n");
                }
            }
        }
        printed
    }

    /// Renders; what there is to remark goes to `log`.
    ///
    /// # Errors
    /// Whatever is wrong with the flags, the chart or the values, as Helm says it.
    pub fn release(&self, log: &mut String) -> Result<Release, Failure> {
        self.render(log).map(|(_, release)| release)
    }

    fn render(&self, log: &mut String) -> Result<(Arc<Chart>, Release), Failure> {
        let mut capabilities = Capabilities::default();
        if let Some(version) = &self.kube_version {
            capabilities.kube_version = KubeVersion::parse(version)?;
        }
        capabilities.api_versions.extend(self.api_versions.iter().cloned());
        self.passive.check()?;
        let mut host = Host { now: flux_core::Clock::system().now(), ..Host::default() };
        if self.enable_dns {
            host.resolver = Some(Arc::new(dns::SystemDns));
        }
        let (name, chart) = self.name_and_chart(&host)?;
        let path = Path::new(&chart);
        if !path.exists() {
            return Err(not_found(&chart));
        }
        let values = self.values.merge()?;
        let mut found = Vec::new();
        let chart = load(path, &mut found);
        note(log, &found);
        let chart = chart?;
        let release =
            ReleaseInfo { is_upgrade: self.is_upgrade, ..ReleaseInfo::install(name, self.namespace.as_str()) };
        let options = RenderOptions {
            capabilities,
            host,
            skip_schema: self.skip_schema_validation || !self.validate_schema,
            sub_notes: self.render_subchart_notes,
            text_only: true,
            ..RenderOptions::default()
        };
        match render(&chart, &values, &release, &options) {
            Ok(release) => {
                note(log, &release.warnings);
                Ok((chart, release))
            }
            Err(RenderFailure { error, warnings }) => {
                note(log, &warnings);
                Err(error.into())
            }
        }
    }

    fn name_and_chart(&self, host: &Host) -> Result<(String, String), Failure> {
        match (self.name_and_chart.as_slice(), &self.name_template) {
            ([_, _], Some(_)) => Err("cannot set --name-template and also specify a name".into()),
            ([_, _], None) if self.generate_name => Err("cannot set --generate-name and also specify a name".into()),
            ([chart], Some(template)) => Ok((name_from_template(template, host)?, chart.clone())),
            ([chart], None) => Ok(("release-name".to_owned(), chart.clone())),
            ([name, chart], None) => Ok((name.clone(), chart.clone())),
            _ => Err("expected NAME and CHART".into()),
        }
    }

    fn print(&self, release: &Release) -> Result<String, Failure> {
        let mut options = PrintOptions {
            include_crds: self.include_crds,
            no_hooks: self.no_hooks,
            skip_tests: self.skip_tests,
            show_only: self.show_only.clone(),
        };
        let Some(folder) = &self.output_dir else { return Ok(release.print(&options)?) };
        let inner = if self.release_name { folder.join(self.release_name_text()) } else { folder.clone() };
        options.show_only.clear();
        let mut told = String::new();
        for (path, text) in release.files(&options) {
            let is_crd = release.crds.iter().any(|crd| crd.path == path);
            let file = if is_crd { folder.join(&path) } else { inner.join(&path) };
            folder::write(&file, &text)?;
            told.push_str(&format!("wrote {}\n", file.display()));
        }
        Ok(told + "\n")
    }

    fn release_name_text(&self) -> &str {
        match self.name_and_chart.as_slice() {
            [name, _] => name,
            _ => "release-name",
        }
    }
}

fn note(log: &mut String, warnings: &[Warning]) {
    warnings.iter().for_each(|warning| log.push_str(&format!("{}\n", warning.to_log_line())));
}

/// Charts are read from the disk only: repositories are for a `Source`.
fn not_found(chart: &str) -> Failure {
    if chart.starts_with(['/', '.']) {
        return format!("path {chart:?} not found").into();
    }
    if chart.contains("://") {
        return format!("chart {chart:?}: only charts on the disk are read here; download it first").into();
    }
    match chart.split_once('/') {
        Some((repository, _)) => format!("repo {repository} not found").into(),
        None => format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {chart}").into(),
    }
}

fn load(path: &Path, warnings: &mut Vec<Warning>) -> Result<Arc<Chart>, Failure> {
    let limits = ChartLimits::default();
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    if path.is_dir() {
        if !path.join("Chart.yaml").exists() {
            let why = format!("open {absolute}/Chart.yaml: no such file or directory");
            return Err(format!("unable to detect chart at {absolute}/Chart.yaml: {why}").into());
        }
        let files = folder::read(path, &limits, warnings)?;
        return Ok(Chart::from_folder(files, &limits)?);
    }
    let bytes = std::fs::read(path)?;
    if !bytes.starts_with(b"\x1f\x8b\x08") {
        let why = match path.extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") => "seems to be a YAML file, but expected a gzipped archive",
            _ => "does not appear to be a gzipped archive",
        };
        return Err(format!("file '{absolute}' {why}").into());
    }
    Chart::from_archive(&bytes, &limits).map_err(|error| match error {
        error @ (ChartError::Archive(_) | ChartError::Path { .. } | ChartError::TooLarge { .. }) => {
            format!("unable to load chart archive: {error}").into()
        }
        ChartError::NoMetadata => "unable to detect chart version, no Chart.yaml found".into(),
        error => error.into(),
    })
}
