//! The last requests one by one, and the number of all of them.

use std::collections::{HashMap, VecDeque};

use super::{Calls, Request, Verb};
use crate::apiserver::ApiServer;

/// How often something was asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// What was asked for.
    pub verb: Verb,
    /// The API group of the kind; empty for the core group.
    pub group: String,
    /// The kind; empty for discovery.
    pub kind: String,
    /// Who asked.
    pub user: String,
    /// The HTTP status code of the answer: 200 for all that succeeded, 0 for an answer that never arrived.
    pub code: u16,
    /// How often.
    pub count: u64,
}

/// What all requests of one sort have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sort {
    verb: Verb,
    group: String,
    kind: String,
    user: String,
    code: u16,
}

/// More sorts than a test tells apart; what comes after is counted without its user.
const MAX_SORTS: usize = 10_000;

/// What is remembered of requests.
#[derive(Debug)]
pub(crate) struct Log {
    last: VecDeque<Request>,
    keep: usize,
    counts: HashMap<Sort, u64>,
}

impl Log {
    /// A log of the last `keep` requests.
    pub(crate) fn new(keep: usize) -> Self {
        Log { last: VecDeque::new(), keep, counts: HashMap::new() }
    }

    /// How many requests it keeps.
    pub(crate) fn keep(&self) -> usize {
        self.keep
    }

    pub(crate) fn push(&mut self, request: Request) {
        let mut sort = Sort {
            verb: request.verb,
            group: request.group().to_owned(),
            kind: request.kind().to_owned(),
            user: request.user.clone(),
            code: request.code,
        };
        if self.counts.len() >= MAX_SORTS && !self.counts.contains_key(&sort) {
            sort.user.clear();
        }
        *self.counts.entry(sort).or_default() += 1;
        if self.keep == 0 {
            return;
        }
        if self.last.len() == self.keep {
            self.last.pop_front();
        }
        self.last.push_back(request);
    }

    fn counts(&self) -> Vec<Count> {
        let mut out: Vec<Count> = self
            .counts
            .iter()
            .map(|(Sort { verb, group, kind, user, code }, count)| Count {
                verb: *verb,
                group: group.clone(),
                kind: kind.clone(),
                user: user.clone(),
                code: *code,
                count: *count,
            })
            .collect();
        out.sort();
        out
    }
}

impl ApiServer {
    /// The last requests for objects and their kinds, oldest first; [`Config::requests`](super::super::Config::requests)
    /// says how many are kept.
    pub fn requests(&self) -> Vec<Request> {
        self.log().last.iter().cloned().collect()
    }

    /// How many of the last requests are among `calls`.
    ///
    /// ```
    /// # use flux_core::{cluster::{Cluster, ListOptions}, Context, Gvk};
    /// use flux_kube::apiserver::{ApiServer, Calls, Verb};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = ApiServer::default();
    /// server.list(&Context::background(), &Gvk::new("", "v1", "Secret"), &ListOptions::default()).await?;
    /// assert_eq!(server.count(&Calls::of(Verb::List).kind("Secret")), 1);
    /// assert_eq!(server.count(&Calls::writes()), 0);
    /// # Ok(()) }
    /// ```
    pub fn count(&self, calls: &Calls) -> usize {
        self.log().last.iter().filter(|request| calls.include(request)).count()
    }

    /// How often each sort of request was made since the start: these numbers forget nothing.
    pub fn counts(&self) -> Vec<Count> {
        self.log().counts()
    }

    /// Forgets all requests, so that what comes next can be counted alone.
    pub fn forget_requests(&self) {
        let mut log = self.log();
        log.last.clear();
        log.counts.clear();
    }
}
