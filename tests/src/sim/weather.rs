//! Bad weather: faults of the API server, drawn from the seed.

use std::fmt::Write as _;
use std::time::Duration;

use flux_kube::apiserver::{ApiServer, Calls, Fault, Verb};

use super::names::Kind;
use crate::random::Random;

/// Who the engine is to the server: faults befall nobody else.
pub(super) const ENGINE: &str = "engine";

const VERBS: [Verb; 8] =
    [Verb::Discover, Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Patch, Verb::Apply, Verb::Delete];

/// Ends what went wrong before and lets other things go wrong: up to four faults, each of some requests, which strike so
/// many times in a hundred. Answers with what they are.
pub(super) fn turn(server: &ApiServer, percent: usize, random: &mut Random) -> String {
    server.clear_faults();
    let mut report = String::new();
    for _ in 0..1 + random.below(4) {
        let (calls, about) = calls(random);
        let (fault, what) = fault(random, &calls);
        let _ = write!(report, ", {what} of {about}");
        server.inject(fault.probability(percent as f64 / 100.0));
    }
    report
}

/// Some requests of the engine: of one verb or all, of one kind or all.
fn calls(random: &mut Random) -> (Calls, String) {
    let (mut calls, mut about) = (Calls::all(), "any request".to_owned());
    if random.percent(60)
        && let Some(verb) = random.pick(&VERBS)
    {
        (calls, about) = (Calls::of(*verb), format!("{verb:?}"));
    }
    let kinds = Kind::all();
    if random.percent(30)
        && let Some(kind) = random.pick(&kinds)
    {
        calls = calls.kind(kind.name());
        let _ = write!(about, " of {}", kind.name());
    }
    (calls.user(ENGINE), about)
}

fn fault(random: &mut Random, calls: &Calls) -> (Fault, String) {
    let writes = || Calls::writes().user(ENGINE);
    let of_lists = || Calls::of(Verb::List).user(ENGINE);
    let time = Duration::from_millis(1 + random.below(4000) as u64);
    let count = 1 + random.below(30) as u64;
    let kinds = Kind::all();
    let kind = random.pick(&kinds).map_or("ConfigMap", |kind| kind.name());
    let of_kind = random.percent(50);
    match random.below(18) {
        0 => (Fault::error(429).retry_after(time).on(calls.clone()), "too many requests".to_owned()),
        1 => (Fault::error(500).on(calls.clone()), "internal errors".to_owned()),
        2 => (Fault::error(503).on(calls.clone()), "unavailability".to_owned()),
        3 => (Fault::unreachable().on(calls.clone()), "broken connections".to_owned()),
        4 => (Fault::timeout().on(calls.clone()), "timeouts".to_owned()),
        5 | 6 => (Fault::latency(time).on(calls.clone()), format!("latency of {time:?}")),
        7 => (Fault::latency(time * 20).on(calls.clone()), format!("latency of {:?}", time * 20)),
        8 => (Fault::conflict().on(writes()), "conflicts of writes, not".to_owned()),
        9 | 10 => (Fault::unreachable().after_the_write().on(writes()), "lost answers of writes, not".to_owned()),
        11 => {
            let lists = if of_kind { of_lists().kind(kind) } else { of_lists() };
            (Fault::stale_list(count).on(lists), format!("lists {count} changes old, not"))
        }
        12 => (Fault::stale_list(count).on(of_lists()), format!("lists {count} changes old, not")),
        13 => (Fault::watch_ends(count / 6).on(calls.clone()), "watches that end".to_owned()),
        14 => (Fault::watch_expires().on(calls.clone()), "watches that expire".to_owned()),
        15 => (Fault::duplicate_events().on(calls.clone()), "events that come twice".to_owned()),
        16 => (Fault::reorder_events().on(calls.clone()), "events out of order".to_owned()),
        _ => (Fault::late_events(time).on(calls.clone()), "late events".to_owned()),
    }
}
