//! TOML in the layout of the Go encoder that Helm uses, and read into Go's types.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;
