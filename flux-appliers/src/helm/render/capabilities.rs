//! `.Capabilities`: what the cluster and Helm can do.

use std::any::Any;
use std::rc::Rc;

use crate::helm::template::{Elements, Function, List, Native, Type, Value};

/// The APIs that Helm v4.3.1 takes for granted when it does not ask a cluster.
const DEFAULT_APIS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// The version of Kubernetes that Helm v4.3.1 takes for granted.
const DEFAULT_KUBE_VERSION: &str = "v1.37.0";

/// The build of Helm that templates see.
const HELM: [(&str, &str); 5] = [
    ("version", "v4.3.1"),
    ("git_commit", "c0d08d0d6d9424d4a14febb5e8a3e51b0dd00dff"),
    ("git_tree_state", "clean"),
    ("go_version", "go1.27.2"),
    ("kube_client_version", "v1.37"),
];

/// Something that is no version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid kube version '{version}': {reason}")]
pub struct InvalidKubeVersion {
    version: String,
    reason: String,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    version: String,
    normalized: String,
    major: String,
    minor: String,
}

impl KubeVersion {
    /// Reads a version such as `1.33`, `v1.33.4` or `v1.33.4-gke.1`.
    ///
    /// # Errors
    /// If there are no two numbers at the start.
    pub fn parse(text: &str) -> Result<Self, InvalidKubeVersion> {
        let invalid = |reason: String| InvalidKubeVersion { version: text.to_owned(), reason };
        let body = text.trim_start();
        let body = body.strip_prefix('v').unwrap_or(body);
        let end = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
        // What follows the numbers may be anything, a point that no number follows included.
        let numbers = body.get(..end).unwrap_or_default();
        let numbers = numbers.find("..").and_then(|at| numbers.get(..at)).unwrap_or(numbers).trim_end_matches('.');
        if !numbers.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(invalid(format!("could not parse {text:?} as version")));
        }
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() < 2 {
            return Err(invalid(format!("illegal version string {text:?}")));
        }
        if let Some(first) = parts.first().filter(|first| first.len() > 1 && first.starts_with('0')) {
            return Err(invalid(format!("illegal zero-prefixed version component {first:?} in {text:?}")));
        }
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let value: u64 = part.parse().map_err(|_| {
                let reason = format!("strconv.ParseUint: parsing {part:?}: value out of range");
                invalid(format!("illegal non-numeric version component {part:?} in {text:?}: {reason}"))
            })?;
            values.push(value.to_string());
        }
        let [major, minor, ..] = values.as_slice() else {
            return Err(invalid(format!("illegal version string {text:?}")));
        };
        Ok(Self {
            version: if text.starts_with('v') { text.to_owned() } else { format!("v{text}") },
            normalized: format!("v{}", values.join(".")),
            major: major.clone(),
            minor: minor.clone(),
        })
    }

    /// The version as given, with a `v`.
    pub fn as_str(&self) -> &str {
        &self.version
    }

    /// The numbers alone, with a `v`.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }
}

/// What the cluster can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// The APIs, as `group/version` and `group/version/Kind`.
    pub api_versions: Vec<String>,
}

impl Default for Capabilities {
    /// What Helm v4.3.1 takes for granted.
    fn default() -> Self {
        let kube_version = KubeVersion {
            version: DEFAULT_KUBE_VERSION.to_owned(),
            normalized: DEFAULT_KUBE_VERSION.to_owned(),
            major: "1".to_owned(),
            minor: "37".to_owned(),
        };
        Self { kube_version, api_versions: DEFAULT_APIS.iter().map(|api| (*api).to_owned()).collect() }
    }
}

impl Capabilities {
    pub(super) fn value(&self) -> Value {
        Value::Native(Rc::new(Object(self.clone())))
    }
}

struct Object(Capabilities);

impl Native for Object {
    fn type_name(&self) -> &'static str {
        "*common.Capabilities"
    }

    fn kind(&self) -> &'static str {
        "ptr"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "KubeVersion" => Value::Native(Rc::new(Kube { version: self.0.kube_version.clone(), by_pointer: true })),
            "APIVersions" => Value::Native(Rc::new(Apis(self.0.api_versions.clone()))),
            "HelmVersion" => Value::Native(Rc::new(Build)),
            _ => return None,
        })
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        static COPY: Function = Function::new("Copy", &[], |_, args| {
            let original = args.first().and_then(|value| value.downcast::<Object>());
            Ok(original.map_or(Value::Nil, |original| original.0.value()))
        });
        (name == COPY.name).then_some(&COPY)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        ["KubeVersion", "APIVersions", "HelmVersion"]
            .into_iter()
            .filter_map(|name| Some((name, self.field(name)?)))
            .collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Kube {
    version: KubeVersion,
    /// Whether it is still part of the capabilities, so that the methods of its pointer can be called.
    by_pointer: bool,
}

static KUBE_METHODS: &[Function] = &[
    Function::new("GitVersion", &[], |_, args| {
        Ok(Value::text(args.first().and_then(|v| v.downcast::<Kube>()).map_or("", |kube| kube.version.as_str())))
    }),
    Function::new("String", &[], |_, args| {
        Ok(Value::text(args.first().and_then(|v| v.downcast::<Kube>()).map_or("", |kube| kube.version.normalized())))
    }),
];

impl Native for Kube {
    fn type_name(&self) -> &'static str {
        "common.KubeVersion"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::text(match name {
            "Version" => self.version.version.as_str(),
            "Major" => &self.version.major,
            "Minor" => &self.version.minor,
            _ => return None,
        }))
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let KubeVersion { version, normalized, major, minor } = &self.version;
        let fields = [("Version", version), ("normalizedVersion", normalized), ("Major", major), ("Minor", minor)];
        fields.into_iter().map(|(name, text)| (name, Value::text(text.as_str()))).collect()
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        KUBE_METHODS.iter().find(|method| self.by_pointer && method.name == name)
    }

    // `String` is a method of the pointer, so that `fmt` does not see it.
    fn printed(&self) -> Option<String> {
        self.by_pointer.then(|| self.version.normalized.clone())
    }

    fn passed(&self) -> Option<Value> {
        Some(Value::Native(Rc::new(Self { version: self.version.clone(), by_pointer: false })))
    }

    fn copied(&self) -> Option<Value> {
        let version = KubeVersion { normalized: String::new(), ..self.version.clone() };
        Some(Value::Native(Rc::new(Self { version, by_pointer: false })))
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Self>().is_some_and(|other| other.version == self.version))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Apis(Vec<String>);

static APIS_METHODS: &[Function] = &[Function::new("Has", &[Type::Str], |_, args| {
    let wanted = crate::helm::funcs::Args(args).text(1);
    let apis = args.first().and_then(|value| value.downcast::<Apis>());
    Ok(Value::Bool(apis.is_some_and(|apis| apis.0.iter().any(|api| *api == wanted))))
})];

impl Native for Apis {
    fn type_name(&self) -> &'static str {
        "common.VersionSet"
    }

    fn kind(&self) -> &'static str {
        "slice"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        APIS_METHODS.iter().find(|method| method.name == name)
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::List(List::new(Elements::Str, self.0.iter().map(|api| Value::text(api.as_str())).collect())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The build of Helm.
struct Build;

impl Native for Build {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let names = ["Version", "GitCommit", "GitTreeState", "GoVersion", "KubeClientVersion"];
        names.into_iter().zip(HELM).map(|(name, (_, value))| (name, Value::text(value))).collect()
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        HELM.iter().map(|(name, value)| (*name, Value::text(*value))).collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
