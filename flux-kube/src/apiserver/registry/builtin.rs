//! The built-in resources of Kubernetes 1.36 that are served by default.

use super::{Resource, Subresource, Types};
use crate::apiserver::schema::Schema;

/// All verbs of an ordinary resource.
const ALL: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Group, version and types of what follows; then plural, kind, short names, scope (`n`amespaced or `c`luster) and
/// subresources (`s`tatus, `c`scale and others by name), with `*` for the category `all`.
const TABLE: &str = "
: v1 core.v1
bindings Binding - n create
componentstatuses ComponentStatus cs c get,list
configmaps ConfigMap cm n
endpoints Endpoints ep n
events Event ev n
limitranges LimitRange limits n
namespaces Namespace ns c nocollection finalize status
nodes Node no c proxy status
persistentvolumeclaims PersistentVolumeClaim pvc n status
persistentvolumes PersistentVolume pv c status
pods Pod po n* attach binding ephemeralcontainers eviction exec log portforward proxy resize status
podtemplates PodTemplate - n
replicationcontrollers ReplicationController rc n* scale status
resourcequotas ResourceQuota quota n status
secrets Secret - n
serviceaccounts ServiceAccount sa n token
services Service svc n* proxy status
: apiregistration.k8s.io v1 apiregistration.v1
apiservices APIService - c status @api-extensions
: apps v1 apps.v1
controllerrevisions ControllerRevision - n
daemonsets DaemonSet ds n* status
deployments Deployment deploy n* scale status
replicasets ReplicaSet rs n* scale status
statefulsets StatefulSet sts n* scale status
: events.k8s.io v1 events.v1
events Event ev n
: authentication.k8s.io v1 authentication.v1
selfsubjectreviews SelfSubjectReview - c create
tokenreviews TokenReview - c create
: authorization.k8s.io v1 authorization.v1
localsubjectaccessreviews LocalSubjectAccessReview - n create
selfsubjectaccessreviews SelfSubjectAccessReview - c create
selfsubjectrulesreviews SelfSubjectRulesReview - c create
subjectaccessreviews SubjectAccessReview - c create
: autoscaling v2 autoscaling.v2
horizontalpodautoscalers HorizontalPodAutoscaler hpa n* status
: autoscaling v1 autoscaling.v1
horizontalpodautoscalers HorizontalPodAutoscaler hpa n* status
: batch v1 batch.v1
cronjobs CronJob cj n* status
jobs Job - n* status
: certificates.k8s.io v1 certificates.v1
certificatesigningrequests CertificateSigningRequest csr c approval status
: networking.k8s.io v1 networking.v1
ingressclasses IngressClass - c
ingresses Ingress ing n status
ipaddresses IPAddress ip c
networkpolicies NetworkPolicy netpol n
servicecidrs ServiceCIDR - c status
: policy v1 policy.v1
poddisruptionbudgets PodDisruptionBudget pdb n status
: rbac.authorization.k8s.io v1 rbac.v1
clusterrolebindings ClusterRoleBinding - c
clusterroles ClusterRole - c
rolebindings RoleBinding - n
roles Role - n
: storage.k8s.io v1 storage.v1
csidrivers CSIDriver - c
csinodes CSINode - c
csistoragecapacities CSIStorageCapacity - n
storageclasses StorageClass sc c
volumeattachments VolumeAttachment - c status
volumeattributesclasses VolumeAttributesClass vac c
: admissionregistration.k8s.io v1 admissionregistration.v1
mutatingadmissionpolicies MutatingAdmissionPolicy - c
mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding - c
mutatingwebhookconfigurations MutatingWebhookConfiguration - c @api-extensions
validatingadmissionpolicies ValidatingAdmissionPolicy - c status @api-extensions
validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding - c @api-extensions
validatingwebhookconfigurations ValidatingWebhookConfiguration - c @api-extensions
: apiextensions.k8s.io v1 apiextensions.v1
customresourcedefinitions CustomResourceDefinition crd,crds c status @api-extensions
: scheduling.k8s.io v1 scheduling.v1
priorityclasses PriorityClass pc c
: coordination.k8s.io v1 coordination.v1
leases Lease - n
: node.k8s.io v1 node.v1
runtimeclasses RuntimeClass - c
: discovery.k8s.io v1 discovery.v1
endpointslices EndpointSlice - n
: resource.k8s.io v1 resource.v1
deviceclasses DeviceClass - c
resourceclaims ResourceClaim - n status
resourceclaimtemplates ResourceClaimTemplate - n
resourceslices ResourceSlice - c
: flowcontrol.apiserver.k8s.io v1 flowcontrol.v1
flowschemas FlowSchema - c status
prioritylevelconfigurations PriorityLevelConfiguration - c status
";

/// Every built-in resource, in the order of discovery.
pub(super) fn resources() -> Vec<Resource> {
    let mut out = Vec::with_capacity(80);
    let (mut group, mut version, mut types) = ("", "", "");
    for line in TABLE.lines().filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [":", v, t] => (group, version, types) = ("", v, t),
            [":", g, v, t] => (group, version, types) = (g, v, t),
            [plural, kind, short, scope, rest @ ..] => {
                out.extend(resource(group, version, types, plural, kind, short, scope, rest));
            }
            _ => {}
        }
    }
    out
}

#[allow(clippy::too_many_arguments)] // the columns of one line
fn resource(
    group: &str,
    version: &str,
    types: &str,
    plural: &str,
    kind: &str,
    short: &str,
    scope: &str,
    rest: &[&str],
) -> Option<Resource> {
    let mut verbs = ALL.to_vec();
    let mut categories: Vec<String> = scope.ends_with('*').then(|| "all".to_owned()).into_iter().collect();
    let mut subresources = Vec::new();
    for word in rest {
        match *word {
            "create" => verbs = vec!["create"],
            "get,list" => verbs = vec!["get", "list"],
            "nocollection" => verbs.retain(|v| *v != "deletecollection"),
            word => match word.strip_prefix('@') {
                Some(category) => categories.push(category.to_owned()),
                None => subresources.push(subresource(plural, kind, word)),
            },
        }
    }
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        short_names: short.split(',').filter(|s| *s != "-").map(str::to_owned).collect(),
        categories,
        namespaced: scope.starts_with('n'),
        verbs,
        subresources,
        types: Types::BuiltIn,
        ty: Schema::built_in().named(&format!("{types}.{kind}"))?,
        storage_version: match (group, plural) {
            ("autoscaling", _) => "v2".to_owned(),
            _ => version.to_owned(),
        },
        custom: None,
        empty: std::sync::OnceLock::new(),
        key: std::sync::OnceLock::new(),
        api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
    })
}

fn subresource(plural: &str, kind: &str, name: &str) -> Subresource {
    let (of_kind, of, verbs): (&str, Option<(&'static str, &'static str)>, &[&'static str]) = match (plural, name) {
        (_, "scale") => ("Scale", Some(("autoscaling", "v1")), &["get", "patch", "update"]),
        (_, "finalize") => (kind, None, &["update"]),
        (_, "token") => ("TokenRequest", Some(("authentication.k8s.io", "v1")), &["create"]),
        (_, "eviction") => ("Eviction", Some(("policy", "v1")), &["create"]),
        (_, "binding") => ("Binding", None, &["create"]),
        (_, "log") => ("Pod", None, &["get"]),
        (_, "exec") => ("PodExecOptions", None, &["create", "get"]),
        (_, "attach") => ("PodAttachOptions", None, &["create", "get"]),
        (_, "portforward") => ("PodPortForwardOptions", None, &["create", "get"]),
        ("pods", "proxy") => ("PodProxyOptions", None, &["create", "delete", "get", "patch", "update"]),
        ("services", "proxy") => ("ServiceProxyOptions", None, &["create", "delete", "get", "patch", "update"]),
        (_, "proxy") => ("NodeProxyOptions", None, &["create", "delete", "get", "patch", "update"]),
        _ => (kind, None, &["get", "patch", "update"]),
    };
    Subresource { name: name.to_owned(), kind: of_kind.to_owned(), of, verbs: verbs.to_vec() }
}

/// The Go packages of a built-in kind, versioned and internal, as conversion errors name them.
pub(crate) fn internal_name(api_version: &str, kind: &str) -> Option<(&'static str, &'static str)> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let known = resources().into_iter().any(|r| r.group == group && r.version == version && r.kind == kind);
    let internal = match group {
        "" => "core",
        "apps" => "apps",
        "batch" => "batch",
        "autoscaling" => "autoscaling",
        "policy" => "policy",
        "rbac.authorization.k8s.io" => "rbac",
        "networking.k8s.io" => "networking",
        "storage.k8s.io" => "storage",
        _ => "core",
    };
    known.then_some((if version == "v2" { "v2" } else { "v1" }, internal))
}

/// The group of a type's short name: `core` for the core group, else the group's first part.
pub(crate) fn type_group(group: &str) -> &str {
    match group {
        "" => "core",
        "flowcontrol.apiserver.k8s.io" => "flowcontrol",
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    }
}
