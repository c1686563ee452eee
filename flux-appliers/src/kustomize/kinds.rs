//! The order of kinds in which kustomize writes objects: what others need comes first.

/// The kinds that come first, in order.
pub(super) const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// The kinds that come last, in order.
pub(super) const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The place of a kind among the defaults.
pub(super) fn legacy_order(kind: &str) -> i64 {
    order(kind, FIRST, LAST)
}

/// The place of a kind: below zero for the first, above for the last, zero for all others.
pub(super) fn order<S: AsRef<str>>(kind: &str, first: &[S], last: &[S]) -> i64 {
    // Where a kind is named twice, the later place counts.
    if let Some(i) = last.iter().rposition(|name| name.as_ref() == kind) {
        return 1 + i64::try_from(i).unwrap_or(i64::MAX - 1);
    }
    match first.iter().rposition(|name| name.as_ref() == kind) {
        Some(i) => i64::try_from(i).unwrap_or(0) - i64::try_from(first.len()).unwrap_or(0),
        None => 0,
    }
}
