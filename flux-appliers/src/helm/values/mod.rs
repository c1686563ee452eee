//! Values: read from files and flags, merged over a chart's defaults, checked against its schema.

mod coalesce;
mod files;
mod schema;
pub(crate) mod strvals;
mod target_path;

pub(crate) use coalesce::{Mode, coalesce_tables, coalesce_values, deep_copy, path_value, table};
pub use files::ValuesError;
pub(crate) use files::{floats, yaml_fault};
pub use files::{merge_maps, read_values};
pub(crate) use schema::validate;
pub use strvals::{SetError, SetMode, set};
pub use target_path::set_target_path;

/// A table of values.
pub type Table = serde_json::Map<String, serde_json::Value>;

#[cfg(test)]
mod conformance;
