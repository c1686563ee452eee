//! What has to be done to one object: asked of the server by a dry run.

use flux_core::cluster::ClusterError;
use flux_core::{Action, ApplyError, Change, Context, Digest, Object, Origin};

use super::ignore::without;
use super::order::Stage;
use super::owner::ForeignOwner;
use super::redact::redact;
use super::{Drift, ServerSideApplier, drift, lock, managers};

/// One desired object and what is known of its live state.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) desired: Object,
    /// The digest of the desired object.
    pub(super) digest: Digest,
    pub(super) origin: Origin,
    pub(super) live: Option<Object>,
    /// Why the server cannot be asked before the rest of the plan is carried out.
    pub(super) ahead: Option<String>,
}

impl ServerSideApplier {
    /// What has to be done to one object.
    pub(super) async fn judge(&self, cx: &Context, case: &Case) -> Result<Change, ApplyError> {
        let Case { desired, digest, origin, live, ahead } = case;
        let change = |action| {
            let (desired, digest) = (desired.clone(), digest.clone());
            Change::towards_digested(desired, digest, origin.clone(), action, live.as_ref())
        };
        if let Some(why) = self.directives().skip(desired, live.as_ref()) {
            return Ok(change(Action::Skip).because(why));
        }
        let former = self.former_owner(cx, desired, origin, live.as_ref()).await?;
        if let Some(why) = ahead {
            let action = if live.is_some() { Action::Update } else { Action::Create };
            return Ok(change(action).because(why.as_str()));
        }
        let answer = self.cluster.apply(cx, desired, &self.options(true)).await;
        let (live, result) = match (live, answer) {
            (None, Ok(_)) => return Ok(change(Action::Create)),
            (Some(live), Ok(result)) => (live, result),
            (Some(live), Err(error)) => {
                return match self.remake(cx, desired, live, &error).await {
                    Some(remake) => {
                        let change = change(Action::Recreate).because(remake.why);
                        Ok(remake.result.map_or(change.clone(), |result| change.comparing(live, &result)))
                    }
                    None => Err(refused("dry-run", desired, origin, error)),
                };
            }
            (None, Err(error)) => return Err(refused("dry-run", desired, origin, error)),
        };
        let takeover = if self.directives().merges(desired, live) {
            None
        } else {
            managers::takeover(live, &self.field_manager, &self.override_managers)
        };
        let id = desired.id();
        let ignored = self.ignore.paths(desired);
        let (before, after) = if ignored.is_empty() {
            (live.clone(), result)
        } else {
            (without(live, &ignored), without(&result, &ignored))
        };
        if takeover.is_none() && !drift::differs(&before, &after) {
            self.settle(cx, id, digest.clone(), live);
            return Ok(change(Action::Unchanged));
        }
        let drifted = lock(&self.record).was_desired(&id, digest);
        let mut reasons: Vec<String> = Vec::new();
        reasons.extend(former.map(|owner| format!("taken over from {owner}")));
        if let Some(takeover) = &takeover {
            reasons.push(match takeover.managers.as_slice() {
                [] => "drops what other tools left in its metadata".to_owned(),
                managers => format!("takes over the fields of {}", managers.join(", ")),
            });
        }
        if drifted {
            reasons.push("drifted".to_owned());
        }
        let action = if drifted && self.drift == Drift::Report { Action::Skip } else { Action::Update };
        let change = change(action).comparing(&before, &after);
        Ok(if reasons.is_empty() { change } else { change.because(reasons.join("; ")) })
    }

    /// The pipeline that a live object is taken over from, if it may be.
    async fn former_owner(
        &self,
        cx: &Context,
        desired: &Object,
        origin: &Origin,
        live: Option<&Object>,
    ) -> Result<Option<String>, ApplyError> {
        let owner = live.and_then(|live| self.owner.of(live)).filter(|owner| *owner != self.owner);
        let Some(owner) = owner else { return Ok(None) };
        let waived = match (cx.claims(), owner.unit()) {
            (Some(claims), Some(unit)) => claims.waives(cx, &unit, &desired.id()).await,
            _ => false,
        };
        match self.foreign_owner {
            ForeignOwner::Refuse if !waived => Err(ApplyError::OwnedByOther {
                object: desired.id(),
                origin: Some(origin.clone()),
                owner: format!("{owner}, and {} wants it", self.owner),
            }),
            _ => Ok(Some(owner.to_string())),
        }
    }
}

/// The server's refusal of a desired object, without what it may show of a Secret.
pub(super) fn refused(operation: &'static str, desired: &Object, origin: &Origin, error: ClusterError) -> ApplyError {
    let error = redact(error, desired);
    ApplyError::Object { object: desired.id(), operation, origin: Some(origin.clone()), error }
}

/// Whether a refusal only says that something is not there which the plan is about to make: a service account of a pod,
/// a role of a binding.
pub(super) fn awaits_another<'a>(error: &ApplyError, made: impl Iterator<Item = &'a str>) -> bool {
    let ApplyError::Object { error: ClusterError::Api(status), object, .. } = error else { return false };
    matches!(status.code, 403 | 404)
        && status.message.contains("not found")
        && Stage::of(object, &[]) == Stage::Rest
        && made.into_iter().any(|name| name != object.name && status.message.contains(&format!("\"{name}\"")))
}
