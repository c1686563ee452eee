//! How desired state is rendered and applied: kustomize, helm, raw manifests, server-side apply.

#[cfg(feature = "kustomize")]
pub mod kustomize;
