//! The GitOps toolkit core: the object model, the traits and the reconcile loop.
//!
//! ```text
//! Source ──Artifact──▶ Renderer ──Manifests──▶ Applier ──Report──▶ status, events, audit
//! ```
//!
//! This crate knows no backend: sources are in `flux-sources`, renderers and appliers in `flux-appliers`, clusters in
//! `flux-kube`, and a host's own only need this one.

pub mod applier;
pub mod artifact;
pub mod audit;
pub mod claims;
pub mod cluster;
pub mod context;
pub mod digest;
pub mod engine;
pub mod error;
pub mod event;
pub mod inventory;
pub mod manifests;
pub mod object;
pub mod plan;
#[cfg(feature = "re2")]
pub mod re2;
pub mod reconcile;
pub mod renderer;
pub mod semver;
pub mod source;
pub mod store;
pub mod time;
pub mod tree;
pub mod yaml;

pub use applier::{Applier, ApplyError, Health, HealthStatus, Outcome, Report, Standing};
pub use artifact::{Artifact, Revision};
pub use claims::Claims;
pub use cluster::{Cluster, ClusterError};
pub use context::{Context, Interrupted};
pub use digest::Digest;
pub use engine::{Engine, Pipeline, Unit};
pub use error::Class;
pub use event::{Event, EventSink, Severity};
pub use inventory::Inventory;
pub use manifests::{Manifest, Manifests, Origin};
pub use object::{Gvk, Object, ObjectId, ObjectRef};
pub use plan::{Action, Change, Plan};
pub use renderer::{RenderError, Renderer};
pub use source::{Source, SourceError};
pub use store::StateStore;
pub use time::{Clock, Timestamp};
pub use tree::Tree;
