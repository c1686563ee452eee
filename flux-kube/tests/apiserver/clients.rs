//! Real clients: kubectl and helm see what a real server shows them.

use std::path::{Path, PathBuf};
use std::process::Command;

use flux_kube::apiserver::{ApiServer, Config, Credentials, Token};

use crate::skipped;

/// The recorded data, if it holds this file; nothing when it is not there and need not be.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let shared = PathBuf::from(std::env::var("FLUX_SHARED").unwrap_or_else(|_| beside.to_owned()));
    if shared.join(file).is_file() {
        return shared.canonicalize().ok();
    }
    assert!(std::env::var("FLUX_REQUIRE_CORPUS").as_deref() != Ok("1"), "no corpus at {}", shared.display());
    skipped("no corpus");
    None
}

/// A program: where the environment says, where `tools/oracles.sh` puts it, or on the path. The one on the path comes last, as
/// it may be of another version than the recorded one.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let said = std::env::var_os(variable).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/oracles"));
    let found = [beside.to_path_buf()].into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    said.into_iter().chain(found).find(|file| file.is_file())
}

async fn transcript(kubeconfig: &str, shared: &Path, kubectl: &Path, helm: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, kubeconfig).unwrap();
    let script = shared.join("conformance/apiserver/clients/clients_check.sh");
    let (kubectl, helm) = (kubectl.to_owned(), helm.to_owned());
    let output = tokio::task::spawn_blocking(move || {
        Command::new("bash").arg(script).arg(&file).arg(kubectl).arg(helm).output().unwrap()
    });
    let output = output.await.unwrap();
    drop(folder);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// 123 commands of kubectl and helm, over HTTP and HTTPS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_and_helm() {
    let Some(shared) = shared("conformance/apiserver/clients/expected.txt") else { return };
    let (Some(kubectl), Some(helm)) = (program("FLUX_KUBECTL", "kubectl"), program("FLUX_HELM", "helm")) else {
        return skipped("no kubectl or helm");
    };
    let expected = std::fs::read_to_string(shared.join("conformance/apiserver/clients/expected.txt")).unwrap();
    let open = ApiServer::default().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let tokens = vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }];
    let closed = ApiServer::new(Config { tokens, ..Config::default() });
    let closed = closed.serve_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let token = closed.kubeconfig_for("admin", &Credentials::Token("t".into()));
    let plain = open.kubeconfig();
    let (over_http, over_https) =
        tokio::join!(transcript(&plain, &shared, &kubectl, &helm), transcript(&token, &shared, &kubectl, &helm));
    for (name, found) in [("HTTP", over_http), ("HTTPS", over_https)] {
        let differences: Vec<String> = differences(&expected, &found);
        assert!(differences.is_empty(), "over {name}:\n{}", differences.join("\n"));
    }
}

/// The names of the fields that `kubectl explain` shows, by their place.
fn explained(kubeconfig: &Path, kubectl: &Path, more: &[&str]) -> Vec<String> {
    let output = Command::new(kubectl)
        .args(["explain", "--recursive", "pods"])
        .args(more)
        .env("KUBECONFIG", kubeconfig)
        .env("KUBECACHEDIR", kubeconfig.with_extension("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields = text.lines().filter_map(|line| line.split_once('\t'));
    fields.map(|(name, _)| name.trim().to_owned()).collect()
}

/// The older document, in protocol buffers, tells kubectl what the newer ones tell it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_explains_by_either_document() {
    let Some(kubectl) = program("FLUX_KUBECTL", "kubectl") else { return skipped("no kubectl") };
    let open = ApiServer::default().serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, open.kubeconfig()).unwrap();
    let both = tokio::task::spawn_blocking(move || {
        (explained(&file, &kubectl, &[]), explained(&file, &kubectl, &["--output=plaintext-openapiv2"]))
    });
    let (newer, older) = both.await.unwrap();
    assert!(newer.len() > 500, "{newer:?}");
    assert_eq!(newer, older);
}

/// The commands whose outcome differs, with both outcomes. What kubectl logs of itself is left out: when its time is up,
/// two parts of it race over HTTP/1.1, and one of them may complain of a "very short watch".
fn differences(expected: &str, found: &str) -> Vec<String> {
    let said = |text: &str| text.lines().filter(|l| !l.starts_with("! I<klog>")).collect::<Vec<_>>().join("\n");
    let commands = |text: &str| said(text).split("\n$ ").map(str::to_owned).collect::<Vec<_>>();
    let (expected, found) = (commands(expected), commands(found));
    let mut out = Vec::new();
    for i in 0..expected.len().max(found.len()) {
        let (e, f) = (expected.get(i).map_or("", String::as_str), found.get(i).map_or("", String::as_str));
        if e.trim_end() != f.trim_end() {
            out.push(format!("--- expected: {e}\n+++ found: {f}"));
        }
    }
    out
}
