//! Workloads that are simulated, as the controllers of a real cluster report them.

use std::time::Duration;

use flux_core::cluster::{DeleteOptions, ListOptions, Patch, Propagation, WriteOptions};
use flux_core::{Cluster, Context, Gvk, Object, ObjectRef};
use flux_kube::apiserver::{ApiServer, Behaviour, Calls, Objects, Workloads};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{apply, at, deployment, get, object, server};

const TEN: Duration = Duration::from_secs(10);

fn simulated(workloads: Workloads) -> ApiServer {
    let server = server();
    server.simulate(workloads);
    server
}

fn field(object: &Object, pointer: &str) -> Value {
    object.pointer(pointer).cloned().unwrap_or_default()
}

/// The status and reason of a condition.
fn condition(object: &Object, kind: &str) -> (String, String) {
    let list = field(object, "/status/conditions");
    let found = list.as_array().into_iter().flatten().find(|c| c["type"] == kind);
    let text = |key: &str| found.and_then(|c| c[key].as_str()).unwrap_or("").to_owned();
    (text("status"), text("reason"))
}

fn says(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

async fn all(server: &ApiServer, group: &str, kind: &str) -> Vec<Object> {
    let options = ListOptions { namespace: Some("default".to_owned()), ..ListOptions::default() };
    server.list(&Context::background(), &Gvk::new(group, "v1", kind), &options).await.unwrap().items
}

async fn patch(server: &ApiServer, at: &ObjectRef, patch: Value) {
    let options = WriteOptions { field_manager: "test".to_owned(), ..WriteOptions::default() };
    server.patch(&Context::background(), at, &Patch::Merge(patch), &options).await.unwrap();
}

fn web() -> ObjectRef {
    at("apps", "v1", "Deployment", "web")
}

#[tokio::test(start_paused = true)]
async fn a_deployment_gets_ready() {
    let server = simulated(Workloads::ready_after(TEN));
    apply(&server, &deployment("web", "i:1", 3)).await;
    let early = get(&server, &web()).await;
    assert_eq!(condition(&early, "Progressing"), says("True", "ReplicaSetUpdated"));
    assert_eq!(condition(&early, "Available"), says("False", "MinimumReplicasUnavailable"));
    assert_eq!((field(&early, "/status/replicas"), field(&early, "/status/unavailableReplicas")), (json!(3), json!(3)));
    assert_eq!(field(&early, "/metadata/annotations/deployment.kubernetes.io~1revision"), json!("1"));
    sleep(TEN).await;
    sleep(Duration::from_millis(1)).await;
    let ready = get(&server, &web()).await;
    let mut status = field(&ready, "/status");
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition.as_object_mut().unwrap().retain(|key, _| !key.ends_with("Time"));
    }
    let set = &all(&server, "apps", "ReplicaSet").await[0];
    let progressed = format!("ReplicaSet {:?} has successfully progressed.", set.name());
    assert_eq!(
        status,
        json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                    "message": "Deployment has minimum availability."},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": progressed}]})
    );
    assert_eq!(ready.generation(), Some(1));
    assert_eq!(
        field(set, "/status"),
        json!({"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3,
        "availableReplicas": 3, "observedGeneration": field(set, "/metadata/generation")})
    );
    let pods = all(&server, "", "Pod").await;
    assert!(
        pods.iter().all(|p| field(p, "/status/phase") == "Running" && condition(p, "Ready").0 == "True"),
        "{pods:?}"
    );
    // Nothing more happens.
    let revision = server.revision();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.revision(), revision);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_rolls_scales_and_goes() {
    let (cx, server) = (Context::background(), simulated(Workloads::ready_after(TEN)));
    apply(&server, &deployment("web", "i:1", 4)).await;
    sleep(TEN + TEN).await;
    apply(&server, &deployment("web", "i:2", 4)).await;
    let mut least = 4;
    for _ in 0..60 {
        let now = get(&server, &web()).await;
        least = least.min(field(&now, "/status/availableReplicas").as_i64().unwrap_or(0));
        assert!(field(&now, "/status/replicas").as_i64().unwrap() <= 5, "maxSurge is one quarter");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(least, 3, "maxUnavailable is one quarter, and used");
    let rolled = get(&server, &web()).await;
    assert_eq!(condition(&rolled, "Progressing"), says("True", "NewReplicaSetAvailable"));
    assert_eq!((rolled.generation(), field(&rolled, "/status/observedGeneration")), (Some(2), json!(2)));
    assert_eq!(field(&rolled, "/metadata/annotations/deployment.kubernetes.io~1revision"), json!("2"));
    let pods = all(&server, "", "Pod").await;
    assert!(pods.len() == 4 && pods.iter().all(|p| field(p, "/spec/containers/0/image") == "i:2"));

    // Back again: the old set is used again, as the third revision.
    apply(&server, &deployment("web", "i:1", 4)).await;
    sleep(TEN * 6).await;
    assert_eq!(all(&server, "apps", "ReplicaSet").await.len(), 2);
    let back = get(&server, &web()).await;
    assert_eq!(field(&back, "/metadata/annotations/deployment.kubernetes.io~1revision"), json!("3"));
    patch(&server, &web(), json!({"spec": {"replicas": 1}})).await;
    assert_eq!(all(&server, "", "Pod").await.len(), 1);
    let scaled = get(&server, &web()).await;
    assert_eq!((field(&scaled, "/status/replicas"), field(&scaled, "/status/availableReplicas")), (json!(1), json!(1)));

    let foreground = DeleteOptions { propagation: Propagation::Foreground, ..DeleteOptions::default() };
    server.delete(&cx, &web(), &foreground).await.unwrap();
    assert!(server.get(&cx, &web()).await.unwrap().is_none());
    assert_eq!((all(&server, "", "Pod").await.len(), all(&server, "apps", "ReplicaSet").await.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_bad_image_exceeds_the_deadline_until_it_is_mended() {
    let server = simulated(
        Workloads::ready_after(TEN)
            .when(Objects::of("Pod").image("i:bad"), Behaviour::Crashes)
            .when(Objects::of("Deployment").label("slow", "yes"), Behaviour::NeverReady),
    );
    apply(&server, &deployment("web", "i:1", 2)).await;
    sleep(TEN + TEN).await;
    apply(&server, &deployment("web", "i:bad", 2)).await;
    sleep(Duration::from_secs(590)).await;
    let rolling = get(&server, &web()).await;
    assert_eq!(condition(&rolling, "Progressing").0, "True");
    assert_eq!(condition(&rolling, "Available").0, "True", "the old pods stay");
    sleep(TEN + TEN).await;
    let stuck = get(&server, &web()).await;
    assert_eq!(condition(&stuck, "Progressing"), says("False", "ProgressDeadlineExceeded"));
    let pods = all(&server, "", "Pod").await;
    let bad = pods.iter().find(|p| field(p, "/spec/containers/0/image") == "i:bad").unwrap();
    assert_eq!(field(bad, "/status/containerStatuses/0/state/waiting/reason"), json!("CrashLoopBackOff"));
    assert!(field(bad, "/status/containerStatuses/0/restartCount").as_i64().unwrap() >= 4);

    apply(&server, &deployment("web", "i:2", 2)).await;
    sleep(TEN * 4).await;
    assert_eq!(condition(&get(&server, &web()).await, "Progressing"), says("True", "NewReplicaSetAvailable"));

    let mut slow = deployment("slow", "i:1", 1);
    slow.set_label("slow", "yes");
    apply(&server, &slow).await;
    sleep(TEN * 2).await;
    let slow = get(&server, &slow.object_ref()).await;
    assert_eq!(condition(&slow, "Available"), says("False", "MinimumReplicasUnavailable"));
    // What was wrong gets better.
    server.simulate(Workloads::ready_after(TEN));
    sleep(TEN * 2).await;
    assert_eq!(condition(&get(&server, &slow.object_ref()).await, "Available").0, "True");
}

#[tokio::test(start_paused = true)]
async fn recreate_and_pause() {
    let server = simulated(Workloads::ready_after(TEN));
    let with = |image: &str, more: Value| {
        let mut web = deployment("web", image, 2);
        for (key, value) in more.as_object().unwrap() {
            web.as_map_mut()["spec"][key] = value.clone();
        }
        web
    };
    let recreate = json!({"strategy": {"type": "Recreate"}});
    apply(&server, &with("i:1", recreate.clone())).await;
    sleep(TEN * 2).await;
    apply(&server, &with("i:2", recreate)).await;
    let pods = all(&server, "", "Pod").await;
    assert!(pods.len() == 2 && pods.iter().all(|p| field(p, "/spec/containers/0/image") == "i:2"), "all at once");
    sleep(TEN * 2).await;
    apply(&server, &with("i:3", json!({"paused": true}))).await;
    sleep(TEN * 2).await;
    let paused = get(&server, &web()).await;
    assert_eq!(condition(&paused, "Progressing"), says("Unknown", "DeploymentPaused"));
    assert_eq!(all(&server, "apps", "ReplicaSet").await.len(), 2);
    apply(&server, &with("i:3", json!({"paused": false}))).await;
    sleep(TEN * 4).await;
    assert_eq!(condition(&get(&server, &web()).await, "Progressing"), says("True", "NewReplicaSetAvailable"));
}

fn set(kind: &str, replicas: Option<i64>, image: &str) -> Object {
    let mut set = object(
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "db", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}}),
    );
    if let Some(replicas) = replicas {
        let spec = &mut set.as_map_mut()["spec"];
        spec["replicas"] = json!(replicas);
        spec["serviceName"] = json!("db");
        spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec":
            {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    }
    set
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_goes_one_by_one() {
    let server = simulated(Workloads::ready_after(TEN));
    let db = apply(&server, &set("StatefulSet", Some(3), "i:1")).await.object_ref();
    let names = |pods: Vec<Object>| pods.iter().map(|p| p.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(all(&server, "", "Pod").await), ["db-0"]);
    sleep(TEN + Duration::from_secs(1)).await;
    assert_eq!(names(all(&server, "", "Pod").await), ["db-0", "db-1"]);
    sleep(TEN * 2 + Duration::from_secs(1)).await;
    let ready = get(&server, &db).await;
    let revision = field(&ready, "/status/updateRevision");
    assert_eq!(
        field(&ready, "/status"),
        json!({"readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3, "observedGeneration": 1, "replicas": 3,
            "availableReplicas": 3, "collisionCount": 0, "currentRevision": revision, "updateRevision": revision})
    );
    let claims = all(&server, "", "PersistentVolumeClaim").await;
    assert_eq!(names(claims.clone()), ["data-db-0", "data-db-1", "data-db-2"]);
    assert!(claims.iter().all(|c| field(c, "/status/phase") == "Bound"), "{claims:?}");

    apply(&server, &set("StatefulSet", Some(3), "i:2")).await;
    let images = |pods: &[Object]| pods.iter().map(|p| field(p, "/spec/containers/0/image")).collect::<Vec<_>>();
    assert_eq!(images(&all(&server, "", "Pod").await), ["i:1", "i:1", "i:2"], "the last goes first");
    let rolling = get(&server, &db).await;
    assert_ne!(field(&rolling, "/status/currentRevision"), field(&rolling, "/status/updateRevision"));
    sleep(TEN * 4).await;
    let rolled = get(&server, &db).await;
    assert_eq!(field(&rolled, "/status/currentRevision"), field(&rolled, "/status/updateRevision"));
    assert_eq!(images(&all(&server, "", "Pod").await), ["i:2", "i:2", "i:2"]);
    patch(&server, &db, json!({"spec": {"replicas": 1}})).await;
    assert_eq!(names(all(&server, "", "Pod").await), ["db-0"]);
    assert_eq!(all(&server, "", "PersistentVolumeClaim").await.len(), 3, "claims stay");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_set_is_everywhere() {
    let server = simulated(Workloads::ready_after(TEN).nodes(3));
    let db = apply(&server, &set("DaemonSet", None, "i:1")).await.object_ref();
    sleep(TEN + Duration::from_secs(1)).await;
    let status = |n: i64| {
        json!({"observedGeneration": n, "updatedNumberScheduled": 3, "numberAvailable": 3, "currentNumberScheduled": 3,
            "numberMisscheduled": 0, "desiredNumberScheduled": 3, "numberReady": 3})
    };
    assert_eq!(field(&get(&server, &db).await, "/status"), status(1));
    let mut nodes: Vec<_> = all(&server, "", "Pod").await.iter().map(|p| field(p, "/spec/nodeName")).collect();
    nodes.sort_by_key(Value::to_string);
    assert_eq!(nodes, ["node-1", "node-2", "node-3"]);
    apply(&server, &set("DaemonSet", None, "i:2")).await;
    assert_eq!(field(&get(&server, &db).await, "/status/numberUnavailable"), json!(1), "one at a time");
    sleep(TEN * 4).await;
    assert_eq!(field(&get(&server, &db).await, "/status"), status(2));
}

fn job(name: &str, spec: Value) -> Object {
    let mut job =
        object(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}}}));
    for (key, value) in spec.as_object().unwrap() {
        job.as_map_mut()["spec"][key] = value.clone();
    }
    job
}

#[tokio::test(start_paused = true)]
async fn jobs_end_well_or_badly() {
    let (cx, server) = (
        Context::background(),
        simulated(
            Workloads::ready_after(TEN)
                .when(Objects::of("Job").name("bad"), Behaviour::Fails)
                .when(Objects::of("Job").name("slow"), Behaviour::NeverReady),
        ),
    );
    let good = apply(&server, &job("good", json!({"completions": 3, "parallelism": 2}))).await.object_ref();
    let bad = apply(&server, &job("bad", json!({"backoffLimit": 2}))).await.object_ref();
    let slow = apply(&server, &job("slow", json!({"activeDeadlineSeconds": 60}))).await.object_ref();
    let brief = apply(&server, &job("brief", json!({"ttlSecondsAfterFinished": 100}))).await.object_ref();
    assert_eq!(field(&get(&server, &good).await, "/status/active"), json!(2));
    sleep(TEN * 2 + Duration::from_secs(1)).await;
    let good = get(&server, &good).await;
    assert_eq!(condition(&good, "Complete"), says("True", "CompletionsReached"));
    assert_eq!((field(&good, "/status/succeeded"), field(&good, "/status/active")), (json!(3), Value::Null));
    assert_eq!(field(&good, "/status/completionTime"), json!("2026-01-01T00:00:20Z"));
    sleep(TEN * 7).await;
    assert_eq!(condition(&get(&server, &bad).await, "Failed"), says("True", "BackoffLimitExceeded"));
    assert_eq!(field(&get(&server, &bad).await, "/status/failed"), json!(3));
    assert_eq!(condition(&get(&server, &slow).await, "Failed"), says("True", "DeadlineExceeded"));
    assert!(server.get(&cx, &brief).await.unwrap().is_some());
    sleep(TEN * 3).await;
    assert!(server.get(&cx, &brief).await.unwrap().is_none(), "it lived as long as it was to");
}

#[tokio::test(start_paused = true)]
async fn claims_and_load_balancers() {
    let (cx, server) = (
        Context::background(),
        simulated(
            Workloads::ready_after(TEN).when(Objects::of("PersistentVolumeClaim").name("never"), Behaviour::NeverReady),
        ),
    );
    let claim = |name: &str| {
        object(
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        )
    };
    let (data, never) =
        (apply(&server, &claim("data")).await.object_ref(), apply(&server, &claim("never")).await.object_ref());
    let balancer =
        object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lb", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 80}]}}));
    let balancer = apply(&server, &balancer).await.object_ref();
    assert_eq!(field(&get(&server, &balancer).await, "/status/loadBalancer"), json!({}));
    assert_eq!(field(&get(&server, &data).await, "/status/phase"), json!("Pending"));
    sleep(TEN + Duration::from_secs(1)).await;
    assert!(field(&get(&server, &balancer).await, "/status/loadBalancer/ingress/0/ip").is_string());
    let bound = get(&server, &data).await;
    assert_eq!(
        (field(&bound, "/status/phase"), field(&bound, "/status/capacity/storage")),
        (json!("Bound"), json!("1Gi"))
    );
    assert_eq!(field(&get(&server, &never).await, "/status/phase"), json!("Pending"));
    let volumes = Gvk::new("", "v1", "PersistentVolume");
    let list = server.list(&cx, &volumes, &ListOptions::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    server.delete(&cx, &data, &DeleteOptions::default()).await.unwrap();
    let list = server.list(&cx, &volumes, &ListOptions::default()).await.unwrap();
    assert_eq!(list.items.len(), 0);
}

/// A thousand deployments cost little, and nothing polls.
#[tokio::test(start_paused = true)]
async fn many_at_once() {
    let server = simulated(Workloads::ready_after(TEN));
    for i in 0..200 {
        apply(&server, &deployment(&format!("web-{i}"), "i:1", 2)).await;
    }
    sleep(TEN * 2).await;
    let ready = all(&server, "apps", "Deployment").await;
    assert!(ready.iter().all(|d| field(d, "/status/readyReplicas") == 2));
    assert_eq!(server.count(&Calls::writes()), 200, "what is simulated is no request");
    // A set that asks for too much gets what there is, and is not ready.
    let huge = apply(&server, &deployment("huge", "i:1", i64::from(i32::MAX))).await.object_ref();
    sleep(TEN * 2).await;
    assert_eq!(condition(&get(&server, &huge).await, "Available").0, "False");
}
