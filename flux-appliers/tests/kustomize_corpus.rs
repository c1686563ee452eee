//! The recorded behaviour of kustomize v5.8.1: every case in every order it was recorded in.

#![allow(clippy::print_stdout)]
#![cfg(feature = "kustomize")]

use std::fs;
use std::path::{Path, PathBuf};

use flux_appliers::kustomize::{BuildOptions, Order, build};
use flux_core::Tree;
use serde_json::Value;

/// The recorded corpus, or `None` where it is not installed.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("FLUX_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let dir = shared.join("conformance/kustomize");
    if dir.is_dir() {
        return Some(dir);
    }
    if std::env::var("FLUX_REQUIRE_CORPUS").is_ok_and(|v| v == "1") {
        panic!("no corpus");
    }
    println!("skipped: no corpus");
    None
}

fn read_tree(dir: &Path, empty_dirs: &[String]) -> Tree {
    let mut builder = Tree::builder();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap();
                builder.link(&path, target.to_str().unwrap()).unwrap();
            } else if kind.is_dir() {
                todo.push(entry.path());
            } else {
                builder.file(&path, fs::read(entry.path()).unwrap()).unwrap();
            }
        }
    }
    for dir in empty_dirs {
        builder.directory(dir).unwrap();
    }
    builder.build()
}

/// Runs one case; says what is wrong with it.
fn run(dir: &Path) -> Vec<String> {
    let case: Value = serde_json::from_str(&fs::read_to_string(dir.join("case.json")).unwrap()).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let tree = read_tree(&dir.join("input"), &texts(&case["empty_dirs"]));
    let options = &case["options"];
    let mut orders = Vec::new();
    match options["reorder"].as_str() {
        Some("none") => orders.push((Order::AsRead, "expected.yaml")),
        _ => orders.push((Order::Legacy, "expected.yaml")),
    }
    if case["expected_cli"] == Value::Bool(true) {
        orders.push((Order::Legacy, "expected_cli.yaml"));
    }
    let mut wrong = Vec::new();
    for (order, file) in orders {
        let options = BuildOptions {
            order,
            load_outside_root: options["load_restrictor"] != "LoadRestrictionsRootOnly",
            enable_helm: options["enable_helm"] == Value::Bool(true),
            managed_by_label: options["add_managedby_label"] == Value::Bool(true),
            ..BuildOptions::default()
        };
        let got = build(&tree, case["path"].as_str().unwrap(), &options);
        let fails = case["expect"] == "error";
        match got {
            Ok(_) if fails => wrong.push(format!("{file}: succeeded, must fail")),
            Ok(output) => {
                let expected = fs::read_to_string(dir.join(file)).unwrap();
                let text = output.to_yaml();
                if text != expected {
                    wrong.push(format!("{file}: {}", difference(&expected, &text)));
                }
            }
            Err(error) if fails => {
                if std::env::var_os("SHOW_ERRORS").is_some() {
                    let expected = fs::read_to_string(dir.join("expected_error.txt")).unwrap_or_default();
                    println!(
                        "--- {}\nwant: {}\ngot:  {error}",
                        dir.file_name().unwrap().to_str().unwrap(),
                        expected.trim()
                    );
                }
            }
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    wrong
}

fn difference(expected: &str, got: &str) -> String {
    let (mut a, mut b) = (expected.lines(), got.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return "differs in line ends".into(),
            (a, b) => return format!("line {number}: expected {a:?}, got {b:?}"),
        }
    }
}

fn run_all(dir: &Path, names: &[String]) -> Vec<String> {
    let only = std::env::var("ONLY").ok();
    let mut failed = Vec::new();
    for name in names.iter().filter(|name| only.as_ref().is_none_or(|only| name.contains(only))) {
        let wrong = run(&dir.join(name));
        if !wrong.is_empty() {
            failed.push(format!("{name}: {}", wrong.join("; ")));
        }
    }
    failed
}

/// The cases that inflate charts, which this engine refuses as long as no chart renderer is wired to it.
const CHARTS: &[&str] = &[
    "TestHelmChartDifferentNamespaces",
    "TestHelmChartInflationGeneratorMultipleValuesFiles",
    "TestHelmChartNamespacePropagationViaResources",
    "TestHelmChartNamespacePropagationViaResourcesThreeLevels",
    "TestHelmChartSameNamespace",
    "builtin_TestHelmChartInflationGeneratorIssue4905",
    "builtin_TestHelmChartInflationGeneratorUsingVersionWithoutRepo",
    "builtin_TestHelmChartInflationGeneratorValuesReplace",
    "builtin_TestHelmChartInflationGeneratorWithDebug",
];

#[test]
fn every_recorded_case() {
    let Some(dir) = corpus() else { return };
    let list = fs::read_to_string(dir.join("cases.txt")).unwrap();
    let names: Vec<String> = list.split_whitespace().map(str::to_owned).collect();
    let failed = run_all(&dir.join("cases"), &names);
    println!("kustomize cases: {} of {} match", names.len() - failed.len(), names.len());
    let unexpected: Vec<_> = failed.iter().filter(|line| !CHARTS.iter().any(|name| line.starts_with(name))).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert_eq!(failed.len(), CHARTS.len(), "a case that was refused now matches: take it off the list");
}
