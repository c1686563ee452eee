//! `helm template`, with this library.
//!
//! ```text
//! helm_template NAME CHART [-n NS] [-f FILE]… [--set …] [--include-crds] [--kube-version V] …
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::path::Path;
use std::process::ExitCode;

use flux_appliers::helm::{
    Capabilities, Chart, ChartFile, ChartLimits, Host, KubeVersion, PrintOptions, ReleaseInfo, RenderOptions, SetMode,
    Table, merge_maps, name_from_template, read_values, render, set,
};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Arguments {
    positional: Vec<String>,
    files: Vec<String>,
    sets: Vec<(String, String)>,
    namespace: String,
    name_template: Option<String>,
    kube_version: Option<String>,
    api_versions: Vec<String>,
    print: PrintOptions,
    is_upgrade: bool,
    skip_schema: bool,
}

fn parse(arguments: Vec<String>) -> Fallible<Arguments> {
    let mut parsed = Arguments { namespace: "default".to_owned(), ..Arguments::default() };
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let (flag, attached) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (argument, None),
        };
        let switch = |attached: &Option<String>| attached.as_deref() != Some("false");
        let mut value = || attached.clone().or_else(|| rest.next()).ok_or(format!("flag needs an argument: {flag}"));
        match flag.as_str() {
            "template" if parsed.positional.is_empty() => {}
            "-n" | "--namespace" => parsed.namespace = value()?,
            "-f" | "--values" => parsed.files.push(value()?),
            "--set" | "--set-string" | "--set-json" | "--set-literal" | "--set-file" => {
                let expression = value()?;
                parsed.sets.push((flag.trim_start_matches('-').to_owned(), expression));
            }
            "--name-template" => parsed.name_template = Some(value()?),
            "--kube-version" => parsed.kube_version = Some(value()?),
            "-a" | "--api-versions" => parsed.api_versions.extend(value()?.split(',').map(str::to_owned)),
            "-s" | "--show-only" => parsed.print.show_only.push(value()?),
            "--include-crds" => parsed.print.include_crds = switch(&attached),
            "--no-hooks" => parsed.print.no_hooks = switch(&attached),
            "--skip-tests" => parsed.print.skip_tests = switch(&attached),
            "--is-upgrade" => parsed.is_upgrade = switch(&attached),
            "--skip-schema-validation" => parsed.skip_schema = switch(&attached),
            "--validate-schema" => parsed.skip_schema = !switch(&attached),
            flag if flag.starts_with('-') => return Err(format!("unknown flag: {flag}").into()),
            _ => parsed.positional.push(flag),
        }
    }
    Ok(parsed)
}

pub(crate) fn run(arguments: Vec<String>) -> Fallible<String> {
    let arguments = parse(arguments)?;
    let host = Host { now: flux_core::Clock::system().now(), ..Host::default() };
    let (name, chart) = match (&arguments.name_template, arguments.positional.as_slice()) {
        (Some(template), [chart]) => (name_from_template(template, &host)?, chart),
        (None, [chart]) => ("release-name".to_owned(), chart),
        (_, [name, chart]) => (name.clone(), chart),
        _ => return Err("expected NAME and CHART".into()),
    };
    let mut capabilities = Capabilities::default();
    if let Some(version) = &arguments.kube_version {
        capabilities.kube_version = KubeVersion::parse(version)?;
    }
    capabilities.api_versions.extend(arguments.api_versions);
    let values = values(&arguments.files, &arguments.sets)?;
    let chart = load(Path::new(chart))?;
    let release = ReleaseInfo { is_upgrade: arguments.is_upgrade, ..ReleaseInfo::install(name, arguments.namespace) };
    let options = RenderOptions { capabilities, host, skip_schema: arguments.skip_schema, ..RenderOptions::default() };
    Ok(render(&chart, &values, &release, &options)?.print(&arguments.print)?)
}

/// Values files first, then the flags, kind by kind in Helm's order.
fn values(files: &[String], sets: &[(String, String)]) -> Fallible<Table> {
    let mut values = Table::new();
    for file in files {
        let text = std::fs::read(file).map_err(|_| format!("open {file}: no such file or directory"))?;
        merge_maps(&mut values, read_values(&text).map_err(|error| format!("failed to parse {file}: {error}"))?);
    }
    let read =
        |path: &str| std::fs::read_to_string(path).map_err(|_| format!("open {path}: no such file or directory"));
    let modes = [
        ("set-json", SetMode::Json),
        ("set", SetMode::Typed),
        ("set-string", SetMode::Text),
        ("set-file", SetMode::File(&read)),
        ("set-literal", SetMode::Literal),
    ];
    for (flag, mode) in modes {
        for (_, expression) in sets.iter().filter(|(name, _)| name == flag) {
            let trimmed = expression.trim();
            if flag == "set-json" && trimmed.starts_with('{') && trimmed.ends_with('}') {
                // A whole object is merged rather than set key by key.
                merge_maps(&mut values, read_values(trimmed.as_bytes())?);
                continue;
            }
            set(&mut values, expression, mode).map_err(|error| format!("failed parsing --{flag} data: {error}"))?;
        }
    }
    Ok(values)
}

fn load(path: &Path) -> Fallible<std::sync::Arc<Chart>> {
    let limits = ChartLimits::default();
    if path.is_file() {
        return Ok(Chart::from_archive(&std::fs::read(path)?, &limits)?);
    }
    let mut files = Vec::new();
    read_folder(path, "", &mut files)?;
    Ok(Chart::from_folder(files, &limits)?)
}

fn read_folder(root: &Path, prefix: &str, files: &mut Vec<ChartFile>) -> Fallible<()> {
    for entry in std::fs::read_dir(root.join(prefix))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_folder(root, &format!("{name}/"), files)?;
        } else {
            files.push(ChartFile { name, data: std::fs::read(entry.path())?.into() });
        }
    }
    Ok(())
}
