//! Kubernetes: clusters over kube-rs, an API server in memory, and the Flux documents.

pub mod api;
#[cfg(feature = "apiserver")]
pub mod apiserver;
