//! What is wanted comes to be, all of it or nothing where it cannot, and stays without a write.

use std::time::Duration;

use serde_json::json;

use super::{Place, actions, manifests, object};
use crate::inventory::Inventory;
use crate::plan::Action;

pub(super) async fn a_set_comes_changes_and_goes(place: &Place) {
    let applier = place.applier("contract-a");
    let (one, two) = (place.map("one", "1"), place.map("two", "1"));
    let plan = place.plan(&*applier, &[one.clone(), two.clone()], &Inventory::default()).await;
    assert_eq!(actions(&plan), [(Action::Create, "one".into()), (Action::Create, "two".into())]);
    assert_eq!(place.value("one").await, None, "a plan changes nothing");
    let report = place.bring(&*applier, &[one, two.clone()], &Inventory::default()).await;
    assert_eq!((place.value("one").await, place.value("two").await), (Some("1".into()), Some("1".into())));

    let one = place.map("one", "2");
    let plan = place.plan(&*applier, &[one.clone(), two.clone()], &report.inventory).await;
    assert_eq!(plan.writes().count(), 1, "only what differs is written: {plan}");
    let change = plan.change(&place.id("one")).expect("the change of one");
    let fields: Vec<String> = change.fields.iter().map(|field| field.path.to_string()).collect();
    assert_eq!(fields, ["data.key"], "and only the field that differs is told");
    let report = place.bring(&*applier, &[one.clone(), two], &report.inventory).await;
    assert_eq!(place.value("one").await.as_deref(), Some("2"));

    // One goes, one stays.
    let report = place.bring(&*applier, std::slice::from_ref(&one), &report.inventory).await;
    assert_eq!(place.value("two").await, None);
    let patient = place.cx.clone().with_timeout(Duration::from_secs(60));
    let health = applier.wait(&patient, &report.inventory).await.expect("health");
    assert!(health.is_ready(), "{health}");
    let report = applier.teardown(&place.cx, &report.inventory).await;
    assert!(report.error.is_none() && report.inventory.is_empty(), "{report:?}");
    assert_eq!(place.value("one").await, None);
}

pub(super) async fn drift_is_repaired(place: &Place) {
    let applier = place.applier("contract-a");
    let wanted = [place.map("drifting", "ours"), place.map("deleted", "ours")];
    let report = place.bring(&*applier, &wanted, &Inventory::default()).await;
    place.meddle(&wanted[0].object_ref(), json!({"data": {"key": "theirs", "more": "theirs"}})).await;
    place.cluster.delete(&place.cx, &wanted[1].object_ref(), &Default::default()).await.expect("it is deleted");
    place.until_planned(&*applier, &wanted, &report.inventory, 2).await;
    let report = place.bring(&*applier, &wanted, &report.inventory).await;
    assert_eq!(place.value("drifting").await.as_deref(), Some("ours"));
    assert_eq!(place.value("deleted").await.as_deref(), Some("ours"));
    let live = place.live(&wanted[0].object_ref()).await.expect("the object");
    assert_eq!(live.pointer("/data/more"), Some(&json!("theirs")), "a field of somebody else is left alone");
    assert!(applier.teardown(&place.cx, &report.inventory).await.error.is_none());
}

pub(super) async fn a_stale_plan_changes_nothing(place: &Place) {
    let applier = place.applier("contract-a");
    let report = place.bring(&*applier, &[place.map("stale", "1")], &Inventory::default()).await;
    let plan = place.plan(&*applier, &[place.map("stale", "2")], &report.inventory).await;
    place.meddle(&place.id("stale").at("v1"), json!({"data": {"key": "3"}})).await;
    let stale = applier.apply(&place.cx, plan).await;
    assert!(matches!(stale.error, Some(crate::ApplyError::Stale { .. })), "{stale:?}");
    assert_eq!(place.value("stale").await.as_deref(), Some("3"), "nobody approved of what is there now");
    assert_eq!(stale.inventory, report.inventory, "what was owned still is");
    assert!(applier.teardown(&place.cx, &report.inventory).await.error.is_none());
}

pub(super) async fn what_the_server_refuses_changes_nothing(place: &Place) {
    let applier = place.applier("contract-a");
    let report = place.bring(&*applier, &[place.map("kept", "1")], &Inventory::default()).await;
    let mut bad = place.map("bad", "1").as_map().clone();
    bad.insert("data".into(), json!({"no key !": "1"}));
    let set = manifests(&[place.map("new", "1"), object(bad.into())]);
    // What is refused at plan time and what is refused half way are both named.
    let error = match applier.plan(&place.cx, &set, &report.inventory).await {
        Err(error) => error,
        Ok(plan) => applier.apply(&place.cx, plan).await.error.expect("the server refuses it"),
    };
    assert!(error.to_string().contains("contract.yaml:2"), "file and line are named: {error}");
    assert_eq!(place.value("bad").await, None);
    assert_eq!(place.value("kept").await.as_deref(), Some("1"), "nothing is deleted for a set that failed");
    // Whatever of the set was done is torn down with the rest.
    let owned = report.inventory.union(&set.iter().map(|manifest| manifest.object.object_ref()).collect());
    assert!(applier.teardown(&place.cx, &owned).await.error.is_none());
}

pub(super) async fn a_definition_comes_before_its_objects(place: &Place) {
    let applier = place.applier("contract-a");
    let gadget = object(json!({"apiVersion": "contract.example.com/v1", "kind": "Gadget",
        "metadata": {"name": "first", "namespace": place.namespace}, "spec": {"size": 1}}));
    let definition = object(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.contract.example.com"},
        "spec": {"group": "contract.example.com", "scope": "Namespaced",
            "names": {"kind": "Gadget", "listKind": "GadgetList", "plural": "gadgets", "singular": "gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]}}));
    // Twice: what was known of the kind is no longer true the second time.
    for _ in 0..2 {
        let report = place.bring(&*applier, &[gadget.clone(), definition.clone()], &Inventory::default()).await;
        let live = place.live(&gadget.object_ref()).await.expect("the gadget");
        assert_eq!(live.pointer("/spec/size"), Some(&json!(1)));
        let report = applier.teardown(&place.cx, &report.inventory).await;
        assert!(report.error.is_none(), "{report:?}");
        place.gone(&definition.object_ref()).await;
    }
}

pub(super) async fn secrets_are_not_shown(place: &Place) {
    const CANARY: &str = "contract-canary";
    let applier = place.applier("contract-a");
    let secret = |value: &str| {
        object(json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "secret", "namespace": place.namespace}, "stringData": {"key": value}}))
    };
    let silent = |what: &str, text: String| {
        for shown in [CANARY, "Y29udHJhY3QtY2FuYXJ5"] {
            assert!(!text.contains(shown), "{what} shows a secret: {text}");
        }
    };
    let mut owned = Inventory::default();
    for value in [CANARY.to_owned(), format!("{CANARY}-2")] {
        let plan = place.plan(&*applier, &[secret(&value)], &owned).await;
        assert!(!plan.is_empty());
        silent("a plan", format!("{plan} {plan:?}"));
        silent("a plan that is kept", serde_json::to_string(&plan).expect("a plan can be kept"));
        let report = applier.apply(&place.cx, plan).await;
        assert!(report.error.is_none(), "{report:?}");
        silent("a report", format!("{report:?}"));
        owned = report.inventory;
    }
    assert!(applier.teardown(&place.cx, &owned).await.error.is_none());
}
