//! What writing promises.

use serde_json::json;

use super::{Place, code, manager, object, refusal, writer};
use crate::cluster::{ApplyOptions, ClusterError, Patch, WriteOptions};
use crate::object::Object;

/// Server-side apply: dry runs, conflicts, force, and fields that are given up.
pub(super) async fn apply(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let first = p.config_map("cm", json!({"a": "1", "b": "1"}));
    let dry = ApplyOptions { dry_run: true, ..manager("one") };
    let planned = c.apply(cx, &first, &dry).await.expect("a dry run");
    assert_eq!(planned.pointer("/data/a"), Some(&json!("1")));
    assert!(c.get(cx, &first.object_ref()).await.expect("nothing").is_none(), "a dry run writes nothing");

    let made = c.apply(cx, &first, &manager("one")).await.expect("an apply");
    assert!(made.uid().is_some() && made.resource_version().is_some());
    let again = c.apply(cx, &first, &manager("one")).await.expect("the same apply");
    assert_eq!(again.resource_version(), made.resource_version(), "an apply without change is no write");
    let found = c.get(cx, &first.object_ref()).await.expect("a get").expect("the object");
    assert_eq!(found.as_map(), again.as_map(), "an apply answers with what is stored");

    let other = p.config_map("cm", json!({"a": "2"}));
    let status = refusal(c.apply(cx, &other, &manager("two")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(status.causes.first().map(|c| c.field.as_str()), Some(".data.a"));
    let forced = ApplyOptions { force: true, ..manager("two") };
    let taken = c.apply(cx, &other, &forced).await.expect("a forced apply");
    assert_eq!(taken.pointer("/data/a"), Some(&json!("2")));

    // Fields that a manager applies no more go, those of others stay.
    let less = c.apply(cx, &p.config_map("cm", json!({})), &manager("one")).await.expect("a smaller apply");
    assert_eq!(less.pointer("/data"), Some(&json!({"a": "2"})));
    let status = refusal(c.apply(cx, &first, &ApplyOptions::default()).await);
    assert!(matches!(status.code, 400 | 422), "an apply by nobody: {status:?}");
}

/// Create and update, and what stands in their way.
pub(super) async fn create_and_update(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let first = p.config_map("written", json!({"a": "1"}));
    let dry = WriteOptions { dry_run: true, ..writer() };
    c.create(cx, &first, &dry).await.expect("a dry run");
    let made = c.create(cx, &first, &writer()).await.expect("a create");
    let twice = c.create(cx, &first, &writer()).await;
    assert!(matches!(&twice, Err(e) if e.reason() == "AlreadyExists"), "{twice:?}");

    let mut update = made.clone();
    update.as_map_mut().insert("data".into(), json!({"a": "2"}));
    let updated = c.update(cx, &update, &writer()).await.expect("an update");
    assert_ne!(updated.resource_version(), made.resource_version());
    let mut stale = made.clone();
    stale.as_map_mut().insert("data".into(), json!({"a": "3"}));
    assert_eq!(code(&c.update(cx, &stale, &writer()).await), 409, "another resource version");
    let missing = c.update(cx, &p.config_map("missing", json!({})), &writer()).await;
    assert_eq!(code(&missing), 404, "{missing:?}");

    let mut named = p.config_map("", json!({}));
    named.metadata_mut().shift_remove("name");
    named.metadata_mut().insert("generateName".into(), json!("made-"));
    let named = c.create(cx, &named, &writer()).await.expect("a generated name");
    assert!(named.name().starts_with("made-") && named.name().len() == 10, "{}", named.name());
}

/// The three patches.
pub(super) async fn patches(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let at = p.config_map("written", json!({})).object_ref();
    let merge = Patch::Merge(json!({"data": {"b": "1", "a": null}}));
    let merged = c.patch(cx, &at, &merge, &writer()).await.expect("a merge patch");
    assert_eq!(merged.pointer("/data"), Some(&json!({"b": "1"})));
    let ops =
        json!([{"op": "test", "path": "/data/b", "value": "1"}, {"op": "replace", "path": "/data/b", "value": "2"}]);
    let patched = c.patch(cx, &at, &Patch::Json(ops.clone()), &writer()).await.expect("a JSON patch");
    assert_eq!(patched.pointer("/data/b"), Some(&json!("2")));
    assert_eq!(code(&c.patch(cx, &at, &Patch::Json(ops), &writer()).await), 422, "the test fails now");
    let missing = p.config_map("missing", json!({})).object_ref();
    assert_eq!(code(&c.patch(cx, &missing, &Patch::Merge(json!({})), &writer()).await), 404);

    let web = c.apply(cx, &deployment(p, "web", "web", Some("i:1")), &manager("m")).await.expect("a deployment");
    let more = json!({"spec": {"template": {"spec": {"containers": [{"name": "more", "image": "i:2"}]}}}});
    let more = c.patch(cx, &web.object_ref(), &Patch::Strategic(more), &writer()).await.expect("a strategic patch");
    let containers = more.pointer("/spec/template/spec/containers").and_then(|v| v.as_array().map(Vec::len));
    assert_eq!(containers, Some(2), "containers are merged by name");
    assert_eq!(more.generation(), web.generation().map(|g| g + 1));
}

/// Objects that the server does not take.
pub(super) async fn refusals(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let status = refusal(c.apply(cx, &deployment(p, "bad", "a", None), &manager("m")).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.causes.first().map(|c| c.field.as_str()), Some("spec.template.spec.containers[0].image"));
    let made = c.apply(cx, &deployment(p, "fixed", "a", Some("i:1")), &manager("m")).await.expect("a deployment");
    assert_eq!(made.pointer("/spec/replicas"), Some(&json!(1)), "defaults are filled in");
    let status = refusal(c.apply(cx, &deployment(p, "fixed", "b", Some("i:1")), &manager("m")).await);
    assert!(status.message.contains("field is immutable"), "{}", status.message);
    let unknown = object(json!({"apiVersion": "example.com/v1", "kind": "Unknown",
        "metadata": {"name": "x", "namespace": p.namespace}}));
    let unknown = c.apply(cx, &unknown, &manager("m")).await;
    assert!(matches!(unknown, Err(ClusterError::UnknownKind(_))), "{unknown:?}");
}

fn deployment(p: &Place, name: &str, app: &str, image: Option<&str>) -> Object {
    let mut container = json!({"name": "c"});
    if let Some(image) = image {
        container["image"] = json!(image);
    }
    object(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": p.namespace},
        "spec": {"selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}}}}))
}
