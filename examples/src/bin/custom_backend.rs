//! A host's own Source, Renderer and Applier: a list of users, rendered to greetings, kept as files in a folder.
//!
//! Only `flux-core` is used. What the loop gives (intervals, backoff, pruning, drift repair, inventory, events) works for
//! anything that can be fetched, rendered and applied.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flux_core::applier::{Applier, ApplyError, Health, Outcome, Report};
use flux_core::reconcile::Schedule;
use flux_core::source::{Source, SourceError};
use flux_core::{
    Action, Artifact, Change, Class, Context, Digest, Engine, Inventory, Manifest, Manifests, Object, ObjectId, Origin,
    Pipeline, Plan, RenderError, Renderer, Revision, Tree, Unit,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the source holds, as one YAML file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    users: Vec<String>,
}

/// A list of users: in a real host a database, a directory service, an API.
#[derive(Debug, Clone, Default)]
struct Users(Arc<Mutex<List>>);

impl Users {
    fn set(&self, users: &[&str]) {
        let users = users.iter().map(ToString::to_string).collect();
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = List { users };
    }

    fn text(&self) -> Result<String, SourceError> {
        let list = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        serde_yaml::to_string(&*list)
            .map_err(|error| SourceError::Other { error: error.into(), class: Class::Terminal })
    }
}

#[async_trait]
impl Source for Users {
    async fn resolve(&self, _cx: &Context) -> Result<Revision, SourceError> {
        Ok(Revision::new(Digest::sha256(self.text()?.as_bytes()).to_string()))
    }

    async fn fetch(&self, _cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        let tree = Tree::from_files([("users.yaml", self.text()?)])
            .map_err(|source| SourceError::Tree { url: "users".into(), source })?;
        Ok(Artifact::new(revision.clone(), tree))
    }
}

/// One greeting for each user.
#[derive(Debug)]
struct Greetings;

#[async_trait]
impl Renderer for Greetings {
    async fn render(&self, _cx: &Context, artifact: &Artifact) -> Result<Manifests, RenderError> {
        let input = |line, message: String| RenderError::Input {
            origin: Origin::new("users.yaml", line),
            field: "users".to_owned(),
            message,
        };
        let bytes = artifact.tree.read("users.yaml").map_err(|error| input(0, error.to_string()))?;
        let list: List = serde_yaml::from_slice(&bytes)
            .map_err(|error| input(error.location().map_or(0, |at| at.line()), error.to_string()))?;
        let greeting = |user: &String| {
            let object = json!({
                "apiVersion": "example.com/v1", "kind": "Greeting",
                "metadata": {"name": user}, "text": format!("Hello, {user}!"),
            });
            let object = Object::from_value(object).map_err(|error| input(0, error.to_string()))?;
            Ok(Manifest { object, origin: Origin::new("users.yaml", 0) })
        };
        list.users.iter().map(greeting).collect()
    }
}

/// A folder with one file for each greeting.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn path(&self, id: &ObjectId) -> PathBuf {
        self.0.join(format!("{}.txt", id.name))
    }

    fn carry_out(&self, change: &Change) -> io::Result<()> {
        match change.desired() {
            Some(greeting) => fs::write(self.path(&change.object.id), text(greeting)),
            None => fs::remove_file(self.path(&change.object.id)),
        }
    }
}

fn text(greeting: &Object) -> &str {
    greeting.pointer("/text").and_then(serde_json::Value::as_str).unwrap_or_default()
}

#[async_trait]
impl Applier for Folder {
    async fn plan(&self, _cx: &Context, desired: &Manifests, owned: &Inventory) -> Result<Plan, ApplyError> {
        let towards = |manifest: &Manifest| {
            let action = match fs::read_to_string(self.path(&manifest.object.id())) {
                Ok(live) if live == text(&manifest.object) => Action::Unchanged,
                Ok(_) => Action::Update,
                Err(_) => Action::Create,
            };
            Change::towards(manifest.object.clone(), manifest.origin.clone(), action, None)
        };
        let mut changes: Vec<Change> = desired.iter().map(towards).collect();
        let stale = owned.minus(&desired.into());
        changes.extend(stale.iter().map(|object| Change::away(object, Action::Delete, None)));
        Ok(Plan { changes, owned: owned.clone() })
    }

    async fn apply(&self, cx: &Context, plan: Plan) -> Report {
        let mut report = Report { inventory: plan.owned.union(&plan.inventory()), outcomes: Vec::new(), error: None };
        for change in plan.writes() {
            let (id, action) = (change.object.id.clone(), change.action);
            let done = self
                .carry_out(change)
                .map_err(|error| ApplyError::Other { error: error.into(), class: Class::Transient });
            let recorded = done.and_then(|()| Ok(cx.record("folder", id.clone(), action, change.fields.clone())?));
            if let Err(error) = recorded {
                report.error = Some(error);
                return report;
            }
            report.outcomes.push(Outcome { id, action });
        }
        report.inventory = plan.inventory();
        report
    }

    async fn wait(&self, _cx: &Context, _owned: &Inventory) -> Result<Health, ApplyError> {
        Ok(Health::default())
    }

    async fn teardown(&self, cx: &Context, owned: &Inventory) -> Report {
        let changes = owned.iter().map(|object| Change::away(object, Action::Delete, None)).collect();
        self.apply(cx, Plan { changes, owned: owned.clone() }).await
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let users = Users::default();
    let (greetings, source) = (Unit::new("Greetings", "", "all"), Unit::new("Users", "", "all"));

    let engine = Engine::in_memory();
    engine.add_source(source.clone(), users.clone(), Schedule::every(Duration::from_secs(10)));
    engine.add_pipeline(
        Pipeline::new(greetings, source, Greetings, Folder(folder.path().to_owned()))
            .schedule(Schedule::every(Duration::from_secs(60))),
    );
    tokio::spawn(async move { engine.run(&Context::background()).await });

    for now in [&["ann", "bob"][..], &["bob", "cleo"][..]] {
        users.set(now);
        tokio::time::sleep(Duration::from_secs(11)).await;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder.path())? {
            let entry = entry?;
            files.push(format!("{}: {}", entry.file_name().display(), fs::read_to_string(entry.path())?));
        }
        files.sort();
        println!("users {now:?} → {files:?}");
    }
    Ok(())
}
