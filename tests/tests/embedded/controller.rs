//! A kube-rs controller that knows nothing of the embedded API server runs on it: watchers, reflectors, finalizers and
//! server-side apply.

use std::time::Duration;

use flux_examples::controller::{Greeting, greetings, install, run};
use flux_kube::apiserver::{ApiServer, Calls, Config, Fault, Verb};
use flux_kube::kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use flux_kube::kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

fn config_maps(client: &Client) -> Api<DynamicObject> {
    let kind = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
    };
    Api::namespaced_with(client.clone(), "default", &kind)
}

async fn greet(api: &Api<Greeting>, name: &str) {
    let greeting = json!({"apiVersion": "examples.fluxrs.dev/v1", "kind": "Greeting",
        "metadata": {"name": "g"}, "spec": {"name": name}});
    api.patch("g", &PatchParams::apply("test").force(), &Patch::Apply(&greeting)).await.unwrap();
}

/// Waits until the config map says this.
async fn says(maps: &Api<DynamicObject>, text: &str) -> DynamicObject {
    let patient = timeout(Duration::from_secs(120), async {
        loop {
            if let Some(map) = maps.get_opt("g").await.unwrap()
                && map.data.pointer("/data/text").and_then(Value::as_str) == Some(text)
            {
                return map;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    patient.await.unwrap_or_else(|_| panic!("no config map says {text:?}"))
}

async fn works(server: ApiServer, client: Client) {
    install(&client).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let controller = tokio::spawn(run(client.clone(), async {
        let _ = stopped.await;
    }));
    let api = Api::<Greeting>::namespaced_with(client.clone(), "default", &greetings());
    let maps = config_maps(&client);
    greet(&api, "world").await;
    let map = says(&maps, "Hello, world!").await;
    assert_eq!(map.metadata.managed_fields.unwrap()[0].manager.as_deref(), Some("greeter"));
    let greeting = api.get("g").await.unwrap();
    assert_eq!(greeting.finalizers(), ["examples.fluxrs.dev/farewell"]);

    // What others change is put back, also when its watches end and its writes fail at first.
    server.end_watches();
    server.inject(Fault::error(503).on(Calls::of(Verb::Apply).kind("ConfigMap")).first(2));
    let drift = json!({"data": {"text": "Go away!"}});
    maps.patch("g", &PatchParams::default(), &Patch::Merge(&drift)).await.unwrap();
    says(&maps, "Hello, world!").await;
    greet(&api, "moon").await;
    says(&maps, "Hello, moon!").await;

    let farewell = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "g-farewell"}});
    maps.patch("g-farewell", &PatchParams::apply("test"), &Patch::Apply(&farewell)).await.unwrap();
    api.delete("g", &DeleteParams::default()).await.unwrap();
    let gone = timeout(Duration::from_secs(120), async {
        while api.get_opt("g").await.unwrap().is_some() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.expect("the finalizer lets it go");
    assert!(maps.get_opt("g-farewell").await.unwrap().is_none(), "the finalizer took it back");
    assert!(maps.get_opt("g").await.unwrap().is_none(), "what it owned went with it");
    let _ = stop.send(());
    timeout(Duration::from_secs(60), controller).await.expect("it stops").unwrap();
}

#[tokio::test(start_paused = true)]
async fn with_no_socket_in_virtual_time() {
    let server = ApiServer::new(Config::default());
    let client = Client::new(server.clone(), "default");
    works(server, client).await;
}

#[tokio::test]
async fn over_https() {
    use flux_kube::kube::config::{Config as ClientConfig, KubeConfigOptions, Kubeconfig};
    let server = ApiServer::new(Config::default());
    let serving = server.serve_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&serving.kubeconfig()).unwrap();
    let config = ClientConfig::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    works(server, Client::try_from(config).unwrap()).await;
}
