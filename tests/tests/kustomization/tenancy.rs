//! Whose rights a Kustomization has, and what it can reach.

use std::time::Duration;

use flux_core::cluster::Identity;
use flux_core::reconcile::Phase;
use flux_kube::client::KubeconfigPolicy;
use flux_kube::compose::Policy;
use serde_json::json;

use crate::stage::{Stage, kustomization, map, says};

/// A service account that may do everything with ConfigMaps of its namespace, and nothing else.
const DEPLOYER: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: maps, namespace: default}
rules: [{apiGroups: [''], resources: [configmaps], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: maps, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: maps}
subjects: [{kind: ServiceAccount, name: deployer, namespace: default}]
";

#[tokio::test(start_paused = true)]
async fn h34_whoever_names_nobody_is_refused() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    let policy = Policy::default();
    let error = stage.compose(&[("app", "serviceAccountName: ''")], &policy).unwrap_err();
    says(&error, &["flux.yaml:6: spec.serviceAccountName: is empty, which names nobody"]);
    let policy = Policy { default_service_account: Some(String::new()), ..Policy::default() };
    says(&stage.compose(&[("app", "")], &policy).unwrap_err(), &["spec.serviceAccountName: is empty"]);
    let policy = Policy { require_service_account: true, ..Policy::default() };
    says(&stage.compose(&[("app", "")], &policy).unwrap_err(), &["spec.serviceAccountName: is missing"]);
    // Neither cluster takes an identity without a user.
    let nobody = Identity { user: String::new(), groups: vec!["system:masters".into()] };
    assert!(stage.cluster.impersonate(&nobody).is_err());
    let kube = flux_kube::client::KubeCluster::new(flux_kube::kube::Client::new(stage.server.clone(), "default"));
    assert!(flux_core::Cluster::impersonate(&kube, &nobody).is_err());
}

#[tokio::test(start_paused = true)]
async fn h34_a_service_account_without_rights_has_none() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: nobody, namespace: default}}").await;
    stage.start(&[("app", "serviceAccountName: nobody")]);
    says(&stage.failed("app").await, &["system:serviceaccount:default:nobody", "cannot"]);
    assert!(stage.config_map("a").await.is_none());
    // The default is no way around it.
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    let policy = Policy { default_service_account: Some("nobody".into()), ..Policy::default() };
    stage.start_under(&[("app", "")], &policy);
    says(&stage.failed("app").await, &["system:serviceaccount:default:nobody"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_account_does_what_it_may() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.create(DEPLOYER).await;
    stage.start(&[("app", "serviceAccountName: deployer")]);
    stage.settled("app", Phase::Ready).await;
    stage.repository.write("deploy/b.yaml", &map("b", "k: v")).unwrap();
    stage.commit("app").await;
    stage.repository.delete("deploy/b.yaml").unwrap();
    stage.commit("app").await;
    assert!(stage.config_map("a").await.is_some() && stage.config_map("b").await.is_none());
}

#[test]
fn h35_what_lies_in_other_namespaces_is_out_of_reach() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    let documents = stage.documents(&[("app", "dependsOn: [{name: base, namespace: other}]")]);
    let reach = |documents: &str, policy: &Policy| {
        let documents = flux_kube::api::read("flux.yaml", documents.as_bytes()).unwrap();
        flux_kube::compose::Composition::with_policy(&documents, &stage.cluster, policy).map_err(|e| e.to_string())
    };
    let error = reach(&documents, &Policy::default()).unwrap_err();
    says(&error, &["flux.yaml:6: spec.dependsOn[0].namespace: namespace other cannot be reached from default"]);
    let source =
        documents.replace("kind: GitRepository, name: app}", "kind: GitRepository, name: app, namespace: other}");
    let source = source.replace("dependsOn: [{name: base, namespace: other}]", "dependsOn: []");
    assert!(source.contains("name: app, namespace: other"), "{source}");
    says(
        &reach(&source, &Policy::default()).unwrap_err(),
        &["spec.sourceRef.namespace: namespace other cannot be reached"],
    );
    // Where it is allowed, what is missing is that they are not there.
    let policy = Policy { cross_namespace: true, ..Policy::default() };
    says(&reach(&source, &policy).unwrap_err(), &["GitRepository/other/app is not among the documents"]);
    // Secrets and ConfigMaps have no namespace to name.
    let error = flux_kube::api::read(
        "flux.yaml",
        stage.documents(&[("app", "postBuild: {substituteFrom: [{kind: Secret, name: a, namespace: b}]}")]).as_bytes(),
    );
    says(&error.unwrap_err().to_string(), &["spec.postBuild.substituteFrom[0].namespace: unknown field"]);
}

#[tokio::test(start_paused = true)]
async fn h36_kubeconfigs_that_ask_for_too_much_are_refused() {
    for (cluster, user, field) in [
        (
            "{server: 'https://127.0.0.1:1'}",
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh}}",
            "exec",
        ),
        ("{server: 'https://127.0.0.1:1'}", "{auth-provider: {name: gcp, config: {}}}", "auth-provider"),
        ("{server: 'https://127.0.0.1:1'}", "{tokenFile: /etc/passwd}", "tokenFile"),
        ("{server: 'http://127.0.0.1:1'}", "{token: canary}", "server without TLS"),
        (
            "{server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}",
            "{token: canary}",
            "insecure-skip-tls-verify",
        ),
    ] {
        let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
        stage.create(&kubeconfig("value", cluster, user)).await;
        stage.start(&[("app", "kubeConfig: {secretRef: {name: remote}}")]);
        let error = stage.failed("app").await;
        says(&error, &["Secret/default/remote", field, "is not allowed"]);
        assert!(!error.contains("canary"), "{error}");
        assert!(stage.config_map("a").await.is_none(), "it never falls back to its own cluster");
    }
}

fn kubeconfig(key: &str, cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: remote, namespace: default}}\nstringData:\n  {key}: |\n    \
         apiVersion: v1\n    kind: Config\n    current-context: a\n    contexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n    \
         clusters: [{{name: c, cluster: {cluster}}}]\n    users: [{{name: u, user: {user}}}]\n"
    )
}

/// In real time: there is a server at the other end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubeconfig_leads_to_another_cluster() {
    use flux_core::Cluster as _;
    let there = flux_kube::apiserver::ApiServer::default();
    let serving = there.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.create(&kubeconfig("value.yaml", &format!("{{server: '{}'}}", serving.url()), "{token: t}")).await;
    let kubeconfigs = KubeconfigPolicy { allow_insecure_tls: true, ..KubeconfigPolicy::default() };
    let policy = Policy { kubeconfigs, ..Policy::default() };
    stage.start_under(&[("app", "kubeConfig: {secretRef: {name: remote}}")], &policy);
    stage.settled("app", Phase::Ready).await;
    let object = flux_core::ObjectId::new("", "ConfigMap", "default", "a").at("v1");
    assert!(there.get(&stage.cx, &object).await.unwrap().is_some());
    assert!(stage.config_map("a").await.is_none());
    serving.stop();
}

#[tokio::test(start_paused = true)]
async fn a_kubeconfig_that_is_not_there_is_named() {
    let stage = Stage::new(&[("deploy/a.yaml", &map("a", "k: v"))]);
    stage.start(&[("app", "kubeConfig: {secretRef: {name: remote, key: mine}}")]);
    says(&stage.failed("app").await, &["kubeconfig of Secret/default/remote: there is no such Secret"]);
    stage.create(&kubeconfig("other", "{}", "{}")).await;
    stage.until("app", |status| status.message.contains("there is no entry \"mine\"")).await;
}

#[tokio::test(start_paused = true)]
async fn h37_no_manifest_chooses_its_owner() {
    let claimed = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: default\n  labels:\n    \
                   kustomize.toolkit.fluxcd.io/name: victim\n    kustomize.toolkit.fluxcd.io/namespace: default\n";
    let stage = Stage::new(&[("deploy/a.yaml", claimed), ("victim/v.yaml", &map("v", "k: v"))]);
    stage.start(&[("app", ""), ("victim", "path: ./victim")]);
    stage.settled("app", Phase::Ready).await;
    stage.settled("victim", Phase::Ready).await;
    let labels = "kustomize.toolkit.fluxcd.io/name";
    assert_eq!(stage.config_map("a").await.unwrap().label(labels), Some("app"));
    // Nor do common labels, patches or variables.
    let spec = "commonMetadata: {labels: {kustomize.toolkit.fluxcd.io/name: victim}}";
    let stage = Stage::ready(&[("deploy/a.yaml", &map("a", "k: v"))], spec).await;
    assert_eq!(stage.config_map("a").await.unwrap().label(labels), Some("app"));
    // And what belongs to another is not taken.
    let stage = Stage::new(&[("deploy/a.yaml", &map("v", "k: mine")), ("victim/v.yaml", &map("v", "k: v"))]);
    stage.start(&[("victim", "path: ./victim")]);
    stage.settled("victim", Phase::Ready).await;
    stage.compose(&[("app", "")], &Policy::default()).unwrap().add_to(&stage.engine);
    says(&stage.failed("app").await, &["ConfigMap/default/v", "victim"]);
    assert_eq!(stage.data("v", "k").await, "v");
}

#[tokio::test(start_paused = true)]
async fn h38_a_refusal_half_way_keeps_what_was_done_and_prunes_nothing() {
    let files = [("deploy/a.yaml", map("a", "k: v")), ("deploy/old.yaml", map("old", "k: v"))];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let stage = Stage::new(&files);
    stage.create(DEPLOYER).await;
    stage.start(&[("app", "serviceAccountName: deployer")]);
    stage.settled("app", Phase::Ready).await;
    // The next revision asks for more than the account may, and leaves an object out.
    stage.repository.delete("deploy/old.yaml").unwrap();
    stage.repository.write("deploy/b.yaml", &map("b", "k: v")).unwrap();
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: default}\nspec: {ports: [{port: 80}]}\n";
    stage.repository.write("deploy/s.yaml", service).unwrap();
    stage.repository.commit("Next").unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    says(&stage.failed("app").await, &["Service/default/s", "system:serviceaccount:default:deployer"]);
    assert!(stage.config_map("old").await.is_some(), "nothing is pruned");
    let state = stage.engine.state(&kustomization("app")).await.unwrap().unwrap();
    let owned: Vec<String> = state.inventory.iter().map(|object| object.id.name.clone()).collect();
    assert!(owned.contains(&"a".into()) && owned.contains(&"old".into()), "{owned:?}");
    // With the right to do it, it goes on where it stopped.
    let rule = json!([{"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": ["*"]}]);
    stage
        .apply(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "maps", "namespace": "default"}, "rules": rule}))
        .await;
    stage.settled("app", Phase::Ready).await;
    assert!(stage.config_map("old").await.is_none() && stage.config_map("b").await.is_some());
}
