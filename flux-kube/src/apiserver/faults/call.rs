//! A request from its arrival to its answer: faults befall it, and it is counted.

use std::sync::Arc;
use std::time::Duration;

use super::rule::Rule;
use super::{Disturbance, Effect};
use crate::apiserver::ApiServer;
use crate::apiserver::auth::User;
use crate::apiserver::calls::{Request, Verb};
use crate::apiserver::registry::Resource;
use crate::apiserver::status::Status;
use crate::apiserver::verbs::Target;

/// A request that is being carried out.
pub(crate) struct Call {
    request: Request,
    /// What happens to the answer when everything is done.
    answer: Option<Status>,
    late: Duration,
    /// How many changes a list lags behind.
    pub(crate) stale: Option<u64>,
    /// What happens to the events of a watch.
    pub(crate) disturbance: Option<Disturbance>,
}

impl Call {
    /// A request by `user` about one object, or several.
    pub(crate) fn new(user: &User, verb: Verb, target: &Target, dry_run: bool) -> Self {
        let request = Request {
            at: Duration::ZERO,
            verb,
            subresource: target.subresource.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            user: user.name.clone(),
            dry_run,
            code: 200,
            injected: false,
            resource: Some(target.resource.clone()),
        };
        Call::of(request)
    }

    /// The same, for an object whose name is not in the path.
    pub(crate) fn named(mut self, name: &str) -> Self {
        if self.request.name.is_empty() {
            name.clone_into(&mut self.request.name);
        }
        self
    }

    /// A request by `user` about what there is.
    pub(crate) fn discovery(user: &User, resource: Option<Arc<Resource>>) -> Self {
        Call::of(Request {
            at: Duration::ZERO,
            verb: Verb::Discover,
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            user: user.name.clone(),
            dry_run: false,
            code: 200,
            injected: false,
            resource,
        })
    }

    fn of(request: Request) -> Self {
        Call { request, answer: None, late: Duration::ZERO, stale: None, disturbance: None }
    }

    /// Waits for what delays the request; an error is what befell it.
    async fn befall(&mut self, rules: Vec<Arc<Rule>>) -> Result<(), Status> {
        let mut early = Duration::ZERO;
        let mut refused = None;
        for rule in rules {
            let fault = rule.fault();
            if fault.disturbs_events() {
                self.disturbance.get_or_insert_default().add(rule);
                continue;
            }
            if !rule.strikes() {
                continue;
            }
            match rule.effect() {
                Effect::Delay(by) if fault.afterwards => self.late += *by,
                Effect::Delay(by) => early += *by,
                Effect::Fail(status) if fault.afterwards => {
                    self.answer.get_or_insert_with(|| status.clone());
                }
                Effect::Fail(status) => {
                    refused.get_or_insert_with(|| status.clone());
                }
                Effect::Stale(changes) => self.stale = self.stale.max(Some(*changes)),
                Effect::End(events) => self.disturbance.get_or_insert_default().end_after(*events),
                Effect::Expire => self.disturbance.get_or_insert_default().expire(),
                Effect::Duplicate | Effect::Swap | Effect::Late(_) => {}
            }
        }
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
        match refused {
            Some(status) => {
                self.request.injected = true;
                self.answer = None;
                self.late = Duration::ZERO;
                Err(status)
            }
            None => Ok(()),
        }
    }
}

impl ApiServer {
    /// Carries a request out: what `work` answers, unless a fault gets in the way. The request is counted in any case, if
    /// it is not given up before.
    pub(crate) async fn carry_out<T>(
        &self,
        mut call: Call,
        work: impl FnOnce(&mut Call) -> Result<T, Status>,
    ) -> Result<T, Status> {
        call.request.at = self.inner.clock.elapsed();
        let mut answer = Ok(());
        if self.inner.faults.any() {
            answer = call.befall(self.inner.faults.of(&call.request)).await;
        }
        let mut answer = match answer {
            Ok(()) => work(&mut call),
            Err(status) => Err(status),
        };
        if !call.late.is_zero() {
            tokio::time::sleep(call.late).await;
        }
        if let Some(status) = call.answer.take() {
            call.request.injected = true;
            answer = Err(status);
        }
        call.request.code = answer.as_ref().err().map_or(200, |status| status.code);
        self.log().push(call.request);
        answer
    }
}
