//! Versions and version ranges as Helm and Flux read them.
//!
//! This is the dialect of Go's `Masterminds/semver`, which is laxer than SemVer 2.0: `v1.2` is a version, `^1.2 || ~2`
//! and `1.2 - 1.4` are ranges, and a range only admits prereleases if it names one itself.
//!
//! ```
//! use flux_core::semver::{Constraint, Version};
//!
//! let range = Constraint::parse(">=1.19-0, <2")?;
//! assert!(range.matches(&Version::parse("v1.33.0-gke.1")?));
//! assert!(!Constraint::parse("^1.2")?.matches(&Version::parse("1.9.0-rc.1")?));
//! # Ok::<(), flux_core::semver::SemverError>(())
//! ```

mod constraint;
mod scan;
mod version;

pub use constraint::Constraint;
pub use version::{SemverError, Version, newest_first};
