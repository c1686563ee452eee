//! What deleting promises.

use serde_json::json;

use super::{Place, code, manager, writer};
use crate::cluster::{DeleteOptions, Patch, Preconditions, Propagation};

/// Deletes: of nothing, under conditions, and dry.
pub(super) async fn conditions(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let object = p.config_map("gone", json!({}));
    let at = object.object_ref();
    assert!(!c.delete(cx, &at, &DeleteOptions::default()).await.expect("there is none"));
    let made = c.apply(cx, &object, &manager("m")).await.expect("an apply");
    for wrong in [
        Preconditions { uid: Some("other".to_owned()), resource_version: None },
        Preconditions { uid: None, resource_version: Some("1".to_owned()) },
    ] {
        let options = DeleteOptions { preconditions: wrong, ..DeleteOptions::default() };
        assert_eq!(code(&c.delete(cx, &at, &options).await), 409);
    }
    let dry = DeleteOptions { dry_run: true, ..DeleteOptions::default() };
    assert!(c.delete(cx, &at, &dry).await.expect("a dry run"));
    assert!(c.get(cx, &at).await.expect("a get").is_some(), "a dry run deletes nothing");
    let right = Preconditions {
        uid: made.uid().map(str::to_owned),
        resource_version: made.resource_version().map(str::to_owned),
    };
    let options = DeleteOptions { preconditions: right, ..DeleteOptions::default() };
    assert!(c.delete(cx, &at, &options).await.expect("a delete"));
    assert!(c.get(cx, &at).await.expect("nothing").is_none());
}

/// What has finalizers stays until they are gone.
pub(super) async fn finalizers(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    let mut held = p.config_map("held", json!({}));
    held.metadata_mut().insert("finalizers".into(), json!(["example.com/hold"]));
    c.apply(cx, &held, &manager("m")).await.expect("an apply");
    assert!(c.delete(cx, &held.object_ref(), &DeleteOptions::default()).await.expect("a delete"));
    let waiting = c.get(cx, &held.object_ref()).await.expect("a get").expect("the object");
    assert!(waiting.deletion_timestamp().is_some());
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    c.patch(cx, &held.object_ref(), &free, &writer()).await.expect("a patch");
    p.gone(&held.object_ref()).await;
}

/// What an object owns goes with it, or stays, as asked.
pub(super) async fn dependents(p: &Place) {
    let (cx, c) = (&p.cx, &p.cluster);
    for (propagation, stays) in
        [(Propagation::Background, false), (Propagation::Foreground, false), (Propagation::Orphan, true)]
    {
        let owner = c.apply(cx, &p.config_map("owner", json!({})), &manager("m")).await.expect("an owner");
        let mut owned = p.config_map("owned", json!({}));
        let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid(),
            "blockOwnerDeletion": true}]);
        owned.metadata_mut().insert("ownerReferences".into(), reference);
        c.apply(cx, &owned, &manager("m")).await.expect("a dependent");
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        assert!(c.delete(cx, &owner.object_ref(), &options).await.expect("a delete"));
        p.gone(&owner.object_ref()).await;
        if stays {
            let left = c.get(cx, &owned.object_ref()).await.expect("a get").expect("the orphan");
            assert_eq!(left.pointer("/metadata/ownerReferences"), None);
        } else {
            p.gone(&owned.object_ref()).await;
        }
    }
}
