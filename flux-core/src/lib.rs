//! The GitOps toolkit core: the object model, the traits and the reconcile loop.

pub mod yaml;
