//! What would have to be done, as a value.

mod diff;
mod mask;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::applier::ApplyError;
use crate::digest::Digest;
use crate::inventory::Inventory;
use crate::manifests::{Manifests, Origin};
use crate::object::{Object, ObjectId, ObjectRef};

pub use diff::{FieldChange, diff};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not there and is made.
    Create,
    /// It is there and differs.
    Update,
    /// It differs in a field that cannot change: it is deleted and made again.
    Recreate,
    /// It is owned and no longer desired.
    Delete,
    /// It is left alone on request.
    Skip,
    /// It is as desired.
    Unchanged,
}

impl Action {
    /// Whether it writes.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Skip | Self::Unchanged)
    }

    /// What Flux says when it is done.
    pub fn past(self) -> &'static str {
        match self {
            Self::Create | Self::Recreate => "created",
            Self::Update => "configured",
            Self::Delete => "deleted",
            Self::Skip => "skipped",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The state of a live object that a change was planned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Its uid.
    pub uid: String,
    /// Its resource version.
    pub resource_version: String,
}

impl Observed {
    /// What is remembered of a live object.
    pub fn of(live: &Object) -> Self {
        Self {
            uid: live.uid().unwrap_or_default().to_owned(),
            resource_version: live.resource_version().unwrap_or_default().to_owned(),
        }
    }
}

/// What is done to one object, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which object, at which API version.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// What is done to it.
    pub action: Action,
    /// Why, where the action does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where the object comes from; none for what is no longer desired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Which fields change; the content of secrets is masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The live object that the change was planned from; none when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// The digest of the desired object; none for deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The object to apply: never serialised, since it may hold secrets.
    #[serde(skip)]
    desired: Option<Object>,
}

impl Change {
    /// A change towards a desired object.
    pub fn towards(desired: Object, origin: Origin, action: Action, live: Option<&Object>) -> Self {
        let digest = desired.digest();
        Self::towards_digested(desired, digest, origin, action, live)
    }

    /// The same where the digest of the desired object is known already.
    pub fn towards_digested(
        desired: Object,
        digest: Digest,
        origin: Origin,
        action: Action,
        live: Option<&Object>,
    ) -> Self {
        Self {
            object: desired.object_ref(),
            action,
            reason: None,
            origin: Some(origin),
            fields: Vec::new(),
            observed: live.map(Observed::of),
            digest: Some(digest),
            desired: Some(desired),
        }
    }

    /// A desired object that needs no write, known by its digest alone: nothing will ask for its content.
    pub fn still(
        object: ObjectRef,
        digest: Digest,
        origin: Origin,
        action: Action,
        observed: Option<Observed>,
    ) -> Self {
        Self {
            object,
            action,
            reason: None,
            origin: Some(origin),
            fields: Vec::new(),
            observed,
            digest: Some(digest),
            desired: None,
        }
    }

    /// A change to an object that is not desired.
    pub fn away(object: ObjectRef, action: Action, live: Option<&Object>) -> Self {
        let observed = live.map(Observed::of);
        Self { object, action, reason: None, origin: None, fields: Vec::new(), observed, digest: None, desired: None }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same with the fields in which two states differ, secrets masked. Server-side bookkeeping is left out.
    #[must_use]
    pub fn comparing(mut self, before: &Object, after: &Object) -> Self {
        self.fields = visible_diff(before, after);
        self
    }

    /// The object to apply, if there is one and the plan was not read from a file.
    pub fn desired(&self) -> Option<&Object> {
        self.desired.as_ref()
    }
}

/// The fields in which two states of an object differ, as people should see them: without what the server keeps for
/// itself, and with the content of secrets masked.
pub fn visible_diff(before: &Object, after: &Object) -> Vec<FieldChange> {
    const BOOKKEEPING: [&str; 7] = [
        "metadata.managedFields",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.creationTimestamp",
        "metadata.uid",
        "metadata.selfLink",
        "metadata.deletionGracePeriodSeconds",
    ];
    let mut fields = diff(before.as_map(), after.as_map());
    fields.retain(|field| !BOOKKEEPING.iter().any(|prefix| field.path.starts_with(prefix)));
    mask::mask(after, &mut fields);
    fields
}

/// What would have to be done to bring a place to a desired state: a value that can be shown, stored, approved and then
/// carried out. Serialised, it holds no object content beyond the masked fields that change; a plan that was read back
/// is made complete with [`attach`](Plan::attach).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Every object, desired ones in the order of application, then those to be deleted in the order of deletion.
    pub changes: Vec<Change>,
    /// What was owned before.
    pub owned: Inventory,
}

impl Plan {
    /// The changes that write.
    pub fn writes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.action.is_change())
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.writes().next().is_none()
    }

    /// How many objects meet this action.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }

    /// The change to one object.
    pub fn change(&self, id: &ObjectId) -> Option<&Change> {
        self.changes.iter().find(|change| change.object.id == *id)
    }

    /// What is owned once the plan is carried out.
    pub fn inventory(&self) -> Inventory {
        self.changes.iter().filter(|change| change.digest.is_some()).map(|change| change.object.clone()).collect()
    }

    /// Gives a plan that was read back the objects it was made from, as `desired` has them after the same preparation
    /// that the applier gave them when it planned.
    ///
    /// # Errors
    /// An object that the plan needs is missing or is not the one it was made from.
    pub fn attach(&mut self, desired: impl IntoIterator<Item = Object>) -> Result<(), ApplyError> {
        let mut objects: std::collections::HashMap<ObjectId, Object> =
            desired.into_iter().map(|object| (object.id(), object)).collect();
        for change in self.changes.iter_mut().filter(|change| change.digest.is_some()) {
            let id = &change.object.id;
            let object = objects.remove(id).ok_or_else(|| ApplyError::Mismatch(format!("{id} is missing")))?;
            if change.digest.as_ref() != Some(&object.digest()) {
                return Err(ApplyError::Mismatch(format!("{id} is not the object that was planned")));
            }
            change.desired = Some(object);
        }
        match objects.into_keys().next() {
            Some(id) => Err(ApplyError::Mismatch(format!("{id} is not in the plan"))),
            None => Ok(()),
        }
    }

    /// The first object to which the other plan would do something else; none if both would do the same. What the plans
    /// were made from may differ, such as the status of an object that neither touches.
    pub fn differs_from<'a>(&'a self, other: &'a Self) -> Option<&'a ObjectId> {
        let by_id = |plan: &'a Self| -> std::collections::BTreeMap<&'a ObjectId, &'a Change> {
            plan.writes().map(|change| (&change.object.id, change)).collect()
        };
        let (ours, theirs) = (by_id(self), by_id(other));
        let same = |a: &Change, b: &Change| (a.action, &a.fields, &a.digest) == (b.action, &b.fields, &b.digest);
        let differs = |id: &&&ObjectId| match (ours.get(**id), theirs.get(**id)) {
            (Some(ours), Some(theirs)) => !same(ours, theirs),
            _ => true,
        };
        ours.keys().chain(theirs.keys()).find(differs).copied()
    }

    /// The digest over what the plan would do: what an approval is given for.
    pub fn digest(&self) -> Digest {
        Digest::sha256(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The plan as people read it: one line an object, its fields below.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in self.writes() {
            let sign = match change.action {
                Action::Create => '+',
                Action::Delete => '-',
                Action::Recreate => '!',
                _ => '~',
            };
            write!(f, "{sign} {}", change.object)?;
            if let Some(origin) = &change.origin {
                write!(f, "  {origin}")?;
            }
            if let Some(reason) = &change.reason {
                write!(f, "  ({reason})")?;
            }
            writeln!(f)?;
            for field in &change.fields {
                let show = |value: &Option<serde_json::Value>| {
                    value.as_ref().map_or_else(|| "—".to_owned(), |value| shorten(&value.to_string()))
                };
                writeln!(f, "    {}: {} → {}", field.path, show(&field.before), show(&field.after))?;
            }
        }
        write!(
            f,
            "{} to create, {} to update, {} to recreate, {} to delete, {} unchanged, {} skipped",
            self.count(Action::Create),
            self.count(Action::Update),
            self.count(Action::Recreate),
            self.count(Action::Delete),
            self.count(Action::Unchanged),
            self.count(Action::Skip),
        )
    }
}

fn shorten(text: &str) -> String {
    const WIDTH: usize = 100;
    if text.chars().count() <= WIDTH { text.to_owned() } else { text.chars().take(WIDTH).chain(['…']).collect() }
}

/// The manifests that a plan was asked to bring about, for appliers that plan without preparing objects.
impl From<&Manifests> for Inventory {
    fn from(manifests: &Manifests) -> Self {
        manifests.iter().map(|manifest| &manifest.object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn secret(value: &str) -> Object {
        Object::from_value(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": value}},
            "data": {"password": value},
        }))
        .unwrap()
    }

    fn plan(value: &str) -> Plan {
        let change = Change::towards(secret(value), Origin::new("s.yaml", 3), Action::Update, None)
            .comparing(&secret("canary-old"), &secret(value));
        Plan { changes: vec![change], owned: Inventory::default() }
    }

    #[test]
    fn h40_secrets_are_masked_in_every_form_of_a_plan() {
        let plan = plan("canary-new");
        let shown = format!("{plan} {plan:?} {}", serde_json::to_string(&plan).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("data.password") && shown.contains("*** (after)"));
    }

    #[test]
    fn h40_a_secret_that_comes_whole_is_masked_too() {
        let bare =
            Object::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})).unwrap();
        let fields = visible_diff(&bare, &secret("canary"));
        let shown = serde_json::to_string(&fields).unwrap();
        assert!(!shown.contains("canary") && shown.contains("password"), "{shown}");
    }

    #[test]
    fn a_plan_read_back_takes_only_the_objects_it_was_made_from() {
        let text = serde_json::to_string(&plan("one")).unwrap();
        let mut read: Plan = serde_json::from_str(&text).unwrap();
        assert!(read.changes[0].desired().is_none());
        assert!(matches!(read.attach([secret("two")]), Err(ApplyError::Mismatch(_))));
        assert!(matches!(read.attach([]), Err(ApplyError::Mismatch(_))));
        read.attach([secret("one")]).unwrap();
        assert_eq!(read, plan("one"));
    }

    #[test]
    fn bookkeeping_is_not_shown() {
        let with = |version: &str, replicas: i64| {
            Object::from_value(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "d", "resourceVersion": version, "managedFields": [version]},
                "spec": {"replicas": replicas},
            }))
            .unwrap()
        };
        let fields = visible_diff(&with("1", 1), &with("2", 2));
        assert_eq!(
            fields,
            [FieldChange { path: "spec.replicas".into(), before: Some(Value::from(1)), after: Some(2.into()) }]
        );
    }
}
