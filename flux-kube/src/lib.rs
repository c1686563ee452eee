//! Kubernetes: clusters over kube-rs, and an API server in memory.
pub mod apiserver;
