//! The recorded behaviour of kustomize v5.8.1: every case in every order it was recorded in.

use std::fs;
use std::path::{Path, PathBuf};

use flux_appliers::kustomize::{BuildOptions, Order, build};
use flux_core::Tree;
use serde_json::Value;

use crate::causes::compare;
use crate::support::{difference, read_tree};

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

/// Runs one case; says what is wrong with it.
fn run(dir: &Path) -> Vec<String> {
    let case: Value = serde_json::from_str(&fs::read_to_string(dir.join("case.json")).unwrap()).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut builder = Tree::builder();
    read_tree(&dir.join("input"), &mut builder);
    for dir in texts(&case["empty_dirs"]) {
        builder.directory(&dir).unwrap();
    }
    let tree = builder.build();
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
        let mut options = BuildOptions {
            order,
            load_outside_root: options["load_restrictor"] != "LoadRestrictionsRootOnly",
            enable_helm: options["enable_helm"] == Value::Bool(true),
            managed_by_label: options["add_managedby_label"] == Value::Bool(true),
            ..BuildOptions::default()
        };
        options.charts.kube_version = case["options"]["helm_kube_version"].as_str().map(str::to_owned);
        options.charts.api_versions = texts(&case["options"]["helm_api_versions"]);
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
                let mut expected = vec![fs::read_to_string(dir.join("expected_error.txt")).unwrap()];
                if let Ok(variants) = fs::read(dir.join("expected_error_variants.json")) {
                    expected.extend(serde_json::from_slice::<Vec<String>>(&variants).unwrap());
                }
                let failures: Vec<_> = expected.iter().filter_map(|text| compare(text, &error).err()).collect();
                if failures.len() == expected.len() {
                    wrong.push(format!("another error: {}", failures[0]));
                }
            }
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    wrong
}

/// Without the Helm engine, charts are refused.
fn needs_helm(name: &str) -> bool {
    !cfg!(feature = "helm") && name.contains("HelmChart")
}

#[test]
fn every_recorded_case() {
    let Some(dir) = corpus() else { return };
    let list = fs::read_to_string(dir.join("cases.txt")).unwrap();
    let only = std::env::var("ONLY").ok();
    let wanted = |name: &&str| only.as_ref().is_none_or(|only| name.contains(only)) && !needs_helm(name);
    let (mut total, mut failed) = (0, Vec::new());
    for name in list.split_whitespace().filter(wanted) {
        total += 1;
        let wrong = run(&dir.join("cases").join(name));
        if !wrong.is_empty() {
            failed.push(format!("{name}: {}", wrong.join("; ")));
        }
    }
    println!("kustomize cases: {} of {total} match", total - failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}
