//! Gzipped tar archives: read under limits, and written so that equal trees give equal bytes.

#[cfg(any(feature = "generate", feature = "helm", feature = "oci", all(test, feature = "store")))]
mod read;
#[cfg(any(feature = "helm", feature = "oci", feature = "store"))]
mod write;

#[cfg(any(feature = "generate", feature = "helm", feature = "oci", all(test, feature = "store")))]
pub(crate) use read::read_tar_gz;
#[cfg(any(feature = "helm", feature = "oci", feature = "store"))]
pub(crate) use write::{gzip, write_tar};
