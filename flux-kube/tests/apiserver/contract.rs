//! The contract of clusters, through every face of the server, and on a real one.

use std::sync::Arc;

use flux_core::Context;
use flux_core::cluster::contract::Contract;
use flux_core::cluster::{Cluster, ListOptions};
use flux_kube::client::{KubeCluster, KubeconfigPolicy};

use crate::{config_maps, server, skipped};

#[tokio::test(start_paused = true)]
async fn in_process() {
    Contract::new(Arc::new(server()), "contract").check().await;
}

/// Two servers with the same seed and epoch that are told the same are the same to the last byte.
#[tokio::test(start_paused = true)]
async fn the_same_every_time() {
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let server = server();
        Contract::new(Arc::new(server.clone()), "contract").without_controllers().check().await;
        let listed = server.list(&Context::background(), &config_maps(), &ListOptions::default()).await.unwrap();
        outcomes.push((serde_json::to_string(&listed.items).unwrap(), format!("{:?}", server.requests())));
    }
    assert!(outcomes[0].1.contains("apply ConfigMap"));
    assert_eq!(outcomes[0], outcomes[1]);
}

/// A client of kube-rs, with no socket in between.
#[tokio::test(start_paused = true)]
async fn behind_a_client() {
    let client = kube::Client::new(server(), "default");
    Contract::new(Arc::new(KubeCluster::new(client)), "contract").check().await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_http_and_https() {
    use flux_kube::apiserver::{ApiServer, Config, Credentials, Token};
    let open = server().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let tokens = vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }];
    let closed = ApiServer::new(Config { tokens, ..Config::default() });
    let closed = closed.serve_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let token = closed.kubeconfig_for("admin", &Credentials::Token("t".into()));
    for (kubeconfig, policy) in [(open.kubeconfig(), KubeconfigPolicy::trusted()), (token, KubeconfigPolicy::default())]
    {
        let cluster = KubeCluster::from_kubeconfig(&kubeconfig, None, &policy).await.unwrap();
        Contract::new(Arc::new(cluster), "contract").check().await;
    }
}

/// A real server, if there is one: set `FLUX_TEST_KUBECONFIG` to its kubeconfig, a file that says who may do everything.
/// The name is not `KUBECONFIG` so that no test ever works on a cluster that somebody needs. With
/// `FLUX_TEST_CONTROLLERS=0` nothing is asked of the controllers beside it.
#[tokio::test]
async fn on_a_real_server() {
    let Ok(kubeconfig) = std::env::var("FLUX_TEST_KUBECONFIG") else { return skipped("no FLUX_TEST_KUBECONFIG") };
    let cluster = KubeCluster::from_kubeconfig_file(kubeconfig, None, &KubeconfigPolicy::trusted()).await.unwrap();
    let contract = Contract::new(Arc::new(cluster), "flux-contract");
    let bare = std::env::var("FLUX_TEST_CONTROLLERS").as_deref() == Ok("0");
    if bare { contract.without_controllers() } else { contract }.check().await;
}
