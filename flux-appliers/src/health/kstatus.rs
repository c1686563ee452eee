//! stub
use flux_core::{HealthStatus, Object};
/// s
#[derive(Debug)]
pub struct Condition;
/// s
#[derive(Debug)]
pub struct Status {
    /// s
    pub status: HealthStatus,
    /// m
    pub message: String,
}
/// e
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct StatusError;
/// s
pub fn status(_o: &Object) -> Result<Status, StatusError> {
    Ok(Status { status: HealthStatus::Current, message: String::new() })
}
