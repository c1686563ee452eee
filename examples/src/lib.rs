//! What the examples share: a terminal that shows what an engine does, and a Git repository to play with.

pub mod repository;
pub mod terminal;
