//! Running a chart's templates, those of its dependencies included.

use std::sync::Arc;

use super::error::HelmError;
use super::files;
use super::instance::Instance;
use crate::helm::chart::Metadata;
use crate::helm::funcs::{WARNING_END, WARNING_START, without_no_value};
use crate::helm::host::Host;
use crate::helm::template::exec::Runtime;
use crate::helm::template::set::{Parsed, TemplateSet};
use crate::helm::template::{Budget, CallError, Entries, ExecError, Map, MapKind, ParseError, Str, Value};

/// A template and what it is given.
struct Renderable {
    name: String,
    parsed: Parsed,
    data: Map,
    base_path: String,
}

/// Renders every template; name and text of each, in the order they ran.
pub(super) fn render(
    root: &Instance<'_>,
    top: &Map,
    host: &Host,
    budget: Budget,
) -> Result<Vec<(String, Vec<u8>)>, HelmError> {
    let mut templates = Vec::new();
    collect(root, &root.name, top, true, &mut templates)?;
    // Deeper paths first, so that a chart may override what its dependencies define.
    templates.sort_by(|a, b| {
        let depth = |name: &str| name.bytes().filter(|b| *b == b'/').count();
        depth(&b.name).cmp(&depth(&a.name)).then_with(|| b.name.cmp(&a.name))
    });
    let mut set = TemplateSet::default();
    for template in &templates {
        set.add_parsed(&template.parsed);
    }
    let mut runtime = Runtime::new(host, budget, Arc::new(set));
    let mut rendered = Vec::with_capacity(templates.len());
    for template in templates {
        if template.name.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        let about = Entries::from([
            (Str::from("Name"), Value::text(template.name.as_str())),
            (Str::from("BasePath"), Value::text(template.base_path.as_str())),
        ]);
        template.data.insert(Str::from("Template"), Value::Map(Map::new(MapKind::Values, about)));
        let mut out = Vec::new();
        runtime
            .execute(&Str::from(template.name.as_str()), &Value::Map(template.data.cast(MapKind::Values)), &mut out)
            .map_err(|error| execution_error(&template.name, &error))?;
        rendered.push((template.name, without_no_value(out)));
    }
    Ok(rendered)
}

/// Gathers the templates of a chart and its dependencies, each with its own view of the values.
fn collect(
    chart: &Instance<'_>,
    path: &str,
    parent: &Map,
    is_root: bool,
    templates: &mut Vec<Renderable>,
) -> Result<Map, HelmError> {
    let values = match (is_root, parent.get(b"Values")) {
        (true, Some(values)) => values,
        (false, Some(Value::Map(values))) => match values.get(chart.name.as_bytes()) {
            Some(Value::Map(own)) => Value::Map(own.cast(MapKind::Values)),
            _ => Value::Map(Map::new(MapKind::Values, Entries::new())),
        },
        _ => Value::Map(Map::new(MapKind::Values, Entries::new())),
    };
    let subcharts = Map::new(MapKind::Any, Entries::new());
    let data = Map::new(
        MapKind::Any,
        Entries::from([
            (Str::from("Chart"), chart_value(chart, is_root)),
            (Str::from("Files"), files::value(chart.chart.files())),
            (Str::from("Release"), parent.get(b"Release").unwrap_or_default()),
            (Str::from("Capabilities"), parent.get(b"Capabilities").unwrap_or_default()),
            (Str::from("Values"), values),
            (Str::from("Subcharts"), Value::Map(subcharts.clone())),
        ]),
    );
    for child in &chart.dependencies {
        let path = format!("{path}/charts/{}", child.name);
        let view = collect(child, &path, &data, false, templates)?;
        subcharts.insert(Str::from(child.name.as_str()), Value::Map(view));
    }
    let parsed = chart.chart.parsed(path).map_err(|(file, error)| parse_error(file, &error))?;
    for (name, parsed) in parsed.iter() {
        templates.push(Renderable {
            name: name.clone(),
            parsed: parsed.clone(),
            data: data.clone(),
            base_path: format!("{path}/templates"),
        });
    }
    Ok(data)
}

/// `.Chart`
fn chart_value(chart: &Instance<'_>, is_root: bool) -> Value {
    let metadata: &Metadata = chart.chart.metadata();
    let text = |text: &str| Value::text(text);
    let texts = |texts: &[String]| Value::list(texts.iter().map(|t| text(t)).collect());
    let map = |fields: Vec<(&str, Value)>| -> Value {
        Value::map(fields.into_iter().map(|(name, value)| (Str::from(name), value)).collect())
    };
    let [home, icon, condition, tags] = &metadata.texts;
    let maintainers = metadata
        .maintainers
        .iter()
        .flatten()
        .map(|[name, email, url]| map(vec![("Name", text(name)), ("Email", text(email)), ("URL", text(url))]));
    let dependencies = chart.requirements.iter().map(|dependency| {
        let imports = dependency.import_values.iter().map(|import| {
            let (child, parent) = match import {
                crate::helm::chart::ImportValues::Exports(name) => (format!("exports.{name}"), "."),
                crate::helm::chart::ImportValues::Path { child, parent } => (child.clone(), parent.as_str()),
            };
            let entries =
                Entries::from([(Str::from("child"), Value::text(child)), (Str::from("parent"), text(parent))]);
            Value::Map(Map::new(MapKind::Strings, entries))
        });
        map(vec![
            ("Name", text(&dependency.name)),
            ("Version", text(&dependency.version)),
            ("Repository", text(&dependency.repository)),
            ("Condition", text(&dependency.condition)),
            ("Tags", texts(&dependency.tags)),
            ("Enabled", Value::Bool(true)),
            ("ImportValues", Value::list(imports.collect())),
            ("Alias", text(&dependency.alias)),
        ])
    });
    let annotations = metadata.annotations.as_ref().map_or(Value::Nil, |annotations| {
        let entries = annotations.iter().map(|(key, value)| (Str::from(key.as_str()), text(value)));
        Value::Map(Map::new(MapKind::Strings, entries.collect()))
    });
    map(vec![
        ("APIVersion", text(&metadata.api_version)),
        ("Annotations", annotations),
        ("AppVersion", text(&metadata.app_version)),
        ("Condition", text(condition)),
        ("Dependencies", Value::list(dependencies.collect())),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        ("Description", text(&metadata.description)),
        ("Home", text(home)),
        ("Icon", text(icon)),
        ("IsRoot", Value::Bool(is_root)),
        ("Keywords", texts(&metadata.keywords)),
        ("KubeVersion", text(&metadata.kube_version)),
        ("Maintainers", Value::list(maintainers.collect())),
        ("Name", text(&chart.name)),
        ("Sources", texts(&metadata.sources)),
        ("Tags", text(tags)),
        ("Type", text(&metadata.kind)),
        ("Version", text(&metadata.version)),
    ])
}

fn parse_error(file: String, error: &ParseError) -> HelmError {
    let text = error.to_string();
    let last = text.rsplit(": ").next().unwrap_or(&text);
    let message = format!("parse error at ({}:{}): {last}", error.name, error.line);
    HelmError::Parse { file, line: error.line as usize, message }
}

/// Helm's own form of an execution error: what the chart's author wrote if there is such, else the trace.
fn execution_error(file: &str, error: &ExecError) -> HelmError {
    if let Some(limit) = error.abort() {
        return HelmError::Limit { file: file.to_owned(), limit };
    }
    let text = error.to_string();
    let location = text.split(": ").nth(1).unwrap_or_default();
    let line = location.rsplit(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
    let message = if let Some(warning) = warning(&text) {
        format!("execution error at ({location}): {warning}")
    } else {
        trace(error).unwrap_or(text)
    };
    HelmError::Execution { file: file.to_owned(), line, message }
}

/// The words between the outermost marks of `fail` and `required`.
fn warning(text: &str) -> Option<&str> {
    let start = text.find(WARNING_START)? + WARNING_START.len();
    let end = text.rfind(WARNING_END)?;
    text.get(start..end)
}

/// One place a failure passed through; nothing if some part of it is not of Go's form.
fn trace(error: &ExecError) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut add = |text: &str| -> Option<()> {
        let line = place(text)?;
        if lines.last() != Some(&line) {
            lines.push(line);
        }
        Some(())
    };
    add(&error.to_string())?;
    let mut cause: Option<&CallError> = error.cause();
    while let Some(next) = cause {
        add(&next.to_string())?;
        cause = next.cause();
    }
    Some(lines.concat().trim().to_owned())
}

fn place(text: &str) -> Option<String> {
    let rest = text.strip_prefix("template: ")?;
    if rest.starts_with("no template ") {
        return Some(format!("{text}\n"));
    }
    let until_next = |message: &str| message.split(" template:").next().unwrap_or(message).to_owned();
    if let Some((location, after)) = rest.split_once(": executing ") {
        let (name, after) = after.strip_prefix('"')?.split_once('"')?;
        let (context, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
        let message = until_next(message);
        let end = if message.is_empty() { String::new() } else { format!("{message}\n") };
        return Some(format!("{location}\n  executing \"{name}\" at <{context}>:\n    {end}"));
    }
    let (location, message) = rest.rsplit_once(": ")?;
    Some(format!("{location}\n  {}\n", until_next(message)))
}
