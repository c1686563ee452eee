//! `fluxrs owner`: who set a field.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flux_appliers::ssa;
use flux_core::audit::{FileJournal, Line};
use flux_core::engine::Trace;
use flux_core::object::{FieldManager, FieldPath, managers_of};
use flux_core::{Context, Engine, ObjectRef, Unit};
use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::output::{Show, plain};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Owner {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    show: Show,
    /// The namespace of the object, where its name alone does not tell
    #[arg(short, long)]
    namespace: Option<String>,
    /// A journal that says when the field was last changed
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The object
    #[arg(value_name = "KIND/NAME")]
    object: String,
    /// The field, such as .spec.replicas or '.spec.template.spec.containers[name=app].image'
    field: FieldPath,
}

/// Everything that is known about who set a field.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    object: String,
    field: String,
    /// In the cluster; masked for the content of Secrets.
    value: Option<Value>,
    managers: Vec<FieldManager>,
    /// As the labels of the object say.
    pipeline: Option<Unit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Trace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_change: Option<Line>,
}

impl Owner {
    pub(crate) async fn run(&self) -> Result<ExitCode, Failure> {
        let (engine, pipelines) = self.target.engine().await?;
        let cluster = self.target.cluster().await?;
        let cx = Context::background();
        let (wanted_by, object) = self.find(&engine, &cx, &pipelines).await?;
        let live = cluster.get(&cx, &object).await?;
        let content = live.as_ref().map(|live| Value::Object(live.as_map().clone()));
        let hidden =
            live.as_ref().is_some_and(|live| live.is_secret()) && !self.field.to_string().starts_with("metadata");
        let value = content.as_ref().and_then(|content| self.field.find(content)).cloned();
        let pipeline = live.as_ref().and_then(ssa::Owner::labelled).and_then(|owner| owner.unit());
        let asked = pipeline.clone().filter(|unit| pipelines.contains(unit)).unwrap_or(wanted_by);
        let answer = Answer {
            object: object.to_string(),
            field: self.field.to_string(),
            value: if hidden { value.map(|_| "***".into()) } else { value },
            managers: live.as_ref().map(|live| managers_of(live, &self.field)).unwrap_or_default(),
            pipeline,
            trace: engine.trace(&cx, &asked, &object.id, &self.field).await?,
            last_change: self.last_change(&object)?,
        };
        let there = answer.value.is_some();
        self.show.print(&answer, |answer| text(answer, live.is_some()))?;
        Ok(if there { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The object that is meant, and a pipeline that has it.
    async fn find(&self, engine: &Engine, cx: &Context, pipelines: &[Unit]) -> Result<(Unit, ObjectRef), Failure> {
        let (kind, name) = self.object.rsplit_once('/').ok_or("the object should read KIND/NAME")?;
        let (kind, namespace) = match kind.split_once('/') {
            Some((kind, namespace)) => (kind, Some(namespace)),
            None => (kind, self.namespace.as_deref()),
        };
        let mut found: Vec<(Unit, ObjectRef)> = Vec::new();
        for unit in pipelines {
            let planned = match engine.plan(cx, unit).await {
                Ok(plan) => plan.changes.into_iter().map(|change| change.object).collect(),
                Err(_) => Vec::new(),
            };
            let owned = engine.state(unit).await?.map(|state| state.inventory.iter().collect::<Vec<_>>());
            for object in planned.into_iter().chain(owned.into_iter().flatten()) {
                let id = &object.id;
                let is_meant = id.kind.eq_ignore_ascii_case(kind)
                    && id.name == name
                    && namespace.is_none_or(|namespace| id.namespace == namespace);
                if is_meant && !found.iter().any(|(_, known)| known.id == *id) {
                    found.push((unit.clone(), object));
                }
            }
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                Err(format!("{}: no pipeline has such an object; `fluxrs tree` shows what there is", self.object)
                    .into())
            }
            _ => {
                let names: Vec<String> = found.iter().map(|(_, object)| object.to_string()).collect();
                Err(format!("{}: could be {}; say which with --namespace", self.object, names.join(", ")).into())
            }
        }
    }

    /// The last line of the journal that is about the field, or about all of the object.
    fn last_change(&self, object: &ObjectRef) -> Result<Option<Line>, Failure> {
        let Some(path) = &self.journal else { return Ok(None) };
        let mut last = None;
        for line in FileJournal::read(path)?.lines() {
            let line: Line = serde_json::from_str(line)?;
            let about = |path: &str| {
                path.parse::<FieldPath>().is_ok_and(|path| path.holds(&self.field) || self.field.holds(&path))
            };
            if line.entry.object == object.id
                && (line.entry.fields.is_empty() || line.entry.fields.iter().any(|field| about(&field.path)))
            {
                last = Some(line);
            }
        }
        Ok(last)
    }
}

fn text(answer: &Answer, there: bool) -> String {
    let mut text = format!("{} .{}", answer.object, answer.field);
    let _ = match (&answer.value, there) {
        (Some(value), _) => writeln!(text, " = {}", plain(value)),
        (None, true) => writeln!(text, " is not set"),
        (None, false) => writeln!(text, ": the object is not in the cluster"),
    };
    for manager in &answer.managers {
        let what = if manager.subresource.is_empty() { String::new() } else { format!(" of {}", manager.subresource) };
        let when = manager.time.as_ref().map(|time| format!(", last at {time}")).unwrap_or_default();
        let _ = writeln!(text, "  manager    {} ({}{what}{when})", manager.name, manager.operation);
    }
    if let Some(pipeline) = &answer.pipeline {
        let _ = writeln!(text, "  pipeline   {pipeline}");
    }
    if let Some(trace) = &answer.trace {
        let _ = writeln!(text, "  revision   {}", trace.revision);
        match trace.lines.as_slice() {
            [] if trace.value.is_none() => {
                let _ = writeln!(text, "  set by     nobody in the source; the object is at {}", trace.object);
            }
            [] => {
                let _ = writeln!(text, "  set by     the object at {}", trace.object);
            }
            lines => {
                for line in lines {
                    let _ = writeln!(text, "  set by     {line}");
                }
            }
        }
        if let (Some(wanted), Some(live)) = (&trace.value, &answer.value)
            && wanted != live
        {
            let _ = writeln!(text, "  wanted     {}", plain(wanted));
        }
    }
    if let Some(Line { entry, .. }) = &answer.last_change {
        let at = entry.revision.as_ref().map(|revision| format!(" for {revision}")).unwrap_or_default();
        let _ = writeln!(text, "  changed    at {} by {}{at}", entry.time, entry.subject);
    }
    text
}
