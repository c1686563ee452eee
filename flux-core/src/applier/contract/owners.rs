//! Who owns an object, and that nothing is deleted that somebody else has.

use super::claims::Moves;
use super::{Place, manifests};
use crate::inventory::Inventory;
use crate::object::ObjectRef;
use crate::plan::Action;

pub(super) async fn an_inventory_alone_deletes_nothing(place: &Place) {
    let applier = place.applier("contract-a");
    let stranger = place.map("stranger", "theirs");
    let options = crate::cluster::WriteOptions { field_manager: "somebody".into(), ..Default::default() };
    place.cluster.create(&place.cx, &stranger, &options).await.expect("it is made");
    let claimed: Inventory = [stranger.object_ref(), place.id("never-there").at("v1")].into_iter().collect();
    let report = place.bring(&*applier, &[place.map("ours", "1")], &claimed).await;
    assert_eq!(place.value("stranger").await.as_deref(), Some("theirs"), "what is not labelled as ours is not ours");
    let claimed = report.inventory.union(&claimed);
    let report = applier.teardown(&place.cx, &claimed).await;
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(place.value("stranger").await.as_deref(), Some("theirs"));
    assert_eq!(place.value("ours").await, None);
}

pub(super) async fn what_has_another_owner_is_refused(place: &Place) {
    let (first, second) = (place.applier("contract-a"), place.applier("contract-b"));
    let report = place.bring(&*first, &[place.map("taken", "first")], &Inventory::default()).await;
    let refused = second.plan(&place.cx, &manifests(&[place.map("taken", "second")]), &Inventory::default()).await;
    let error = refused.expect_err("two owners of one object");
    assert!(error.to_string().contains("taken"), "{error}");
    assert_eq!(place.value("taken").await.as_deref(), Some("first"));
    assert!(first.teardown(&place.cx, &report.inventory).await.error.is_none());
}

/// Whoever of the two comes first: the object is there all the time.
pub(super) async fn what_moves_is_never_deleted(place: &Place) {
    let (first, second) = (place.applier("contract-a"), place.applier("contract-b"));
    for giver_first in [true, false] {
        let moving = place.map("moving", "1");
        let at: ObjectRef = moving.object_ref();
        let stays = place.map("stays", "1");
        let report = place.bring(&*first, &[moving.clone(), stays.clone()], &Inventory::default()).await;
        let before = place.live(&at).await.expect("the object").uid().map(str::to_owned);
        let to = crate::engine::Unit::new("Kustomization", "flux-system", "contract-b");
        let cx = Moves { object: at.id.clone(), to }.with(&place.cx);
        let give = async {
            let set = manifests(std::slice::from_ref(&stays));
            let plan = first.plan(&cx, &set, &report.inventory).await.expect("a plan");
            assert_eq!(plan.count(Action::Delete), 0, "{plan}");
            first.apply(&cx, plan).await
        };
        let taken = if giver_first {
            let given = give.await;
            assert!(given.error.is_none(), "{given:?}");
            place.bring_in(&cx, &*second, std::slice::from_ref(&moving), &Inventory::default()).await
        } else {
            let taken = place.bring_in(&cx, &*second, std::slice::from_ref(&moving), &Inventory::default()).await;
            let given = give.await;
            assert!(given.error.is_none(), "{given:?}");
            taken
        };
        let after = place.live(&at).await.expect("it was never deleted").uid().map(str::to_owned);
        assert_eq!(before, after, "and never made anew");
        // Who gave it away has nothing to do with it any more.
        let torn = first.teardown(&place.cx, &report.inventory).await;
        assert!(torn.error.is_none(), "{torn:?}");
        assert_eq!(place.value("moving").await.as_deref(), Some("1"));
        assert!(second.teardown(&place.cx, &taken.inventory).await.error.is_none());
        assert_eq!(place.value("moving").await, None);
    }
}
