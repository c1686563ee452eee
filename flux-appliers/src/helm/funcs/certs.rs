//! Keys and certificates.

use crate::helm::template::Function;

pub(super) static FUNCTIONS: &[Function] = &[];
