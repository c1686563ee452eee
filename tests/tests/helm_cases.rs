//! Our own charts against what the real helm makes of them: `data/helm/cases`, recorded by `data/helm/record.py`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use flux_examples::template::Template;

#[derive(Parser)]
#[command(name = "template")]
struct Arguments {
    #[command(flatten)]
    template: Template,
}

/// The sections of a case, by their names.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut name: Option<(String, bool)> = None;
    let mut body = String::new();
    let mut close = |name: Option<(String, bool)>, body: &mut String| {
        let text = std::mem::take(body);
        if let Some((name, is_bare)) = name {
            let bare = text.strip_suffix('\n').filter(|_| is_bare).map(str::to_owned);
            sections.insert(name, bare.unwrap_or(text));
        }
    };
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --\n")) {
            Some(mark) => {
                close(name.take(), &mut body);
                let bare = mark.strip_suffix(" (no newline)");
                name = Some((bare.unwrap_or(mark).to_owned(), bare.is_some()));
            }
            None => body.push_str(line),
        }
    }
    close(name, &mut body);
    sections
}

/// Writes the files of a case, those of archives into archives.
fn unpack(files: &BTreeMap<String, String>, root: &Path) {
    let mut archives: BTreeMap<PathBuf, Vec<(&str, &str)>> = BTreeMap::new();
    for (path, text) in files {
        match path.split_once(".tgz/") {
            Some((archive, inner)) => {
                archives.entry(root.join(format!("{archive}.tgz"))).or_default().push((inner, text));
            }
            None => {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
    }
    for (path, files) in archives {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut tar = tar::Builder::new(GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast()));
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/helm/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut failures = String::new();
    for path in &paths {
        let mut case = sections(&std::fs::read_to_string(path).unwrap());
        let [args, out, err, exit] = ["args", "out", "err", "exit"].map(|name| case.remove(name).unwrap());
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        unpack(&case, &root);
        // The only test of this program, so nothing else looks at the working folder.
        std::env::set_current_dir(&root).unwrap();
        let args = std::iter::once("template").chain(args.lines());
        let printed = Arguments::try_parse_from(args).unwrap_or_else(|error| panic!("{error}")).template.run();
        let told = printed.err.replace(&*root.to_string_lossy(), "$ROOT");
        if printed.out != out || sorted(&told) != sorted(&err) || printed.failed != (exit.trim() != "0") {
            let name = path.file_stem().unwrap().to_string_lossy();
            writeln!(failures, "{name}:\n{}{told}instead of\n{out}{err}", printed.out).unwrap();
        }
    }
    println!(
        "helm cases: {} with {} failures",
        paths.len(),
        failures.lines().filter(|line| *line == "instead of").count()
    );
    assert!(failures.is_empty(), "{failures}");
}
