//! `spec.kubeConfig.configMapRef`: another cluster, by its address and a service account that it knows.

use std::time::Duration;

use flux_core::reconcile::Phase;
use flux_kube::apiserver::{ApiServer, Calls, Config, Fault, Verb};
use flux_kube::client::KubeconfigPolicy;
use flux_kube::compose::Policy;
use serde_json::json;

use crate::stage::{Stage, map, says};

const SPEC: &str = "kubeConfig: {configMapRef: {name: remote}}\nretryInterval: 1s";
const DEPLOYER: &str = "system:serviceaccount:default:deployer";

/// A stage whose cluster knows people by their tokens only, at this address too; what leads there is its own business.
async fn stage(tls: bool) -> (Stage, flux_kube::apiserver::Serving) {
    let server = ApiServer::new(Config { tokens: vec![token()], ..Config::default() });
    let stage = Stage::on(server.clone(), &[("deploy/a.yaml", &map("a", "k: v"))]);
    let address = "127.0.0.1:0".parse().unwrap();
    let serving = if tls { server.serve_tls(address).await.unwrap() } else { server.serve(address).await.unwrap() };
    (stage, serving)
}

fn token() -> flux_kube::apiserver::Token {
    flux_kube::apiserver::Token { token: "nobody's".into(), user: "nobody".into(), groups: Vec::new() }
}

async fn remote(stage: &Stage, data: serde_json::Value) {
    stage
        .apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "remote", "namespace": "default"},
            "data": data}))
        .await;
}

async fn allow(stage: &Stage) {
    stage
        .create("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: deployer}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: deployer, namespace: default}]}")
        .await;
}

/// In real time: there is a server at the other end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_opens_another_cluster() {
    let (stage, serving) = stage(true).await;
    let data = json!({"provider": "generic", "address": serving.url(), "ca.crt": serving.certificate_authority().unwrap(),
        "serviceAccountName": "deployer"});
    remote(&stage, data).await;
    stage.start(&[("app", SPEC)]);
    says(
        &stage.failed("app").await,
        &["kubeconfig of ConfigMap/default/remote: there is no ServiceAccount/default/deployer"],
    );

    stage.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: default}}").await;
    // It gets in and may do nothing yet.
    let refused = stage.until("app", |status| status.message.contains("forbidden")).await;
    says(&refused.message, &[DEPLOYER]);
    allow(&stage).await;
    stage.settled("app", Phase::Ready).await;
    assert!(stage.config_map("a").await.is_some());
    let applied = stage.server.count(&Calls::of(Verb::Apply).name("a").dry_run(false));
    let by_it = stage.server.count(&Calls::of(Verb::Apply).name("a").dry_run(false).user(DEPLOYER));
    assert!(by_it > 0, "the service account is who applies");
    assert_eq!(applied, by_it, "and nobody else");
    serving.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h55_a_token_is_used_for_its_time_and_renewed_when_it_is_refused() {
    let (stage, serving) = stage(true).await;
    stage.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: default}}").await;
    allow(&stage).await;
    let data = json!({"provider": "generic", "address": serving.url(), "ca.crt": serving.certificate_authority().unwrap(),
        "serviceAccountName": "deployer", "audiences": "one\ntwo"});
    remote(&stage, data).await;
    stage.start(&[("app", SPEC)]);
    stage.settled("app", Phase::Ready).await;
    let tokens = || stage.server.count(&Calls::of(Verb::Create).subresource("token"));
    assert_eq!(tokens(), 1, "one token for all requests");
    // The other cluster no longer knows it.
    let refused = stage.server.inject(Fault::error(401).on(Calls::of(Verb::Get).user(DEPLOYER)).first(1));
    stage.repository.replace("deploy/a.yaml", "k: v", "k: w").unwrap();
    stage.repository.commit("More").unwrap();
    stage.engine.handle().trigger(flux_core::engine::Unit::new("GitRepository", "default", "app"));
    for _ in 0..600 {
        if stage.data("a", "k").await == "w" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.data("a", "k").await, "w");
    assert_eq!(refused.count(), 1);
    assert_eq!(tokens(), 2, "a new token was asked for, once");
    serving.stop();
}

#[tokio::test(start_paused = true)]
async fn h36_what_a_config_map_must_not_ask_for_is_refused() {
    let good = json!({"provider": "generic", "address": "https://127.0.0.1:1", "serviceAccountName": "deployer"});
    for (key, value, parts) in [
        ("provider", json!("aws"), ["provider: aws is not supported", "put a kubeconfig into a Secret"]),
        ("provider", json!("azure"), ["provider: azure is not supported", "generic"]),
        ("provider", json!("gcp"), ["provider: gcp is not supported", "generic"]),
        ("provider", json!("gke"), ["provider: \"gke\" is none of generic", "azure"]),
        ("provider", json!(null), ["provider: is missing", "generic"]),
        ("address", json!(" "), ["address: is missing", "where the cluster is"]),
        ("address", json!("http://127.0.0.1:1"), ["server without TLS", "is not allowed"]),
        ("serviceAccountName", json!(null), ["serviceAccountName: is missing", "no service account of its own"]),
        ("serviceAccountName", json!("other"), ["there is no ServiceAccount/default/other", "remote"]),
        ("ca.crt", json!("no certificate"), ["ca.crt: holds no certificate", "PEM"]),
    ] {
        let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
        stage.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: default}}").await;
        let mut data = good.clone();
        data[key] = value;
        data.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        remote(&stage, data).await;
        stage.start(&[("app", SPEC)]);
        let error = stage.failed("app").await;
        says(&error, &["ConfigMap/default/remote"]);
        says(&error, &parts);
        assert!(stage.config_map("a").await.is_none(), "it never falls back to its own cluster");
    }
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.start(&[("app", SPEC)]);
    says(&stage.failed("app").await, &["kubeconfig of ConfigMap/default/remote: there is no such ConfigMap"]);
}

/// A service account may be named that acts there on behalf of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_service_account_it_is_impersonated_there() {
    let (stage, serving) = stage(false).await;
    stage.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: default}}").await;
    allow(&stage).await;
    remote(&stage, json!({"provider": "generic", "address": serving.url(), "serviceAccountName": "deployer"})).await;
    let kubeconfigs = KubeconfigPolicy { allow_insecure_tls: true, ..KubeconfigPolicy::default() };
    let policy = Policy { kubeconfigs, ..Policy::default() };
    stage.start_under(&[("app", &format!("{SPEC}\nserviceAccountName: tenant"))], &policy);
    let error = stage.until("app", |status| status.message.contains("forbidden")).await.message;
    says(&error, &["system:serviceaccount:default:tenant"]);
    serving.stop();
}
