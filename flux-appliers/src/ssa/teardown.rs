//! The end of a pipeline.

use flux_core::applier::Outcome;
use flux_core::{Action, ApplyError, Context, Inventory, ObjectRef, Report, Severity};

use super::{ServerSideApplier, order};

/// What becomes of the objects of a pipeline that is deleted: Flux's `spec.deletionPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeletionPolicy {
    /// They are deleted if the pipeline prunes.
    #[default]
    MirrorPrune,
    /// They are deleted.
    Delete,
    /// They are deleted, and the teardown ends when they are gone or the deadline passes.
    WaitForTermination,
    /// They stay.
    Orphan,
}

/// Deletes what is owned, in the reverse order of application. One failure does not stop the others.
pub(super) async fn teardown(applier: &ServerSideApplier, cx: &Context, owned: &Inventory) -> Report {
    let policy = applier.deletion_policy;
    if policy == DeletionPolicy::Orphan || (policy == DeletionPolicy::MirrorPrune && !applier.prune) {
        return Report { inventory: Inventory::default(), outcomes: Vec::new(), error: None };
    }
    let mut objects: Vec<ObjectRef> = owned.iter().collect();
    objects.sort_by(|a, b| order::compare(&b.id, &a.id));
    let mut report = Report { inventory: owned.clone(), outcomes: Vec::new(), error: None };
    let mut errors = Vec::new();
    let mut leaving = Vec::new();
    for object in objects {
        if let Err(interrupted) = cx.check() {
            errors.push(interrupted.into());
            break;
        }
        let uid = applier.find(cx, &object).await.ok().flatten().and_then(|live| live.uid().map(str::to_owned));
        let outcome = match applier.delete(cx, &object, None).await {
            Ok(false) => applier.release(cx, &object).await.map(|()| false),
            outcome => outcome,
        };
        match outcome {
            Ok(deleted) => {
                let action = if deleted { Action::Delete } else { Action::Skip };
                report.inventory.remove(&object.id);
                report.outcomes.push(Outcome { id: object.id.clone(), action });
                if deleted {
                    if let Err(error) = cx.record(&applier.field_manager, object.id.clone(), action, Vec::new()) {
                        errors.push(error.into());
                        break;
                    }
                    leaving.extend(uid.map(|uid| (object, uid)));
                }
            }
            Err(error) => errors.push(error),
        }
    }
    if policy == DeletionPolicy::WaitForTermination && errors.is_empty() {
        for (object, uid) in leaving {
            match applier.until_gone(cx, &object, &uid).await {
                Ok(()) => {}
                Err(ApplyError::Interrupted(_)) => break,
                // As Flux does: said, and not held against the teardown.
                Err(error) => cx.event(Severity::Error, "PruneFailed", error.to_string()),
            }
        }
    }
    applier.forget_all_but(|id| report.inventory.contains(id));
    report.error = ApplyError::of_several(errors);
    report
}
