//! The examples of the Flux GitOps toolkit.
