//! The reconcile loop under virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flux_core::reconcile::{
    Handle, KeyStatus, LoopOptions, Next, Phase, Reconcile, ReconcileError, ReconcileLoop, Schedule,
};
use flux_core::{Class, Context};
use futures::StreamExt as _;
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

/// Behaves as the name of the key says, and counts.
#[derive(Default)]
struct Actor {
    runs: Mutex<BTreeMap<String, Vec<Instant>>>,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl Reconcile for Actor {
    type Key = String;

    async fn reconcile(&self, cx: &Context, key: &String) -> Result<Next, ReconcileError> {
        self.runs.lock().unwrap().entry(key.clone()).or_default().push(Instant::now());
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let outcome = match key.split('-').next().unwrap() {
            "slow" => cx.run(sleep(10 * MINUTE)).await.map(|()| Next::Interval).map_err(Into::into),
            "busy" => {
                sleep(Duration::from_secs(1)).await;
                Ok(Next::Interval)
            }
            "deaf" => std::future::pending().await,
            "fail" => Err(ReconcileError::new(Class::Transient, "Failed", "no luck")),
            "panic" => {
                self.running.fetch_sub(1, Ordering::SeqCst);
                panic!("out of {key}")
            }
            _ => Ok(Next::Interval),
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

struct Fixture {
    actor: Arc<Actor>,
    handle: Handle<String>,
    cx: Context,
    task: tokio::task::JoinHandle<()>,
}

impl Fixture {
    fn start(keys: &[(&str, Schedule<String>)]) -> Self {
        let actor = Arc::new(Actor::default());
        let options = LoopOptions { seed: 1, ..LoopOptions::default() };
        let (driver, handle) = ReconcileLoop::new(actor.clone(), options);
        for (key, schedule) in keys {
            handle.put((*key).to_owned(), schedule.clone());
        }
        let cx = Context::background();
        let task = tokio::spawn({
            let cx = cx.clone();
            async move { driver.run(&cx).await }
        });
        Self { actor, handle, cx, task }
    }

    fn runs(&self, key: &str) -> usize {
        self.actor.runs.lock().unwrap().get(key).map_or(0, Vec::len)
    }

    async fn status(&self, key: &str) -> KeyStatus<String> {
        self.handle.status(key.to_owned()).await.unwrap().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_passes_at_once_and_runs_keep_to_their_intervals() {
    let started = std::time::Instant::now();
    let f = Fixture::start(&[("a", Schedule::every(MINUTE)), ("b", Schedule::every(10 * MINUTE))]);
    sleep(60 * MINUTE).await;
    assert!((57..=64).contains(&f.runs("a")), "{}", f.runs("a"));
    assert!((6..=7).contains(&f.runs("b")), "{}", f.runs("b"));
    let runs = f.actor.runs.lock().unwrap()["a"].clone();
    let gaps: Vec<Duration> = runs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (57..=63).contains(&gap.as_secs())), "{gaps:?}");
    assert!(gaps.iter().any(|gap| gap.as_secs() != 60), "jitter spreads them: {gaps:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn h54_ten_thousand_keys_all_get_their_turn() {
    let keys: Vec<String> = (0..10_000).map(|i| format!("key-{i}")).collect();
    let schedules: Vec<(&str, Schedule<String>)> =
        keys.iter().map(|key| (key.as_str(), Schedule::every(5 * MINUTE))).collect();
    let f = Fixture::start(&schedules);
    sleep(60 * MINUTE).await;
    let runs: Vec<usize> = keys.iter().map(|key| f.runs(key)).collect();
    assert!(runs.iter().all(|runs| (11..=14).contains(runs)), "{:?}", runs.iter().min());
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_allowed() {
    let keys: Vec<String> = (0..40).map(|i| format!("busy-{i}")).collect();
    let schedules: Vec<(&str, Schedule<String>)> = keys.iter().map(|k| (k.as_str(), Schedule::every(MINUTE))).collect();
    let f = Fixture::start(&schedules);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(f.actor.most_at_once.load(Ordering::SeqCst), 4);
    assert!(keys.iter().all(|key| f.runs(key) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_past_its_timeout_is_told_to_end_and_then_cut_off() {
    let f = Fixture::start(&[
        ("slow", Schedule::every(60 * MINUTE).timeout(MINUTE)),
        ("deaf", Schedule::every(60 * MINUTE).timeout(MINUTE)),
        ("a", Schedule::every(MINUTE)),
    ]);
    sleep(MINUTE + Duration::from_millis(500)).await;
    assert_eq!((f.status("slow").await.phase, f.status("deaf").await.phase), (Phase::Retrying, Phase::Running));
    sleep(Duration::from_secs(10)).await;
    let deaf = f.status("deaf").await;
    assert_eq!((deaf.reason.as_ref(), deaf.message.as_str()), ("Timeout", "did not end within 70s and was cut off"));
    assert!(f.runs("a") >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_its_key_alone() {
    std::panic::set_hook(Box::new(|_| {}));
    let f = Fixture::start(&[("panic", Schedule::every(MINUTE)), ("a", Schedule::every(MINUTE))]);
    sleep(60 * MINUTE).await;
    drop(std::panic::take_hook());
    let status = f.status("panic").await;
    assert_eq!((status.phase, status.message.as_str()), (Phase::Retrying, "panicked: out of panic"));
    assert!(f.runs("a") > 50);
    // 0.75 s, doubled up to 15 min: 10 delays within 13 minutes, then 4 an hour.
    assert!((12..=15).contains(&f.runs("panic")), "{}", f.runs("panic"));
}

#[tokio::test(start_paused = true)]
async fn failures_follow_the_retry_interval_where_there_is_one() {
    let f = Fixture::start(&[("fail", Schedule::every(60 * MINUTE).retry_every(2 * MINUTE))]);
    sleep(21 * MINUTE).await;
    assert_eq!(f.runs("fail"), 11);
    let status = f.status("fail").await;
    assert_eq!((status.failures, status.reason.as_ref(), status.message.as_str()), (11, "Failed", "no luck"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_runs_and_cuts_off_the_deaf() {
    let f = Fixture::start(&[("slow", Schedule::every(MINUTE)), ("deaf", Schedule::every(MINUTE))]);
    sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    f.cx.cancellation().cancel();
    f.task.await.unwrap();
    assert_eq!(asked.elapsed().as_secs(), 10, "the grace period, because of the deaf one");
    assert!(f.handle.statuses().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn suspend_ends_a_run_and_resume_starts_one() {
    let f = Fixture::start(&[("slow", Schedule::every(60 * MINUTE))]);
    sleep(Duration::from_secs(1)).await;
    f.handle.suspend("slow".into());
    sleep(60 * MINUTE).await;
    assert_eq!((f.status("slow").await.phase, f.runs("slow")), (Phase::Suspended, 1));
    f.handle.resume("slow".into());
    sleep(Duration::from_secs(1)).await;
    assert_eq!((f.status("slow").await.phase, f.runs("slow")), (Phase::Running, 2));
    f.handle.remove("slow".into());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(f.handle.status("slow".into()).await, Ok(None));
    assert_eq!(f.actor.running.load(Ordering::SeqCst), 0, "its run was told to end");
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_every_change() {
    let f = Fixture::start(&[]);
    let changes = f.handle.watch();
    f.handle.put("b".into(), Schedule::every(MINUTE).after(["a".to_owned()]));
    f.handle.put("a".into(), Schedule::every(MINUTE));
    let seen: Vec<String> = changes.take(5).map(|status| format!("{} {:?}", status.key, status.phase)).collect().await;
    assert_eq!(seen, ["b Blocked", "a Running", "a Ready", "b Running", "b Ready"]);
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_run() {
    let times = || async {
        let f = Fixture::start(&[("a", Schedule::every(MINUTE)), ("fail", Schedule::every(MINUTE))]);
        let zero = Instant::now();
        sleep(60 * MINUTE).await;
        let runs = f.actor.runs.lock().unwrap().clone();
        runs.into_values().flatten().map(|at| at - zero).collect::<Vec<Duration>>()
    };
    assert_eq!(times().await, times().await);
}
