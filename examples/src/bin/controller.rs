//! An ordinary kube-rs controller (see `flux_examples::controller`) on the cluster of a kubeconfig, or, without one, on
//! an API server in memory, where it is shown at work:
//! `cargo run --bin controller [KUBECONFIG]`.

use std::time::Duration;

use flux_examples::controller::{Greeting, greetings, install, run};
use flux_kube::apiserver::ApiServer;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(file) = std::env::args().nth(1) else { return show().await };
    let config = Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    install(&client).await?;
    println!("kubectl create, change and delete Greetings; Ctrl-C ends this");
    run(client, async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await;
    Ok(())
}

/// The controller at work on a server in memory, with no socket in between.
async fn show() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new(ApiServer::default(), "default");
    install(&client).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let controller = tokio::spawn(run(client.clone(), async {
        let _ = stopped.await;
    }));
    let api = Api::<Greeting>::namespaced_with(client.clone(), "default", &greetings());
    let greeting = json!({"apiVersion": "examples.fluxrs.dev/v1", "kind": "Greeting",
        "metadata": {"name": "first"}, "spec": {"name": "world"}});
    api.patch("first", &PatchParams::apply("somebody"), &Patch::Apply(&greeting)).await?;
    let maps = Api::<ConfigMap>::namespaced(client, "default");
    let text = loop {
        let map = maps.get_opt("first").await?;
        match map.and_then(|map| map.data?.remove("text")) {
            Some(text) => break text,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    println!("{text}");
    api.delete("first", &DeleteParams::default()).await?;
    while api.get_opt("first").await?.is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = stop.send(());
    controller.await?;
    Ok(())
}
