//! A Kubernetes API server in memory.

mod fields;
mod gotext;
mod patch;
mod schema;
