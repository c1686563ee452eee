//! Kubernetes: clusters over kube-rs, an API server in memory, and the Flux documents.

pub mod api;
#[cfg(feature = "apiserver")]
pub mod apiserver;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "compose")]
pub mod compose;

#[cfg(feature = "client")]
pub use kube;
