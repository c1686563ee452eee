//! An ordinary controller, written against kube-rs alone: it knows nothing of Flux, and cannot tell the embedded API
//! server from a real one.
//!
//! A `Greeting` says whom to greet; the controller keeps a config map with the text, and takes back the farewell when the
//! greeting goes.

use std::sync::Arc;
use std::time::Duration;

use futures::{Future, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, Object, Patch, PatchParams};
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::finalizer::{self, Event, finalizer};
use kube::runtime::reflector::Store;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who owns the fields that the controller writes.
const MANAGER: &str = "greeter";
const FINALIZER: &str = "examples.fluxrs.dev/farewell";

/// What a greeting asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GreetingSpec {
    /// Who is greeted.
    pub name: String,
}

/// What the controller says of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GreetingStatus {
    /// The text.
    pub text: Option<String>,
    /// The generation that the text is of.
    pub observed_generation: Option<i64>,
}

/// A greeting.
pub type Greeting = Object<GreetingSpec, GreetingStatus>;

/// What goes wrong.
#[derive(Debug)]
pub enum Error {
    /// The server refuses, or is not there.
    Kube(kube::Error),
    /// A finalizer cannot be set or removed.
    Finalizer(String),
    /// The kind is not served in time.
    Unserved,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kube(error) => write!(f, "{error}"),
            Self::Finalizer(why) => write!(f, "finalizer: {why}"),
            Self::Unserved => f.write_str("the kind Greeting is not served"),
        }
    }
}

impl std::error::Error for Error {}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(error)
    }
}

/// The kind.
pub fn greetings() -> ApiResource {
    ApiResource {
        group: "examples.fluxrs.dev".into(),
        version: "v1".into(),
        api_version: "examples.fluxrs.dev/v1".into(),
        kind: "Greeting".into(),
        plural: "greetings".into(),
    }
}

/// Makes the kind known to the server, and waits until it serves it.
///
/// # Errors
/// The server refuses it, or does not serve it in time.
pub async fn install(client: &Client) -> Result<(), Error> {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "greetings.examples.fluxrs.dev"},
        "spec": {"group": "examples.fluxrs.dev", "scope": "Namespaced",
            "names": {"plural": "greetings", "singular": "greeting", "kind": "Greeting"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                    "spec": {"type": "object", "required": ["name"], "properties": {
                        "name": {"type": "string", "minLength": 1}}},
                    "status": {"type": "object", "properties": {
                        "text": {"type": "string"}, "observedGeneration": {"type": "integer"}}}}}}}]}});
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = "greetings.examples.fluxrs.dev";
    definitions.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&definition)).await?;
    let established = await_condition(definitions, name, conditions::is_crd_established());
    match tokio::time::timeout(Duration::from_secs(30), established).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Error::Unserved),
    }
}

struct Context {
    client: Client,
    /// What the reflector holds: reads that cost the server nothing.
    greetings: Store<Greeting>,
}

/// Runs the controller until `stop` is done.
pub async fn run(client: Client, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let greetings = Api::<Greeting>::all_with(client.clone(), &self::greetings());
    let texts = Api::<ConfigMap>::all(client.clone());
    let controller = Controller::new_with(greetings, watcher::Config::default(), self::greetings());
    let store = controller.store();
    let owned = watcher::Config::default().labels("app.kubernetes.io/managed-by=greeter");
    controller
        .owns(texts, owned)
        .graceful_shutdown_on(stop)
        .run(
            reconcile,
            |_, _, _| Action::requeue(Duration::from_secs(5)),
            Arc::new(Context { client, greetings: store }),
        )
        .for_each(|outcome| async move {
            match outcome {
                // One that is gone before its turn needs nothing more.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(error) => eprintln!("greeter: {error}"),
            }
        })
        .await;
}

async fn reconcile(greeting: Arc<Greeting>, context: Arc<Context>) -> Result<Action, Error> {
    let namespace = greeting.namespace().unwrap_or_default();
    let api = Api::<Greeting>::namespaced_with(context.client.clone(), &namespace, &greetings());
    let outcome = finalizer(&api, FINALIZER, greeting, |event| async {
        match event {
            Event::Apply(greeting) => greet(&greeting, &context).await,
            Event::Cleanup(greeting) => take_back(&greeting, &context).await,
        }
    });
    outcome.await.map_err(|error| match error {
        finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error) => error,
        other => Error::Finalizer(other.to_string()),
    })
}

/// Keeps the config map with the text.
async fn greet(greeting: &Greeting, context: &Context) -> Result<Action, Error> {
    let (name, namespace) = (greeting.name_any(), greeting.namespace().unwrap_or_default());
    let text = format!("Hello, {}!", greeting.spec.name);
    let others = context.greetings.state().len() - 1;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "greeter"},
            "ownerReferences": [{"apiVersion": "examples.fluxrs.dev/v1", "kind": "Greeting", "name": name,
                "uid": greeting.uid(), "controller": true}]},
        "data": {"text": text}});
    let apply = PatchParams::apply(MANAGER).force();
    let maps = Api::<ConfigMap>::namespaced(context.client.clone(), &namespace);
    maps.patch(&name, &apply, &Patch::Apply(&map)).await?;
    let status = json!({"apiVersion": "examples.fluxrs.dev/v1", "kind": "Greeting",
        "status": {"text": format!("{text} ({others} others)"), "observedGeneration": greeting.metadata.generation}});
    let api = Api::<Greeting>::namespaced_with(context.client.clone(), &namespace, &greetings());
    api.patch_status(&name, &apply, &Patch::Apply(&status)).await?;
    Ok(Action::await_change())
}

/// Deletes the farewell that somebody may have left beside a greeting.
async fn take_back(greeting: &Greeting, context: &Context) -> Result<Action, Error> {
    let namespace = greeting.namespace().unwrap_or_default();
    let maps = Api::<ConfigMap>::namespaced(context.client.clone(), &namespace);
    match maps.delete(&format!("{}-farewell", greeting.name_any()), &DeleteParams::default()).await {
        Ok(_) => Ok(Action::await_change()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Action::await_change()),
        Err(error) => Err(error.into()),
    }
}
