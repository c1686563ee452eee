//! The tests of the Flux GitOps toolkit, and what they share.

pub mod fuzz;
pub mod random;
pub mod sim;
