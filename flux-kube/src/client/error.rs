//! From kube-rs errors to ours.

use flux_core::cluster::{ClusterError, Status, StatusCause};

pub(super) fn invalid(problem: String) -> ClusterError {
    ClusterError::Invalid(problem)
}

pub(super) fn from_kube(error: kube::Error) -> ClusterError {
    match error {
        kube::Error::Api(status) => from_status(*status),
        kube::Error::SerdeError(error) => invalid(format!("the API server answered with what is no JSON: {error}")),
        kube::Error::BuildRequest(error) => invalid(error.to_string()),
        kube::Error::Auth(error) => ClusterError::api(401, "Unauthorized", error.to_string()),
        error => ClusterError::Unreachable(error.into()),
    }
}

pub(super) fn from_status(status: kube::core::Status) -> ClusterError {
    // A watch and a continued list both end so when what they ask for is gone.
    if status.code == 410 {
        return ClusterError::Expired;
    }
    let (causes, retry_after) =
        status.details.map_or_else(Default::default, |details| (details.causes, details.retry_after_seconds));
    let causes = causes.into_iter();
    ClusterError::Api(Status {
        code: status.code,
        reason: status.reason,
        message: status.message,
        causes: causes.map(|c| StatusCause { reason: c.reason, message: c.message, field: c.field }).collect(),
        retry_after_seconds: Some(retry_after).filter(|seconds| *seconds > 0),
    })
}
