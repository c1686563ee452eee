//! What should be in the cluster: said by commits, known without rendering them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::{Object, ObjectId, ObjectRef};
use serde_json::{Value, json};

use crate::random::Random;

/// The kinds in play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespace,
    Secret,
    ConfigMap,
    Service,
    Deployment,
}

/// An object of the game.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Name {
    pub(super) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(super) fn reference(&self) -> ObjectRef {
        let group = if self.kind == Kind::Deployment { "apps" } else { "" };
        ObjectId::new(group, format!("{:?}", self.kind), self.namespace.as_str(), self.name.as_str()).at("v1")
    }

    /// The manifest with this value.
    fn manifest(&self, value: u32) -> Value {
        let mut object = json!({"apiVersion": self.reference().gvk().api_version(), "kind": format!("{:?}", self.kind),
            "metadata": {"name": self.name}});
        if self.kind != Kind::Namespace {
            object["metadata"]["namespace"] = json!(self.namespace);
        }
        match self.kind {
            Kind::Namespace => object["metadata"]["annotations"] = json!({"value": value.to_string()}),
            Kind::Secret => object["stringData"] = json!({"value": value.to_string()}),
            Kind::ConfigMap => object["data"] = json!({"value": value.to_string()}),
            Kind::Service => object["spec"] = json!({"ports": [{"port": 1 + value % 60_000}]}),
            Kind::Deployment => {
                object["spec"] = json!({"replicas": value % 100, "selector": {"matchLabels": {"app": self.name}},
                    "template": {"metadata": {"labels": {"app": self.name}},
                        "spec": {"containers": [{"name": "app", "image": format!("app:{value}")}]}}});
            }
        }
        object
    }

    /// The value that a live object has.
    pub(super) fn value_of(&self, live: &Object) -> Option<u32> {
        let text = |pointer: &str| live.pointer(pointer)?.as_str()?.parse().ok();
        match self.kind {
            Kind::Namespace => text("/metadata/annotations/value"),
            Kind::ConfigMap => text("/data/value"),
            Kind::Secret => {
                let text = STANDARD.decode(live.pointer("/data/value")?.as_str()?).ok()?;
                String::from_utf8(text).ok()?.parse().ok()
            }
            Kind::Service => live.pointer("/spec/ports/0/port")?.as_u64().map(|port| port as u32 - 1),
            Kind::Deployment => {
                live.pointer("/spec/template/spec/containers/0/image")?.as_str()?.strip_prefix("app:")?.parse().ok()
            }
        }
    }
}

/// What one pipeline wants.
pub(super) type Wants = BTreeMap<Name, u32>;

/// How a folder is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Whole,
    /// Not YAML: cannot be rendered.
    Broken,
    /// Without any manifest.
    Empty,
}

/// One folder of the repository.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    /// What its manifests say.
    pub(super) wants: Wants,
    pub(super) form: Form,
    /// What every commit since things were last at rest agreed on: it counts while nothing can be rendered.
    agreed: BTreeSet<Name>,
    /// Its pipeline is deleted.
    pub(super) deleted: bool,
}

/// The repository: one folder for each pipeline.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) folders: Vec<Folder>,
    /// What was wanted by anybody, commit by commit, since things were last at rest.
    history: Vec<Vec<Name>>,
    value: u32,
}

impl Model {
    pub(super) fn new(pipelines: usize) -> Self {
        Self { folders: vec![Folder::default(); pipelines], history: Vec::new(), value: 0 }
    }

    pub(super) fn next_value(&mut self) -> u32 {
        self.value += 1;
        self.value
    }

    /// Somebody wants this object, wherever it is wanted.
    pub(super) fn holder(&self, name: &Name) -> Option<usize> {
        self.folders.iter().position(|folder| folder.wants.contains_key(name))
    }

    /// Takes note of a commit, or of a pipeline that was deleted. A namespace is wanted as long as anything in it is.
    pub(super) fn commit(&mut self) {
        for folder in &mut self.folders {
            let inside: Vec<String> = folder.wants.keys().map(|name| name.namespace.clone()).collect();
            folder.wants.retain(|name, _| name.kind != Kind::Namespace || inside.contains(&name.name));
            for namespace in inside.iter().filter(|namespace| namespace.starts_with("own-")) {
                folder.wants.entry(Name::new(Kind::Namespace, "", namespace)).or_insert(0);
            }
            if folder.deleted {
                folder.agreed.clear();
            } else if folder.form == Form::Whole {
                folder.agreed.retain(|name| folder.wants.contains_key(name));
            }
        }
        // A folder that renders to nothing keeps what it has, but for what others ask for.
        let asked: Vec<Name> = self
            .folders
            .iter()
            .filter(|folder| folder.form == Form::Whole && !folder.deleted)
            .flat_map(|folder| folder.wants.keys().cloned())
            .collect();
        for folder in self.folders.iter_mut().filter(|folder| folder.form == Form::Empty) {
            folder.agreed.retain(|name| !asked.contains(name));
        }
        let spoiled = self.folders.iter().filter(|folder| folder.form != Form::Whole);
        let kept: Vec<Name> = spoiled.flat_map(|folder| folder.agreed.iter().cloned()).collect();
        self.history.push([asked, kept].concat());
    }

    /// Things are at rest: what was wanted before does not count any more.
    pub(super) fn rest(&mut self) {
        let last = self.history.pop();
        self.history = last.into_iter().collect();
        for folder in &mut self.folders {
            folder.agreed = folder.wants.keys().cloned().collect();
        }
    }

    /// Whether somebody wanted an object at every moment since things were last at rest.
    pub(super) fn was_always_wanted(&self, object: &ObjectId) -> bool {
        !self.history.is_empty()
            && self.history.iter().all(|wanted| wanted.iter().any(|name| name.reference().id == *object))
    }

    /// Everything that should be there, and whose it is.
    pub(super) fn expected(&self) -> BTreeMap<Name, (u32, usize)> {
        let live = self.folders.iter().enumerate().filter(|(_, folder)| !folder.deleted);
        live.flat_map(|(i, folder)| folder.wants.iter().map(move |(name, value)| (name.clone(), (*value, i)))).collect()
    }

    /// The files of the repository.
    pub(super) fn files(&self, random: &mut Random) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (i, folder) in self.folders.iter().enumerate() {
            // There is always something in the folder, so that it is there.
            files.push((format!("p{i}/README.md"), "A folder of manifests.".to_owned()));
            if folder.form == Form::Empty {
                continue;
            }
            let mut text = String::new();
            let mut wants: Vec<_> = folder.wants.iter().collect();
            let shift = random.below(wants.len());
            wants.rotate_left(shift);
            for (name, value) in wants {
                let _ = writeln!(text, "---\n{}", name.manifest(*value));
            }
            if folder.form == Form::Broken {
                text.push_str("---\nkind: [\n");
            }
            files.push((format!("p{i}/all.yaml"), text));
        }
        files
    }
}
