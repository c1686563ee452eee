//! Random kustomizations against the real program, where `FLUX_KUBECTL` names a kubectl with kustomize v5.8.1.

#![allow(clippy::print_stdout)]
#![cfg(feature = "kustomize")]

use std::fmt::Write;
use std::process::Command;

use flux_appliers::kustomize::{BuildOptions, build};
use flux_core::Tree;

/// A small generator of numbers, so that a failing case can be made again from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

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
    "-",
    "2001-12-14",
    "\"5\"",
    "5",
    "1_000",
    "\"on\"",
    "a: b",
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
];
const NAMES: &[&str] = &["web", "db", "cache"];

/// A value whose block lines stand at `indent`.
fn value(random: &mut Random, indent: usize) -> String {
    let text = random.pick(VALUES);
    if text == "a: b" || text == "-" {
        return format!("'{text}'");
    }
    text.replace("__", &" ".repeat(indent))
}

fn scalar(random: &mut Random) -> String {
    loop {
        let text = value(random, 0);
        if !text.contains('\n') && !text.starts_with(['[', '{']) {
            return text;
        }
    }
}

fn metadata(random: &mut Random, name: &str) -> String {
    let mut out = format!("metadata:\n  name: {name}\n");
    if random.chance(20) {
        let _ = writeln!(out, "  namespace: {}", random.pick(&["default", "one", "two"]));
    }
    for map in ["labels", "annotations"] {
        match random.below(6) {
            0 => {
                let _ = writeln!(out, "  {map}: {{}}");
            }
            1 => {
                let _ = writeln!(out, "  {map}:");
            }
            2 => {
                let _ = writeln!(out, "  {map}:\n    app: {}\n    k: {}", random.pick(NAMES), scalar(random));
            }
            _ => {}
        }
    }
    out
}

fn containers(random: &mut Random, indent: &str) -> String {
    let mut out = String::new();
    for i in 0..=random.below(2) {
        let _ = writeln!(out, "{indent}- name: c{i}");
        let _ = writeln!(
            out,
            "{indent}  image: {}",
            random.pick(&["nginx", "nginx:1", "\"redis:7\"", "reg:80/nginx@sha256:x"])
        );
        if random.chance(40) {
            let _ = writeln!(out, "{indent}  env:");
            for j in 0..=random.below(3) {
                match random.below(3) {
                    0 => {
                        let _ = writeln!(
                            out,
                            "{indent}  - name: E{j}\n{indent}    valueFrom:\n{indent}      configMapKeyRef: {{name: {}, key: k}}",
                            random.pick(NAMES)
                        );
                    }
                    _ => {
                        let _ = writeln!(out, "{indent}  - name: E{j}\n{indent}    value: {}", scalar(random));
                    }
                }
            }
        }
        if random.chance(40) {
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
        if random.chance(30) {
            let _ = writeln!(out, "{indent}  args: [a, {}]", scalar(random));
        }
    }
    out
}

fn deployment(random: &mut Random, name: &str) -> String {
    let mut out = format!("apiVersion: apps/v1\nkind: Deployment\n{}spec:\n", metadata(random, name));
    if random.chance(50) {
        let _ = writeln!(out, "  replicas: {}", random.pick(&["1", "\"2\"", "null"]));
    }
    let _ = writeln!(out, "  template:\n    spec:\n      containers:");
    out.push_str(&containers(random, "      "));
    if random.chance(30) {
        let _ = writeln!(out, "      volumes:\n      - name: v\n        configMap: {{name: {}}}", random.pick(NAMES));
    }
    if random.chance(20) {
        let _ = writeln!(out, "      finalizers: [a, b]");
    }
    out
}

fn config_map(random: &mut Random, name: &str) -> String {
    let mut out = format!("apiVersion: v1\nkind: ConfigMap\n{}data:\n", metadata(random, name));
    for i in 0..=random.below(4) {
        let _ = writeln!(out, "  k{i}: {}", value(random, 4));
    }
    out
}

/// The names of the Deployments and ConfigMaps that are there, mostly.
struct Known {
    deployments: Vec<&'static str>,
    maps: Vec<&'static str>,
}

impl Known {
    fn pick(list: &[&'static str], random: &mut Random) -> &'static str {
        if list.is_empty() || random.chance(3) {
            NAMES[random.below(NAMES.len())]
        } else {
            list[random.below(list.len())]
        }
    }
}

fn resources(random: &mut Random, known: &mut Known) -> String {
    let mut documents = Vec::new();
    for name in NAMES {
        if random.chance(80) {
            known.deployments.push(name);
            documents.push(deployment(random, name));
        }
        if random.chance(70) {
            known.maps.push(name);
            documents.push(config_map(random, name));
        }
        if random.chance(30) {
            let meta = metadata(random, name);
            let ports = random.pick(&["[{port: 80}]", "[{port: 80, name: a}, {port: 80, protocol: UDP}]"]);
            documents.push(format!(
                "apiVersion: v1\nkind: Service\n{meta}spec:\n  selector: {{app: x}}\n  ports: {ports}\n"
            ));
        }
    }
    if random.chance(30) {
        documents.push("apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n".into());
    }
    if random.chance(30) {
        documents.push(
            "apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: t}\nspec: {list: [{name: a, v: 1}], m: {x: null}}\n"
                .into(),
        );
    }
    documents.join("---\n")
}

fn patch(random: &mut Random, known: &Known) -> String {
    let name = Known::pick(&known.deployments, random);
    let body = match random.below(8) {
        0 => "metadata:\n  NAME\n  labels: {added: \"1\", app: null}\n".to_owned(),
        1 => format!("metadata:\n  NAME\nspec:\n  replicas: {}\n", random.pick(&["3", "\"4\"", "null"])),
        2 => format!(
            "metadata:\n  NAME\nspec:\n  template:\n    spec:\n      containers:\n{}",
            containers(random, "      ")
        ),
        3 => "metadata:\n  NAME\nspec:\n  template:\n    spec:\n      containers:\n      - name: c0\n        $patch: delete\n".into(),
        4 => "metadata:\n  NAME\nspec:\n  template:\n    spec:\n      containers:\n      - $patch: replace\n      - name: n\n        image: i\n".into(),
        5 => format!("metadata:\n  NAME\nspec:\n  template:\n    metadata: {{annotations: {{x: {}}}}}\n", scalar(random)),
        6 => "$patch: delete\nmetadata:\n  NAME\n".into(),
        _ => "metadata:\n  NAME\n  annotations: null\nspec:\n  template:\n    spec:\n      volumes: null\n".into(),
    };
    format!("apiVersion: apps/v1\nkind: Deployment\n{}", body.replace("NAME", &format!("name: {name}")))
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}\n")).collect()
}

/// The transformations of one kustomization.
fn transformations(random: &mut Random, known: &Known) -> String {
    let mut out = String::new();
    if random.chance(35) {
        let _ = writeln!(out, "namePrefix: {}", random.pick(&["pre-", "\"1\"", "a."]));
    }
    if random.chance(25) {
        let _ = writeln!(out, "nameSuffix: -suf");
    }
    if random.chance(30) {
        let _ = writeln!(out, "namespace: {}", random.pick(&["prod", "default", "\"123\""]));
    }
    if random.chance(25) {
        let _ = writeln!(out, "commonLabels: {{team: {}}}", random.pick(&["a", "\"yes\"", "\"1\""]));
    }
    if random.chance(25) {
        let _ = writeln!(
            out,
            "labels:\n- pairs: {{l: \"012\"}}\n  includeTemplates: {}\n  includeSelectors: {}",
            random.chance(50),
            random.chance(30)
        );
    }
    if random.chance(20) {
        let _ = writeln!(out, "commonAnnotations: {{note: \"true\"}}");
    }
    if random.chance(30) {
        let _ = writeln!(
            out,
            "images:\n- name: {}\n  {}",
            random.pick(&["nginx", "redis", "reg:80/nginx"]),
            random.pick(&[
                "newTag: \"2\"",
                "newName: other",
                "digest: sha256:y",
                "newTag: \"1.10\"\n  newName: nn",
                "tagSuffix: -x"
            ])
        );
    }
    if random.chance(35) {
        let behavior = random.pick(&["", "  behavior: merge\n", "  behavior: replace\n"]);
        let name = if behavior.is_empty() { "generated" } else { Known::pick(&known.maps, random) };
        let options = random.pick(&[
            "",
            "  options: {disableNameSuffixHash: true, labels: {g: h}}\n",
            "  options: {immutable: true}\n",
        ]);
        let _ = write!(
            out,
            "configMapGenerator:\n- name: {name}\n{behavior}{options}  literals: [a=b, \"c=<&>\", \"d=1\", \"k0=new\"]\n"
        );
    }
    if random.chance(20) {
        let _ = writeln!(out, "secretGenerator:\n- name: sec\n  literals: [p=w]\n  type: x.io/y");
    }
    if random.chance(40) {
        out.push_str("patches:\n");
        for _ in 0..=random.below(2) {
            match random.below(3) {
                0 => {
                    let _ = write!(
                        out,
                        "- target: {{kind: {}, name: {}}}\n  patch: |-\n    - op: {}\n",
                        random.pick(&["Deployment", "ConfigMap|Service", ".*"]),
                        random.pick(&["web", ".*", "w.*|db", "cache"]),
                        random.pick(&[
                            "add\n      path: /metadata/labels\n      value: {j: \"1\"}",
                            "add\n      path: /metadata/annotations/x.io~1y\n      value: z",
                            "replace\n      path: /metadata/name\n      value: renamed-x",
                            "add\n      path: /spec\n      value: {n: 1000000, f: 1.5}",
                        ])
                    );
                }
                1 => {
                    let _ = write!(
                        out,
                        "- target: {{kind: Deployment}}\n  patch: |-\n{}",
                        indented(&patch(random, known), "    ")
                    );
                }
                _ => {
                    let _ = write!(out, "- patch: |-\n{}", indented(&patch(random, known), "    "));
                }
            }
        }
    }
    if random.chance(15) {
        let _ = writeln!(out, "replicas: [{{name: {}, count: 7}}]", Known::pick(&known.deployments, random));
    }
    if random.chance(25) {
        let _ = writeln!(
            out,
            "replacements:\n- source: {{kind: ConfigMap, name: {}, fieldPath: data.k0}}\n  targets:\n  - select: {{kind: Deployment}}\n    fieldPaths: [{}]\n    options: {{create: {}}}",
            Known::pick(&known.maps, random),
            random.pick(&[
                "metadata.labels.r",
                "\"spec.template.spec.containers.[name=c0].image\"",
                "\"spec.template.spec.containers.*.image\"",
            ]),
            random.chance(60)
        );
    }
    out
}

/// The files of one random build; the directory to build is `overlay`.
fn case(seed: u64) -> Vec<(String, String)> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..8 {
        random.below(2);
    }
    let mut known = Known { deployments: Vec::new(), maps: Vec::new() };
    let all = resources(&mut random, &mut known);
    let base = format!("resources: [all.yaml]\n{}", transformations(&mut random, &known));
    let overlay = format!("resources: [../base]\n{}", transformations(&mut random, &known));
    vec![
        ("base/all.yaml".into(), all),
        ("base/kustomization.yaml".into(), base),
        ("overlay/kustomization.yaml".into(), overlay),
    ]
}

#[test]
fn random_builds_agree_with_the_real_program() {
    let Some(kubectl) = std::env::var_os("FLUX_KUBECTL") else {
        println!("skipped: FLUX_KUBECTL is not set");
        return;
    };
    let count: u64 = std::env::var("FLUX_ORACLE_CASES").ok().and_then(|v| v.parse().ok()).unwrap_or(200);
    let first: u64 = std::env::var("FLUX_ORACLE_SEED").ok().and_then(|v| v.parse().ok()).unwrap_or(1);
    let (mut same, mut failures, mut wrong) = (0, 0, Vec::new());
    for seed in first..first + count {
        let files = case(seed);
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in &files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let real = Command::new(&kubectl).arg("kustomize").arg(dir.path().join("overlay")).output().unwrap();
        let tree =
            Tree::from_files(files.iter().map(|(path, text)| (path.as_str(), text.clone().into_bytes()))).unwrap();
        let got = build(&tree, "overlay", &BuildOptions::default());
        let expected = String::from_utf8_lossy(&real.stdout).into_owned();
        if let Some(keep) = std::env::var_os("FLUX_ORACLE_KEEP") {
            for (path, text) in &files {
                let path = std::path::Path::new(&keep).join(seed.to_string()).join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        match (real.status.success(), got) {
            (true, Ok(output)) if output.to_yaml() == expected => same += 1,
            (false, Err(_)) => failures += 1,
            (true, Ok(output)) => {
                let text = output.to_yaml();
                let line = expected.lines().zip(text.lines()).find(|(a, b)| a != b);
                wrong.push(format!("seed {seed}: differs: {line:?}"));
            }
            (true, Err(error)) => wrong.push(format!("seed {seed}: failed: {error}")),
            (false, Ok(_)) => {
                let error = String::from_utf8_lossy(&real.stderr).into_owned();
                wrong.push(format!("seed {seed}: must fail: {}", error.lines().last().unwrap_or_default()));
            }
        }
    }
    println!("random builds: {same} equal, {failures} failed in both, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
