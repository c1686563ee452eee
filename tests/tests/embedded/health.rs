//! Health checks on simulated workloads: what gets ready is waited for, what fails is told from what is slow.

use std::sync::Arc;
use std::time::Duration;

use flux_appliers::raw::RawRenderer;
use flux_appliers::ssa::{Owner, ServerSideApplier};
use flux_core::{Applier, Artifact, Context, HealthStatus, Inventory, ObjectId, Renderer, Revision, Tree};
use flux_kube::apiserver::{ApiServer, Behaviour, Calls, Fault, Objects, Verb, Workloads};
use tokio::time::Instant;

const ALL: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: 'i:1'}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: 'i:1'}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: default}
spec:
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: 'i:1'}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: default}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'i:1'}]}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}
";

/// Applies everything and waits for it; the states of what is not ready, and how long it took.
async fn health(workloads: Workloads) -> (Vec<(String, HealthStatus)>, Duration, ApiServer) {
    let cx = Context::background();
    let server = ApiServer::default();
    server.simulate(workloads);
    let tree = Tree::from_files([("all.yaml", ALL)]).unwrap();
    let artifact = Artifact::new(Revision::new("main@sha1:abc"), tree);
    let manifests = RawRenderer::new("").render(&cx, &artifact).await.unwrap();
    let applier = ServerSideApplier::new(Arc::new(server.clone()), Owner::new("app", "default"));
    let plan = applier.plan(&cx, &manifests, &Inventory::default()).await.unwrap();
    let report = applier.apply(&cx, plan).await;
    assert!(report.error.is_none(), "{report:?}");
    let began = Instant::now();
    let patient = cx.clone().with_timeout(Duration::from_secs(900));
    let health = applier.wait(&patient, &report.inventory).await.unwrap();
    (health.waiting().map(|o| (o.id.kind.clone(), o.status)).collect(), began.elapsed(), server)
}

#[tokio::test(start_paused = true)]
async fn everything_gets_ready() {
    let (bad, took, server) = health(Workloads::ready_after(Duration::from_secs(30))).await;
    assert!(bad.is_empty(), "{bad:?}");
    // The stateful set starts its second pod when the first is ready.
    assert!(took >= Duration::from_secs(60) && took < Duration::from_secs(120), "{took:?}");
    let gets = server.count(&Calls::of(Verb::Get));
    assert!(gets < 100, "it is watched, not polled: {gets} gets");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_from_what_is_slow() {
    let workloads = Workloads::ready_after(Duration::from_secs(5))
        .when(Objects::of("Deployment"), Behaviour::Crashes)
        .when(Objects::of("PersistentVolumeClaim"), Behaviour::NeverReady);
    let (mut bad, took, _) = health(workloads).await;
    bad.sort_by(|a, b| a.0.cmp(&b.0));
    let claim = ("PersistentVolumeClaim".to_owned(), HealthStatus::InProgress);
    assert_eq!(bad, [("Deployment".to_owned(), HealthStatus::Failed), claim]);
    assert!(took >= Duration::from_secs(600), "the deployment has until its deadline: {took:?}");

    let (bad, _, _) = health(Workloads::default().when(Objects::of("Job"), Behaviour::Fails)).await;
    assert_eq!(bad, [("Job".to_owned(), HealthStatus::Failed)]);
}

#[test]
fn a_server_that_only_fails_is_waited_for_no_longer_than_the_deadline() {
    let (sender, receiver) = std::sync::mpsc::channel();
    // In a thread of its own: a wait that never gives way cannot be ended from within its runtime.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let waited = runtime.block_on(async {
            let server = ApiServer::default();
            server.inject(Fault::error(503).on(Calls::reads()));
            let owned = Inventory::from_iter([ObjectId::new("", "ConfigMap", "default", "a").at("v1")]);
            let applier = ServerSideApplier::new(Arc::new(server), Owner::new("app", "default"));
            let begun = Instant::now();
            let cx = Context::background().with_timeout(Duration::from_secs(5));
            let health = applier.wait(&cx, &owned).await.unwrap();
            (health.waiting().map(|object| object.status).collect::<Vec<_>>(), begun.elapsed())
        });
        drop(sender.send(waited));
    });
    let (waiting, took) = receiver.recv_timeout(Duration::from_secs(60)).expect("the wait ends");
    assert_eq!(waiting, [HealthStatus::Unknown]);
    assert_eq!(took, Duration::from_secs(5));
}
