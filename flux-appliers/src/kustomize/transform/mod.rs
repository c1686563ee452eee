//! The built-in transformers, each in the place it has in a build.

pub(super) mod fields;
pub(super) mod image;
pub(super) mod names;
pub(super) mod namespace;
pub(super) mod patch;
pub(super) mod reference;
pub(super) mod replacement;
pub(super) mod sort;
pub(super) mod value;
pub(super) mod vars;
