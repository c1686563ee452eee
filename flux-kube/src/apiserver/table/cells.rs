//! The cells of built-in kinds.

use serde_json::{Value, json};

use crate::apiserver::fields::Fields;
use crate::apiserver::verbs::selector_text;

const NONE: &str = "<none>";

pub(super) fn meta(o: &Fields, key: &str) -> Value {
    o.get("metadata").and_then(|m| m.get(key)).cloned().unwrap_or(Value::Null)
}

/// How long ago, as people say it.
pub(super) fn age(time: Option<&Value>, now: &jiff::Timestamp) -> Value {
    let then = time.and_then(Value::as_str).and_then(|t| t.parse::<jiff::Timestamp>().ok());
    json!(then.map_or_else(|| "<unknown>".to_owned(), |then| human(now.as_second() - then.as_second())))
}

/// A duration in one or two units, as `kubectl` shows ages.
fn human(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let s = seconds.max(0);
    let (m, h) = (s / 60, s / 3600);
    let two = |a: i64, ua: &str, b: i64, ub: &str| if b == 0 { format!("{a}{ua}") } else { format!("{a}{ua}{b}{ub}") };
    if s < 120 {
        format!("{s}s")
    } else if m < 10 {
        two(m, "m", s % 60, "s")
    } else if m < 180 {
        format!("{m}m")
    } else if h < 8 {
        two(h, "h", m % 60, "m")
    } else if h < 48 {
        format!("{h}h")
    } else if h < 24 * 8 {
        two(h / 24, "d", h % 24, "h")
    } else if h < 24 * 365 * 2 {
        format!("{}d", h / 24)
    } else if h < 24 * 365 * 8 {
        two(h / 24 / 365, "y", (h / 24) % 365, "d")
    } else {
        format!("{}y", h / 24 / 365)
    }
}

fn at<'a>(o: &'a Fields, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let mut parts = path.split('.');
    let Some(mut v) = parts.next().and_then(|p| o.get(p)) else { return NOTHING };
    for part in parts {
        v = v.get(part).unwrap_or(NOTHING);
    }
    v
}

fn text<'a>(o: &'a Fields, path: &str) -> &'a str {
    at(o, path).as_str().unwrap_or("")
}

fn or<'a>(s: &'a str, other: &'a str) -> &'a str {
    if s.is_empty() { other } else { s }
}

fn int(o: &Fields, path: &str) -> i64 {
    at(o, path).as_i64().unwrap_or(0)
}

fn list<'a>(o: &'a Fields, path: &str) -> &'a [Value] {
    at(o, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

fn strings(v: &[Value], key: &str) -> Vec<String> {
    v.iter().filter_map(|c| c.get(key)?.as_str().map(str::to_owned)).collect()
}

fn scalar(v: &Value, otherwise: &str) -> String {
    match v {
        Value::Null => otherwise.to_owned(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// A selector as tables show it.
fn selector(v: &Value) -> String {
    let text = selector_text(v);
    if v.is_null() || text.is_empty() { NONE.to_owned() } else { text }
}

fn count(o: &Fields, path: &str) -> i64 {
    at(o, path).as_object().map_or(0, |m| m.len() as i64)
}

fn condition(o: &Fields, kind: &str) -> bool {
    list(o, "status.conditions").iter().any(|c| {
        c.get("type").and_then(Value::as_str) == Some(kind) && c.get("status").and_then(Value::as_str) == Some("True")
    })
}

/// Containers and images of a pod template.
fn containers(o: &Fields, path: &str) -> (Value, Value) {
    let list = list(o, path);
    (json!(strings(list, "name").join(",")), json!(strings(list, "image").join(",")))
}

/// The cells of a kind's row, in the order of its columns; `None` if the kind has no columns of its own.
pub(super) fn of(kind: &str, o: &Fields, now: &jiff::Timestamp) -> Option<Vec<Value>> {
    let name = meta(o, "name");
    let created = age(o.get("metadata").and_then(|m| m.get("creationTimestamp")), now);
    let template = "spec.template.spec.containers";
    Some(match kind {
        "ConfigMap" => vec![name, json!(count(o, "data") + count(o, "binaryData")), created],
        "Secret" => vec![name, json!(text(o, "type")), json!(count(o, "data")), created],
        "ServiceAccount" => vec![name, created],
        "Namespace" => vec![name, json!(text(o, "status.phase")), created],
        "Deployment" => {
            let (c, i) = containers(o, template);
            let ready = format!("{}/{}", int(o, "status.readyReplicas"), int(o, "spec.replicas"));
            let s = json!(selector_text(at(o, "spec.selector")));
            vec![
                name,
                json!(ready),
                json!(int(o, "status.updatedReplicas")),
                json!(int(o, "status.availableReplicas")),
                created,
                c,
                i,
                s,
            ]
        }
        "StatefulSet" => {
            let (c, i) = containers(o, template);
            let ready = format!("{}/{}", int(o, "status.readyReplicas"), int(o, "spec.replicas"));
            vec![name, json!(ready), created, c, i]
        }
        "ReplicaSet" | "ReplicationController" => {
            let (c, i) = containers(o, template);
            vec![
                name,
                json!(int(o, "spec.replicas")),
                json!(int(o, "status.replicas")),
                json!(int(o, "status.readyReplicas")),
                created,
                c,
                i,
                json!(selector(at(o, "spec.selector"))),
            ]
        }
        "DaemonSet" => {
            let (c, i) = containers(o, template);
            vec![
                name,
                json!(int(o, "status.desiredNumberScheduled")),
                json!(int(o, "status.currentNumberScheduled")),
                json!(int(o, "status.numberReady")),
                json!(int(o, "status.updatedNumberScheduled")),
                json!(int(o, "status.numberAvailable")),
                json!(selector(at(o, "spec.template.spec.nodeSelector"))),
                created,
                c,
                i,
                json!(selector(at(o, "spec.selector"))),
            ]
        }
        "Job" => {
            let (c, i) = containers(o, template);
            let done = int(o, "status.succeeded");
            let completions = match at(o, "spec.completions").as_i64() {
                Some(n) => format!("{done}/{n}"),
                None if int(o, "spec.parallelism") > 1 => format!("{done}/1 of {}", int(o, "spec.parallelism")),
                None => format!("{done}/1"),
            };
            let time = |path: &str| text(o, path).parse::<jiff::Timestamp>().ok();
            let duration = time("status.startTime").map_or_else(String::new, |start| {
                human(time("status.completionTime").unwrap_or(*now).as_second() - start.as_second())
            });
            let status = if condition(o, "Complete") {
                "Complete"
            } else if condition(o, "Failed") {
                "Failed"
            } else if !meta(o, "deletionTimestamp").is_null() {
                "Terminating"
            } else if condition(o, "Suspended") {
                "Suspended"
            } else {
                "Running"
            };
            vec![
                name,
                json!(status),
                json!(completions),
                json!(duration),
                created,
                c,
                i,
                json!(selector(at(o, "spec.selector"))),
            ]
        }
        "CronJob" => {
            let (c, i) = containers(o, "spec.jobTemplate.spec.template.spec.containers");
            let last = at(o, "status.lastScheduleTime");
            let last = if last.is_null() { json!(NONE) } else { age(Some(last), now) };
            let suspend = match at(o, "spec.suspend") {
                Value::Bool(true) => "True",
                Value::Bool(false) => "False",
                _ => "<unset>",
            };
            vec![
                name,
                json!(text(o, "spec.schedule")),
                json!(or(text(o, "spec.timeZone"), NONE)),
                json!(suspend),
                json!(list(o, "status.active").len()),
                last,
                created,
                c,
                i,
                json!(selector(at(o, "spec.jobTemplate.spec.selector"))),
            ]
        }
        "Service" => vec![
            name,
            json!(text(o, "spec.type")),
            json!(cluster_ip(o)),
            json!(external_ip(o)),
            json!(service_ports(o)),
            created,
            json!(selector(at(o, "spec.selector"))),
        ],
        "Ingress" => {
            let rules = list(o, "spec.rules");
            let hosts: Vec<String> = strings(rules, "host").into_iter().filter(|h| !h.is_empty()).collect();
            let hosts = match hosts.len() {
                0 => "*".to_owned(),
                1..=3 => hosts.join(","),
                _ => format!("{} + {} more...", hosts.get(..3).unwrap_or_default().join(","), rules.len() - 3),
            };
            let ports = if list(o, "spec.tls").is_empty() { "80" } else { "80, 443" };
            vec![
                name,
                json!(or(text(o, "spec.ingressClassName"), NONE)),
                json!(hosts),
                json!(balancer(o)),
                json!(ports),
                created,
            ]
        }
        "IngressClass" => {
            let p = at(o, "spec.parameters");
            let get = |k: &str| p.get(k).and_then(Value::as_str).unwrap_or("");
            let parameters = if p.is_null() {
                NONE.to_owned()
            } else if get("apiGroup").is_empty() {
                format!("{}/{}", get("kind"), get("name"))
            } else {
                format!("{}.{}/{}", get("kind"), get("apiGroup"), get("name"))
            };
            vec![name, json!(text(o, "spec.controller")), json!(parameters), created]
        }
        "NetworkPolicy" => vec![name, json!(selector(at(o, "spec.podSelector"))), created],
        "RoleBinding" | "ClusterRoleBinding" => {
            let subjects = list(o, "subjects");
            let of = |kind: &str| -> Vec<String> {
                let text = |s: &Value, k: &str| s.get(k).and_then(Value::as_str).unwrap_or("").to_owned();
                let mine = subjects.iter().filter(|s| text(s, "kind") == kind);
                mine.map(|s| {
                    if kind == "ServiceAccount" && !text(s, "namespace").is_empty() {
                        format!("{}/{}", text(s, "namespace"), text(s, "name"))
                    } else {
                        text(s, "name")
                    }
                })
                .collect()
            };
            let role = format!("{}/{}", text(o, "roleRef.kind"), text(o, "roleRef.name"));
            vec![
                name,
                json!(role),
                created,
                json!(of("User").join(", ")),
                json!(of("Group").join(", ")),
                json!(of("ServiceAccount").join(", ")),
            ]
        }
        "PodDisruptionBudget" => vec![
            name,
            json!(scalar(at(o, "spec.minAvailable"), "N/A")),
            json!(scalar(at(o, "spec.maxUnavailable"), "N/A")),
            json!(int(o, "status.disruptionsAllowed")),
            created,
        ],
        "HorizontalPodAutoscaler" => {
            let target = format!("{}/{}", text(o, "spec.scaleTargetRef.kind"), text(o, "spec.scaleTargetRef.name"));
            vec![
                name,
                json!(target),
                json!(metrics(o)),
                json!(scalar(at(o, "spec.minReplicas"), "<unset>")),
                json!(int(o, "spec.maxReplicas")),
                json!(int(o, "status.currentReplicas")),
                created,
            ]
        }
        "ResourceQuota" => {
            let (mut requests, mut limits) = (Vec::new(), Vec::new());
            let mut hard: Vec<_> = at(o, "status.hard").as_object().into_iter().flatten().collect();
            hard.sort_by(|a, b| a.0.cmp(b.0));
            for (key, value) in hard {
                let used = at(o, "status.used").get(key).and_then(Value::as_str).unwrap_or("0");
                let cell = format!("{key}: {used}/{}", value.as_str().unwrap_or(""));
                if key.starts_with("limits.") { limits.push(cell) } else { requests.push(cell) }
            }
            vec![name, json!(requests.join(", ")), json!(limits.join(", ")), created]
        }
        "Lease" => vec![name, json!(text(o, "spec.holderIdentity")), created],
        "StorageClass" => {
            let annotations = at(o, "metadata.annotations");
            let default =
                annotations.get("storageclass.kubernetes.io/is-default-class").and_then(Value::as_str) == Some("true");
            let shown = if default { json!(format!("{} (default)", name.as_str().unwrap_or(""))) } else { name };
            vec![
                shown,
                json!(text(o, "provisioner")),
                json!(or(text(o, "reclaimPolicy"), "Delete")),
                json!(or(text(o, "volumeBindingMode"), "Immediate")),
                json!(at(o, "allowVolumeExpansion") == &json!(true)),
                created,
            ]
        }
        "PriorityClass" => vec![
            name,
            json!(int(o, "value")),
            json!(at(o, "globalDefault") == &json!(true)),
            created,
            json!(or(text(o, "preemptionPolicy"), "")),
        ],
        "RuntimeClass" => vec![name, json!(text(o, "handler")), created],
        "PersistentVolumeClaim" => {
            let deleting = !meta(o, "deletionTimestamp").is_null();
            let bound = !text(o, "spec.volumeName").is_empty();
            let capacity = if bound { or(text(o, "status.capacity.storage"), "0") } else { "" };
            let modes = if bound { access_modes(list(o, "status.accessModes")) } else { String::new() };
            vec![
                name,
                json!(if deleting { "Terminating" } else { text(o, "status.phase") }),
                json!(text(o, "spec.volumeName")),
                json!(capacity),
                json!(modes),
                json!(text(o, "spec.storageClassName")),
                json!(or(text(o, "spec.volumeAttributesClassName"), "<unset>")),
                created,
                json!(or(text(o, "spec.volumeMode"), "<unset>")),
            ]
        }
        "PersistentVolume" => {
            let claim = at(o, "spec.claimRef");
            let get = |k: &str| claim.get(k).and_then(Value::as_str).unwrap_or("");
            let claim = if claim.is_null() { String::new() } else { format!("{}/{}", get("namespace"), get("name")) };
            let deleting = !meta(o, "deletionTimestamp").is_null();
            vec![
                name,
                json!(text(o, "spec.capacity.storage")),
                json!(access_modes(list(o, "spec.accessModes"))),
                json!(text(o, "spec.persistentVolumeReclaimPolicy")),
                json!(if deleting { "Terminating" } else { text(o, "status.phase") }),
                json!(claim),
                json!(text(o, "spec.storageClassName")),
                json!(or(text(o, "spec.volumeAttributesClassName"), "<unset>")),
                json!(text(o, "status.reason")),
                created,
                json!(or(text(o, "spec.volumeMode"), "<unset>")),
            ]
        }
        "Event" => event(o, now),
        "Pod" => pod(o, now),
        "PodTemplate" => {
            let (c, i) = containers(o, "template.spec.containers");
            vec![name, c, i, json!(selector(at(o, "template.metadata.labels")))]
        }
        "Node" => {
            let mut status = if condition(o, "Ready") { "Ready" } else { "Unknown" }.to_owned();
            if at(o, "spec.unschedulable") == &json!(true) {
                status.push_str(",SchedulingDisabled");
            }
            let get = |k: &str| or(at(o, "status.nodeInfo").get(k).and_then(Value::as_str).unwrap_or(""), "<unknown>");
            vec![
                name,
                json!(status),
                json!(node_roles(o)),
                created,
                json!(text(o, "status.nodeInfo.kubeletVersion")),
                json!(node_address(o, "InternalIP")),
                json!(node_address(o, "ExternalIP")),
                json!(get("osImage")),
                json!(get("kernelVersion")),
                json!(get("containerRuntimeVersion")),
            ]
        }
        "Endpoints" => {
            let mut all = Vec::new();
            for subset in list(o, "subsets") {
                for a in subset.get("addresses").and_then(Value::as_array).into_iter().flatten() {
                    let ip = a.get("ip").and_then(Value::as_str).unwrap_or("");
                    for p in subset.get("ports").and_then(Value::as_array).into_iter().flatten() {
                        all.push(format!("{ip}:{}", p.get("port").and_then(Value::as_i64).unwrap_or(0)));
                    }
                }
            }
            vec![name, json!(some_of(&all)), created]
        }
        "EndpointSlice" => {
            let ports: Vec<String> =
                list(o, "ports").iter().map(|p| p.get("port").map_or("*".to_owned(), |p| p.to_string())).collect();
            let ends: Vec<String> = list(o, "endpoints")
                .iter()
                .flat_map(|e| e.get("addresses").and_then(Value::as_array).cloned().unwrap_or_default())
                .filter_map(|a| a.as_str().map(str::to_owned))
                .collect();
            let shown = |v: &[String]| if v.is_empty() { "<unset>".to_owned() } else { some_of(v) };
            vec![name, json!(text(o, "addressType")), json!(shown(&ports)), json!(shown(&ends)), created]
        }
        "ControllerRevision" => {
            let owner = list(o, "metadata.ownerReferences").iter().find(|r| r.get("controller") == Some(&json!(true)));
            let shown = owner.map_or(NONE.to_owned(), |r| {
                let text = |k: &str| r.get(k).and_then(Value::as_str).unwrap_or("");
                let group = text("apiVersion").split_once('/').map_or("", |(g, _)| g);
                format!("{}/{}", super::super::status::qualified(&text("kind").to_lowercase(), group), text("name"))
            });
            vec![name, json!(shown), json!(int(o, "revision")), created]
        }
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            vec![name, json!(list(o, "webhooks").len()), created]
        }
        _ => return None,
    })
}

/// The first three, and how many more.
fn some_of(all: &[String]) -> String {
    match all.len() {
        0 => NONE.to_owned(),
        1..=3 => all.join(","),
        n => format!("{} + {} more...", all.get(..3).unwrap_or_default().join(","), n - 3),
    }
}

fn access_modes(modes: &[Value]) -> String {
    let short = |m: &str| match m {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    modes.iter().filter_map(Value::as_str).map(short).collect::<Vec<_>>().join(",")
}

fn cluster_ip(o: &Fields) -> String {
    list(o, "spec.clusterIPs").first().and_then(Value::as_str).map_or(NONE.to_owned(), str::to_owned)
}

/// The addresses of a load balancer.
fn balancer(o: &Fields) -> String {
    let mut all: Vec<String> = list(o, "status.loadBalancer.ingress")
        .iter()
        .filter_map(|i| {
            let get = |k: &str| i.get(k).and_then(Value::as_str).filter(|s| !s.is_empty()).map(str::to_owned);
            get("ip").or_else(|| get("hostname"))
        })
        .collect();
    all.sort();
    all.dedup();
    all.join(",")
}

/// What a node's labels say it is for.
fn node_roles(o: &Fields) -> String {
    let labels = at(o, "metadata.labels").as_object().into_iter().flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(k, v)| match k.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role).filter(|r| !r.is_empty()),
            None => v.as_str().filter(|v| k == "kubernetes.io/role" && !v.is_empty()),
        })
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}

fn node_address(o: &Fields, kind: &str) -> String {
    let of = |a: &&Value| a.get("type").and_then(Value::as_str) == Some(kind);
    let found = list(o, "status.addresses").iter().find(of).and_then(|a| a.get("address")?.as_str());
    found.unwrap_or(NONE).to_owned()
}

fn external_ip(o: &Fields) -> String {
    let own: Vec<&str> = list(o, "spec.externalIPs").iter().filter_map(Value::as_str).collect();
    match text(o, "spec.type") {
        "ExternalName" => text(o, "spec.externalName").to_owned(),
        "LoadBalancer" => {
            let mut all: Vec<String> = own.iter().map(|s| (*s).to_owned()).collect();
            let balancer = balancer(o);
            if !balancer.is_empty() {
                all.insert(0, balancer);
            }
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ if own.is_empty() => NONE.to_owned(),
        _ => own.join(","),
    }
}

fn service_ports(o: &Fields) -> String {
    let ports = list(o, "spec.ports").iter().map(|p| {
        let get = |k: &str| p.get(k).and_then(Value::as_i64).unwrap_or(0);
        let protocol = p.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        match get("nodePort") {
            0 => format!("{}/{protocol}", get("port")),
            node => format!("{}:{node}/{protocol}", get("port")),
        }
    });
    let ports: Vec<String> = ports.collect();
    if ports.is_empty() { NONE.to_owned() } else { ports.join(",") }
}

fn metrics(o: &Fields) -> String {
    let specs = list(o, "spec.metrics");
    let statuses = list(o, "status.currentMetrics");
    let mut out = Vec::new();
    for (i, m) in specs.iter().enumerate() {
        let (key, named) = match m.get("type").and_then(Value::as_str) {
            Some("Resource") => ("resource", true),
            Some("ContainerResource") => ("containerResource", true),
            Some("Pods") => ("pods", false),
            Some("Object") => ("object", false),
            Some("External") => ("external", false),
            _ => continue,
        };
        let spec = m.get(key);
        let target = spec.and_then(|s| s.get("target"));
        let current = statuses.get(i).and_then(|s| s.get(key)).and_then(|s| s.get("current"));
        let utilization = named && target.is_some_and(|t| t.get("averageUtilization").is_some());
        let value = |v: Option<&Value>, otherwise: &str| -> String {
            let get = |k: &str| v.and_then(|v| v.get(k));
            if utilization {
                let percent = get("averageUtilization").and_then(Value::as_i64);
                return percent.map_or_else(|| otherwise.to_owned(), |n| format!("{n}%"));
            }
            get("averageValue")
                .or_else(|| get("value"))
                .and_then(Value::as_str)
                .map(str::to_owned)
                .or_else(|| get("averageUtilization").and_then(Value::as_i64).map(|n| format!("{n}%")))
                .unwrap_or_else(|| otherwise.to_owned())
        };
        let text = format!("{}/{}", value(current, "<unknown>"), value(target, "<auto>"));
        let name = spec.and_then(|s| s.get("name")).and_then(Value::as_str).unwrap_or("");
        out.push(if named { format!("{name}: {text}") } else { text });
    }
    match out.len() {
        0 => NONE.to_owned(),
        1 | 2 => out.join(", "),
        n => format!("{} + {} more...", out.get(..2).unwrap_or_default().join(", "), n - 2),
    }
}

fn event(o: &Fields, now: &jiff::Timestamp) -> Vec<Value> {
    let time = |path: &str| Some(at(o, path)).filter(|t| t.is_string());
    let first = age(time("firstTimestamp").or_else(|| time("eventTime")), now);
    let last = match time("series.lastObservedTime").or_else(|| time("lastTimestamp")) {
        Some(t) => age(Some(t), now),
        None => first.clone(),
    };
    let count = at(o, "series.count").as_i64().unwrap_or_else(|| int(o, "count")).max(1);
    let kind = text(o, "involvedObject.kind").to_lowercase();
    let target = match text(o, "involvedObject.name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = or(text(o, "source.component"), text(o, "reportingComponent"));
    let host = or(text(o, "source.host"), text(o, "reportingInstance"));
    let source = if host.is_empty() { source.to_owned() } else { format!("{source}, {host}") };
    vec![
        last,
        json!(text(o, "type")),
        json!(text(o, "reason")),
        json!(target),
        json!(text(o, "involvedObject.fieldPath")),
        json!(source),
        json!(text(o, "message").trim()),
        first,
        json!(count),
        meta(o, "name"),
    ]
}

fn pod(o: &Fields, now: &jiff::Timestamp) -> Vec<Value> {
    let statuses = list(o, "status.containerStatuses");
    let ready = statuses.iter().filter(|s| s.get("ready") == Some(&json!(true))).count();
    let restarts: i64 = statuses.iter().filter_map(|s| s.get("restartCount")?.as_i64()).sum();
    let phase = text(o, "status.phase");
    let mut reason = or(text(o, "status.reason"), phase).to_owned();
    let gated = list(o, "status.conditions").iter().any(|c| {
        c.get("type").and_then(Value::as_str) == Some("PodScheduled")
            && c.get("reason").and_then(Value::as_str) == Some("SchedulingGated")
    });
    if gated {
        reason = "SchedulingGated".to_owned();
    }
    let sidecars = list(o, "spec.initContainers").iter();
    let sidecars = sidecars.filter(|c| c.get("restartPolicy").and_then(Value::as_str) == Some("Always")).count();
    for s in statuses.iter().rev() {
        let state = |k: &str| s.get("state").and_then(|s| s.get(k));
        let why = |k: &str| state(k).and_then(|s| s.get("reason")).and_then(Value::as_str).filter(|r| !r.is_empty());
        if let Some(r) = why("waiting").or_else(|| why("terminated")) {
            reason = r.to_owned();
        } else if let Some(t) = state("terminated") {
            reason = format!("ExitCode:{}", t.get("exitCode").and_then(Value::as_i64).unwrap_or(0));
        }
    }
    if !meta(o, "deletionTimestamp").is_null() && !matches!(phase, "Succeeded" | "Failed") {
        reason = "Terminating".to_owned();
    }
    let gates = list(o, "spec.readinessGates");
    let gates_shown = if gates.is_empty() {
        NONE.to_owned()
    } else {
        let met =
            gates.iter().filter(|g| g.get("conditionType").and_then(Value::as_str).is_some_and(|t| condition(o, t)));
        format!("{}/{}", met.count(), gates.len())
    };
    vec![
        meta(o, "name"),
        json!(format!("{ready}/{}", list(o, "spec.containers").len() + sidecars)),
        json!(reason),
        json!(restarts.to_string()),
        age(Some(&meta(o, "creationTimestamp")), now),
        json!(or(text(o, "status.podIP"), NONE)),
        json!(or(text(o, "spec.nodeName"), NONE)),
        json!(or(text(o, "status.nominatedNodeName"), NONE)),
        json!(gates_shown),
    ]
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn ages_in_one_or_two_units() {
        for (seconds, want) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (601, "10m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 300, "3h5m"),
            (9 * 3600 + 300, "9h"),
            (50 * 3600, "2d2h"),
            (10 * 86400, "10d"),
            (800 * 86400, "2y70d"),
            (-5, "<invalid>"),
        ] {
            assert_eq!(human(seconds), want);
        }
    }
}
