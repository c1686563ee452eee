//! Cases of our own, where the recorded corpus is thin; `tests/data/kustomize/record.py` asked the real program for the
//! outcome of each.

use std::fs;
use std::path::{Path, PathBuf};

use flux_appliers::kustomize::{BuildOptions, build};
use flux_core::Tree;

use crate::causes::compare;
use crate::support::difference;

/// One case: `# KEY: VALUE` lines, then files, each under `-- NAME [ATTRIBUTES] --`, and last what came of it.
struct Case {
    name: String,
    dir: String,
    flags: Vec<String>,
    tree: Tree,
    /// What the program printed, or the error it ended with.
    expected: Result<String, String>,
}

fn read(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let (mut dir, mut flags) = (".".to_owned(), Vec::new());
    let mut builder = Tree::builder();
    let mut expected = None;
    let mut sections = text.split_inclusive('\n').peekable();
    while let Some(line) = sections.next() {
        if let Some(value) = line.strip_prefix("# build: ") {
            dir = value.trim().to_owned();
        } else if let Some(value) = line.strip_prefix("# flags: ") {
            flags = value.split_whitespace().map(str::to_owned).collect();
        }
        let Some(title) = section(line) else { continue };
        let mut body = String::new();
        while let Some(line) = sections.next_if(|line| section(line).is_none()) {
            body.push_str(line);
        }
        let mut words = title.split_whitespace();
        match words.next().unwrap() {
            "expected" => expected = Some(Ok(body)),
            "error" => expected = Some(Err(body)),
            file => drop(builder.file(file, bytes(body, words)).unwrap()),
        }
    }
    let expected = expected.unwrap_or_else(|| panic!("{name}: not recorded"));
    Case { name, dir, flags, tree: builder.build(), expected }
}

fn section(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("-- ")?.strip_suffix(" --")
}

/// A file's content as its attributes have it.
fn bytes<'a>(mut body: String, attributes: impl Iterator<Item = &'a str>) -> Vec<u8> {
    for attribute in attributes {
        match attribute.split_once('=').unwrap_or((attribute, "")) {
            ("crlf", _) => body = body.replace('\n', "\r\n"),
            ("bom", _) => body.insert(0, '\u{feff}'),
            ("no-newline", _) => body.truncate(body.trim_end_matches('\n').len()),
            // Every copy with its own number where it says {i}.
            ("repeat", times) => {
                let times: usize = times.parse().unwrap();
                body = (0..times).map(|i| body.replace("{i}", &i.to_string())).collect();
            }
            ("bytes", _) => {
                let hex: Vec<u8> = body.bytes().filter(u8::is_ascii_hexdigit).collect();
                let pairs = hex.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
                return pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
            }
            (other, _) => panic!("no attribute {other}"),
        }
    }
    body.into_bytes()
}

fn run(case: &Case) -> Result<(), String> {
    let has = |flag: &str| case.flags.iter().any(|given| given == flag);
    let options = BuildOptions {
        load_outside_root: has("LoadRestrictionsNone"),
        enable_helm: has("--enable-helm"),
        ..BuildOptions::default()
    };
    match (build(&case.tree, &case.dir, &options), &case.expected) {
        (Ok(output), Ok(expected)) => match output.to_yaml() {
            text if text == *expected => Ok(()),
            text => Err(difference(expected, &text)),
        },
        (Err(error), Err(expected)) => compare(expected, &error),
        (Ok(_), Err(expected)) => Err(format!("succeeded, must fail: {expected}")),
        (Err(error), Ok(_)) => Err(error.to_string()),
    }
}

#[test]
fn every_case_of_our_own() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/kustomize");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    let only = std::env::var("ONLY").ok();
    let wanted = |case: &Case| {
        only.as_ref().is_none_or(|only| case.name.contains(only))
            && (cfg!(feature = "helm") || !case.flags.iter().any(|flag| flag == "--enable-helm"))
    };
    let cases: Vec<_> = paths.iter().map(|path| read(path)).filter(wanted).collect();
    let failed: Vec<_> = cases.iter().filter_map(|case| Some(format!("{}: {}", case.name, run(case).err()?))).collect();
    println!("kustomize cases of our own: {} of {} match", cases.len() - failed.len(), cases.len());
    assert!(failed.is_empty(), "{failed:#?}");
}
