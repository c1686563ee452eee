//! The rules for the kinds that Kubernetes brings.

use std::time::Duration;

use flux_core::Timestamp;
use serde_json::{Map, Value};

use super::fields::{Conditions, integer, integer_or, list, text_or};
use super::{Status, StatusError};

/// How long a pod may be unscheduled before it is called unschedulable.
const SCHEDULE_WINDOW: Duration = Duration::from_secs(15);

type Answer = Result<Status, StatusError>;
type Fields = Map<String, Value>;

/// The status of an object of a kind with rules of its own.
pub(super) fn status(
    api_version: &str,
    kind: &str,
    object: &Fields,
    conditions: &Conditions,
    now: Timestamp,
) -> Option<Answer> {
    let group = match api_version.split('/').collect::<Vec<_>>().as_slice() {
        [_] => "",
        [group, _] => group,
        _ => return None,
    };
    Some(match (group, kind) {
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") => Ok(Status::current("Resource is always ready")),
        ("", "Service") => Ok(service(object)),
        ("", "Pod") => pod(object, conditions, now),
        ("", "PersistentVolumeClaim") => Ok(claim(object)),
        ("apps", "StatefulSet") => Ok(stateful_set(object)),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apps" | "extensions", "Deployment") => Ok(deployment(object, conditions)),
        ("apps" | "extensions", "ReplicaSet") => Ok(replica_set(object, conditions)),
        ("policy", "PodDisruptionBudget") => Ok(Status::current("AllowedDisruptions has been computed.")),
        ("batch", "Job") => Ok(job(object, conditions)),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Ok(definition(conditions)),
        _ => return None,
    })
}

/// The first count that is short of what it should reach: what is counted, the count, the goal, the reason.
fn short(counts: &[(&str, i64, i64, &str)]) -> Option<Status> {
    let (what, have, want, reason) = counts.iter().find(|(_, have, want, _)| want > have)?;
    Some(Status::in_progress(reason, format!("{what}: {have}/{want}")))
}

fn surplus(have: i64, want: i64) -> Option<Status> {
    (have > want).then(|| Status::in_progress("ExtraPods", format!("Pending termination: {}", have - want)))
}

fn stateful_set(object: &Fields) -> Status {
    if text_or(object, "spec.updateStrategy.type", "") == "OnDelete" {
        return Status::current("StatefulSet is using the ondelete update strategy");
    }
    let want = integer_or(object, "spec.replicas", 1);
    let ready = integer_or(object, "status.readyReplicas", 0);
    let current = integer_or(object, "status.currentReplicas", 0);
    let updated = integer_or(object, "status.updatedReplicas", 0);
    let replicas = integer_or(object, "status.replicas", 0);
    let partition = integer_or(object, "spec.updateStrategy.rollingUpdate.partition", -1);
    let counts = [("Replicas", replicas, want, "LessReplicas"), ("Ready", ready, want, "LessReady")];
    if let Some(status) = short(&counts).or_else(|| surplus(replicas, want)) {
        return status;
    }
    if partition != -1 {
        let counts = [("updated", updated, want - partition, "PartitionRollout")];
        return short(&counts)
            .unwrap_or_else(|| Status::current(format!("Partition rollout complete. updated: {updated}")));
    }
    if let Some(status) = short(&[("current", current, want, "LessCurrent")]) {
        return status;
    }
    if text_or(object, "status.currentRevision", "") != text_or(object, "status.updateRevision", "") {
        return Status::in_progress("RevisionMismatch", "Waiting for updated revision to match current");
    }
    Status::current(format!("All replicas scheduled as expected. Replicas: {replicas}"))
}

fn deployment(object: &Fields, conditions: &Conditions) -> Status {
    // Without a deadline the controller does not set the condition.
    let no_deadline = i64::from(i32::MAX);
    let mut progressing = integer_or(object, "spec.progressDeadlineSeconds", no_deadline) == no_deadline;
    for condition in conditions.iter().filter(|condition| condition.kind == "Progressing") {
        if condition.reason == "ProgressDeadlineExceeded" {
            let mut status = Status::failed(&condition.reason, "Progress deadline exceeded");
            status.conditions.iter_mut().for_each(|stalled| stalled.message.clone_from(&condition.message));
            return status;
        }
        progressing |= condition.status == "True" && condition.reason == "NewReplicaSetAvailable";
    }
    let want = integer_or(object, "spec.replicas", 1);
    let replicas = integer_or(object, "status.replicas", 0);
    let updated = integer_or(object, "status.updatedReplicas", 0);
    let ready = integer_or(object, "status.readyReplicas", 0);
    let available = integer_or(object, "status.availableReplicas", 0);
    let waits = short(&[("Replicas", replicas, want, "LessReplicas"), ("Updated", updated, want, "LessUpdated")])
        .or_else(|| surplus(replicas, want))
        .or_else(|| short(&[("Available", available, updated, "LessAvailable"), ("Ready", ready, want, "LessReady")]));
    if let Some(status) = waits {
        return status;
    }
    if !progressing {
        return Status::in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available");
    }
    if conditions.find("Available", "True").is_none() {
        return Status::in_progress("DeploymentNotAvailable", "Deployment not Available");
    }
    Status::current(format!("Deployment is available. Replicas: {replicas}"))
}

fn replica_set(object: &Fields, conditions: &Conditions) -> Status {
    if conditions.find("ReplicaFailure", "True").is_some() {
        return Status::in_progress("ReplicaFailure", "Replica Failure condition. Check Pods");
    }
    let want = integer_or(object, "spec.replicas", 1);
    let replicas = integer_or(object, "status.replicas", 0);
    let counts = [
        ("Labelled", integer_or(object, "status.fullyLabeledReplicas", 0), want, "LessLabelled"),
        ("Available", integer_or(object, "status.availableReplicas", 0), want, "LessAvailable"),
        ("Ready", integer_or(object, "status.readyReplicas", 0), want, "LessReady"),
    ];
    short(&counts)
        .or_else(|| surplus(replicas, want))
        .unwrap_or_else(|| Status::current(format!("ReplicaSet is available. Replicas: {replicas}")))
}

fn daemon_set(object: &Fields) -> Answer {
    for (field, reason) in
        [("metadata.generation", "NoGeneration"), ("status.observedGeneration", "NoObservedGeneration")]
    {
        if integer(object, field)?.is_none() {
            return Ok(Status::in_progress(reason, format!("DaemonSet {field} not found")));
        }
    }
    let want = integer_or(object, "status.desiredNumberScheduled", -1);
    if want == -1 {
        return Ok(Status::in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled"));
    }
    let counts = [
        ("Current", integer_or(object, "status.currentNumberScheduled", 0), want, "LessCurrent"),
        ("Updated", integer_or(object, "status.updatedNumberScheduled", 0), want, "LessUpdated"),
        ("Available", integer_or(object, "status.numberAvailable", 0), want, "LessAvailable"),
        ("Ready", integer_or(object, "status.numberReady", 0), want, "LessReady"),
    ];
    Ok(short(&counts)
        .unwrap_or_else(|| Status::current(format!("All replicas scheduled as expected. Replicas: {want}"))))
}

fn claim(object: &Fields) -> Status {
    match text_or(object, "status.phase", "unknown") {
        "Bound" => Status::current("PVC is Bound"),
        phase => Status::in_progress("NotBound", format!("PVC is not Bound. phase: {phase}")),
    }
}

fn service(object: &Fields) -> Status {
    let waits =
        text_or(object, "spec.type", "ClusterIP") == "LoadBalancer" && text_or(object, "spec.clusterIP", "").is_empty();
    if waits {
        Status::in_progress("NoIPAssigned", "ClusterIP not set. Service type: LoadBalancer")
    } else {
        Status::current("Service is ready")
    }
}

fn pod(object: &Fields, conditions: &Conditions, now: Timestamp) -> Answer {
    Ok(match text_or(object, "status.phase", "") {
        "Succeeded" => Status::current("Pod has completed successfully"),
        "Failed" => Status::current("Pod has completed, but not successfully"),
        "Running" if conditions.find("Ready", "True").is_some() => Status::current("Pod is Ready"),
        "Running" => {
            let looping = crash_looping(object)?;
            if looping.is_empty() {
                Status::in_progress("PodRunningNotReady", "Pod is running but is not Ready")
            } else {
                let message = format!("Containers in CrashLoop state: {}", looping.join(","));
                Status::failed("ContainerCrashLooping", message)
            }
        }
        "Pending" => {
            let unschedulable =
                conditions.find("PodScheduled", "False").is_some_and(|condition| condition.reason == "Unschedulable");
            let created = text_or(object, "metadata.creationTimestamp", "").parse::<Timestamp>();
            let recent = created.is_ok_and(|created| now < created.plus(SCHEDULE_WINDOW));
            match (unschedulable, recent) {
                (true, true) => Status::in_progress("PodNotScheduled", "Pod has not been scheduled"),
                (true, false) => Status::failed("PodUnschedulable", "Pod could not be scheduled"),
                (false, _) => Status::in_progress("PodPending", "Pod is in the Pending phase"),
            }
        }
        "" => Status::in_progress("PodNotObserved", "Pod phase not available"),
        phase => {
            return Err(StatusError { field: "status.phase", problem: format!("unknown phase {phase}") });
        }
    })
}

fn crash_looping(object: &Fields) -> Result<Vec<&str>, StatusError> {
    let looping =
        |status: &&Value| status.pointer("/state/waiting/reason").and_then(Value::as_str) == Some("CrashLoopBackOff");
    let statuses = list(object, "status.containerStatuses")?.unwrap_or_default();
    Ok(statuses.iter().filter(looping).filter_map(|status| status.get("name")?.as_str()).collect())
}

fn job(object: &Fields, conditions: &Conditions) -> Status {
    let succeeded = integer_or(object, "status.succeeded", 0);
    let failed = integer_or(object, "status.failed", 0);
    if let Some(status) = job_outcome(object, conditions) {
        return status;
    }
    if text_or(object, "status.startTime", "").is_empty() {
        return Status::in_progress("JobNotStarted", "Job not started");
    }
    let active = integer_or(object, "status.active", 0);
    Status::current(format!("Job in progress. success:{succeeded}, active: {active}, failed: {failed}"))
}

/// How a job ended, if it did.
fn job_outcome(object: &Fields, conditions: &Conditions) -> Option<Status> {
    let parallelism = integer_or(object, "spec.parallelism", 1);
    let completions = integer_or(object, "spec.completions", parallelism);
    let over = |kind: &str| matches!(kind, "Complete" | "Failed");
    let condition = conditions.iter().find(|condition| over(&condition.kind) && condition.status == "True")?;
    Some(if condition.kind == "Complete" {
        let succeeded = integer_or(object, "status.succeeded", 0);
        Status::current(format!("Job Completed. succeeded: {succeeded}/{completions}"))
    } else {
        let failed = integer_or(object, "status.failed", 0);
        Status::failed("JobFailed", format!("Job Failed. failed: {failed}/{completions}"))
    })
}

/// Flux's own rule for jobs: current when done or suspended, and not as soon as they have started.
pub(super) fn job_until_done(object: &Fields) -> Answer {
    let conditions = Conditions::of(object)?;
    if let Some(status) = job_outcome(object, &conditions) {
        return Ok(status);
    }
    let suspended = object.get("spec").and_then(|spec| spec.get("suspend")).and_then(Value::as_bool) == Some(true);
    Ok(if suspended {
        Status::current("Job is suspended")
    } else {
        Status::in_progress("JobInProgress", "Job in progress")
    })
}

fn definition(conditions: &Conditions) -> Status {
    for condition in conditions.iter() {
        match (&*condition.kind, &*condition.status) {
            ("NamesAccepted", "False") => return Status::failed(&condition.reason, &*condition.message),
            ("Established", "False") if condition.reason != "Installing" => {
                return Status::failed(&condition.reason, &*condition.message);
            }
            ("Established", "True") => return Status::current("CRD is established"),
            _ => {}
        }
    }
    Status::in_progress("Installing", "Install in progress")
}
