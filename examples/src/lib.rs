//! What the examples share: a terminal that shows what an engine does, a Git repository to play with, a controller, and
//! `helm template`.

pub mod controller;
pub mod repository;
pub mod template;
pub mod terminal;
