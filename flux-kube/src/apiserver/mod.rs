//! A Kubernetes API server in memory.

mod fields;
mod schema;
