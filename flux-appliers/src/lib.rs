//! How desired state is rendered and applied: kustomize, helm, raw manifests, server-side apply.

#[cfg(feature = "cel")]
pub mod cel;
#[cfg(feature = "ssa")]
pub mod health;
#[cfg(feature = "helm")]
pub mod helm;
#[cfg(feature = "kustomize")]
pub mod kustomize;
#[cfg(feature = "ssa")]
pub mod observe;
#[cfg(feature = "raw")]
pub mod raw;
#[cfg(feature = "sops")]
pub mod sops;
#[cfg(feature = "ssa")]
pub mod ssa;
#[cfg(feature = "substitute")]
pub mod substitute;
