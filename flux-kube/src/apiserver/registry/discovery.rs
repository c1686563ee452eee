//! Discovery: what clients learn of the groups and resources that are served.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Registry, Resource};

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}]})
}

/// `/apis`.
pub(crate) fn group_list(registry: &Registry) -> Value {
    let groups: Vec<Value> =
        registry.groups().iter().filter(|(g, _)| !g.is_empty()).map(|(g, v)| bare_group(g, v)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn bare_group(group: &str, versions: &[String]) -> Value {
    let version = |v: &String| json!({"groupVersion": format!("{group}/{v}"), "version": v});
    let all: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "versions": all, "preferredVersion": versions.first().map(version)})
}

/// `/apis/{group}`.
pub(crate) fn group(registry: &Registry, group: &str) -> Option<Value> {
    let (_, versions) = registry.groups().iter().find(|(g, _)| g == group && !g.is_empty())?;
    let mut out = bare_group(group, versions);
    let map = out.as_object_mut()?;
    map.insert("kind".into(), json!("APIGroup"));
    map.insert("apiVersion".into(), json!("v1"));
    Some(out)
}

/// `/api/v1` and `/apis/{group}/{version}`.
pub(crate) fn resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    if !registry.has_version(group, version) {
        return None;
    }
    let mut resources = Vec::new();
    for r in registry.in_version(group, version) {
        resources.push(resource(r));
        for sub in &r.subresources {
            let mut entry = json!({"name": format!("{}/{}", r.plural, sub.name), "singularName": "",
                "namespaced": r.namespaced, "kind": sub.kind, "verbs": sub.verbs});
            if let (Some((g, v)), Some(entry)) = (sub.of, entry.as_object_mut()) {
                entry.insert("group".into(), json!(g));
                entry.insert("version".into(), json!(v));
            }
            resources.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut out = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
    if !group.is_empty()
        && let Some(map) = out.as_object_mut()
    {
        map.insert("apiVersion".into(), json!("v1"));
    }
    Some(out)
}

fn resource(r: &Resource) -> Value {
    let mut out = json!({"name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind,
        "verbs": r.verbs});
    if let Some(map) = out.as_object_mut() {
        if !r.short_names.is_empty() {
            map.insert("shortNames".into(), json!(r.short_names));
        }
        if !r.categories.is_empty() {
            map.insert("categories".into(), json!(r.categories));
        }
        if r.has("list") && r.has("watch") {
            map.insert("storageVersionHash".into(), json!(hash(r)));
        }
    }
    out
}

/// Eight bytes that tell one storage version from another.
fn hash(r: &Resource) -> String {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    for b in r.group.bytes().chain(r.storage_version.bytes()).chain(r.kind.bytes()) {
        h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    STANDARD.encode(h.to_be_bytes())
}

/// `/api` and `/apis` in the aggregated form: all groups and resources in one document.
pub(crate) fn aggregated(registry: &Registry, core: bool) -> Value {
    let mut items = Vec::new();
    for (group, versions) in registry.groups().iter().filter(|(g, _)| g.is_empty() == core) {
        let versions: Vec<Value> = versions
            .iter()
            .map(|v| {
                let resources: Vec<Value> =
                    registry.in_version(group, v).into_iter().map(|r| aggregated_resource(r)).collect();
                json!({"version": v, "resources": resources, "freshness": "Current"})
            })
            .collect();
        let metadata =
            if core { json!({"creationTimestamp": null}) } else { json!({"name": group, "creationTimestamp": null}) };
        items.push(json!({"metadata": metadata, "versions": versions}));
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(r: &Resource) -> Value {
    let scope = if r.namespaced { "Namespaced" } else { "Cluster" };
    let mut out = json!({"resource": r.plural,
        "responseKind": {"group": r.group, "version": r.version, "kind": r.kind},
        "scope": scope, "singularResource": r.singular, "verbs": r.verbs});
    let Some(map) = out.as_object_mut() else { return out };
    if !r.short_names.is_empty() {
        map.insert("shortNames".into(), json!(r.short_names));
    }
    if !r.categories.is_empty() {
        map.insert("categories".into(), json!(r.categories));
    }
    if !r.subresources.is_empty() {
        let subs: Vec<Value> = r
            .subresources
            .iter()
            .map(|s| {
                let (group, version) = s.of.unwrap_or((&r.group, &r.version));
                json!({"subresource": s.name, "verbs": s.verbs,
                    "responseKind": {"group": group, "version": version, "kind": s.kind}})
            })
            .collect();
        map.insert("subresources".into(), Value::Array(subs));
    }
    out
}
