//! The contract of appliers, through every face of the embedded server, and on a real cluster.

use std::sync::Arc;

use flux_appliers::observe::Observer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::Cluster;
use flux_core::applier::contract::Contract;
use flux_kube::apiserver::{ApiServer, Config, Credentials, Token};
use flux_kube::client::{KubeCluster, KubeconfigPolicy};

fn contract(cluster: Arc<dyn Cluster>, observed: bool) -> Contract {
    let observer = observed.then(|| Observer::new(cluster.clone(), Owner::KUSTOMIZE));
    Contract::new(cluster.clone(), "flux-applier-contract", move |name| {
        let applier = ServerSideApplier::new(cluster.clone(), Owner::new(name, "flux-system")).prune(true);
        Arc::new(match &observer {
            Some(observer) => applier.observed_by(observer),
            None => applier,
        })
    })
}

#[tokio::test(start_paused = true)]
async fn in_process() {
    contract(Arc::new(ApiServer::default()), false).check().await;
}

#[tokio::test(start_paused = true)]
async fn observed() {
    contract(Arc::new(ApiServer::default()), true).check().await;
}

/// A client of kube-rs, with no socket in between.
#[tokio::test(start_paused = true)]
async fn behind_a_client() {
    let client = flux_kube::kube::Client::new(ApiServer::default(), "default");
    contract(Arc::new(KubeCluster::new(client)), false).check().await;
}

#[tokio::test]
async fn over_http_and_https() {
    let open = ApiServer::default().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let tokens = vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }];
    let closed = ApiServer::new(Config { tokens, ..Config::default() });
    let closed = closed.serve_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let token = closed.kubeconfig_for("admin", &Credentials::Token("t".into()));
    for (kubeconfig, policy) in [(open.kubeconfig(), KubeconfigPolicy::trusted()), (token, KubeconfigPolicy::default())]
    {
        let cluster = KubeCluster::from_kubeconfig(&kubeconfig, None, &policy).await.unwrap();
        contract(Arc::new(cluster), false).check().await;
    }
}

/// A real cluster, if there is one: set `FLUX_TEST_KUBECONFIG` to its kubeconfig, a file that says who may do everything.
/// The name is not `KUBECONFIG` so that no test ever works on a cluster that somebody needs. With
/// `FLUX_TEST_CONTROLLERS=0` nothing is asked of the controllers beside it.
#[tokio::test]
async fn on_a_real_cluster() {
    let Ok(kubeconfig) = std::env::var("FLUX_TEST_KUBECONFIG") else {
        eprintln!("skipped: no FLUX_TEST_KUBECONFIG");
        return;
    };
    let policy = KubeconfigPolicy::trusted();
    let cluster = Arc::new(KubeCluster::from_kubeconfig_file(kubeconfig, None, &policy).await.unwrap());
    let bare = std::env::var("FLUX_TEST_CONTROLLERS").as_deref() == Ok("0");
    for observed in [false, true] {
        let contract = contract(cluster.clone(), observed);
        if bare { contract.without_controllers() } else { contract }.check().await;
    }
}
