//! Every recorded render and expression of helm v4.3.1, over the arguments of its command line.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use flux_appliers::helm::{Chart, ChartFile, ChartLimits, Host, Release, ReleaseInfo, RenderOptions, Table, render};
use flux_examples::template::Template;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[derive(Parser)]
#[command(name = "template")]
struct Arguments {
    #[command(flatten)]
    template: Template,
}

fn template(argv: &[&str]) -> Template {
    Arguments::try_parse_from(std::iter::once(&"template").chain(argv))
        .unwrap_or_else(|error| panic!("{error}"))
        .template
}

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
        std::env::set_current_dir(&unpacked).unwrap();
        return Some(unpacked);
    }
    assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
    println!("skipped: no corpus");
    None
}

/// Runs `check` for every case of the corpus on two threads, and counts; a case that fails says why.
fn every_case(what: &str, check: impl Fn(&str) -> Option<Result<(), String>> + Sync) {
    let Some(_) = corpus() else { return };
    let names = std::fs::read_to_string("cases.txt").unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    let (next, passed, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match check(name) {
                        None => {}
                        Some(Ok(())) => {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(Err(why)) => failed.lock().unwrap().push(format!("{name}: {why}")),
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    println!("{what}: {} of {}", passed.load(Ordering::Relaxed), passed.load(Ordering::Relaxed) + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn read(path: &str) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn json_file(path: &str) -> Option<Value> {
    Some(serde_json::from_str(&read(path)?).unwrap())
}

fn argv(recorded: &Value) -> Vec<&str> {
    recorded["argv"].as_array().unwrap().iter().skip(2).map(|argument| argument.as_str().unwrap()).collect()
}

/// Lines in any order: Go's maps have none.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("Error: ").unwrap_or(line)).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_recorded_render() {
    every_case("helm renders", |name| {
        let case = json_file(&format!("cases/{name}/case.json")).unwrap();
        let printed = template(&argv(&case)).run();
        let failed = case["exit"] != 0;
        let err = if failed { "expected_error.txt" } else { "expected_stderr.txt" };
        let err = read(&format!("cases/{name}/{err}")).unwrap_or_default();
        if printed.failed != failed {
            return Some(Err(format!("ended otherwise: {}", printed.err)));
        }
        if !failed && read(&format!("cases/{name}/expected.yaml")).unwrap() != printed.out {
            return Some(Err("prints something else".to_owned()));
        }
        if lines(&err) != lines(&printed.err) {
            return Some(Err(format!("standard error is\n{}instead of\n{err}", printed.err)));
        }
        Some(Ok(()))
    });
}

#[test]
fn every_recorded_release() {
    every_case("helm releases", |name| {
        let recorded = json_file(&format!("cases/{name}/expected_release.json"))?;
        let argv: Vec<&str> = argv(&recorded)
            .into_iter()
            .filter(|argument| !matches!(*argument, "--dry-run=client" | "-o" | "json"))
            .collect();
        let release = match template(&argv).release(&mut String::new()) {
            Ok(release) => release,
            Err(error) => return Some(Err(error.to_string())),
        };
        if recorded["notes"].as_str().unwrap_or_default() != release.notes {
            return Some(Err(format!("notes are {:?} instead of {}", release.notes, recorded["notes"])));
        }
        let (ours, theirs) = (hooks(&release), recorded["hooks"].clone());
        let theirs = if theirs.is_null() { json!([]) } else { theirs };
        if ours != theirs {
            return Some(Err(format!("hooks are\n{ours:#}\ninstead of\n{theirs:#}")));
        }
        let digest = Sha256::digest(release.manifest());
        let manifest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if recorded["manifest_sha256"] != manifest.as_str() {
            return Some(Err("the manifest is another".to_owned()));
        }
        Some(Ok(()))
    });
}

/// Hooks as the recordings have them: what is empty or zero is left out.
fn hooks(release: &Release) -> Value {
    let hooks = release.hooks.iter().map(|hook| {
        let mut json = json!({
            "name": hook.name,
            "kind": hook.manifest.kind,
            "path": hook.manifest.path,
            "events": hook.events.iter().map(|event| event.as_str()).collect::<Vec<_>>(),
            "weight": hook.weight,
            "delete_policies": hook.delete_policies,
            "output_log_policies": hook.output_log_policies,
        });
        json.as_object_mut().unwrap().retain(|_, value| *value != json!([]) && *value != json!(0));
        json
    });
    hooks.collect()
}

#[test]
fn every_recorded_expression() {
    let Some(root) = corpus() else { return };
    let values: bytes::Bytes = std::fs::read(root.join("exprs-values.yaml")).unwrap().into();
    let text = std::fs::read_to_string(root.join("exprs.jsonl")).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = |name: &str, data: bytes::Bytes| ChartFile { name: name.to_owned(), data };
        let files = vec![
            file("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n".into()),
            file("values.yaml", values.clone()),
            file("templates/_h.tpl", "{{ define \"h.name\" }}name-{{ . }}{{ end }}".into()),
            // The recordings had two bytes before the expression, which count in columns.
            file("templates/NOTES.txt", format!("<<{}", row["expr"].as_str().unwrap()).into()),
        ];
        let chart = Chart::from_folder(files, &ChartLimits::default()).unwrap();
        // The recordings were made on this day.
        let host = Host { now: flux_core::Timestamp::from_unix_seconds(1_795_434_371), ..Host::default() };
        let options = RenderOptions { host, ..RenderOptions::default() };
        let outcome = render(&chart, &Table::new(), &ReleaseInfo::install("c", "default"), &options);
        let right = match (&outcome, row.get("out"), row.get("error")) {
            (Ok(release), Some(out), _) => {
                row["random"] == true
                    || release.notes.trim_start_matches("<<").trim_end() == out.as_str().unwrap().trim_end()
            }
            (Err(failure), None, Some(wanted)) => {
                let wanted = wanted.as_str().unwrap().trim_start_matches("Error: INSTALLATION FAILED: ").trim_end();
                wanted == failure.to_string()
            }
            _ => false,
        };
        if right {
            passed += 1;
        } else {
            failed.push(format!("{line}\n  {:?}", outcome.map(|release| release.notes)));
        }
    }
    println!("helm expressions: {passed} of {}", passed + failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
