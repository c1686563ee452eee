//! Every recorded render and expression of helm v4.3.1.

#![cfg(feature = "helm")]

#[allow(dead_code, reason = "the program's own main")]
#[path = "../examples/helm_template.rs"]
mod helm_template;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use flux_appliers::helm::{Chart, ChartFile, ChartLimits, Host, ReleaseInfo, RenderOptions, Table, render};
use serde_json::Value;

/// The unpacked corpus; where only its archive is there, it is unpacked once into the target folder.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("FLUX_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let archive = shared.join("conformance/helm/corpus.tar.xz");
    let unpacked = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("helm-corpus");
    if archive.exists() && !unpacked.join("cases.txt").exists() {
        std::fs::create_dir_all(&unpacked).unwrap();
        let status = std::process::Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&unpacked).status();
        assert!(status.unwrap().success());
    }
    if unpacked.join("cases.txt").exists() {
        return Some(unpacked);
    }
    assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
    println!("skipped: no corpus");
    None
}

#[test]
fn every_recorded_render() {
    let Some(root) = corpus() else { return };
    std::env::set_current_dir(&root).unwrap();
    let names = std::fs::read_to_string("cases.txt").unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = std::fs::read_to_string(format!("cases/{name}/case.json")).unwrap();
                    let case: Value = serde_json::from_str(&case).unwrap();
                    let argv = case["argv"].as_array().unwrap().iter().skip(2);
                    let argv = argv.map(|argument| argument.as_str().unwrap().to_owned()).collect();
                    let right = match helm_template::run(argv) {
                        Ok(text) => {
                            case["exit"] == 0
                                && std::fs::read(format!("cases/{name}/expected.yaml")).unwrap() == text.as_bytes()
                        }
                        Err(_) => case["exit"] != 0,
                    };
                    if !right {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    println!("helm renders: {} of {}; {failed:?}", names.len() - failed.len(), names.len());
    let known = KNOWN_RENDERS.iter().filter(|name| failed.contains(name)).count();
    assert_eq!(failed.len(), known, "{failed:?}");
}

/// Renders that differ still, each a fault to mend.
const KNOWN_RENDERS: &[&str] =
    &["synth-err-fromyaml--default", "synth-val-toml--default", "synth-val-yaml-pretty--default"];

#[test]
fn every_recorded_expression() {
    let Some(root) = corpus() else { return };
    let values: Arc<[u8]> = std::fs::read(root.join("exprs-values.yaml")).unwrap().into();
    let text = std::fs::read_to_string(root.join("exprs.jsonl")).unwrap();
    let (mut passed, mut same_text, mut failed) = (0, 0, Vec::new());
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = |name: &str, data: &[u8]| ChartFile { name: name.to_owned(), data: data.to_vec().into() };
        let files = vec![
            file("Chart.yaml", b"apiVersion: v2\nname: c\nversion: 0.1.0\n"),
            file("values.yaml", &values),
            file("templates/_h.tpl", b"{{ define \"h.name\" }}name-{{ . }}{{ end }}"),
            file("templates/NOTES.txt", row["expr"].as_str().unwrap().as_bytes()),
        ];
        let chart = Chart::from_folder(files, &ChartLimits::default()).unwrap();
        // The recordings were made on this day.
        let host = Host { now: flux_core::Timestamp::from_unix_seconds(1_795_434_371), ..Host::default() };
        let options = RenderOptions { host, ..RenderOptions::default() };
        let outcome = render(&chart, &Table::new(), &ReleaseInfo::install("c", "default"), &options);
        let right = match (&outcome, row.get("out"), row.get("error")) {
            (Ok(release), Some(out), _) => {
                row["random"] == true || release.notes.trim_end() == out.as_str().unwrap().trim_end()
            }
            (Err(error), None, Some(wanted)) => {
                let wanted = wanted.as_str().unwrap().trim_start_matches("Error: INSTALLATION FAILED: ").trim_end();
                same_text += usize::from(wanted == error.to_string());
                true
            }
            _ => false,
        };
        if right {
            passed += 1;
        } else {
            failed.push(format!("{line}\n  {:?}", outcome.map(|release| release.notes)));
        }
    }
    println!("helm expressions: {passed} of {}; {same_text} errors with the same text", passed + failed.len());
    println!("{}", failed.join("\n"));
    assert!(failed.len() <= KNOWN_EXPRESSIONS, "{} fail", failed.len());
}

/// Expressions that differ still.
const KNOWN_EXPRESSIONS: usize = 40;
