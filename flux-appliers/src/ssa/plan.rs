//! The plan: what has to be done to every object, judged against the state that the plan itself brings about.

use std::collections::HashSet;

use flux_core::cluster::ClusterError;
use flux_core::plan::Observed;
use flux_core::{Action, ApplyError, Change, Context, Inventory, Manifests, Object, ObjectId, ObjectRef, Plan};
use futures::FutureExt as _;

use super::judge::{Case, awaits_another, refused};
use super::live::failed;
use super::order::{self, Stage};
use super::prepare::{Entry, Kinds, defines};
use super::{ServerSideApplier, lock};

/// Why an object of a kind that is not served cannot be dry-run.
const DEFINED_HERE: &str = "its kind is defined in this plan";

/// What a plan brings about before its other objects are applied.
#[derive(Debug, Default)]
struct Ahead {
    /// Namespaces that are made.
    namespaces: HashSet<String>,
    /// Kinds that are defined or redefined, by group and kind.
    kinds: HashSet<(String, String)>,
}

impl Ahead {
    fn note(&mut self, change: &Change) {
        if !change.action.is_change() {
            return;
        }
        if change.object.id.kind == "Namespace" && change.object.id.group.is_empty() && change.action == Action::Create
        {
            self.namespaces.insert(change.object.id.name.clone());
        }
        self.kinds.extend(change.desired().and_then(defines));
    }

    fn redefines(&self, id: &ObjectId) -> bool {
        !self.kinds.is_empty() && self.kinds.contains(&(id.group.clone(), id.kind.clone()))
    }

    fn makes_namespace(&self, id: &ObjectId) -> bool {
        !id.namespace.is_empty() && self.namespaces.contains(&id.namespace)
    }
}

/// Plans a set of manifests.
pub(super) async fn plan(
    applier: &ServerSideApplier,
    cx: &Context,
    desired: &Manifests,
    owned: &Inventory,
) -> Result<Plan, ApplyError> {
    let (prepared, kinds, mut fresh) = applier.prepare(cx, desired).await?;
    let wanted: Inventory = prepared.entries.iter().map(|entry| entry.object.clone()).collect();
    let mut stale: Vec<ObjectRef> = owned.minus(&wanted).iter().collect();
    stale.sort_by(|a, b| order::compare(&b.id, &a.id));
    let planner = Planner { applier, cx, desired, owned, stale, kinds: &kinds };
    let mut changes = Vec::with_capacity(prepared.entries.len());
    let mut ahead = Ahead::default();
    let mut uids = HashSet::new();
    // Definitions come first: what they bring about decides how the rest is judged.
    let split = prepared.entries.partition_point(|entry| entry.stage == Stage::Definitions);
    let (definitions, rest) = prepared.entries.split_at(split);
    for entries in [definitions, rest] {
        planner.judge(entries, &mut fresh, &ahead, &mut changes, &mut uids).await?;
        changes.iter().for_each(|change| ahead.note(change));
    }
    planner.judge_stale(&uids, &mut changes).await?;
    applier.looked();
    Ok(Plan { changes, owned: owned.clone() })
}

struct Planner<'a> {
    applier: &'a ServerSideApplier,
    cx: &'a Context,
    desired: &'a Manifests,
    owned: &'a Inventory,
    /// What is owned and no longer desired, in the order of deletion.
    stale: Vec<ObjectRef>,
    kinds: &'a Kinds,
}

impl Planner<'_> {
    /// Judges desired objects, all of them before any error is returned: one run shows everything that is wrong.
    async fn judge(
        &self,
        entries: &[Entry],
        fresh: &mut [Option<Object>],
        ahead: &Ahead,
        changes: &mut Vec<Change>,
        uids: &mut HashSet<String>,
    ) -> Result<(), ApplyError> {
        self.cx.check()?;
        let known: Vec<Option<Observed>> = entries.iter().map(|entry| self.in_place(entry, ahead)).collect();
        let lives = self.read(entries, &known, ahead).await;
        let manifests: Vec<_> = self.desired.iter().collect();
        let mut errors = Vec::new();
        let mut settled: Vec<Option<Change>> = Vec::with_capacity(entries.len());
        let mut cases = Vec::new();
        for ((entry, live), known) in entries.iter().zip(lives).zip(known) {
            let Some(manifest) = manifests.get(entry.index) else { continue };
            let id = &entry.object.id;
            let still = |observed| {
                let (object, digest) = (entry.object.clone(), entry.digest.clone());
                Change::still(object, digest, manifest.origin.clone(), Action::Unchanged, Some(observed))
            };
            if let Some(observed) = known {
                uids.insert(observed.uid.clone());
                settled.push(Some(still(observed)));
                continue;
            }
            let (live, ahead_of_kind) = match live {
                Ok(live) => (live, None),
                // The kind went since the server was asked for it, and comes back with this plan.
                Err(ClusterError::UnknownKind(_)) if ahead.redefines(id) => (None, Some(DEFINED_HERE.to_owned())),
                Err(error) => {
                    errors.push(with_origin(failed(&entry.object, "read", error), manifest));
                    continue;
                }
            };
            if let Some(live) = &live {
                if !self.stale.is_empty() {
                    uids.extend(live.uid().map(str::to_owned));
                }
                let settle = lock(&self.applier.record).is_settled(id, &entry.digest, live);
                if settle && !ahead.redefines(id) {
                    settled.push(Some(still(Observed::of(live))));
                    continue;
                }
            }
            let fresh = fresh.get_mut(entry.index).and_then(Option::take);
            let case = Case {
                desired: fresh.map_or_else(|| self.applier.object(manifest, self.kinds), Ok)?,
                digest: entry.digest.clone(),
                origin: manifest.origin.clone(),
                ahead: ahead_of_kind.or_else(|| self.ahead(&entry.object, ahead)),
                live,
            };
            settled.push(None);
            cases.push(case);
        }
        let made: Vec<String> =
            cases.iter().filter(|case| case.live.is_none()).map(|case| case.desired.name().to_owned()).collect();
        let judged = cases.iter().map(|case| self.applier.judge(self.cx, case).boxed()).collect();
        let mut judged = self.applier.concurrently(judged).await.into_iter().zip(&cases);
        for settled in settled {
            match settled {
                Some(change) => changes.push(change),
                None => match judged.next() {
                    Some((Ok(change), _)) => changes.push(change),
                    Some((Err(error), case)) => match self.foreseen(&error, case, ahead, &made) {
                        Some(why) => changes.push(self.applier.judge(self.cx, &case.clone_ahead(why)).await?),
                        None => errors.push(error),
                    },
                    None => {}
                },
            }
        }
        // Where the run was cut short, that is what went wrong.
        self.cx.check()?;
        ApplyError::of_several(errors).map_or(Ok(()), Err)
    }

    /// The live state of an object that is known to be in place, unless this plan shakes it.
    fn in_place(&self, entry: &Entry, ahead: &Ahead) -> Option<Observed> {
        let id = &entry.object.id;
        if ahead.redefines(id) || ahead.makes_namespace(id) {
            return None;
        }
        self.applier.in_place(&entry.object, &entry.digest)
    }

    /// What is live, asked for only where it can be there and is not known.
    async fn read(
        &self,
        entries: &[Entry],
        known: &[Option<Observed>],
        ahead: &Ahead,
    ) -> Vec<Result<Option<Object>, flux_core::ClusterError>> {
        let asks =
            |entry: &Entry, known: &Option<Observed>| known.is_none() && !ahead.makes_namespace(&entry.object.id);
        let references: Vec<&ObjectRef> = entries
            .iter()
            .zip(known)
            .filter(|(entry, known)| asks(entry, known) && self.kinds.is_served(&entry.object.gvk()))
            .map(|(entry, _)| &entry.object)
            .collect();
        let mut answers = self.applier.read(self.cx, &references, self.owned).await.into_iter();
        let mut lives = Vec::with_capacity(entries.len());
        for (entry, known) in entries.iter().zip(known) {
            lives.push(if !asks(entry, known) {
                Ok(None)
            } else if self.kinds.is_served(&entry.object.gvk()) {
                answers.next().unwrap_or(Ok(None))
            } else {
                // The set defines this version of the kind; objects may be there at another.
                self.applier.find(self.cx, &entry.object).await
            });
        }
        lives
    }

    /// Why an object cannot be dry-run yet.
    fn ahead(&self, object: &ObjectRef, ahead: &Ahead) -> Option<String> {
        if !self.kinds.is_served(&object.gvk()) {
            Some(DEFINED_HERE.to_owned())
        } else if ahead.makes_namespace(&object.id) {
            Some(format!("its namespace {} is created in this plan", object.id.namespace))
        } else {
            None
        }
    }

    /// Why a refusal does not count: what it asks for is what the plan brings about first.
    fn foreseen(&self, error: &ApplyError, case: &Case, ahead: &Ahead, made: &[String]) -> Option<String> {
        if ahead.redefines(&case.desired.id()) {
            return Some("its kind is redefined in this plan".to_owned());
        }
        awaits_another(error, made.iter().map(String::as_str))
            .then(|| "what it refers to is created in this plan".to_owned())
    }

    /// Judges what is owned and no longer desired.
    async fn judge_stale(&self, uids: &HashSet<String>, changes: &mut Vec<Change>) -> Result<(), ApplyError> {
        let mut errors = Vec::new();
        for object in &self.stale {
            self.cx.check()?;
            let live = match self.applier.find(self.cx, object).await {
                Ok(live) => live,
                Err(error) => {
                    errors.push(failed(object, "read", error));
                    continue;
                }
            };
            changes.push(self.applier.judge_stale(self.cx, object.clone(), live.as_ref(), uids).await);
        }
        ApplyError::of_several(errors).map_or(Ok(()), Err)
    }
}

impl Case {
    fn clone_ahead(&self, why: String) -> Self {
        Self { ahead: Some(why), ..self.clone() }
    }
}

fn with_origin(error: ApplyError, manifest: &flux_core::Manifest) -> ApplyError {
    match error {
        ApplyError::Object { error, operation, .. } => refused(operation, &manifest.object, &manifest.origin, error),
        other => other,
    }
}
