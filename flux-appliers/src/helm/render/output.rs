//! Rendering a release, and printing it as `helm template` does.

use bytes::Bytes;
use serde_json::Value as Json;

use super::capabilities::Capabilities;
use super::error::{HelmError, RenderFailure};
use super::instance::Instance;
use super::manifests::{Hook, HookEvent, RenderedManifest, sort};
use super::{engine, manifests};
use crate::helm::chart::{Chart, glob};
use crate::helm::funcs::to_json_value;
use crate::helm::host::Host;
use crate::helm::template::gofmt::quote;
use crate::helm::template::{Budget, Interrupt, Limits, Map, MapKind, Str, Value};
use crate::helm::values::{Mode, Table, coalesce_values, validate};
use crate::helm::warning::{Level, Warning};
use flux_core::semver::{Constraint, Version};

/// The stack of the thread that renders: templates call templates, a thousand deep if they like.
const STACK: usize = 512 << 20;

/// What a release is called and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseInfo {
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision, from 1.
    pub revision: i64,
    /// Whether this is an upgrade rather than an installation.
    pub is_upgrade: bool,
}

impl ReleaseInfo {
    /// The first installation of `name` in `namespace`.
    pub fn install(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: namespace.into(), revision: 1, is_upgrade: false }
    }
}

/// How to render.
#[derive(Clone, Default)]
pub struct RenderOptions {
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// What templates may learn from outside.
    pub host: Host,
    /// What bounds the render.
    pub limits: Limits,
    /// Asked now and then whether to stop.
    pub interrupt: Option<Interrupt>,
    /// Whether values are not checked against the charts' schemas.
    pub skip_schema: bool,
    /// Whether the notes of dependencies are part of the notes.
    pub sub_notes: bool,
    /// Whether documents are kept as text only, which takes less memory: their [`RenderedManifest::value`] is null then.
    pub text_only: bool,
}

impl std::fmt::Debug for RenderOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenderOptions").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A file of `crds/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crd {
    /// The path, such as `chart/crds/a.yaml`.
    pub path: String,
    /// The content.
    pub data: Bytes,
}

/// What a chart renders to.
#[derive(Clone, PartialEq)]
pub struct Release {
    /// The documents to install, in order.
    pub manifests: Vec<RenderedManifest>,
    /// The hooks, in the order of their kinds.
    pub hooks: Vec<Hook>,
    /// The text of `NOTES.txt`.
    pub notes: String,
    /// The files of `crds/`, which are installed before everything else and not templated.
    pub crds: Vec<Crd>,
    /// What Helm would remark on standard error.
    pub warnings: Vec<Warning>,
}

/// Renders `chart` with `values` over its own. Runs on a thread of its own, for its stack, and waits for it.
///
/// # Errors
/// Whatever is wrong with the chart or the values, or a limit.
pub fn render(
    chart: &Chart,
    values: &Table,
    release: &ReleaseInfo,
    options: &RenderOptions,
) -> Result<Release, RenderFailure> {
    let mut warnings = chart.warnings().to_vec();
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("helm-render".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || render_here(chart, values, release, options, &mut warnings))
            .map_err(|error| HelmError::Thread(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(HelmError::Thread("rendering failed unexpectedly".to_owned())))
    });
    match outcome {
        Ok(release) => Ok(Release { warnings, ..release }),
        Err(error) => Err(RenderFailure { error, warnings }),
    }
}

fn render_here(
    chart: &Chart,
    values: &Table,
    release: &ReleaseInfo,
    options: &RenderOptions,
    warnings: &mut Vec<Warning>,
) -> Result<Release, HelmError> {
    let metadata = chart.metadata();
    if !matches!(metadata.kind.as_str(), "" | "application") {
        return Err(HelmError::Kind(metadata.kind.clone()));
    }
    if metadata.deprecated {
        warnings.push(Warning::new(Level::Warn, "this chart is deprecated"));
    }
    let missing: Vec<&str> = metadata
        .dependencies
        .iter()
        .filter(|wanted| !chart.dependencies().iter().any(|chart| chart.metadata().name == wanted.name))
        .map(|wanted| wanted.name.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(HelmError::Missing(missing.join(", ")));
    }
    if metadata.api_version == "v3" {
        if chart.dependencies().len() > metadata.dependencies.len() {
            return Err(HelmError::Unnamed);
        }
        return Err(HelmError::ApiVersion);
    }
    if let Err(reason) = check_name(&release.name) {
        warnings.push(Warning::new(Level::Error, "release name check failed").with("error", reason.as_str()));
        return Err(HelmError::Name(reason));
    }
    let user = match Value::from_values(values) {
        Value::Map(map) => map,
        _ => Map::new(MapKind::Any, Default::default()),
    };
    let mut root = Instance::new(chart);
    if let Err(reason) = root.process_dependencies(&user, warnings) {
        warnings
            .push(Warning::new(Level::Error, "chart dependencies processing failed").with("error", reason.as_str()));
        return Err(HelmError::Dependencies(reason));
    }
    let coalesced = coalesce_values(&root, &user, Mode::Coalesce, warnings).map_err(HelmError::Values)?;
    if !options.skip_schema {
        let mut faults = String::new();
        check_schema(&root, &coalesced, &mut faults, warnings);
        if !faults.is_empty() {
            return Err(HelmError::Schema(faults));
        }
    }
    let capabilities = &options.capabilities;
    if !metadata.kube_version.is_empty() {
        let range = Constraint::parse(&metadata.kube_version);
        let version = Version::parse(capabilities.kube_version.normalized());
        if !matches!((range, version), (Ok(range), Ok(version)) if range.matches(&version)) {
            return Err(HelmError::KubeVersion {
                wanted: metadata.kube_version.clone(),
                found: capabilities.kube_version.as_str().to_owned(),
            });
        }
    }
    let about = [
        ("Name", Value::text(release.name.as_str())),
        ("Namespace", Value::text(release.namespace.as_str())),
        ("IsUpgrade", Value::Bool(release.is_upgrade)),
        ("IsInstall", Value::Bool(!release.is_upgrade)),
        ("Revision", Value::Int(release.revision)),
        ("Service", Value::text("Helm")),
    ];
    let about = about.into_iter().map(|(name, value)| (Str::from(name), value)).collect();
    let top = [
        ("Release", Value::map(about)),
        ("Capabilities", capabilities.value()),
        ("Values", Value::Map(coalesced.cast(MapKind::Values))),
    ];
    let top = Map::new(MapKind::Any, top.into_iter().map(|(name, value)| (Str::from(name), value)).collect());
    let budget = Budget::new(options.limits, options.interrupt.clone());
    let files = engine::render(&root, &top, &options.host, budget)?;
    let own_notes = format!("{}/templates/NOTES.txt", root.name);
    let (notes, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| path.ends_with("NOTES.txt"));
    let mut text = Vec::new();
    for (path, content) in notes {
        if options.sub_notes || path == own_notes {
            if !text.is_empty() {
                text.push(b'\n');
            }
            text.extend_from_slice(&content);
        }
    }
    let (hooks, manifests) = sort(files, options.text_only, warnings)?;
    let mut crds = Vec::new();
    collect_crds(&root, &root.name, &mut crds);
    Ok(Release { manifests, hooks, notes: String::from_utf8_lossy(&text).into_owned(), crds, warnings: Vec::new() })
}

fn collect_crds(chart: &Instance<'_>, path: &str, crds: &mut Vec<Crd>) {
    for file in chart.chart.files() {
        let is_manifest = [".yaml", ".yml", ".json"].iter().any(|ending| file.name.ends_with(ending));
        if file.name.starts_with("crds/") && is_manifest {
            crds.push(Crd { path: format!("{path}/{}", file.name), data: file.data.clone() });
        }
    }
    for child in &chart.dependencies {
        collect_crds(child, &format!("{path}/charts/{}", child.name), crds);
    }
}

/// The names Kubernetes takes, which may be 53 long to leave room for what Helm appends.
fn check_name(name: &str) -> Result<(), String> {
    let is_end = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(is_end)
            && bytes.last().is_some_and(is_end)
            && bytes.iter().all(|b| is_end(b) || *b == b'-')
    };
    let quoted = quote(name.as_bytes());
    if name.is_empty() {
        return Err(format!("release name {quoted}: no name provided"));
    }
    if name.len() <= 53 && name.split('.').all(is_part) {
        return Ok(());
    }
    Err(format!(
        "release name {quoted}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    ))
}

/// Gathers the faults of a chart's values and its dependencies'.
fn check_schema(chart: &Instance<'_>, values: &Map, faults: &mut String, warnings: &mut Vec<Warning>) {
    if let Some(schema) = chart.chart.schema() {
        let json = to_json_value(&Value::Map(values.clone())).unwrap_or(Json::Null);
        if let Err(found) = validate(schema, &json, warnings) {
            faults.push_str(&format!("{}:\n{found}", chart.name));
        }
    }
    for child in &chart.dependencies {
        match values.get(child.name.as_bytes()) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(own)) => check_schema(child, &own, faults, warnings),
            Some(other) => faults.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map), got {}\n",
                child.name,
                other.type_name()
            )),
        }
    }
}

/// What to print of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrintOptions {
    /// Whether the files of `crds/` come first.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub no_hooks: bool,
    /// Whether hooks that are tests are left out.
    pub skip_tests: bool,
    /// Only what comes from templates that match one of these, in this order.
    pub show_only: Vec<String>,
}

impl std::fmt::Debug for Release {
    /// Without the texts, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { manifests, hooks, warnings, .. } = self;
        f.debug_struct("Release")
            .field("manifests", manifests)
            .field("hooks", hooks)
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}

impl Release {
    /// The release as `helm template` prints it.
    ///
    /// # Errors
    /// If a template that should be shown is not there.
    pub fn print(&self, options: &PrintOptions) -> Result<String, HelmError> {
        let mut text = String::new();
        if options.include_crds {
            for crd in &self.crds {
                print_source(&mut text, &crd.path, &String::from_utf8_lossy(&crd.data));
            }
        }
        self.write_manifest(&mut text);
        text.truncate(text.trim_end().len());
        text.push('\n');
        for hook in self.printed_hooks(options) {
            print_source(&mut text, &hook.manifest.path, &hook.manifest.content);
        }
        if options.show_only.is_empty() { Ok(text) } else { show_only(&text, &options.show_only) }
    }

    /// Everything but the hooks as one text, as a release record holds it (`manifest`).
    pub fn manifest(&self) -> String {
        let mut text = String::new();
        self.write_manifest(&mut text);
        text
    }

    fn write_manifest(&self, text: &mut String) {
        text.reserve(self.manifests.iter().map(|manifest| manifest.content.len() + manifest.path.len() + 20).sum());
        self.manifests.iter().for_each(|manifest| print_source(text, &manifest.path, &manifest.content));
    }

    /// The release as files, by their paths, as `helm template --output-dir` writes them; [`PrintOptions::show_only`]
    /// plays no part.
    pub fn files(&self, options: &PrintOptions) -> Vec<(String, String)> {
        let mut files: indexmap::IndexMap<String, String> = indexmap::IndexMap::new();
        let mut add = |path: &str, text: &str| print_source(files.entry(path.to_owned()).or_default(), path, text);
        if options.include_crds {
            self.crds.iter().for_each(|crd| add(&crd.path, &String::from_utf8_lossy(&crd.data)));
        }
        self.manifests.iter().for_each(|manifest| add(&manifest.path, &manifest.content));
        self.printed_hooks(options).for_each(|hook| add(&hook.manifest.path, &hook.manifest.content));
        files.into_iter().collect()
    }

    fn printed_hooks<'a>(&'a self, options: &'a PrintOptions) -> impl Iterator<Item = &'a Hook> {
        let is_left_out = |hook: &&Hook| options.skip_tests && hook.events.contains(&HookEvent::Test);
        self.hooks.iter().filter(|_| !options.no_hooks).filter(move |hook| !is_left_out(hook))
    }
}

fn print_source(out: &mut String, path: &str, text: &str) {
    out.extend(["---\n# Source: ", path, "\n", text, "\n"]);
}

fn show_only(text: &str, wanted: &[String]) -> Result<String, HelmError> {
    let documents = manifests::split(text);
    let mut out = String::new();
    for pattern in wanted {
        let chars: Vec<char> = pattern.chars().collect();
        let mut found = false;
        for (_, document) in &documents {
            let source = document.lines().find_map(|line| line.split_once("# Source: ").map(|(_, path)| path));
            let Some((_, path)) = source.and_then(|source| source.split_once('/')) else { continue };
            if glob(&chars, &path.chars().collect::<Vec<_>>()) {
                found = true;
                out.push_str(&format!("---\n{document}\n"));
            }
        }
        if !found {
            return Err(HelmError::NoTemplate(pattern.clone()));
        }
    }
    Ok(out)
}

/// The release name that a `--name-template` makes; Helm's functions are there, and no data.
///
/// # Errors
/// If the template does not parse or fails.
pub fn name_from_template(template: &str, host: &Host) -> Result<String, HelmError> {
    use crate::helm::template::exec::Runtime;
    use crate::helm::template::set::TemplateSet;
    let mut set = TemplateSet::default();
    set.add("name-template", template, &crate::helm::funcs::HelmFunctions).map_err(|error| HelmError::Parse {
        file: "name-template".to_owned(),
        line: error.line as usize,
        message: error.to_string(),
    })?;
    let mut out = Vec::new();
    Runtime::new(host, Budget::new(Limits::default(), None), std::sync::Arc::new(set))
        .execute(&Str::from("name-template"), &Value::Nil, &mut out)
        .map_err(|error| HelmError::Execution {
            file: "name-template".to_owned(),
            line: 0,
            message: error.to_string(),
        })?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
