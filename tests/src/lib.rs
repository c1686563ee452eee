//! The tests of the Flux GitOps toolkit.
