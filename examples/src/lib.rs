//! What the examples share: a terminal that shows what an engine does, a Git repository to play with, and `helm template`.

pub mod repository;
pub mod template;
pub mod terminal;
