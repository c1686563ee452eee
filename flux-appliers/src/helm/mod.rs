//! Helm charts, rendered natively.

mod funcs;
mod host;
mod template;

pub use host::{Entropy, Host, Lookup, Resolver, Seeded, SystemEntropy};
