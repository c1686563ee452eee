//! What runs on the embedded API server: a controller of others, and the health checks of this project.
#![allow(clippy::unwrap_used, clippy::panic)]

mod controller;
mod health;
