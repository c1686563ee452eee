//! The rules that objects must keep, for the kinds that GitOps meets.

pub(crate) mod meta;
pub(crate) mod names;

use super::fields::Fields;
use super::registry::Resource;
use super::status::FieldError;

/// The rules a new object breaks.
pub(crate) fn create(resource: &Resource, object: &Fields) -> Vec<FieldError> {
    let mut errors = Vec::new();
    meta::create(resource, object, &mut errors);
    errors
}

/// The rules a change breaks.
pub(crate) fn update(resource: &Resource, object: &Fields, old: &Fields, subresource: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    meta::update(resource, object, old, &mut errors);
    let _ = subresource;
    errors
}
