//! How objects reach the place where they should be.

#[cfg(feature = "contract")]
pub mod contract;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterError;
use crate::context::{Context, Interrupted};
use crate::error::{BoxError, Class};
use crate::inventory::Inventory;
use crate::manifests::{Manifests, Origin};
use crate::object::ObjectId;
use crate::plan::{Action, Plan};

/// Brings a place (a cluster, or anything else that holds objects) to a desired state.
#[async_trait]
pub trait Applier: fmt::Debug + Send + Sync {
    /// What would have to be done: nothing is changed. `owned` is what was applied before; what is owned and no longer
    /// desired is planned for deletion, if the applier prunes.
    async fn plan(&self, cx: &Context, desired: &Manifests, owned: &Inventory) -> Result<Plan, ApplyError>;

    /// Does what a plan says. Always says what was done, also when it failed half way.
    async fn apply(&self, cx: &Context, plan: Plan) -> Report;

    /// Waits until the objects are ready, have failed, or the deadline of the context passes.
    async fn wait(&self, cx: &Context, owned: &Inventory) -> Result<Health, ApplyError>;

    /// Deletes what is owned.
    async fn teardown(&self, cx: &Context, owned: &Inventory) -> Report;

    /// What is known, without asking anybody, of a set that was applied before. An applier that does not follow its
    /// objects knows nothing, and every run plans anew.
    fn standing(&self, _desired: &Manifests, _owned: &Inventory) -> Standing {
        Standing::Unknown
    }

    /// The place that objects are brought to: two appliers with equal places work on the same objects. With it pipelines
    /// hand objects over to each other; none keeps a pipeline to itself.
    fn place(&self) -> Option<Arc<str>> {
        None
    }

    /// Has `notify` called when an object that was applied is no longer as it was applied, for as long as this applier
    /// lives. An applier that does not follow its objects never calls it: drift is found at the next interval.
    fn on_drift(&self, _notify: DriftNotify) {}
}

/// Called when an object is no longer as it was applied. It returns at once.
pub type DriftNotify = Arc<dyn Fn() + Send + Sync>;

/// What is known of a set of objects without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nothing: the set has to be planned.
    #[default]
    Unknown,
    /// Every object is as it was applied, and nothing else is owned.
    InPlace,
    /// The same, and every object is ready.
    Ready,
}

#[async_trait]
impl<T: Applier + ?Sized> Applier for Arc<T> {
    async fn plan(&self, cx: &Context, desired: &Manifests, owned: &Inventory) -> Result<Plan, ApplyError> {
        (**self).plan(cx, desired, owned).await
    }

    async fn apply(&self, cx: &Context, plan: Plan) -> Report {
        (**self).apply(cx, plan).await
    }

    async fn wait(&self, cx: &Context, owned: &Inventory) -> Result<Health, ApplyError> {
        (**self).wait(cx, owned).await
    }

    async fn teardown(&self, cx: &Context, owned: &Inventory) -> Report {
        (**self).teardown(cx, owned).await
    }

    fn standing(&self, desired: &Manifests, owned: &Inventory) -> Standing {
        (**self).standing(desired, owned)
    }

    fn place(&self) -> Option<Arc<str>> {
        (**self).place()
    }

    fn on_drift(&self, notify: DriftNotify) {
        (**self).on_drift(notify);
    }
}

/// What an applier has done, and what is true now.
#[derive(Debug)]
pub struct Report {
    /// What is owned now: never less than what may be there.
    pub inventory: Inventory,
    /// What was done, in order.
    pub outcomes: Vec<Outcome>,
    /// What stopped the run, if something did.
    pub error: Option<ApplyError>,
}

impl Report {
    /// A run that was stopped before it did anything.
    pub fn failed(owned: Inventory, error: ApplyError) -> Self {
        Self { inventory: owned, outcomes: Vec::new(), error: Some(error) }
    }

    /// The objects that were changed.
    pub fn changed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.action.is_change())
    }
}

/// What was done to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which object.
    pub id: ObjectId,
    /// What was done.
    pub action: Action,
}

/// `Deployment/web/app configured`, as Flux's events have it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.action.past())
    }
}

/// Why a plan could not be made or carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The server refused an object, or could not be asked about it.
    #[error("{}{object} {operation} failed{}: {error}", at(.origin), reason(.error))]
    Object {
        /// Which object.
        object: ObjectId,
        /// What was tried: `dry-run`, `apply`, `delete`, `read`.
        operation: &'static str,
        /// Where the object comes from.
        origin: Option<Origin>,
        /// What the server said.
        #[source]
        error: ClusterError,
    },
    /// A desired object cannot be applied as it is.
    #[error("{}{object}: {field}: {problem}", at(.origin))]
    Invalid {
        /// Which object.
        object: ObjectId,
        /// Where it comes from.
        origin: Option<Origin>,
        /// Which field.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Somebody else owns a desired object.
    #[error("{}{object} is owned by {owner}; remove it there first, or let it be taken over", at(.origin))]
    OwnedByOther {
        /// Which object.
        object: ObjectId,
        /// Where it comes from.
        origin: Option<Origin>,
        /// Who owns it.
        owner: String,
    },
    /// What the plan was made from has changed since.
    #[error("the plan is stale: {object} {change} since it was made; plan again")]
    Stale {
        /// Which object.
        object: ObjectId,
        /// What happened: `was changed`, `was created`, `was deleted`.
        change: &'static str,
    },
    /// The plan was read from a file and has no objects to apply.
    #[error("the plan holds no objects; attach the manifests it was made from")]
    Detached,
    /// The manifests are not those that the plan was made from.
    #[error("the manifests do not match the plan: {0}")]
    Mismatch(String),
    /// A guard against deleting too much.
    #[error("refused: {0}")]
    Guard(String),
    /// The audit journal could not be kept.
    #[error(transparent)]
    Audit(#[from] crate::audit::JournalError),
    /// More than one object failed.
    #[error("{}", several(.0))]
    Several(Vec<ApplyError>),
    /// Objects that do not become ready.
    #[error("{0}")]
    NotHealthy(String),
    /// Shutdown, suspension, a newer revision or the deadline.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// An error of a host's own applier, with its class.
    #[error("{error}")]
    Other {
        /// The error.
        #[source]
        error: BoxError,
        /// What the loop should do about it.
        class: Class,
    },
}

fn several(errors: &[ApplyError]) -> String {
    const SHOWN: usize = 10;
    let mut lines: Vec<String> = errors.iter().take(SHOWN).map(ToString::to_string).collect();
    if errors.len() > SHOWN {
        lines.push(format!("and {} more", errors.len() - SHOWN));
    }
    lines.join("\n")
}

fn at(origin: &Option<Origin>) -> String {
    origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default()
}

fn reason(error: &ClusterError) -> String {
    if error.reason().is_empty() { String::new() } else { format!(" ({})", error.reason()) }
}

impl ApplyError {
    /// What happened as one error: the failure itself when there is one, all of them when there are more.
    pub fn of_several(mut errors: Vec<ApplyError>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// What the loop does about it.
    pub fn class(&self) -> Class {
        match self {
            // What may pass by itself is worth a retry, whatever else failed.
            Self::Several(errors) => {
                let classes = || errors.iter().map(Self::class);
                classes()
                    .find(|class| *class == Class::Transient)
                    .or_else(|| classes().next())
                    .unwrap_or(Class::Terminal)
            }
            Self::Object { error, .. } => error.class(),
            Self::Invalid { .. } | Self::Detached | Self::Mismatch(_) | Self::Guard(_) => Class::Terminal,
            Self::OwnedByOther { .. } => Class::Denied,
            Self::Stale { .. } | Self::NotHealthy(_) | Self::Audit(_) => Class::Transient,
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Other { class, .. } => *class,
        }
    }
}

/// How far objects are on their way to what was asked of them: the words of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HealthStatus {
    /// As asked for.
    Current,
    /// On its way.
    InProgress,
    /// Will not get there by itself.
    Failed,
    /// Being deleted.
    Terminating,
    /// Not there.
    NotFound,
    /// Cannot be told.
    Unknown,
}

/// The health of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHealth {
    /// Which object.
    pub id: ObjectId,
    /// How far it is.
    pub status: HealthStatus,
    /// Why, for people.
    pub message: String,
}

/// The health of a set of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Every object looked at.
    pub objects: Vec<ObjectHealth>,
}

impl Health {
    /// Whether every object is as asked for.
    pub fn is_ready(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// The objects that are not as asked for.
    pub fn waiting(&self) -> impl Iterator<Item = &ObjectHealth> {
        self.objects.iter().filter(|object| object.status != HealthStatus::Current)
    }
}

/// One line that says which object waits for what.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, object) in self.waiting().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            write!(f, "{separator}{} status: '{:?}'", object.id, object.status)?;
            if !object.message.is_empty() {
                write!(f, ": {}", object.message)?;
            }
        }
        Ok(())
    }
}
