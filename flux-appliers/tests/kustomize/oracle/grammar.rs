//! Random kustomizations over random objects.

use std::fmt::Write;

use super::objects::{Known, Random, api_version, base, containers, scalar};

fn known_map(random: &mut Random, known: &Known) -> &'static str {
    if known.maps.is_empty() { "none" } else { known.maps[random.below(known.maps.len())] }
}

fn patch(random: &mut Random, known: &Known) -> String {
    let (kind, name) = match known.workloads.len() {
        0 => ("Deployment", "web"),
        n => known.workloads[random.below(n)],
    };
    let body = match random.below(11) {
        0 => "metadata:\n  NAME\n  labels: {added: \"1\", app: null}\n".to_owned(),
        1 => format!("metadata:\n  NAME\nspec:\n  replicas: {}\n", random.pick(&["3", "\"4\"", "null"])),
        2 => format!(
            "metadata:\n  NAME\nspec:\n  template:\n    spec:\n      containers:\n{}",
            containers(random, "      ")
        ),
        3 => "metadata:\n  NAME\nspec: {template: {spec: {containers: [{name: c0, $patch: delete}]}}}\n".into(),
        4 => "metadata:\n  NAME\nspec: {template: {spec: {containers: [{$patch: replace}, {name: n, image: i}]}}}\n".into(),
        5 => format!("metadata:\n  NAME\nspec:\n  template:\n    metadata: {{annotations: {{x: {}}}}}\n", scalar(random)),
        6 => "$patch: delete\nmetadata:\n  NAME\n".into(),
        7 => "metadata:\n  NAME\n  annotations: {}\nspec: {template: {spec: {volumes: [{name: v, emptyDir: {}}, {name: w}]}}}\n".into(),
        8 => "metadata:\n  NAME\nspec: {template: {spec: {$patch: replace, containers: []}}}\n".into(),
        9 => "metadata:\n  NAME\nspec: {selector: null, template: {spec: {tolerations: [{key: a}], nodeSelector: {k: v}}}}\n".into(),
        _ => "metadata:\n  NAME\n  annotations: null\nspec: {template: {spec: {volumes: null}}}\n".into(),
    };
    format!("apiVersion: {}\nkind: {kind}\n{}", api_version(kind), body.replace("NAME", &format!("name: {name}")))
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}\n")).collect()
}

fn target(random: &mut Random) -> String {
    let mut parts = Vec::new();
    let mut part = |random: &mut Random, chance: usize, field: &str, values: &[&str]| {
        if random.chance(chance) {
            parts.push(format!("{field}: {}", random.pick(values)));
        }
    };
    part(random, 70, "kind", &["Deployment", "ConfigMap|Service", ".*", "StatefulSet", "Thing", "Secret"]);
    part(random, 40, "name", &["web", ".*", "w.*|db", "cache", "p.*"]);
    part(random, 10, "namespace", &["one", "default", "prod"]);
    part(random, 12, "labelSelector", &["app=web", "\"app in (web,db)\"", "\"!app\"", "k"]);
    part(random, 8, "annotationSelector", &["app=web", "k"]);
    part(random, 8, "group", &["apps"]);
    format!("{{{}}}", parts.join(", "))
}

const OPERATIONS: &[&str] = &[
    "{op: add, path: /metadata/labels, value: {j: \"1\"}}",
    "{op: add, path: /metadata/annotations, value: {x.io/y: z}}",
    "{op: add, path: /metadata/annotations/x.io~1y, value: z}",
    "{op: replace, path: /metadata/name, value: renamed-x}",
    "{op: add, path: /spec, value: {n: 1000000, f: 1.5}}",
    "{op: add, path: /data, value: {n: \"1\"}}",
    "{op: add, path: /metadata/namespace, value: moved}",
    "{op: replace, path: /kind, value: Other}",
];

fn patches(random: &mut Random, known: &Known) -> String {
    let mut out = String::from("patches:\n");
    for _ in 0..=random.below(2) {
        match random.below(3) {
            0 => {
                let target = target(random);
                let _ = writeln!(out, "- target: {target}\n  patch: |-\n    - {}", random.pick(OPERATIONS));
            }
            1 => {
                let target = target(random);
                let options =
                    random.pick(&["", "  options: {allowNameChange: true}\n", "  options: {allowKindChange: true}\n"]);
                let patch = indented(&patch(random, known), "    ");
                let _ = write!(out, "- target: {target}\n{options}  patch: |-\n{patch}");
            }
            _ => {
                let _ = write!(out, "- patch: |-\n{}", indented(&patch(random, known), "    "));
            }
        }
    }
    out
}

fn replacements(random: &mut Random, known: &Known) -> String {
    let map = known_map(random, known);
    let source = random.pick(&[
        "fieldPath: data.k0",
        "fieldPath: metadata.name",
        "fieldPath: data.k0, options: {delimiter: e, index: 0}",
    ]);
    let field = random.pick(&[
        "metadata.labels.r",
        "metadata.labels.r",
        "metadata.annotations.z",
        "\"spec.template.spec.containers.[name=c0].image\"",
        "\"spec.template.spec.containers.*.image\"",
        "data.k1",
        "data.conf\\.yaml.a.b",
        "data.conf\\.json.l.0",
        "spec.list.0.v",
    ]);
    let more = random.pick(&["", "", ", delimiter: \":\", index: 1", ", delimiter: x, index: -1"]);
    let (target, create) = (target(random), random.chance(90));
    format!(
        "replacements:\n- source: {{kind: ConfigMap, name: {map}, {source}}}\n  targets:\n  - select: {target}\n    fieldPaths: [{field}]\n    options: {{create: {create}{more}}}\n"
    )
}

const TRANSFORMERS: &[&str] = &[
    "LabelTransformer\n  labels: {tl: v}\n  fieldSpecs: [{path: metadata/labels, create: true}, {path: spec/x/y, kind: Thing, create: true}]",
    "PrefixTransformer\n  prefix: tp-\n  fieldSpecs: [{path: metadata/name, kind: ConfigMap}]",
    "NamespaceTransformer\n  unsetOnly: true\n  setRoleBindingSubjects: none",
    "NamespaceTransformer\n  setRoleBindingSubjects: allServiceAccounts\n  fieldSpecs: [{path: metadata/name, kind: Namespace}]",
    "AnnotationsTransformer\n  annotations: {ta: \"1\"}\n  fieldSpecs: [{path: metadata/annotations, create: true}]",
    "ImageTagTransformer\n  imageTag: {name: nginx, newTag: t}\n  fieldSpecs: [{path: spec/image, kind: Thing}]",
];

/// The transformations of one kustomization.
fn transformations(random: &mut Random, known: &Known, level: usize) -> String {
    let mut out = String::new();
    let mut field = |random: &mut Random, chance: usize, text: &dyn Fn(&mut Random) -> String| {
        if random.chance(chance) {
            out.push_str(&text(random));
            out.push('\n');
        }
    };
    field(random, 30, &|r| format!("namePrefix: {}", r.pick(&["pre-", "\"1\"", "a."])));
    field(random, 20, &|_| "nameSuffix: -suf".into());
    field(random, 25, &|r| format!("namespace: {}", r.pick(&["prod", "default", "one", "\"123\""])));
    field(random, 15, &|r| format!("commonLabels: {{team: {}}}", r.pick(&["a", "\"yes\"", "\"1\""])));
    field(random, 20, &|r| {
        let (templates, selectors) = (r.chance(50), r.chance(30));
        format!("labels:\n- pairs: {{l: \"012\"}}\n  includeTemplates: {templates}\n  includeSelectors: {selectors}")
    });
    field(random, 15, &|_| "commonAnnotations: {note: \"true\"}".into());
    field(random, 25, &|r| {
        let changes =
            ["newTag: \"2\"", "newName: other", "digest: sha256:y", "newTag: \"1.10\", newName: nn", "tagSuffix: -x"];
        format!("images: [{{name: {}, {}}}]", r.pick(&["nginx", "redis", "reg:80/nginx"]), r.pick(&changes))
    });
    field(random, 30, &|r| {
        let behavior = r.pick(&["", "  behavior: create\n", "  behavior: merge\n", "  behavior: replace\n"]);
        let changes = behavior.contains("merge") || behavior.contains("replace");
        let (behavior, name) = match changes && !known.maps.is_empty() {
            true => (behavior, known_map(r, known).to_owned()),
            false => ("", format!("gen{level}")),
        };
        let options = r.pick(&[
            "",
            "  options: {disableNameSuffixHash: true, labels: {g: h}}\n",
            "  options: {immutable: true}\n",
            "  namespace: one\n",
        ]);
        format!(
            "configMapGenerator:\n- name: {name}\n{behavior}{options}  literals: [a=b, \"c=<&>\", \"d=1\", \"k0=new\"]"
        )
    });
    field(random, 15, &|_| format!("secretGenerator:\n- name: sec{level}\n  literals: [p=w]\n  type: x.io/y"));
    field(random, 10, &|_| "generatorOptions: {labels: {go: x}, annotations: {ga: z}}".into());
    field(random, 40, &|r| patches(r, known));
    let replicated: Vec<&str> = known
        .workloads
        .iter()
        .filter(|(kind, _)| matches!(*kind, "Deployment" | "StatefulSet"))
        .map(|(_, name)| *name)
        .collect();
    if !replicated.is_empty() {
        field(random, 10, &|r| format!("replicas: [{{name: {}, count: 7}}]", r.pick(&replicated)));
    }
    field(random, 25, &|r| replacements(r, known));
    if level == 0 && !known.maps.is_empty() {
        field(random, 12, &|r| {
            let reference = r.pick(&["", "\n  fieldref: {fieldPath: data.k0}"]);
            format!(
                "vars:\n- name: V\n  objref: {{kind: ConfigMap, name: {}, apiVersion: v1}}{reference}",
                known_map(r, known)
            )
        });
    }
    field(random, 12, &|r| {
        let transformer = r.pick(TRANSFORMERS);
        format!(
            "transformers:\n- |-\n  apiVersion: builtin\n  metadata: {{name: x, namespace: tns}}\n  kind: {transformer}"
        )
    });
    field(random, 8, &|_| "buildMetadata: [originAnnotations, transformerAnnotations]".into());
    field(random, 8, &|r| {
        let legacy = "{order: legacy, legacySortOptions: {orderFirst: [ConfigMap], orderLast: [Service]}}";
        format!("sortOptions: {}", r.pick(&["{order: fifo}", "{order: legacy}", legacy]))
    });
    out
}

/// The files of one random build; the directory to build is `overlay`.
pub(super) fn case(seed: u64) -> Vec<(String, String)> {
    let mut random = Random::new(seed);
    let mut known = Known::default();
    let objects = base(&mut random, &mut known);
    let level = |random: &mut Random, resources: &str, level: usize| {
        format!("{resources}{}", transformations(random, &known, level))
    };
    let mut files = vec![
        ("base/all.yaml".to_owned(), objects),
        ("base/kustomization.yaml".to_owned(), level(&mut random, "resources: [all.yaml]\n", 0)),
    ];
    let mut middle = "resources: [../base]\n".to_owned();
    if random.chance(25) {
        middle.push_str("components: [../part]\n");
        let head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nmetadata: {name: part}\n";
        files.push(("part/kustomization.yaml".to_owned(), level(&mut random, head, 1)));
    }
    files.push(("middle/kustomization.yaml".to_owned(), level(&mut random, &middle, 2)));
    files.push(("overlay/kustomization.yaml".to_owned(), level(&mut random, "resources: [../middle]\n", 3)));
    files
}
