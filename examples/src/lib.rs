//! What the examples share: a terminal that shows what an engine does, a Git repository to play with, and a controller.

pub mod controller;
pub mod repository;
pub mod terminal;
