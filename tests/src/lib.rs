//! The tests of the Flux GitOps toolkit, and what they share.

pub mod fuzz;
