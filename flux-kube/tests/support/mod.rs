//! What any [`Cluster`] must do, whatever it is made of.

use std::sync::Arc;

use flux_core::cluster::{
    ApplyOptions, Cluster, ClusterError, DeleteOptions, Identity, ListOptions, Patch, Preconditions, Propagation,
    WatchEvent, WatchOptions, WriteOptions,
};
use flux_core::{Context, Gvk, Object, ObjectRef};
use futures::StreamExt;
use serde_json::{Value, json};

fn obj(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn config_map(name: &str, data: Value) -> Object {
    obj(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "contract"}, "data": data}))
}

fn manager(name: &str) -> ApplyOptions {
    ApplyOptions { field_manager: name.to_owned(), ..ApplyOptions::default() }
}

fn writer() -> WriteOptions {
    WriteOptions { field_manager: "writer".to_owned(), ..WriteOptions::default() }
}

fn code(result: Result<impl Sized, ClusterError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(ClusterError::Api(status)) => status.code,
        Err(_) => 0,
    }
}

/// Runs the whole contract in namespaces `contract` and `going`, which must not be there.
pub(crate) async fn contract(cluster: Arc<dyn Cluster>) {
    let cx = Context::background();
    let c = &*cluster;
    kinds(&cx, c).await;
    let namespace = obj(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "contract"}}));
    assert_eq!(code(c.apply(&cx, &config_map("early", json!({})), &manager("m")).await), 404);
    c.apply(&cx, &namespace, &manager("m")).await.unwrap();
    apply(&cx, c).await;
    writes(&cx, c).await;
    lists(&cx, c).await;
    watches(&cx, c).await;
    deletes(&cx, c).await;
    invalid(&cx, c).await;
    custom(&cx, c).await;
    namespaces(&cx, c).await;
    impersonation(&cx, c).await;
}

async fn kinds(cx: &Context, c: &dyn Cluster) {
    let deployment = c.resource(cx, &Gvk::new("apps", "v1", "Deployment")).await.unwrap();
    assert_eq!((deployment.plural.as_str(), deployment.namespaced), ("deployments", true));
    let role = c.resource(cx, &Gvk::new("rbac.authorization.k8s.io", "v1", "ClusterRole")).await.unwrap();
    assert!(!role.namespaced);
    let unknown = Gvk::new("example.com", "v1", "Unknown");
    assert!(matches!(c.resource(cx, &unknown).await, Err(ClusterError::UnknownKind(gvk)) if gvk == unknown));
}

async fn apply(cx: &Context, c: &dyn Cluster) {
    let first = config_map("cm", json!({"a": "1", "b": "1"}));
    let dry = ApplyOptions { dry_run: true, ..manager("one") };
    let planned = c.apply(cx, &first, &dry).await.unwrap();
    assert_eq!(planned.pointer("/data/a"), Some(&json!("1")));
    assert!(c.get(cx, &first.object_ref()).await.unwrap().is_none(), "a dry run writes nothing");

    let made = c.apply(cx, &first, &manager("one")).await.unwrap();
    assert!(made.uid().is_some() && made.resource_version().is_some());
    let again = c.apply(cx, &first, &manager("one")).await.unwrap();
    assert_eq!(again.resource_version(), made.resource_version(), "an apply without change is no write");

    let other = config_map("cm", json!({"a": "2"}));
    let conflict = c.apply(cx, &other, &manager("two")).await;
    let Err(ClusterError::Api(status)) = conflict else { panic!("no conflict: {conflict:?}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(status.causes.first().map(|c| c.field.as_str()), Some(".data.a"));
    let forced = ApplyOptions { force: true, ..manager("two") };
    let taken = c.apply(cx, &other, &forced).await.unwrap();
    assert_eq!(taken.pointer("/data/a"), Some(&json!("2")));

    // Fields that a manager applies no more go, those of others stay.
    let less = c.apply(cx, &config_map("cm", json!({})), &manager("one")).await.unwrap();
    assert_eq!(less.pointer("/data"), Some(&json!({"a": "2"})));
}

async fn writes(cx: &Context, c: &dyn Cluster) {
    let object = config_map("written", json!({"a": "1"}));
    let made = c.create(cx, &object, &writer()).await.unwrap();
    assert_eq!(code(c.create(cx, &object, &writer()).await), 409);

    let mut stale = made.clone();
    let mut update = made.clone();
    update.as_map_mut().insert("data".into(), json!({"a": "2"}));
    let updated = c.update(cx, &update, &writer()).await.unwrap();
    assert_ne!(updated.resource_version(), made.resource_version());
    stale.as_map_mut().insert("data".into(), json!({"a": "3"}));
    assert_eq!(code(c.update(cx, &stale, &writer()).await), 409, "another resource version");

    let at = object.object_ref();
    let merged = c.patch(cx, &at, &Patch::Merge(json!({"data": {"b": "1", "a": null}})), &writer()).await.unwrap();
    assert_eq!(merged.pointer("/data"), Some(&json!({"b": "1"})));
    let ops =
        json!([{"op": "test", "path": "/data/b", "value": "1"}, {"op": "replace", "path": "/data/b", "value": "2"}]);
    let patched = c.patch(cx, &at, &Patch::Json(ops.clone()), &writer()).await.unwrap();
    assert_eq!(patched.pointer("/data/b"), Some(&json!("2")));
    assert_eq!(code(c.patch(cx, &at, &Patch::Json(ops), &writer()).await), 422, "the test fails now");
    let missing = config_map("missing", json!({})).object_ref();
    assert_eq!(code(c.patch(cx, &missing, &Patch::Merge(json!({})), &writer()).await), 404);
}

async fn lists(cx: &Context, c: &dyn Cluster) {
    let gvk = Gvk::new("", "v1", "ConfigMap");
    for i in 0..5 {
        let mut object = config_map(&format!("list-{i}"), json!({}));
        object.set_label("set", if i % 2 == 0 { "even" } else { "odd" });
        c.apply(cx, &object, &manager("m")).await.unwrap();
    }
    let names = |items: &[Object]| items.iter().map(|o| o.name().to_owned()).collect::<Vec<_>>();
    let within = ListOptions { namespace: Some("contract".to_owned()), ..ListOptions::default() };
    let odd = ListOptions { label_selector: Some("set=odd".to_owned()), ..within.clone() };
    assert_eq!(names(&c.list(cx, &gvk, &odd).await.unwrap().items), ["list-1", "list-3"]);
    let one = ListOptions { field_selector: Some("metadata.name=list-2".to_owned()), ..within.clone() };
    let listed = c.list(cx, &gvk, &one).await.unwrap();
    assert_eq!(names(&listed.items), ["list-2"]);
    assert_eq!(listed.items.first().map(|o| (o.kind(), o.api_version())), Some(("ConfigMap", "v1")));

    let mut page = ListOptions { limit: Some(2), label_selector: Some("set".to_owned()), ..within };
    let mut seen = Vec::new();
    loop {
        let listed = c.list(cx, &gvk, &page).await.unwrap();
        assert!(listed.items.len() <= 2);
        seen.extend(names(&listed.items));
        page.continue_token = listed.continue_token;
        if page.continue_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["list-0", "list-1", "list-2", "list-3", "list-4"]);
}

async fn watches(cx: &Context, c: &dyn Cluster) {
    let gvk = Gvk::new("", "v1", "ConfigMap");
    let within = ListOptions { namespace: Some("contract".to_owned()), ..ListOptions::default() };
    let from = c.list(cx, &gvk, &within).await.unwrap().resource_version;
    let options = WatchOptions {
        namespace: Some("contract".to_owned()),
        label_selector: Some("watched=yes".to_owned()),
        resource_version: Some(from),
        ..WatchOptions::default()
    };
    let mut stream = c.watch(cx, &gvk, &options).await.unwrap();
    let mut object = config_map("seen", json!({"a": "1"}));
    object.set_label("watched", "yes");
    c.apply(cx, &object, &manager("m")).await.unwrap();
    object.as_map_mut().insert("data".into(), json!({"a": "2"}));
    c.apply(cx, &object, &manager("m")).await.unwrap();
    object.set_label("watched", "no");
    c.apply(cx, &object, &manager("m")).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        match stream.next().await.unwrap().unwrap() {
            WatchEvent::Added(o) => seen.push(("added", o)),
            WatchEvent::Modified(o) => seen.push(("modified", o)),
            WatchEvent::Deleted(o) => seen.push(("deleted", o)),
            WatchEvent::Bookmark(_) => {}
        }
    }
    let kinds: Vec<_> = seen.iter().map(|(k, o)| (*k, o.name())).collect();
    assert_eq!(kinds, [("added", "seen"), ("modified", "seen"), ("deleted", "seen")]);
}

async fn deletes(cx: &Context, c: &dyn Cluster) {
    let object = config_map("gone", json!({}));
    let at = object.object_ref();
    assert!(!c.delete(cx, &at, &DeleteOptions::default()).await.unwrap(), "there is none");
    let made = c.apply(cx, &object, &manager("m")).await.unwrap();
    let wrong = Preconditions { uid: Some("other".to_owned()), resource_version: None };
    let options = DeleteOptions { preconditions: wrong, ..DeleteOptions::default() };
    assert_eq!(code(c.delete(cx, &at, &options).await), 409);
    let dry = DeleteOptions { dry_run: true, ..DeleteOptions::default() };
    assert!(c.delete(cx, &at, &dry).await.unwrap());
    assert!(c.get(cx, &at).await.unwrap().is_some());

    let mut owned = config_map("owned", json!({}));
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": made.uid()}]);
    owned.metadata_mut().insert("ownerReferences".into(), owner);
    c.apply(cx, &owned, &manager("m")).await.unwrap();
    let options = DeleteOptions { propagation: Propagation::Background, ..DeleteOptions::default() };
    assert!(c.delete(cx, &at, &options).await.unwrap());
    eventually_gone(cx, c, &at).await;
    eventually_gone(cx, c, &owned.object_ref()).await;

    let mut held = config_map("held", json!({}));
    held.metadata_mut().insert("finalizers".into(), json!(["example.com/hold"]));
    c.apply(cx, &held, &manager("m")).await.unwrap();
    assert!(c.delete(cx, &held.object_ref(), &DeleteOptions::default()).await.unwrap());
    let waiting = c.get(cx, &held.object_ref()).await.unwrap().unwrap();
    assert!(waiting.deletion_timestamp().is_some());
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    c.patch(cx, &held.object_ref(), &free, &writer()).await.unwrap();
    eventually_gone(cx, c, &held.object_ref()).await;
}

async fn eventually_gone(cx: &Context, c: &dyn Cluster, at: &ObjectRef) {
    for _ in 0..200 {
        if c.get(cx, at).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{at:?} is still there");
}

async fn invalid(cx: &Context, c: &dyn Cluster) {
    let deployment = |app: &str, image: Option<&str>| {
        let mut container = json!({"name": "c"});
        if let Some(image) = image {
            container["image"] = json!(image);
        }
        obj(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "contract"},
            "spec": {"selector": {"matchLabels": {"app": app}},
                "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}}}}))
    };
    let refused = c.apply(cx, &deployment("a", None), &manager("m")).await;
    let Err(ClusterError::Api(status)) = refused else { panic!("accepted: {refused:?}") };
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.causes.first().map(|c| c.field.as_str()), Some("spec.template.spec.containers[0].image"));
    let made = c.apply(cx, &deployment("a", Some("i:1")), &manager("m")).await.unwrap();
    assert_eq!(made.pointer("/spec/replicas"), Some(&json!(1)), "defaults are filled in");
    let immutable = c.apply(cx, &deployment("b", Some("i:1")), &manager("m")).await;
    let Err(ClusterError::Api(status)) = immutable else { panic!("accepted: {immutable:?}") };
    assert!(status.message.contains("field is immutable"), "{}", status.message);
    let nameless = obj(json!({"apiVersion": "example.com/v1", "kind": "Unknown", "metadata": {"name": "x"}}));
    let unknown = c.apply(cx, &nameless, &manager("m")).await;
    assert!(matches!(unknown, Err(ClusterError::UnknownKind(_))), "{unknown:?}");
}

async fn custom(cx: &Context, c: &dyn Cluster) {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "mode": {"type": "string", "default": "soft"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let definition = obj(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.contract.example.com"},
        "spec": {"group": "contract.example.com", "scope": "Namespaced",
            "names": {"plural": "toys", "singular": "toy", "kind": "Toy", "listKind": "ToyList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema}}]}}));
    c.apply(cx, &definition, &manager("m")).await.unwrap();
    let gvk = Gvk::new("contract.example.com", "v1", "Toy");
    for _ in 0..200 {
        if c.resource(cx, &gvk).await.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let toy = |size: i64| {
        obj(json!({"apiVersion": "contract.example.com/v1", "kind": "Toy",
            "metadata": {"name": "t", "namespace": "contract"}, "spec": {"size": size}}))
    };
    let made = c.apply(cx, &toy(2), &manager("m")).await.unwrap();
    assert_eq!(made.pointer("/spec/mode"), Some(&json!("soft")));
    assert_eq!(code(c.apply(cx, &toy(0), &manager("m")).await), 422);
    let status = WriteOptions { subresource: Some("status".to_owned()), ..writer() };
    let change = Patch::Merge(json!({"spec": {"size": 9}, "status": {"ready": true}}));
    let patched = c.patch(cx, &made.object_ref(), &change, &status).await.unwrap();
    assert_eq!(patched.pointer("/status/ready"), Some(&json!(true)));
    assert_eq!(patched.pointer("/spec/size"), Some(&json!(2)), "only the status is written");
    assert_eq!(patched.generation(), made.generation());
    assert!(c.delete(cx, &definition.object_ref(), &DeleteOptions::default()).await.unwrap());
    eventually_gone(cx, c, &definition.object_ref()).await;
}

async fn namespaces(cx: &Context, c: &dyn Cluster) {
    let namespace = obj(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}}));
    c.apply(cx, &namespace, &manager("m")).await.unwrap();
    let inside = obj(json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "namespace": "going"}, "stringData": {"a": "b"}}));
    let secret = c.apply(cx, &inside, &manager("m")).await.unwrap();
    assert_eq!(secret.pointer("/data/a"), Some(&json!("Yg==")));
    assert!(c.delete(cx, &namespace.object_ref(), &DeleteOptions::default()).await.unwrap());
    eventually_gone(cx, c, &namespace.object_ref()).await;
    eventually_gone(cx, c, &inside.object_ref()).await;
}

async fn impersonation(cx: &Context, c: &dyn Cluster) {
    assert!(c.impersonate(&Identity::default()).is_err());
    let identity = Identity::service_account("contract", "robot");
    let robot = c.impersonate(&identity).unwrap();
    let object = config_map("by-robot", json!({}));
    assert_eq!(code(robot.apply(cx, &object, &manager("m")).await), 403);
    let role = obj(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "robot", "namespace": "contract"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]}));
    let binding = obj(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "robot", "namespace": "contract"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "robot"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "contract"}]}));
    c.apply(cx, &role, &manager("m")).await.unwrap();
    c.apply(cx, &binding, &manager("m")).await.unwrap();
    robot.apply(cx, &object, &manager("m")).await.unwrap();
    assert_eq!(code(robot.delete(cx, &object.object_ref(), &DeleteOptions::default()).await), 403);
}
