//! Who may do what, and how to ask.

use std::time::Duration;

use bytes::Bytes;
use flux_core::Context;
use flux_core::cluster::{Cluster, DeleteOptions, Identity, WriteOptions};
use flux_kube::apiserver::{ApiServer, Config, Token};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{apply, object, server};

/// A server on which requests without a token are anonymous.
fn closed() -> ApiServer {
    let token = |token: &str, user: &str, groups: &[&str]| Token {
        token: token.to_owned(),
        user: user.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
    };
    let tokens = vec![token("root", "admin", &["system:masters"]), token("jane", "jane", &["devs"])];
    ApiServer::new(Config { tokens, ..Config::default() })
}

/// Sends a request, and answers with the code and the object that came back.
async fn send(server: &ApiServer, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let answer = server.clone().oneshot(request.body(Full::new(bytes)).unwrap()).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn bind(server: &ApiServer, role: &str, subject: Value) {
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("{role}-{}", subject["name"].as_str().unwrap())},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": [subject]});
    apply(server, &object(binding)).await;
}

#[tokio::test(start_paused = true)]
async fn users_are_known_by_tokens() {
    let server = closed();
    let list = "/api/v1/namespaces/default/configmaps";
    let (code, status) = send(&server, "", "GET", list, Value::Null).await;
    assert_eq!(code, 403);
    let message = "configmaps is forbidden: User \"system:anonymous\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!(status["message"], message);
    assert_eq!(send(&server, "wrong", "GET", list, Value::Null).await.0, 401);
    assert_eq!(send(&server, "jane", "GET", list, Value::Null).await.0, 403);
    bind(&server, "view", json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "devs"})).await;
    assert_eq!(send(&server, "jane", "GET", list, Value::Null).await.0, 200);
    assert_eq!(send(&server, "jane", "GET", "/api/v1/namespaces/default/secrets", Value::Null).await.0, 403);
    assert_eq!(send(&server, "", "GET", "/version", Value::Null).await.0, 200);
    let user = server.counts().into_iter().find(|c| c.user == "jane" && c.code == 403 && c.kind == "Secret");
    assert_eq!(user.map(|c| c.count), Some(1), "{:?}", server.counts());
}

#[tokio::test(start_paused = true)]
async fn reviews_say_what_is_allowed() {
    let server = closed();
    bind(&server, "edit", json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"})).await;
    let path = |name: &str| format!("/apis/authorization.k8s.io/v1/{name}");
    let ask = |verb: &str, resource: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": resource}}})
    };
    let (code, answer) =
        send(&server, "jane", "POST", &path("selfsubjectaccessreviews"), ask("delete", "secrets")).await;
    assert_eq!((code, &answer["status"]["allowed"]), (201, &json!(true)), "{answer}");
    let (_, answer) = send(&server, "jane", "POST", &path("selfsubjectaccessreviews"), ask("delete", "nodes")).await;
    assert_eq!(answer["status"]["allowed"], json!(false));

    let about = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "jane", "resourceAttributes": {"verb": "create", "group": "apps", "resource": "deployments"}}});
    let (code, _) = send(&server, "jane", "POST", &path("subjectaccessreviews"), about.clone()).await;
    assert_eq!(code, 403, "only some may ask about others");
    let (_, answer) = send(&server, "root", "POST", &path("subjectaccessreviews"), about).await;
    assert_eq!(answer["status"]["allowed"], json!(true));

    let rules = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}});
    let (_, answer) = send(&server, "jane", "POST", &path("selfsubjectrulesreviews"), rules).await;
    let rules = answer["status"]["resourceRules"].as_array().unwrap();
    assert!(rules.iter().any(|r| r["resources"].as_array().unwrap().contains(&json!("secrets"))), "{rules:?}");

    let me = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let (_, answer) = send(&server, "jane", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", me).await;
    assert_eq!(answer["status"]["userInfo"], json!({"username": "jane", "groups": ["devs", "system:authenticated"]}));
}

#[tokio::test(start_paused = true)]
async fn tokens_of_service_accounts_end() {
    let server = closed();
    let account = object(
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}}),
    );
    apply(&server, &account).await;
    let path = "/api/v1/namespaces/default/serviceaccounts/robot/token";
    let request = |seconds: i64| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}});
    assert_eq!(send(&server, "root", "POST", path, request(5)).await.0, 422);
    let (code, answer) = send(&server, "root", "POST", path, request(600)).await;
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    assert_eq!(code, 201);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, answer) = send(&server, "root", "POST", reviews, review.clone()).await;
    assert_eq!(answer["status"]["user"]["username"], "system:serviceaccount:default:robot");
    assert_eq!(send(&server, &token, "GET", "/api/v1/pods", Value::Null).await.0, 403);
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(send(&server, &token, "GET", "/api/v1/pods", Value::Null).await.0, 401);
    let (_, answer) = send(&server, "root", "POST", reviews, review).await;
    assert_eq!(answer["status"]["authenticated"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn cluster_roles_are_aggregated() {
    let server = server();
    let role = |name: &str, label: &str, more: Value| {
        let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {label: "true"}}});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object(role)
    };
    let view = "rbac.authorization.k8s.io/aggregate-to-view";
    let rules = json!({"rules": [{"apiGroups": ["example.com"], "resources": ["toys"], "verbs": ["get"]}]});
    let part = apply(&server, &role("toys", view, rules.clone())).await;
    let robot = server.impersonate(&Identity { user: "robot".into(), groups: Vec::new() }).unwrap();
    bind(&server, "admin", json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "robot"})).await;
    // What may be viewed may be edited, and what may be edited may be administered.
    let ask = object(json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "metadata": {"name": ""}, "spec": {"resourceAttributes": {"verb": "get", "group": "example.com", "resource": "toys"}}}));
    let options = WriteOptions::default();
    let cx = Context::background();
    let answer = robot.create(&cx, &ask, &options).await.unwrap();
    assert_eq!(answer.pointer("/status/allowed"), Some(&json!(true)));
    server.delete(&cx, &part.object_ref(), &DeleteOptions::default()).await.unwrap();
    let answer = robot.create(&cx, &ask, &options).await.unwrap();
    assert_eq!(answer.pointer("/status/allowed"), Some(&json!(false)));
}
