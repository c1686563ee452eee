//! Where desired state comes from: Git, OCI registries, Helm repositories and buckets.
//!
//! | module | a source that is | feature |
//! |---|---|---|
//! | [`memory`] | what it was given, for tests and hosts that have their files already | |
//! | [`dir`] | a local directory | |
//! | [`git`] | a Git repository | `git` |
//! | [`helm`] | a chart in a Helm repository | `helm` |
//! | [`oci`] | an artifact in an OCI registry | `oci` |
//! | [`bucket`] | the objects of a bucket | `bucket` |
//! | [`generate`] | parts of other artifacts, put together | `generate` |
//!
//! What is fetched can be held against signatures: commits and tags (feature `verify`), charts with provenance files
//! (`provenance`), and artifacts in registries with Cosign's keys, or with certificates (`oci-verify`).
//!
//! Every one implements [`Source`](flux_core::Source) and behaves as the [`contract`] says; a source of a host's own can
//! be held against it with the feature `contract`. What a source leaves out of its artifact is said by [`ignore`] rules.
//! Artifacts are kept on disk for others by the `store` (feature `store`), and served over HTTP (feature `serve`).

#[cfg(any(feature = "generate", feature = "helm", feature = "oci", feature = "store"))]
mod archive;
#[cfg(feature = "bucket")]
pub mod bucket;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod dir;
#[cfg(feature = "generate")]
pub mod generate;
#[cfg(feature = "git")]
pub mod git;
#[cfg(feature = "helm")]
pub mod helm;
#[cfg(feature = "http")]
#[cfg_attr(
    not(any(feature = "git", feature = "helm", feature = "oci")),
    allow(dead_code, reason = "buckets have a client that sends by itself")
)]
mod http;
pub mod ignore;
mod listing;
pub mod memory;
#[cfg(feature = "oci")]
pub mod oci;
#[cfg(any(feature = "provenance", feature = "verify"))]
mod openpgp;
#[cfg(feature = "http")]
mod secret;
#[cfg(feature = "store")]
pub mod store;
#[cfg(any(feature = "generate", feature = "helm"))]
mod values;

#[cfg(feature = "http")]
pub use http::{Credentials, Proxy, Tls};
#[cfg(feature = "http")]
pub use secret::Secret;
