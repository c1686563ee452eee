//! Workloads, services, autoscalers, policies and the extension kinds.

use serde_json::{Value, json};

use super::{child, each, pod, set};
use crate::apiserver::fields::Fields;

fn template(spec: &mut Fields) {
    if let Some(spec) = child(spec, "template").and_then(|t| child(t, "spec")) {
        pod::spec(spec);
    }
}

pub(super) fn apps(kind: &str, object: &mut Fields) {
    if kind == "ControllerRevision" {
        return;
    }
    if kind == "DaemonSet"
        && let Some(annotations) = child(object, "metadata").and_then(|m| child(m, "annotations"))
    {
        set(annotations, crate::apiserver::strategy::TEMPLATE_GENERATION, json!("0"));
    }
    let Some(spec) = child(object, "spec") else { return };
    template(spec);
    match kind {
        "Deployment" => {
            set(spec, "replicas", 1);
            set(spec, "revisionHistoryLimit", 10);
            set(spec, "progressDeadlineSeconds", 600);
            let Some(strategy) = child(spec, "strategy") else { return };
            set(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate")
                && let Some(rolling) = child(strategy, "rollingUpdate")
            {
                set(rolling, "maxUnavailable", "25%");
                set(rolling, "maxSurge", "25%");
            }
        }
        "DaemonSet" => {
            set(spec, "revisionHistoryLimit", 10);
            let Some(strategy) = child(spec, "updateStrategy") else { return };
            set(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate")
                && let Some(rolling) = child(strategy, "rollingUpdate")
            {
                set(rolling, "maxUnavailable", 1);
                set(rolling, "maxSurge", 0);
            }
        }
        "StatefulSet" => {
            set(spec, "podManagementPolicy", "OrderedReady");
            set(spec, "replicas", 1);
            set(spec, "revisionHistoryLimit", 10);
            if let Some(policy) = child(spec, "persistentVolumeClaimRetentionPolicy") {
                set(policy, "whenDeleted", "Retain");
                set(policy, "whenScaled", "Retain");
            }
            for claim in each(spec, "volumeClaimTemplates") {
                set(claim, "apiVersion", "v1");
                set(claim, "kind", "PersistentVolumeClaim");
                if let Some(spec) = child(claim, "spec") {
                    set(spec, "volumeMode", "Filesystem");
                }
                if let Some(status) = child(claim, "status") {
                    set(status, "phase", "Pending");
                }
            }
            let Some(strategy) = child(spec, "updateStrategy") else { return };
            set(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate")
                && let Some(rolling) = child(strategy, "rollingUpdate")
            {
                set(rolling, "partition", 0);
            }
        }
        "ReplicaSet" => set(spec, "replicas", 1),
        _ => {}
    }
}

pub(super) fn replication_controller(object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    template(spec);
    set(spec, "replicas", 1);
    let labels = spec.get("template").and_then(|t| t.get("metadata")).and_then(|m| m.get("labels")).cloned();
    let Some(labels) = labels else { return };
    let own = spec.get("selector").and_then(Value::as_object);
    if own.is_none_or(Fields::is_empty) {
        spec.insert("selector".into(), labels.clone());
    }
    if let Some(meta) = child(object, "metadata")
        && meta.get("labels").and_then(Value::as_object).is_none_or(Fields::is_empty)
    {
        meta.insert("labels".into(), labels);
    }
}

pub(super) fn batch(kind: &str, object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    if kind == "CronJob" {
        set(spec, "concurrencyPolicy", "Allow");
        set(spec, "suspend", false);
        set(spec, "successfulJobsHistoryLimit", 3);
        set(spec, "failedJobsHistoryLimit", 1);
        if let Some(job) = child(spec, "jobTemplate").and_then(|t| child(t, "spec")) {
            template(job);
        }
        return;
    }
    template(spec);
    let labels = spec.get("template").and_then(|t| t.get("metadata")).and_then(|m| m.get("labels")).cloned();
    if let (Some(labels), Some(meta)) = (labels, child(object, "metadata")) {
        set(meta, "labels", labels);
    }
    let Some(spec) = child(object, "spec") else { return };
    if let Some(policy) = spec.get_mut("podFailurePolicy").and_then(Value::as_object_mut) {
        for rule in each(policy, "rules") {
            for condition in each(rule, "onPodConditions") {
                if condition.get("status").and_then(Value::as_str).is_none_or(str::is_empty) {
                    condition.insert("status".into(), json!("True"));
                }
            }
        }
    }
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        set(spec, "completions", 1);
        set(spec, "parallelism", 1);
    }
    set(spec, "parallelism", 1);
    if !spec.contains_key("backoffLimitPerIndex") {
        set(spec, "backoffLimit", 6);
    } else {
        set(spec, "backoffLimit", i32::MAX);
    }
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    set(
        spec,
        "podReplacementPolicy",
        json!(if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" }),
    );
}

pub(super) fn service(object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    set(spec, "sessionAffinity", "None");
    if spec.get("sessionAffinity").and_then(Value::as_str) == Some("ClientIP")
        && let Some(ip) = child(spec, "sessionAffinityConfig").and_then(|c| child(c, "clientIP"))
    {
        set(ip, "timeoutSeconds", 10800);
    } else if spec.get("sessionAffinity").and_then(Value::as_str) == Some("None") {
        spec.shift_remove("sessionAffinityConfig");
    }
    set(spec, "type", "ClusterIP");
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
    for port in each(spec, "ports") {
        set(port, "protocol", "TCP");
        let target = port.get("targetPort");
        if target.is_none_or(|t| *t == json!(0) || *t == json!("")) {
            let number = port.get("port").cloned().unwrap_or(json!(0));
            port.insert("targetPort".into(), number);
        }
    }
    let external = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|e| !e.is_empty());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && external) {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        set(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
    if let Some(balancer) =
        object.get_mut("status").and_then(|s| s.get_mut("loadBalancer")).and_then(Value::as_object_mut)
    {
        for ingress in each(balancer, "ingress") {
            if ingress.contains_key("ip") {
                set(ingress, "ipMode", "VIP");
            }
        }
    }
}

pub(super) fn autoscaler(version: &str, object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    set(spec, "minReplicas", 1);
    if version == "v2" {
        if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
            spec.insert("metrics".into(), json!([{"type": "Resource", "resource": cpu}]));
        }
        if let Some(behavior) = spec.get_mut("behavior").and_then(Value::as_object_mut) {
            for (key, policies) in [
                (
                    "scaleUp",
                    json!([{"type": "Pods", "value": 4, "periodSeconds": 15},
                    {"type": "Percent", "value": 100, "periodSeconds": 15}]),
                ),
                ("scaleDown", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}])),
            ] {
                if let Some(rules) = child(behavior, key) {
                    if key == "scaleUp" {
                        set(rules, "stabilizationWindowSeconds", 0);
                    }
                    set(rules, "selectPolicy", "Max");
                    set(rules, "policies", policies);
                }
            }
        }
    }
}

/// What a limit range leaves open follows from what it says.
pub(super) fn limit_range(object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    for limit in each(spec, "limits") {
        if limit.get("type").and_then(Value::as_str) != Some("Container") {
            continue;
        }
        // Most is the default, the default is the default request, and so is the least.
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let given: Vec<(String, Value)> = limit
                .get(from)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if let (false, Some(to)) = (given.is_empty(), child(limit, to)) {
                for (key, value) in given {
                    set(to, &key, value);
                }
            }
        }
    }
}

/// A priority level's shares and queues.
pub(super) fn priority_level(object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    let Some(limited) = spec.get_mut("limited").and_then(Value::as_object_mut) else { return };
    set(limited, "nominalConcurrencyShares", 30);
    set(limited, "lendablePercent", 0);
    if let Some(queuing) =
        limited.get_mut("limitResponse").and_then(|r| r.get_mut("queuing")).and_then(Value::as_object_mut)
    {
        for (key, value) in [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)] {
            if queuing.get(key).and_then(Value::as_i64).unwrap_or(0) == 0 {
                queuing.insert(key.into(), json!(value));
            }
        }
    }
}

/// A request for devices asks for one of them.
pub(super) fn device_requests(spec: &mut Fields) {
    let Some(devices) = child(spec, "devices") else { return };
    for request in each(devices, "requests") {
        if let Some(exactly) = request.get_mut("exactly").and_then(Value::as_object_mut) {
            set(exactly, "allocationMode", "ExactCount");
            if exactly.get("allocationMode") == Some(&json!("ExactCount")) {
                set(exactly, "count", 1);
            }
        }
        for sub in each(request, "firstAvailable") {
            set(sub, "allocationMode", "ExactCount");
            set(sub, "count", 1);
        }
    }
}

pub(super) fn network_policy(object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    for key in ["ingress", "egress"] {
        for rule in each(spec, key) {
            for port in each(rule, "ports") {
                set(port, "protocol", "TCP");
            }
        }
    }
    if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|e| !e.is_empty());
        spec.insert("policyTypes".into(), if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    }
}

pub(super) fn webhooks(kind: &str, object: &mut Fields) {
    for hook in each(object, "webhooks") {
        set(hook, "failurePolicy", "Fail");
        set(hook, "matchPolicy", "Equivalent");
        set(hook, "namespaceSelector", json!({}));
        set(hook, "objectSelector", json!({}));
        set(hook, "timeoutSeconds", 10);
        if kind == "MutatingWebhookConfiguration" {
            set(hook, "reinvocationPolicy", "Never");
        }
        for rule in each(hook, "rules") {
            set(rule, "scope", "*");
        }
        if let Some(service) =
            hook.get_mut("clientConfig").and_then(|c| c.get_mut("service")).and_then(Value::as_object_mut)
        {
            set(service, "port", 443);
        }
    }
    if matches!(kind, "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy")
        && let Some(spec) = child(object, "spec")
    {
        set(spec, "failurePolicy", "Fail");
        if let Some(constraints) = spec.get_mut("matchConstraints").and_then(Value::as_object_mut) {
            set(constraints, "matchPolicy", "Equivalent");
            set(constraints, "namespaceSelector", json!({}));
            set(constraints, "objectSelector", json!({}));
            for key in ["resourceRules", "excludeResourceRules"] {
                for rule in each(constraints, key) {
                    set(rule, "scope", "*");
                }
            }
        }
    }
}

pub(super) fn definition(object: &mut Fields) {
    let Some(spec) = child(object, "spec") else { return };
    if let Some(names) = child(spec, "names") {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or("").to_owned();
        if names.get("singular").and_then(Value::as_str).is_none_or(str::is_empty) && !kind.is_empty() {
            names.insert("singular".into(), json!(kind.to_lowercase()));
        }
        if names.get("listKind").and_then(Value::as_str).is_none_or(str::is_empty) && !kind.is_empty() {
            names.insert("listKind".into(), json!(format!("{kind}List")));
        }
    }
    let conversion = child(spec, "conversion");
    if let Some(conversion) = conversion
        && conversion.get("strategy").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        conversion.insert("strategy".into(), json!("None"));
    }
    if spec.get("preserveUnknownFields") == Some(&json!(false)) {
        spec.shift_remove("preserveUnknownFields");
    }
}
