//! Random kustomizations against the real program: `FLUX_KUBECTL`, or a `kubectl` on the PATH, with kustomize v5.8.1.

mod grammar;
mod objects;

use std::path::{Path, PathBuf};
use std::process::Command;

use flux_appliers::kustomize::{BuildOptions, build};

use crate::support::{difference, tree};

/// A generated object that a patch made another kind: the one difference that these builds run into and the crate's docs
/// list.
const KNOWN: &str = "a hash suffix for an object of kind";

/// The version that this engine is held against.
const VERSION: &str = "Kustomize Version: v5.8.1";

/// The real program, where it is installed in the right version.
fn kubectl() -> Option<PathBuf> {
    let path = std::env::var_os("FLUX_KUBECTL").map_or_else(|| "kubectl".into(), PathBuf::from);
    let version = Command::new(&path).args(["version", "--client"]).output().ok()?;
    String::from_utf8_lossy(&version.stdout).contains(VERSION).then_some(path)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn write(dir: &Path, files: &[(String, String)]) {
    for (path, text) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn random_builds_agree_with_the_real_program() {
    let Some(kubectl) = kubectl() else {
        println!("skipped: no kubectl with kustomize v5.8.1");
        return;
    };
    let (first, count) = (number("FLUX_ORACLE_SEED", 1), number("FLUX_ORACLE_CASES", 60));
    let (mut same, mut failures, mut known, mut wrong) = (0, 0, 0, Vec::new());
    for seed in first..first + count {
        let files = grammar::case(seed);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &files);
        if let Some(keep) = std::env::var_os("FLUX_ORACLE_KEEP") {
            write(&Path::new(&keep).join(seed.to_string()), &files);
        }
        let real = Command::new(&kubectl).arg("kustomize").arg(dir.path().join("overlay")).output().unwrap();
        let got = build(&tree(&files), "overlay", &BuildOptions::default());
        let expected = String::from_utf8_lossy(&real.stdout).into_owned();
        match (real.status.success(), got) {
            (true, Ok(output)) if output.to_yaml() == expected => same += 1,
            (false, Err(_)) => failures += 1,
            (true, Ok(output)) => wrong.push(format!("seed {seed}: {}", difference(&expected, &output.to_yaml()))),
            (true, Err(error)) if error.to_string().contains(KNOWN) => known += 1,
            (true, Err(error)) => wrong.push(format!("seed {seed}: failed: {error}")),
            (false, Ok(_)) => {
                let error = String::from_utf8_lossy(&real.stderr).into_owned();
                wrong.push(format!("seed {seed}: must fail: {}", error.lines().last().unwrap_or_default()));
            }
        }
    }
    println!(
        "random builds: {same} equal, {failures} failed in both, {known} refused as documented, {} differ",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
