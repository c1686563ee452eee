//! Random objects.

use std::fmt::Write;

/// A small generator of numbers, so that a failing case can be made again from its seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Values; `__` stands for the indentation of block lines.
const VALUES: &[&str] = &[
    "plain",
    "\"quoted\"",
    "'single'",
    "yes",
    "\"yes\"",
    "012",
    "1.50",
    "1e3",
    "0x1F",
    "true",
    "null",
    "~",
    "\"\"",
    "'-'",
    "2001-12-14",
    "\"5\"",
    "5",
    "1_000",
    "\"on\"",
    "'a: b'",
    "|\n__x\n__ y",
    "|-\n__a\n\n__b",
    ">\n__fold\n__ed",
    "é😀",
    "\"tab\\there\"",
    "12345678901234567890",
    "[1, two]",
    "{a: 1}",
    "10000000",
    ".5",
    "\"#x\"",
    "-1",
    "!!str 5",
    "0o17",
    "1.0",
    "\"~\"",
    "\"line\\nbreak\"",
    "off",
];
pub(super) const NAMES: &[&str] = &["web", "db", "cache"];

/// A value whose block lines stand at `indent`.
fn value(random: &mut Random, indent: usize) -> String {
    random.pick(VALUES).replace("__", &" ".repeat(indent))
}

/// A value on one line.
pub(super) fn scalar(random: &mut Random) -> String {
    loop {
        let text = value(random, 0);
        if !text.contains('\n') && !text.starts_with(['[', '{']) {
            return text;
        }
    }
}

fn metadata(random: &mut Random, name: &str, namespaced: bool) -> String {
    let mut out = format!("metadata:\n  name: {name}\n");
    if namespaced && random.chance(18) {
        let _ = writeln!(out, "  namespace: {}", random.pick(&["default", "one", "two"]));
    }
    for map in ["labels", "annotations"] {
        let _ = match random.below(7) {
            0 => writeln!(out, "  {map}: {{}}"),
            1 => writeln!(out, "  {map}:"),
            2 | 3 => writeln!(out, "  {map}:\n    app: {}\n    k: {}", random.pick(NAMES), scalar(random)),
            _ => Ok(()),
        };
    }
    out
}

fn environment(random: &mut Random, indent: &str) -> String {
    let mut out = format!("{indent}env:\n");
    for j in 0..=random.below(3) {
        let text = match random.below(4) {
            0 => format!("valueFrom: {{configMapKeyRef: {{name: {}, key: k}}}}", random.pick(NAMES)),
            1 => format!("valueFrom: {{secretKeyRef: {{name: {}, key: k}}}}", random.pick(&["web", "db", "sec"])),
            2 => format!("value: {}", random.pick(&["$(V)", "a$(V)b", "$$(V)", "$(W)"])),
            _ => format!("value: {}", scalar(random)),
        };
        let _ = writeln!(out, "{indent}- name: E{j}\n{indent}  {text}");
    }
    out
}

/// One or two containers.
pub(super) fn containers(random: &mut Random, indent: &str) -> String {
    const IMAGES: &[&str] = &["nginx", "nginx:1", "\"redis:7\"", "reg:80/nginx@sha256:x"];
    let mut out = String::new();
    for i in 0..=random.below(2) {
        let _ = writeln!(out, "{indent}- name: c{i}\n{indent}  image: {}", random.pick(IMAGES));
        if random.chance(40) {
            out.push_str(&environment(random, &format!("{indent}  ")));
        }
        if random.chance(35) {
            let _ = writeln!(out, "{indent}  ports:");
            for j in 0..=random.below(2) {
                let _ = writeln!(out, "{indent}  - containerPort: {}", 80 + j);
                if random.chance(50) {
                    let _ = writeln!(out, "{indent}    protocol: {}", random.pick(&["TCP", "UDP"]));
                }
                if random.chance(30) {
                    let _ = writeln!(out, "{indent}    name: p{j}");
                }
            }
        }
        if random.chance(25) {
            let _ = writeln!(out, "{indent}  args: [a, {}]", scalar(random));
        }
        if random.chance(15) {
            let _ = writeln!(out, "{indent}  volumeMounts: [{{name: v, mountPath: /a}}, {{name: v, mountPath: /b}}]");
        }
    }
    out
}

/// The group and version of a workload.
pub(super) fn api_version(kind: &str) -> &'static str {
    if kind == "Job" { "batch/v1" } else { "apps/v1" }
}

fn workload(random: &mut Random, kind: &str, name: &str) -> String {
    let mut out = format!("apiVersion: {}\nkind: {kind}\n{}spec:\n", api_version(kind), metadata(random, name, true));
    if random.chance(40) {
        let _ = writeln!(out, "  replicas: {}", random.pick(&["1", "\"2\"", "null"]));
    }
    if random.chance(40) {
        out.push_str("  selector: {matchLabels: {a: b}}\n");
    }
    if kind == "StatefulSet" && random.chance(50) {
        let _ = writeln!(out, "  serviceName: {}", random.pick(NAMES));
    }
    out.push_str("  template:\n");
    if random.chance(30) {
        out.push_str("    metadata: {labels: {a: b}}\n");
    }
    out.push_str("    spec:\n      containers:\n");
    out.push_str(&containers(random, "      "));
    if random.chance(20) {
        let _ = writeln!(out, "      serviceAccountName: {}", random.pick(NAMES));
    }
    if random.chance(20) {
        let _ = write!(out, "      initContainers:\n{}", containers(random, "      "));
    }
    if random.chance(30) {
        let source = random.pick(&[
            "configMap: {name: NAME}",
            "secret: {secretName: NAME}",
            "persistentVolumeClaim: {claimName: NAME}",
        ]);
        let _ =
            writeln!(out, "      volumes:\n      - name: v\n        {}", source.replace("NAME", random.pick(NAMES)));
    }
    if random.chance(15) {
        out.push_str("      finalizers: [a, b]\n");
    }
    out
}

fn config_map(random: &mut Random, name: &str) -> String {
    let mut out = format!("apiVersion: v1\nkind: ConfigMap\n{}data:\n", metadata(random, name, true));
    for i in 0..=random.below(4) {
        let _ = writeln!(out, "  k{i}: {}", value(random, 4));
    }
    if random.chance(15) {
        out.push_str("  conf.yaml: |\n    a:\n      b: old\n    l: [x, y]\n");
    }
    if random.chance(10) {
        out.push_str("  conf.json: '{\"a\":{\"b\":1},\"l\":[\"x\"]}'\n");
    }
    out
}

/// Objects that others refer to, or that refer to others: how likely, whether in a namespace, kind and body.
const OTHERS: &[(usize, bool, &str, &str)] = &[
    (20, true, "v1 Service", "spec: {selector: {app: x}, ports: [{port: 80, name: a}, {port: 80, protocol: UDP}]}"),
    (15, true, "v1 Service", "spec: {ports: [{port: 80}]}"),
    (15, true, "v1 ServiceAccount", "imagePullSecrets: [{name: NAME}]"),
    (15, true, "v1 Secret", "stringData: {a: b}"),
    (
        15,
        true,
        "rbac.authorization.k8s.io/v1 RoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}\nsubjects: [{kind: ServiceAccount, name: NAME}, {kind: ServiceAccount, name: default, namespace: one}]",
    ),
    (
        12,
        true,
        "rbac.authorization.k8s.io/v1 Role",
        "rules: [{resourceNames: [NAME], resources: [configmaps], apiGroups: ['']}]",
    ),
    (
        10,
        false,
        "rbac.authorization.k8s.io/v1 ClusterRoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: x}\nsubjects: [{kind: ServiceAccount, name: NAME, namespace: one}]",
    ),
    (
        10,
        true,
        "networking.k8s.io/v1 Ingress",
        "spec: {tls: [{secretName: NAME}], rules: [{http: {paths: [{backend: {service: {name: NAME}}}]}}]}",
    ),
    (
        10,
        true,
        "autoscaling/v2 HorizontalPodAutoscaler",
        "spec: {scaleTargetRef: {kind: Deployment, name: NAME, apiVersion: apps/v1}}",
    ),
    (
        8,
        false,
        "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration",
        "webhooks: [{name: a, clientConfig: {service: {name: NAME, namespace: one}}}]",
    ),
    (8, true, "v1 PersistentVolumeClaim", "spec: {volumeName: NAME}"),
];

/// What a base holds.
#[derive(Default)]
pub(super) struct Known {
    /// Kinds and names.
    pub(super) workloads: Vec<(&'static str, &'static str)>,
    pub(super) maps: Vec<&'static str>,
}

/// The objects of a base.
pub(super) fn base(random: &mut Random, known: &mut Known) -> String {
    const KINDS: &[&str] = &["Deployment", "Deployment", "StatefulSet", "DaemonSet", "Job"];
    let mut documents = Vec::new();
    for &name in NAMES {
        if random.chance(75) {
            let kind = random.pick(KINDS);
            known.workloads.push((kind, name));
            documents.push(workload(random, kind, name));
        }
        if random.chance(65) {
            known.maps.push(name);
            documents.push(config_map(random, name));
        }
        let mut services = 0;
        for (chance, namespaced, kind, body) in OTHERS {
            if !random.chance(*chance) || (*kind == "v1 Service" && services > 0) {
                continue;
            }
            services += usize::from(*kind == "v1 Service");
            let (version, kind) = kind.split_once(' ').unwrap();
            let meta = metadata(random, name, *namespaced);
            let body = body.replace("NAME", random.pick(NAMES));
            documents.push(format!("apiVersion: {version}\nkind: {kind}\n{meta}{body}\n"));
        }
    }
    if random.chance(25) {
        documents.push("apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n".into());
    }
    if random.chance(25) {
        let meta = metadata(random, "t", true);
        documents.push(format!(
            "apiVersion: x.io/v1\nkind: Thing\n{meta}spec: {{list: [{{name: a, v: 1}}], m: {{x: null}}, image: nginx}}\n"
        ));
    }
    if random.chance(8) {
        documents.push("kind: ConfigMapList\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: listed}, data: {a: 012}}]\n".into());
    }
    for i in (1..documents.len()).rev() {
        let other = random.below(i + 1);
        documents.swap(i, other);
    }
    documents.join("---\n")
}
