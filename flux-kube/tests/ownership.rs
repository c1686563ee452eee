//! Server-side apply under random applies and updates by several managers: what is owned is there, nobody owns what they
//! no longer apply, and applying again changes nothing.
#![cfg(feature = "apiserver")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use flux_core::cluster::{ApplyOptions, Cluster, ClusterError, WriteOptions};
use flux_core::{Context, Object, ObjectId, ObjectRef};
use flux_kube::apiserver::{ApiServer, Config};
use futures::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};

const MANAGERS: [&str; 3] = ["one", "two", "three"];

/// A deployment that says some of what a deployment can say.
#[derive(Debug, Clone)]
struct Wish {
    replicas: Option<u8>,
    labels: BTreeMap<String, u8>,
    /// Containers by name, each with an image and some environment.
    containers: BTreeMap<String, (u8, BTreeMap<String, u8>)>,
    paused: bool,
    tolerations: u8,
}

#[derive(Debug, Clone)]
enum Step {
    Apply { by: usize, wish: Wish, force: bool },
    Update { by: usize, wish: Wish },
}

fn names(of: &'static [&'static str], most: usize) -> impl Strategy<Value = BTreeMap<String, u8>> {
    proptest::collection::btree_map(proptest::sample::select(of).prop_map(str::to_owned), 0u8..3, 0..most)
}

fn wish() -> impl Strategy<Value = Wish> {
    let container = (0u8..3, names(&["A", "B", "C"], 3));
    let containers = proptest::collection::btree_map(
        proptest::sample::select(&["web", "side", "log"][..]).prop_map(str::to_owned),
        container,
        0..3,
    );
    (proptest::option::of(0u8..4), names(&["l", "m", "n"], 3), containers, any::<bool>(), 0u8..3).prop_map(
        |(replicas, labels, containers, paused, tolerations)| Wish {
            replicas,
            labels,
            containers,
            paused,
            tolerations,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    (any::<bool>(), 0..MANAGERS.len(), wish(), any::<bool>()).prop_map(|(apply, by, wish, force)| match apply {
        true => Step::Apply { by, wish, force },
        false => Step::Update { by, wish },
    })
}

fn spec_of(wish: &Wish, whole: bool) -> Value {
    let mut containers: Vec<Value> = wish
        .containers
        .iter()
        .map(|(name, (image, env))| {
            let env: Vec<Value> = env.iter().map(|(k, v)| json!({"name": k, "value": v.to_string()})).collect();
            let mut container = json!({"name": name, "image": format!("img:{image}")});
            if !env.is_empty() {
                container["env"] = json!(env);
            }
            container
        })
        .collect();
    if whole || containers.is_empty() {
        containers.insert(0, json!({"name": "base", "image": "img"}));
    }
    let tolerations: Vec<Value> =
        (0..wish.tolerations).map(|n| json!({"key": format!("k{n}"), "operator": "Exists"})).collect();
    let mut spec = json!({"selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": containers}}});
    if let Some(replicas) = wish.replicas {
        spec["replicas"] = json!(replicas);
    }
    if wish.paused {
        spec["paused"] = json!(true);
    }
    if wish.tolerations > 0 {
        spec["template"]["spec"]["tolerations"] = json!(tolerations);
    }
    spec
}

fn deployment(wish: &Wish, whole: bool) -> Value {
    let labels: BTreeMap<&String, String> = wish.labels.iter().map(|(k, v)| (k, v.to_string())).collect();
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"}, "spec": spec_of(wish, whole)});
    // An empty map is owned, though the API does not keep it: nothing to look for afterwards.
    if !labels.is_empty() {
        object["metadata"]["labels"] = json!(labels);
    }
    object
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("no answer of the server in process is ever pending")
}

/// The part of a value that an element of `fieldsV1` names.
fn part<'a>(value: &'a Value, element: &str) -> Option<&'a Value> {
    let (kind, rest) = element.split_once(':')?;
    match kind {
        "f" => value.get(rest),
        "k" => {
            let keys: Value = serde_json::from_str(rest).ok()?;
            let fits = |item: &&Value| keys.as_object().unwrap().iter().all(|(k, v)| item.get(k) == Some(v));
            value.as_array()?.iter().find(fits)
        }
        "v" => {
            let wanted: Value = serde_json::from_str(rest).ok()?;
            value.as_array()?.iter().find(|item| **item == wanted)
        }
        _ => None,
    }
}

/// Every path of a set leads somewhere in the value.
fn is_there(fields: &Value, value: &Value, path: &str) {
    for (element, below) in fields.as_object().unwrap() {
        if element == "." {
            continue;
        }
        let at = format!("{path}/{element}");
        match part(value, element) {
            Some(found) => is_there(below, found, &at),
            // Maps of metadata that become empty are not written; who owns the map itself still does.
            None if at == "/f:metadata/f:labels" && below.as_object().is_some_and(|below| below.is_empty()) => {}
            None => panic!("{at} is owned and not there: {value}"),
        }
    }
}

fn managed(object: &Object) -> Vec<Value> {
    object.clone().into_value()["metadata"]["managedFields"].as_array().cloned().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn owners_keep_their_promises(steps in proptest::collection::vec(step(), 1..14)) {
        let cx = Context::background();
        let server = ApiServer::new(Config::default());
        let id = ObjectRef { id: ObjectId::new("apps", "Deployment", "default", "d"), version: "v1".to_owned() };
        let first = Object::from_value(deployment(&Wish { replicas: None, labels: BTreeMap::new(),
            containers: BTreeMap::new(), paused: false, tolerations: 0 }, true)).unwrap();
        let by_base = WriteOptions { field_manager: "base".to_owned(), ..WriteOptions::default() };
        block_on(server.create(&cx, &first, &by_base)).unwrap();
        let mut applied: BTreeMap<&str, Value> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Apply { by, wish, force } => {
                    let by = MANAGERS[by];
                    let config = deployment(&wish, false);
                    let object = Object::from_value(config.clone()).unwrap();
                    let options = ApplyOptions { field_manager: by.to_owned(), force, dry_run: false };
                    match block_on(server.apply(&cx, &object, &options)) {
                        Ok(done) => {
                            applied.insert(by, config);
                            let again = block_on(server.apply(&cx, &object, &options)).unwrap();
                            prop_assert_eq!(done.into_value(), again.into_value(), "applied again");
                        }
                        Err(ClusterError::Api(status)) => {
                            // A conflict; or what is left when a field goes is no deployment, which is refused as a whole.
                            prop_assert!((status.code == 409 && !force) || status.code == 422, "{:?}", status);
                            continue;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                Step::Update { by, wish } => {
                    let live = block_on(server.get(&cx, &id)).unwrap().unwrap().into_value();
                    let mut changed = deployment(&wish, true);
                    // An update carries what it read.
                    for key in ["managedFields", "resourceVersion", "uid"] {
                        if let Some(v) = live["metadata"].get(key) {
                            changed["metadata"][key] = v.clone();
                        }
                    }
                    let options = WriteOptions { field_manager: format!("up-{by}"), ..WriteOptions::default() };
                    block_on(server.update(&cx, &Object::from_value(changed).unwrap(), &options)).unwrap();
                }
            }
            let live = block_on(server.get(&cx, &id)).unwrap().unwrap();
            for entry in managed(&live) {
                is_there(&entry["fieldsV1"], &live.clone().into_value(), "");
                if entry["operation"] == "Apply" {
                    let by = entry["manager"].as_str().unwrap();
                    is_there(&entry["fieldsV1"], &applied[by], "");
                }
            }
        }
    }
}
