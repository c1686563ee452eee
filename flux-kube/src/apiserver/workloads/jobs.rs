//! Jobs: pods until enough of them have ended well, or too many have not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::{self, status};
use super::replicasets::MAX_PODS;
use super::simulation::{number, part};
use crate::apiserver::fields::Fields;
use crate::apiserver::store::{Address, Record};
use crate::apiserver::verbs::State;

/// The first pause before a failed pod is replaced; it doubles each time.
const FIRST_BACKOFF: i64 = 10;
/// The longest.
const MAX_BACKOFF: i64 = 360;

/// The pods of a job, counted.
#[derive(Debug, Default)]
struct Pods {
    active: Vec<Address>,
    ready: i64,
    succeeded: i64,
    failed: i64,
    /// When the last one failed.
    failed_at: Value,
}

/// How a job ends.
struct End {
    well: bool,
    reason: &'static str,
    message: &'static str,
}

impl State {
    pub(super) fn advance_job(&mut self, at: &Address, job: &Arc<Record>, now: &Arc<str>) {
        if let Some(finished) = finished(&job.object) {
            if let Some(seconds) = number(job, "spec", "/ttlSecondsAfterFinished")
                && self.passed(at, &finished, seconds, now)
            {
                self.unmake(at, now);
            }
            return;
        }
        let mut pods = self.pods_of(job);
        if part(job, "spec", "/suspend") == &Value::Bool(true) {
            for pod in &pods.active {
                self.unmake(pod, now);
            }
            self.report_job(at, job, &self.pods_of(job), None, now);
            return;
        }
        let started = part(job, "status", "/startTime").clone();
        let wanted = number(job, "spec", "/completions");
        let parallel = number(job, "spec", "/parallelism").unwrap_or(1).clamp(0, MAX_PODS);
        let end = if pods.failed > number(job, "spec", "/backoffLimit").unwrap_or(6) {
            Some(End {
                well: false,
                reason: "BackoffLimitExceeded",
                message: "Job has reached the specified backoff limit",
            })
        } else if number(job, "spec", "/activeDeadlineSeconds")
            .is_some_and(|deadline| !started.is_null() && self.passed(at, &started, deadline, now))
        {
            Some(End {
                well: false,
                reason: "DeadlineExceeded",
                message: "Job was active longer than specified deadline",
            })
        } else if wanted.map_or(pods.succeeded > 0 && pods.active.is_empty(), |wanted| pods.succeeded >= wanted) {
            Some(End { well: true, reason: "CompletionsReached", message: "Reached expected number of succeeded pods" })
        } else {
            None
        };
        if end.is_some() {
            for pod in &pods.active {
                self.unmake(pod, now);
            }
            pods.active.clear();
            pods.ready = 0;
        } else {
            // Without a number of completions the first success ends the making of pods.
            let open = wanted.map_or(if pods.succeeded > 0 { 0 } else { parallel }, |wanted| wanted - pods.succeeded);
            let missing = open.min(parallel) - pods.active.len() as i64;
            let backoff = (FIRST_BACKOFF << (pods.failed - 1).clamp(0, 10)).min(MAX_BACKOFF);
            if missing > 0 && (pods.failed == 0 || self.passed(at, &pods.failed_at, backoff, now)) {
                for _ in 0..missing {
                    self.make_pod(job, None, &[], now);
                }
                pods = self.pods_of(job);
            }
        }
        self.report_job(at, job, &pods, end, now);
    }

    fn pods_of(&self, job: &Record) -> Pods {
        let mut pods = Pods { failed_at: Value::Null, ..Pods::default() };
        for (at, pod) in self.controlled(job.meta_str("uid"), "pods") {
            match part(&pod, "status", "/phase").as_str() {
                Some("Succeeded") => pods.succeeded += 1,
                Some("Failed") => {
                    pods.failed += 1;
                    let ended = part(&pod, "status", "/containerStatuses/0/state/terminated/finishedAt");
                    if pods.failed_at.as_str() < ended.as_str() {
                        pods.failed_at = ended.clone();
                    }
                }
                _ if pod.meta("deletionTimestamp").is_some() => {}
                _ => {
                    let list = conditions::of(&pod.object);
                    pods.ready += i64::from(conditions::is(conditions::find(&list, "Ready"), "status", "True"));
                    pods.active.push(at);
                }
            }
        }
        pods
    }

    fn report_job(&mut self, at: &Address, job: &Record, pods: &Pods, end: Option<End>, now: &Arc<str>) {
        let mut list = conditions::of(&job.object);
        let mut say = |kind: &str, status: &str, reason: &str, message: &str| {
            list.retain(|c| !conditions::is(Some(c), "type", kind));
            list.push(json!({"type": kind, "status": status, "lastProbeTime": &**now, "lastTransitionTime": &**now,
                "reason": reason, "message": message}));
        };
        let suspended = part(job, "spec", "/suspend") == &Value::Bool(true);
        let told = conditions::of(&job.object);
        let told = conditions::is(conditions::find(&told, "Suspended"), "status", "True");
        match (suspended, told) {
            (true, false) => say("Suspended", "True", "JobSuspended", "Job suspended"),
            (false, true) => say("Suspended", "False", "JobResumed", "Job resumed"),
            _ => {}
        }
        let mut rest = Vec::new();
        if !suspended {
            let started = part(job, "status", "/startTime");
            rest.push(("startTime", if started.is_null() { json!(&**now) } else { started.clone() }));
        }
        if let Some(End { well, reason, message }) = end {
            say(if well { "SuccessCriteriaMet" } else { "FailureTarget" }, "True", reason, message);
            say(if well { "Complete" } else { "Failed" }, "True", reason, message);
            if well {
                rest.push(("completionTime", json!(&**now)));
            }
        }
        if !list.is_empty() {
            rest.push(("conditions", Value::Array(list)));
        }
        rest.push(("ready", json!(pods.ready)));
        rest.push(("terminating", json!(0)));
        rest.push(("uncountedTerminatedPods", json!({})));
        let counts = [("active", pods.active.len() as i64), ("succeeded", pods.succeeded), ("failed", pods.failed)];
        self.report_status(at, status(&counts, rest), now);
    }
}

/// When a job ended, if it did.
fn finished(job: &Fields) -> Option<Value> {
    let list = conditions::of(job);
    let ended = |kind| conditions::find(&list, kind).filter(|c| conditions::is(Some(c), "status", "True"));
    let condition = ended("Complete").or_else(|| ended("Failed"))?;
    Some(condition.get("lastTransitionTime").cloned().unwrap_or_default())
}
