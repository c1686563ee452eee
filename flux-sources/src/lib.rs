//! Where desired state comes from: Git, OCI registries, Helm repositories and buckets.
//!
//! | module | a source that is | feature |
//! |---|---|---|
//! | [`memory`] | what it was given, for tests and hosts that have their files already | |
//! | [`dir`] | a local directory | |
//! | [`git`] | a Git repository | `git` |
//!
//! Every one implements [`Source`](flux_core::Source) and behaves as the [`contract`] says; a source of a host's own can
//! be held against it with the feature `contract`. What a source leaves out of its artifact is said by [`ignore`] rules.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod dir;
#[cfg(feature = "git")]
pub mod git;
pub mod ignore;
mod listing;
pub mod memory;
#[cfg(feature = "git")]
mod tls;
