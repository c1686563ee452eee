//! The engine's laws, under virtual time and with a fault at every call of every trait.

mod support;

use std::sync::Arc;
use std::time::Duration;

use flux_core::Context;
use flux_core::engine::Engine;
use flux_core::reconcile::Phase;
use support::{FAULTS, Fault, World, pipeline, settle, source};

const FIRST: &[(&str, &str)] = &[("a", "1"), ("b", "1")];
const SECOND: &[(&str, &str)] = &[("a", "2"), ("c", "1")];
const AFTER_SECOND: [&str; 4] = ["beside-a=2", "beside-c=1", "main-a=2", "main-c=1"];

/// An engine that runs until it is dropped, as a process does.
struct Running {
    engine: Engine,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(world: &Arc<World>) -> Self {
        let engine = world.engine();
        let runner = engine.clone();
        let task = tokio::spawn(async move { runner.run(&Context::background()).await.unwrap() });
        Self { engine, task }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// First revision, then the second, to the end, whatever happens on the way. Virtual time: a day at most.
async fn live_through(world: &Arc<World>) {
    let mut process = Running::start(world);
    for (revision, files) in [("main@sha1:1", FIRST), ("main@sha1:2", SECOND)] {
        world.push(revision, files);
        let day = tokio::time::Instant::now() + Duration::from_secs(24 * 3600);
        loop {
            tokio::select! {
                () = settle(&process.engine, revision) => break,
                () = world.switch.crashed.notified() => {
                    drop(process);
                    process = Running::start(world);
                }
                () = tokio::time::sleep_until(day) => {
                    panic!("never settled: {:#?}", process.engine.handle().statuses().await)
                }
            }
        }
    }
    // A further run of everything writes nothing.
    let log = world.log();
    process.engine.handle().trigger(pipeline("main"));
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(world.log(), log);
}

/// How often the tree of one test must be walked: once for each call that a run without faults makes.
async fn calls_without_faults() -> Vec<&'static str> {
    let world = World::new(FIRST);
    live_through(&world).await;
    assert_eq!(world.names(), AFTER_SECOND);
    world.switch.calls()
}

#[test]
fn h42_the_end_is_the_same_whatever_fails_wherever() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let calls = runtime().block_on(calls_without_faults());
    // Up to the settled second revision; what follows is more of the same.
    let calls = &calls[..calls.len().min(40)];
    assert!(calls.contains(&"before save") && calls.contains(&"after write") && calls.contains(&"wait"));
    // Injected panics are part of the test and would only fill its output.
    std::panic::set_hook(Box::new(|_| {}));
    for (call, name) in calls.iter().enumerate() {
        for fault in FAULTS {
            let world = World::new(FIRST);
            world.switch.arm(call, fault);
            let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                runtime().block_on(live_through(&world));
            }));
            assert!(lived.is_ok(), "{fault:?} at call {call} ({name})");
            assert_eq!(world.names(), AFTER_SECOND, "{fault:?} at call {call} ({name})");
            // Only what Git no longer has was ever deleted, and never before it was gone there.
            let log = world.log();
            let deletions: Vec<&String> = log.iter().filter(|entry| entry.starts_with("delete")).collect();
            assert!(deletions.iter().all(|entry| *entry == "delete main-b"), "{fault:?} at {name}: {log:?}");
        }
    }
    drop(std::panic::take_hook());
}

#[tokio::test(start_paused = true)]
async fn one_pipeline_that_hangs_does_not_hold_up_another() {
    let world = World::new(FIRST);
    let calls = {
        let process = Running::start(&world);
        settle(&process.engine, "main@sha1:1").await;
        world.switch.calls()
    };
    let world = World::new(FIRST);
    world.switch.arm(calls.iter().position(|call| *call == "render").unwrap(), Fault::Hang);
    let process = Running::start(&world);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let phase = |name| process.engine.handle().status(pipeline(name));
    assert_eq!(phase("main").await.unwrap().unwrap().phase, Phase::Running);
    assert_eq!(phase("beside").await.unwrap().unwrap().phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn h46_an_empty_revision_deletes_nothing() {
    let world = World::new(FIRST);
    let process = Running::start(&world);
    settle(&process.engine, "main@sha1:1").await;
    world.push("main@sha1:2", &[]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.names(), ["beside-a=1", "beside-b=1", "main-a=1", "main-b=1"]);
    let status = process.engine.handle().status(pipeline("main")).await.unwrap().unwrap();
    assert_eq!(status.phase, Phase::Stalled);
    assert!(status.message.contains("renders no objects and 2 are owned"), "{}", status.message);
    world.push("main@sha1:3", SECOND);
    settle(&process.engine, "main@sha1:3").await;
    assert_eq!(world.names(), AFTER_SECOND);
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_at_the_interval_and_a_new_revision_at_once() {
    let world = World::new(FIRST);
    let process = Running::start(&world);
    settle(&process.engine, "main@sha1:1").await;
    world.objects.lock().unwrap().retain(|id, _| id.name != "main-a");
    tokio::time::sleep(Duration::from_secs(320)).await;
    assert!(world.names().contains(&"main-a=1".to_owned()));

    world.push("main@sha1:2", SECOND);
    process.engine.handle().trigger(source());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.names(), AFTER_SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pipeline_takes_what_it_owns_with_it() {
    let world = World::new(FIRST);
    let process = Running::start(&world);
    settle(&process.engine, "main@sha1:1").await;
    process.engine.delete_pipeline(&pipeline("main"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.names(), ["beside-a=1", "beside-b=1"]);
    assert_eq!(process.engine.handle().status(pipeline("main")).await, Ok(None));

    process.engine.remove_pipeline(&pipeline("beside"));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.names(), ["beside-a=1", "beside-b=1"], "removed is not deleted");
}

#[tokio::test(start_paused = true)]
async fn a_plan_changes_nothing_and_hides_no_revision_from_the_loop() {
    let world = World::new(FIRST);
    let process = Running::start(&world);
    settle(&process.engine, "main@sha1:1").await;
    world.push("main@sha1:2", SECOND);
    let plan = process.engine.plan(&Context::background(), &pipeline("main")).await.unwrap();
    let said: Vec<String> =
        plan.writes().map(|change| format!("{:?} {}", change.action, change.object.id.name)).collect();
    assert_eq!(said, ["Update main-a", "Create main-c", "Delete main-b"]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.names(), AFTER_SECOND);
}
