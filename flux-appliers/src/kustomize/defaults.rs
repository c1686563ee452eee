//! Kustomize's default field specifications, put together from the shapes of the kinds that hold pods.

use super::config::{Config, NameReference};
use super::fieldspec::FieldSpec;
use super::id::Gvk;

/// Where the kinds that hold pods keep the pod's specification.
const TEMPLATE: &str = "spec/template/spec";
const JOB_TEMPLATE: &str = "spec/jobTemplate/spec/template/spec";

fn gvk(text: &str) -> Gvk {
    // "Kind", "Kind.version" or "Kind.version.group"; a version may be empty.
    let mut parts = text.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default().into();
    let kind = next();
    let version = next();
    Gvk { group: next(), version, kind }
}

fn spec(kind: &str, path: &str) -> FieldSpec {
    FieldSpec::new(gvk(kind), path, false)
}

fn created(kind: &str, path: &str) -> FieldSpec {
    FieldSpec::new(gvk(kind), path, true)
}

fn specs(list: &[(&str, &str)]) -> Vec<FieldSpec> {
    list.iter().map(|(kind, path)| spec(kind, path)).collect()
}

pub(super) fn config() -> Config {
    let mut config = Config {
        name_prefix: vec![spec("", "metadata/name")],
        name_suffix: vec![spec("", "metadata/name")],
        namespace: vec![
            created("Namespace", "metadata/name"),
            created("APIService..apiregistration.k8s.io", "spec/service/namespace"),
            spec(
                "CustomResourceDefinition..apiextensions.k8s.io",
                "spec/conversion/webhook/clientConfig/service/namespace",
            ),
        ],
        common_labels: common_labels(),
        labels: Vec::new(),
        template_labels: metadata_labels(),
        common_annotations: common_annotations(),
        name_reference: name_references(),
        var_reference: var_references(),
        images: ["spec", TEMPLATE]
            .iter()
            .flat_map(|pod| {
                ["containers[]/image", "initContainers[]/image", "volumes[]/image/reference"]
                    .map(|field| created("", &format!("{pod}/{field}")))
            })
            .collect(),
        replicas: ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
            .map(|kind| created(kind, "spec/replicas"))
            .to_vec(),
    };
    config.sort();
    config
}

fn metadata_labels() -> Vec<FieldSpec> {
    [
        ("", "metadata/labels"),
        ("ReplicationController.v1", "spec/template/metadata/labels"),
        ("Deployment", "spec/template/metadata/labels"),
        ("ReplicaSet", "spec/template/metadata/labels"),
        ("DaemonSet", "spec/template/metadata/labels"),
        ("StatefulSet..apps", "spec/template/metadata/labels"),
        ("StatefulSet..apps", "spec/volumeClaimTemplates[]/metadata/labels"),
        ("Job..batch", "spec/template/metadata/labels"),
        ("CronJob..batch", "spec/jobTemplate/metadata/labels"),
        ("CronJob..batch", "spec/jobTemplate/spec/template/metadata/labels"),
    ]
    .map(|(kind, path)| created(kind, path))
    .to_vec()
}

fn common_labels() -> Vec<FieldSpec> {
    let mut list = vec![
        created("Service.v1", "spec/selector"),
        created("ReplicationController.v1", "spec/selector"),
        created("Deployment", "spec/selector/matchLabels"),
        created("ReplicaSet", "spec/selector/matchLabels"),
        created("DaemonSet", "spec/selector/matchLabels"),
        created("StatefulSet..apps", "spec/selector/matchLabels"),
        spec("Job..batch", "spec/selector/matchLabels"),
        spec("CronJob..batch", "spec/jobTemplate/spec/selector/matchLabels"),
        spec("PodDisruptionBudget..policy", "spec/selector/matchLabels"),
        spec("NetworkPolicy..networking.k8s.io", "spec/podSelector/matchLabels"),
        spec("NetworkPolicy..networking.k8s.io", "spec/ingress/from/podSelector/matchLabels"),
        spec("NetworkPolicy..networking.k8s.io", "spec/egress/to/podSelector/matchLabels"),
    ];
    for kind in ["Deployment..apps", "StatefulSet..apps"] {
        for affinity in ["podAffinity", "podAntiAffinity"] {
            for rule in [
                "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
                "requiredDuringSchedulingIgnoredDuringExecution",
            ] {
                list.push(spec(kind, &format!("{TEMPLATE}/affinity/{affinity}/{rule}/labelSelector/matchLabels")));
            }
        }
        list.push(spec(kind, &format!("{TEMPLATE}/topologySpreadConstraints/labelSelector/matchLabels")));
    }
    list.extend(metadata_labels());
    list
}

fn common_annotations() -> Vec<FieldSpec> {
    [
        ("", "metadata/annotations"),
        ("ReplicationController.v1", "spec/template/metadata/annotations"),
        ("Deployment", "spec/template/metadata/annotations"),
        ("ReplicaSet", "spec/template/metadata/annotations"),
        ("DaemonSet", "spec/template/metadata/annotations"),
        ("StatefulSet", "spec/template/metadata/annotations"),
        ("Job..batch", "spec/template/metadata/annotations"),
        ("CronJob..batch", "spec/jobTemplate/metadata/annotations"),
        ("CronJob..batch", "spec/jobTemplate/spec/template/metadata/annotations"),
    ]
    .map(|(kind, path)| created(kind, path))
    .to_vec()
}

/// Where each kind that runs pods keeps their specification.
const PODS: &[(&str, &str)] = &[
    ("Pod.v1", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", TEMPLATE),
    ("ReplicaSet", TEMPLATE),
    ("DaemonSet", TEMPLATE),
    ("StatefulSet", TEMPLATE),
    ("Job", TEMPLATE),
    ("CronJob", JOB_TEMPLATE),
];

/// The kinds whose pods' service accounts, claims and priority classes are followed.
const WORKLOADS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("StatefulSet", TEMPLATE),
    ("Deployment", TEMPLATE),
    ("ReplicationController", TEMPLATE),
    ("CronJob", JOB_TEMPLATE),
    ("Job", TEMPLATE),
    ("DaemonSet", TEMPLATE),
];

fn in_pods(kinds: &[(&str, &str)], fields: &[&str]) -> Vec<FieldSpec> {
    let each = |(kind, pod): &(&str, &str)| {
        let (kind, pod) = ((*kind).to_owned(), (*pod).to_owned());
        fields.iter().map(move |field| spec(&kind, &format!("{pod}/{field}"))).collect::<Vec<_>>()
    };
    kinds.iter().flat_map(each).collect()
}

fn name_references() -> Vec<NameReference> {
    let reference = |kind: &str, referrers: Vec<FieldSpec>| NameReference { gvk: gvk(kind), referrers };
    let mut list = Vec::new();
    for scaled in ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"] {
        list.push(reference(scaled, specs(&[("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")])));
    }
    let mut config_map = in_pods(
        PODS,
        &[
            "volumes/configMap/name",
            "containers/env/valueFrom/configMapKeyRef/name",
            "initContainers/env/valueFrom/configMapKeyRef/name",
            "containers/envFrom/configMapRef/name",
            "initContainers/envFrom/configMapRef/name",
            "volumes/projected/sources/configMap/name",
        ],
    );
    config_map.extend(specs(&[
        ("Node", "spec/configSource/configMap"),
        ("Role", "rules/resourceNames"),
        ("ClusterRole", "rules/resourceNames"),
        ("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap"),
    ]));
    list.push(reference("ConfigMap.v1", config_map));
    let mut secret = in_pods(
        PODS,
        &[
            "volumes/secret/secretName",
            "containers/env/valueFrom/secretKeyRef/name",
            "initContainers/env/valueFrom/secretKeyRef/name",
            "containers/envFrom/secretRef/name",
            "initContainers/envFrom/secretRef/name",
            "imagePullSecrets/name",
            "volumes/projected/sources/secret/name",
        ],
    );
    secret.extend(specs(&[
        ("Ingress", "spec/tls/secretName"),
        ("Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret"),
        ("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret"),
        ("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret"),
        ("ServiceAccount", "imagePullSecrets/name"),
        ("StorageClass", "parameters/secretName"),
        ("StorageClass", "parameters/adminSecretName"),
        ("StorageClass", "parameters/userSecretName"),
        ("StorageClass", "parameters/secretRef"),
        ("Role", "rules/resourceNames"),
        ("ClusterRole", "rules/resourceNames"),
        ("Service.v1.serving.knative.dev", "spec/template/spec/containers/env/valueFrom/secretKeyRef/name"),
        ("PersistentVolume", "spec/azureFile/secretName"),
    ]));
    list.push(reference("Secret.v1", secret));
    list.push(reference(
        "Service.v1",
        specs(&[
            ("StatefulSet..apps", "spec/serviceName"),
            ("Ingress", "spec/rules/http/paths/backend/serviceName"),
            ("Ingress", "spec/backend/serviceName"),
            ("Ingress", "spec/rules/http/paths/backend/service/name"),
            ("Ingress", "spec/defaultBackend/service/name"),
            ("APIService..apiregistration.k8s.io", "spec/service/name"),
            ("ValidatingWebhookConfiguration..admissionregistration.k8s.io", "webhooks/clientConfig/service"),
            ("MutatingWebhookConfiguration..admissionregistration.k8s.io", "webhooks/clientConfig/service"),
        ]),
    ));
    let (role_binding, cluster_role_binding) =
        ("RoleBinding..rbac.authorization.k8s.io", "ClusterRoleBinding..rbac.authorization.k8s.io");
    list.push(reference("Role..rbac.authorization.k8s.io", specs(&[(role_binding, "roleRef/name")])));
    list.push(reference(
        "ClusterRole..rbac.authorization.k8s.io",
        specs(&[(role_binding, "roleRef/name"), (cluster_role_binding, "roleRef/name")]),
    ));
    let mut accounts = specs(&[(role_binding, "subjects"), (cluster_role_binding, "subjects")]);
    accounts.extend(in_pods(WORKLOADS, &["serviceAccountName"]));
    list.push(reference("ServiceAccount.v1", accounts));
    list.push(reference("PersistentVolumeClaim.v1", in_pods(WORKLOADS, &["volumes/persistentVolumeClaim/claimName"])));
    list.push(reference(
        "PersistentVolume.v1",
        specs(&[("PersistentVolumeClaim", "spec/volumeName"), ("ClusterRole", "rules/resourceNames")]),
    ));
    list.push(reference(
        "StorageClass.v1.storage.k8s.io",
        specs(&[
            ("PersistentVolume", "spec/storageClassName"),
            ("PersistentVolumeClaim", "spec/storageClassName"),
            ("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
        ]),
    ));
    list.push(reference("PriorityClass.v1.scheduling.k8s.io", in_pods(WORKLOADS, &["priorityClassName"])));
    list.push(reference("IngressClass.v1.networking.k8s.io/v1", specs(&[("Ingress", "spec/ingressClassName")])));
    list.push(reference(
        "ValidatingAdmissionPolicy..admissionregistration.k8s.io",
        specs(&[("ValidatingAdmissionPolicyBinding..admissionregistration.k8s.io", "spec/policyName")]),
    ));
    list
}

fn var_references() -> Vec<FieldSpec> {
    let mut list = Vec::new();
    let pods = [
        ("CronJob", JOB_TEMPLATE),
        ("DaemonSet", TEMPLATE),
        ("Deployment", TEMPLATE),
        ("Job", TEMPLATE),
        ("Pod", "spec"),
        ("ReplicaSet", TEMPLATE),
        ("StatefulSet", TEMPLATE),
    ];
    for (kind, pod) in pods {
        for containers in ["containers", "initContainers"] {
            for field in ["args", "command", "env/value", "volumeMounts/mountPath"] {
                list.push(spec(kind, &format!("{pod}/{containers}/{field}")));
            }
        }
    }
    for kind in ["DaemonSet", "Deployment", "Job", "ReplicaSet"] {
        list.push(spec(kind, &format!("{TEMPLATE}/volumes/nfs/server")));
    }
    list.extend(specs(&[
        ("CronJob", "spec/jobTemplate/spec/template/volumes/nfs/server"),
        ("Deployment", "spec/template/metadata/annotations"),
        ("Ingress", "spec/rules/host"),
        ("Ingress", "spec/tls/hosts"),
        ("Ingress", "spec/tls/secretName"),
        ("Pod", "spec/volumes/nfs/server"),
        ("Service", "spec/ports/port"),
        ("Service", "spec/ports/targetPort"),
        ("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
        ("PersistentVolume", "spec/nfs/server"),
        ("", "metadata/labels"),
        ("", "metadata/annotations"),
    ]));
    list
}
