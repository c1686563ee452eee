//! The benches of the Flux GitOps toolkit.
