//! In which order objects are applied, and in which stages. They are deleted in the reverse order.

use std::cmp::Ordering;

use flux_core::ObjectId;

/// What is applied first, by kind: what others need comes before them. The list is Flux's own.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// What is applied last: hooks that would judge everything applied after them.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// One stage of an apply: the next one starts when what this one made is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Definitions of kinds, namespaces and cluster roles.
    Definitions,
    /// Every kind whose name ends with `Class`.
    Classes,
    /// The kinds that the host asked to apply ahead of the rest; nothing waits for them.
    Custom,
    /// Everything else.
    Rest,
}

impl Stage {
    /// The stage of an object; `custom` are the kinds, as `group/Kind`, that the host asked for.
    pub(super) fn of(id: &ObjectId, custom: &[String]) -> Self {
        match (id.group.as_str(), id.kind.as_str()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("", "Namespace")
            | ("rbac.authorization.k8s.io", "ClusterRole") => Self::Definitions,
            (_, kind) if kind.ends_with("Class") => Self::Classes,
            (group, kind) if custom.iter().any(|entry| entry.split_once('/') == Some((group, kind))) => Self::Custom,
            _ => Self::Rest,
        }
    }

    /// Whether the next stage waits until what this one made is ready.
    pub(super) fn is_awaited(self) -> bool {
        matches!(self, Self::Definitions | Self::Classes)
    }
}

/// The order of application.
pub(super) fn compare(a: &ObjectId, b: &ObjectId) -> Ordering {
    let key = |id: &ObjectId| rank(&id.kind);
    key(a)
        .cmp(&key(b))
        .then_with(|| (&a.group, &a.kind, &a.namespace, &a.name).cmp(&(&b.group, &b.kind, &b.namespace, &b.name)))
}

fn rank(kind: &str) -> usize {
    let first = FIRST.iter().position(|first| *first == kind);
    let last = || LAST.iter().position(|last| *last == kind).map(|i| FIRST.len() + 1 + i);
    first.or_else(last).unwrap_or(FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let id = |group: &str, kind: &str, name: &str| ObjectId::new(group, kind, "", name);
        let mut ids = [
            id("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "m"),
            id("example.com", "Widget", "w"),
            id("apps", "Deployment", "b"),
            id("apps", "Deployment", "a"),
            id("", "Secret", "s"),
            id("batch", "Job", "j"),
            id("", "Namespace", "n"),
            id("apiextensions.k8s.io", "CustomResourceDefinition", "c"),
        ];
        ids.sort_by(compare);
        let kinds: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(
            kinds,
            [
                "CustomResourceDefinition/c",
                "Namespace/n",
                "Secret/s",
                "Deployment/a",
                "Deployment/b",
                "Job/j",
                "Widget/w",
                "MutatingWebhookConfiguration/m"
            ]
        );
    }

    #[test]
    fn stages_follow_group_and_kind() {
        let stage =
            |group: &str, kind: &str| Stage::of(&ObjectId::new(group, kind, "", "x"), &["cert.io/Issuer".into()]);
        assert_eq!(stage("", "Namespace"), Stage::Definitions);
        assert_eq!(stage("example.com", "Namespace"), Stage::Rest);
        assert_eq!(stage("gateway.networking.k8s.io", "GatewayClass"), Stage::Classes);
        assert_eq!(stage("cert.io", "Issuer"), Stage::Custom);
        assert_eq!(stage("rbac.authorization.k8s.io", "Role"), Stage::Rest);
    }
}
