//! What the admission plugins that every server runs do: priorities, limits, default classes, protection in use.

use serde_json::{Value, json};

use super::fields::Fields;
use super::quantity::Quantity;
use super::registry::{Resource, ResourceKey};
use super::status::Status;
use super::verbs::{State, meta_str, metadata_mut};

/// The finalizers that keep storage while it is in use.
const PROTECTED: [(&str, &str, &str); 3] = [
    ("", "PersistentVolumeClaim", "kubernetes.io/pvc-protection"),
    ("", "PersistentVolume", "kubernetes.io/pv-protection"),
    ("storage.k8s.io", "VolumeAttributesClass", "kubernetes.io/vac-protection"),
];

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

fn spec_mut(object: &mut Fields) -> Option<&mut Fields> {
    object.get_mut("spec").and_then(Value::as_object_mut)
}

impl State {
    /// Completes a new object, or refuses it.
    pub(crate) fn admit_create(&self, resource: &Resource, object: &mut Fields) -> Result<(), Status> {
        match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => {
                self.limit_pod(object)?;
                self.prioritise(object)?;
                default_tolerations(object);
                self.run_as_class(object)?;
            }
            ("", "Node") => taint(object),
            ("", "PersistentVolumeClaim") => self.default_class(
                object,
                &ResourceKey::new("storage.k8s.io", "storageclasses"),
                "storageclass.kubernetes.io/is-default-class",
                "storageClassName",
            ),
            ("networking.k8s.io", "Ingress") => self.default_class(
                object,
                &ResourceKey::new("networking.k8s.io", "ingressclasses"),
                "ingressclass.kubernetes.io/is-default-class",
                "ingressClassName",
            ),
            _ => {}
        }
        protect(resource, object);
        Ok(())
    }

    /// Completes a changed object, or refuses it.
    pub(crate) fn admit_update(&self, resource: &Resource, object: &mut Fields, old: &Fields) -> Result<(), Status> {
        match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => default_tolerations(object),
            ("", "PersistentVolumeClaim") => self.resize(object, old)?,
            _ => {}
        }
        Ok(())
    }

    fn stored_object(&self, group: &str, plural: &str, name: &str) -> Option<&Fields> {
        self.store.get(&ResourceKey::new(group, plural), name).map(|r| &*r.object)
    }

    fn stored_objects(&self, key: &ResourceKey) -> impl Iterator<Item = &Fields> {
        self.store.table(key).into_iter().flat_map(|t| t.range("")).map(|(_, r)| &*r.object)
    }

    /// The class that an annotation marks as the default goes to what names none.
    fn default_class(&self, object: &mut Fields, classes: &ResourceKey, mark: &str, field: &str) {
        let Some(spec) = spec_mut(object) else { return };
        if spec.contains_key(field) {
            return;
        }
        let marked = |c: &&Fields| {
            let annotations = c.get("metadata").and_then(|m| m.get("annotations"));
            annotations.and_then(|a| a.get(mark)).and_then(Value::as_str) == Some("true")
        };
        // The newest, and of several that are as new the first by name.
        let newest = self
            .stored_objects(classes)
            .filter(marked)
            .reduce(|a, b| if meta_str(b, "creationTimestamp") > meta_str(a, "creationTimestamp") { b } else { a });
        if let Some(class) = newest {
            spec.insert(field.to_owned(), json!(meta_str(class, "name")));
        }
    }

    fn prioritise(&self, object: &mut Fields) -> Result<(), Status> {
        let name = meta_str(object, "name").to_owned();
        let refuse = |why: String| Err(Status::forbidden("", "pods", &name, &why));
        let Some(spec) = spec_mut(object) else { return Ok(()) };
        let class_name = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or("").to_owned();
        let class = if class_name.is_empty() {
            let key = ResourceKey::new("scheduling.k8s.io", "priorityclasses");
            self.stored_objects(&key).find(|c| c.get("globalDefault") == Some(&Value::Bool(true)))
        } else {
            match self.stored_object("scheduling.k8s.io", "priorityclasses", &class_name) {
                Some(class) => Some(class),
                None => return refuse(format!("no PriorityClass with name {class_name} was found")),
            }
        };
        let value = class.and_then(|c| c.get("value")).and_then(Value::as_i64).unwrap_or(0);
        let policy = class.and_then(|c| c.get("preemptionPolicy")).and_then(Value::as_str);
        let policy = policy.unwrap_or("PreemptLowerPriority").to_owned();
        if let Some(given) = spec.get("priority").and_then(Value::as_i64).filter(|g| *g != value) {
            return refuse(format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
            ));
        }
        if let Some(given) = spec.get("preemptionPolicy").and_then(Value::as_str).filter(|g| *g != policy) {
            return refuse(format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            ));
        }
        if class_name.is_empty()
            && let Some(class) = class
        {
            spec.insert("priorityClassName".into(), json!(meta_str(class, "name")));
        }
        spec.insert("priority".into(), json!(value));
        spec.insert("preemptionPolicy".into(), json!(policy));
        Ok(())
    }

    /// What a pod's runtime class adds to it.
    fn run_as_class(&self, object: &mut Fields) -> Result<(), Status> {
        let name = meta_str(object, "name").to_owned();
        let Some(spec) = spec_mut(object) else { return Ok(()) };
        let Some(class) = spec.get("runtimeClassName").and_then(Value::as_str).filter(|c| !c.is_empty()) else {
            return Ok(());
        };
        let Some(class) = self.stored_object("node.k8s.io", "runtimeclasses", class) else {
            let why = format!("pod rejected: RuntimeClass {class:?} not found");
            return Err(Status::forbidden("", "pods", &name, &why));
        };
        if let Some(overhead) = class.get("overhead").and_then(|o| o.get("podFixed")) {
            spec.insert("overhead".into(), overhead.clone());
        }
        let Some(scheduling) = class.get("scheduling") else { return Ok(()) };
        if let Some(nodes) = scheduling.get("nodeSelector").and_then(Value::as_object) {
            let own = spec.entry("nodeSelector").or_insert_with(|| json!({}));
            if let Some(own) = own.as_object_mut() {
                own.extend(nodes.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
        }
        if let Some(more) = scheduling.get("tolerations").and_then(Value::as_array) {
            let own = spec.entry("tolerations").or_insert_with(|| json!([]));
            if let Some(own) = own.as_array_mut() {
                for t in more {
                    if !own.contains(t) {
                        own.push(t.clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// The defaults and bounds that the limit ranges of a namespace set for containers.
    fn limit_pod(&self, object: &mut Fields) -> Result<(), Status> {
        let key = ResourceKey::new("", "limitranges");
        let namespace = format!("{}/", meta_str(object, "namespace"));
        let ranges: Vec<&Fields> =
            self.store.table(&key).into_iter().flat_map(|t| t.range(&namespace)).map(|(_, r)| &*r.object).collect();
        let limits = ranges.iter().flat_map(|r| {
            let limits = r.get("spec").and_then(|s| s.get("limits")).and_then(Value::as_array);
            limits.into_iter().flatten().filter(|l| text(l, "type") == "Container")
        });
        for limit in limits {
            let set = default_limits(object, limit);
            if !set.is_empty() {
                let said = format!("LimitRanger plugin set: {}", set.join("; "));
                let annotations = metadata_mut(object).entry("annotations").or_insert_with(|| json!({}));
                if let Some(annotations) = annotations.as_object_mut() {
                    annotations.insert("kubernetes.io/limit-ranger".into(), json!(said));
                }
            }
            let broken = beyond(object, limit);
            if !broken.is_empty() {
                let why =
                    if let [only] = broken.as_slice() { only.clone() } else { format!("[{}]", broken.join(", ")) };
                return Err(Status::forbidden("", "pods", meta_str(object, "name"), &why));
            }
        }
        Ok(())
    }

    /// A bound claim grows only if its class can.
    fn resize(&self, object: &Fields, old: &Fields) -> Result<(), Status> {
        let size = |o: &Fields| {
            let requests = o.get("spec").and_then(|s| s.get("resources")).and_then(|r| r.get("requests"));
            requests.and_then(|r| r.get("storage")).and_then(Value::as_str).and_then(Quantity::parse)
        };
        let bound = old.get("status").map_or("", |s| text(s, "phase")) == "Bound";
        let grows = matches!((size(object), size(old)), (Some(new), Some(was)) if new > was);
        if !bound || !grows {
            return Ok(());
        }
        let class = object.get("spec").map_or("", |s| text(s, "storageClassName"));
        let class = self.stored_object("storage.k8s.io", "storageclasses", class);
        if class.and_then(|c| c.get("allowVolumeExpansion")) == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
        Err(Status::forbidden("", "persistentvolumeclaims", meta_str(object, "name"), why))
    }
}

fn protect(resource: &Resource, object: &mut Fields) {
    let Some((_, _, finalizer)) = PROTECTED.iter().find(|(g, k, _)| *g == resource.group && *k == resource.kind) else {
        return;
    };
    let list = metadata_mut(object).entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|f| f == finalizer)
    {
        list.push(json!(finalizer));
    }
}

/// The finalizer by which storage of this kind is protected.
pub(crate) fn protection(resource: &Resource) -> Option<&'static str> {
    PROTECTED.iter().find(|(g, k, _)| *g == resource.group && *k == resource.kind).map(|(_, _, f)| *f)
}

/// A node is not ready until something says it is.
fn taint(object: &mut Fields) {
    let spec = object.entry("spec").or_insert_with(|| json!({}));
    let Some(spec) = spec.as_object_mut() else { return };
    let taints = spec.entry("taints").or_insert_with(|| json!([]));
    let not_ready = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    if let Some(taints) = taints.as_array_mut()
        && !taints.contains(&not_ready)
    {
        taints.push(not_ready);
    }
}

/// Pods stay a while on nodes that fail.
fn default_tolerations(object: &mut Fields) {
    let Some(spec) = spec_mut(object) else { return };
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(list) = tolerations.as_array_mut() else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let has = list.iter().any(|t| {
            (text(t, "key") == key || text(t, "key").is_empty()) && matches!(text(t, "effect"), "NoExecute" | "")
        });
        if !has {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}

/// Gives containers the defaults of a limit range; says which.
fn default_limits(object: &mut Fields, limit: &Value) -> Vec<String> {
    let mut said = Vec::new();
    let Some(spec) = spec_mut(object) else { return said };
    for kind in ["containers", "initContainers"] {
        for c in spec.get_mut(kind).and_then(Value::as_array_mut).into_iter().flatten() {
            let name = text(c, "name").to_owned();
            let what = if kind == "containers" { "container" } else { "init container" };
            let Some(c) = c.as_object_mut() else { continue };
            for (part, defaults, word) in [("requests", "defaultRequest", "request"), ("limits", "default", "limit")] {
                let mut keys = Vec::new();
                for (key, value) in limit.get(defaults).and_then(Value::as_object).into_iter().flatten() {
                    let resources = c.entry("resources").or_insert_with(|| json!({})).as_object_mut();
                    let own = resources.and_then(|r| r.entry(part).or_insert_with(|| json!({})).as_object_mut());
                    if let Some(own) = own.filter(|o| !o.contains_key(key)) {
                        own.insert(key.clone(), value.clone());
                        keys.push(key.clone());
                    }
                }
                keys.sort();
                if !keys.is_empty() {
                    said.push(format!("{} {word} for {what} {name}", keys.join(", ")));
                }
            }
        }
    }
    said
}

/// Where containers ask for less or more than a limit range allows.
fn beyond(object: &Fields, limit: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let containers = object.get("spec").and_then(|s| s.get("containers")).and_then(Value::as_array);
    for c in containers.into_iter().flatten() {
        let amount = |part: &str, key: &str| {
            let v = c.get("resources").and_then(|r| r.get(part)).and_then(|p| p.get(key));
            v.and_then(Value::as_str).and_then(Quantity::parse)
        };
        let bounds = |part: &str| -> Vec<(String, Quantity)> {
            let entries = limit.get(part).and_then(Value::as_object).into_iter().flatten();
            entries.filter_map(|(k, v)| Some((k.clone(), Quantity::parse(v.as_str()?)?))).collect()
        };
        for (key, least) in bounds("min") {
            match amount("requests", &key) {
                None => out.push(format!("minimum {key} usage per Container is {least}.  No request is specified")),
                Some(q) if q < least => {
                    out.push(format!("minimum {key} usage per Container is {least}, but request is {q}"));
                }
                Some(_) => {}
            }
        }
        for (key, most) in bounds("max") {
            match (amount("limits", &key), amount("requests", &key)) {
                (None, _) => out.push(format!("maximum {key} usage per Container is {most}.  No limit is specified")),
                (Some(q), _) if q > most => {
                    out.push(format!("maximum {key} usage per Container is {most}, but limit is {q}"));
                }
                (_, Some(q)) if q > most => {
                    out.push(format!("maximum {key} usage per Container is {most}, but request is {q}"));
                }
                _ => {}
            }
        }
    }
    out
}
