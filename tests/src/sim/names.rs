//! The objects of the game.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::{Object, ObjectId, ObjectRef};
use serde_json::{Value, json};

/// How many namespaces and definitions there are that come and go with what is in them.
pub(super) const HOMES: usize = 3;
/// The definition whose objects may be in other pipelines than it is itself.
pub(super) const SHARED: usize = 2;

/// The kinds in play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespace,
    /// The definition of widgets of this home.
    Definition(usize),
    Secret,
    ConfigMap,
    Service,
    Deployment,
    /// A custom resource of this home.
    Widget(usize),
}

impl Kind {
    /// All of them.
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::Namespace, Self::Secret, Self::ConfigMap, Self::Service, Self::Deployment];
        all.extend((0..HOMES).flat_map(|home| [Self::Definition(home), Self::Widget(home)]));
        all
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Definition(_) => "CustomResourceDefinition",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::Widget(_) => "Widget",
        }
    }

    fn group(self) -> String {
        match self {
            Self::Definition(_) => "apiextensions.k8s.io".to_owned(),
            Self::Deployment => "apps".to_owned(),
            Self::Widget(home) => group(home),
            _ => String::new(),
        }
    }

    /// Whether other objects are gone when one of these is.
    pub(super) fn holds_others(self) -> bool {
        matches!(self, Self::Namespace | Self::Definition(_))
    }
}

fn group(home: usize) -> String {
    format!("own-{home}.example.com")
}

/// The home that a namespace is.
fn home_of(namespace: &str) -> Option<usize> {
    namespace.strip_prefix("own-")?.parse().ok()
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

    /// The namespace of a home.
    pub(super) fn namespace(home: usize) -> Self {
        Self::new(Kind::Namespace, "", &format!("own-{home}"))
    }

    /// The definition of the widgets of a home.
    pub(super) fn definition(home: usize) -> Self {
        Self::new(Kind::Definition(home), "", &format!("widgets.{}", group(home)))
    }

    /// The name of a live object, if it can be in the game.
    pub(super) fn of(live: &Object) -> Option<Self> {
        let id = live.id();
        let is_it = |kind: &Kind| {
            let definition = |home| Self::definition(home).name == id.name;
            kind.name() == id.kind
                && kind.group() == id.group
                && !matches!(kind, Kind::Definition(home) if !definition(*home))
        };
        let kind = Kind::all().into_iter().find(is_it)?;
        Some(Self::new(kind, &id.namespace, &id.name))
    }

    /// What it comes and goes with: all of one home is in one pipeline, but for widgets that are shared.
    pub(super) fn home(&self) -> Option<usize> {
        match self.kind {
            Kind::Namespace => home_of(&self.name),
            Kind::Definition(home) => Some(home),
            Kind::Widget(home) if home != SHARED => Some(home),
            _ => home_of(&self.namespace),
        }
    }

    /// The namespace and the definition that it needs.
    pub(super) fn needs(&self) -> impl Iterator<Item = Self> {
        let namespace = home_of(&self.namespace).map(Self::namespace);
        let definition = match self.kind {
            Kind::Widget(home) => Some(Self::definition(home)),
            _ => None,
        };
        namespace.into_iter().chain(definition)
    }

    pub(super) fn reference(&self) -> ObjectRef {
        let Self { kind, namespace, name } = self;
        ObjectId::new(kind.group(), kind.name(), namespace.as_str(), name.as_str()).at("v1")
    }

    /// The manifest with this value.
    pub(super) fn manifest(&self, value: u32) -> Value {
        let text = value.to_string();
        let mut object = json!({"apiVersion": self.reference().gvk().api_version(), "kind": self.kind.name(),
            "metadata": {"name": self.name}});
        if !self.kind.holds_others() {
            object["metadata"]["namespace"] = json!(self.namespace);
        }
        match self.kind {
            Kind::Namespace => object["metadata"]["annotations"] = json!({"value": text}),
            Kind::Definition(home) => {
                object["metadata"]["annotations"] = json!({"value": text});
                object["spec"] = definition(home);
            }
            Kind::Secret => object["stringData"] = json!({"value": text}),
            Kind::ConfigMap => object["data"] = json!({"value": text}),
            Kind::Service => object["spec"] = json!({"ports": [{"port": 1 + value % 60_000}]}),
            Kind::Deployment => object["spec"] = deployment(&self.name, 1 + value % 2, &text),
            Kind::Widget(_) => object["spec"] = json!({"value": value}),
        }
        object
    }

    /// The value that an object has.
    pub(super) fn value_of(&self, live: &Object) -> Option<u32> {
        let text = |pointer: &str| live.pointer(pointer)?.as_str()?.parse().ok();
        let number = |pointer: &str| u32::try_from(live.pointer(pointer)?.as_u64()?).ok();
        match self.kind {
            Kind::Namespace | Kind::Definition(_) => text("/metadata/annotations/value"),
            Kind::ConfigMap => text("/data/value"),
            Kind::Secret => match live.pointer("/stringData/value") {
                Some(text) => text.as_str()?.parse().ok(),
                None => {
                    let text = STANDARD.decode(live.pointer("/data/value")?.as_str()?).ok()?;
                    String::from_utf8(text).ok()?.parse().ok()
                }
            },
            Kind::Service => number("/spec/ports/0/port").map(|port| port - 1),
            Kind::Deployment => {
                live.pointer("/spec/template/spec/containers/0/image")?.as_str()?.strip_prefix("app:")?.parse().ok()
            }
            Kind::Widget(_) => number("/spec/value"),
        }
    }
}

fn definition(home: usize) -> Value {
    let schema = json!({"type": "object", "properties":
        {"spec": {"type": "object", "properties": {"value": {"type": "integer"}}}}});
    json!({"group": group(home), "scope": "Namespaced",
        "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]})
}

fn deployment(name: &str, replicas: u32, tag: &str) -> Value {
    json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": format!("app:{tag}")}]}}})
}

/// The image that never gets ready.
pub(super) const BAD_IMAGE: &str = "app:bad";

/// A manifest that never gets ready.
pub(super) fn poison(i: usize) -> Value {
    let name = format!("poison{i}");
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": deployment(&name, 1, "bad")})
}
