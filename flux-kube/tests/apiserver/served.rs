//! On a port: who connects, and what they send.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flux_core::{Cluster, Context, ObjectId};
use flux_kube::apiserver::{ApiServer, Calls, Config, Credentials, Token};
use flux_kube::client::{KubeCluster, KubeconfigPolicy};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{apply, config_map, server, skipped};

fn tokens() -> Vec<Token> {
    vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }]
}

/// Replays scenarios against a new server; the report of what differs.
async fn replay(shared: &Path, scenarios: PathBuf, recorded: PathBuf) -> Value {
    let server = ApiServer::new(Config { tokens: tokens(), ..Config::default() });
    let serving = server.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (url, tool) = (serving.url(), shared.join("tools/apiserver_conformance.py"));
    let output = tokio::task::spawn_blocking(move || {
        Command::new("python3")
            .arg(tool)
            .args(["check", "--server", &url, "--token", "t", "--level", "strict", "--report", "json"])
            .arg("--scenarios")
            .arg(scenarios)
            .arg("--against")
            .arg(recorded)
            .output()
    });
    let output = output.await.unwrap().unwrap();
    serving.stop();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The steps that differ, as `scenario step`.
fn differing(report: &Value) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for scenario in report["scenarios"].as_array().unwrap() {
        let name = scenario["scenario"].as_str().unwrap();
        if let Some(error) = scenario["error"].as_str() {
            out.insert(format!("{name} {error}"));
        }
        for step in scenario["failed_steps"].as_array().into_iter().flatten() {
            out.insert(format!("{name} {}", step["id"].as_str().unwrap()));
        }
    }
    out
}

/// The recorded transcripts of a real server, step by step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_as_a_real_server_did() {
    let Some(shared) = crate::clients::shared("tools/apiserver_conformance.py") else { return };
    let of = |part: &str| shared.join("conformance/apiserver").join(part);
    let report = replay(&shared, of("scenarios"), of("recorded")).await;
    assert!(report["steps"].as_u64().unwrap() > 600, "{report:#}");
    assert_eq!(differing(&report), BTreeSet::new(), "{report:#}");
}

/// Our own scenarios, whose answers were recorded from a real server too: see the README beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_as_recorded() {
    let Some(shared) = crate::clients::shared("tools/apiserver_conformance.py") else { return };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/apiserver");
    let known = std::fs::read_to_string(data.join("known.txt")).unwrap();
    // Reasons are indented below the steps they are for.
    let known: BTreeSet<String> =
        known.lines().filter(|l| !l.is_empty() && !l.starts_with(' ')).map(str::to_owned).collect();
    let report = replay(&shared, data.join("scenarios"), data.join("recorded")).await;
    assert_eq!(differing(&report), known, "{report:#}");
}

/// Users by token and by certificate over HTTPS, and nobody else.
#[tokio::test]
async fn users_over_https() {
    let server = ApiServer::new(Config { tokens: tokens(), ..Config::default() });
    let serving = server.serve_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let namespace = ObjectId::new("", "Namespace", "", "default").at("v1");
    let masters = ["system:masters".to_owned()];
    let certificate = serving.client_certificate("root", &masters).unwrap();
    let jane = serving.client_certificate("jane", &[]).unwrap();
    assert!(!format!("{certificate:?}").contains("PRIVATE"));
    for (user, credentials, code) in [
        ("admin", Credentials::Token("t".into()), None),
        ("root", certificate, None),
        ("jane", jane, Some(403)),
        ("wrong", Credentials::Token("x".into()), Some(401)),
        ("nobody", Credentials::None, Some(403)),
    ] {
        let kubeconfig = serving.kubeconfig_for(user, &credentials);
        let cluster = KubeCluster::from_kubeconfig(&kubeconfig, None, &KubeconfigPolicy::default()).await.unwrap();
        let answer = cluster.get(&Context::background(), &namespace).await;
        assert_eq!(answer.as_ref().err().and_then(|e| e.code()), code, "{user}: {answer:?}");
    }
    assert_eq!(server.count(&Calls::all().user("jane").code(403)), 1);
    serving.stop();
}

async fn connect(server: &ApiServer) -> (flux_kube::apiserver::Serving, TcpStream) {
    let serving = server.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let stream = TcpStream::connect(serving.address()).await.unwrap();
    (serving, stream)
}

/// A body of a gigabyte is refused before it is read.
#[tokio::test]
async fn a_huge_body_is_refused() {
    let (_serving, mut stream) = connect(&server()).await;
    let head = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1073741824\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 15];
    tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer[9..12], b"413");
}

/// One that does not say how long it is, is cut off.
#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let (_serving, stream) = connect(&server()).await;
    let (mut read, mut write) = stream.into_split();
    let sent = tokio::spawn(async move {
        let head = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        write.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
        let mut sent = 0usize;
        while sent < 1 << 30 && write.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let mut answer = [0; 15];
    tokio::time::timeout(Duration::from_secs(30), read.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer[9..12], b"413");
    drop(read);
    let sent = tokio::time::timeout(Duration::from_secs(30), sent).await.unwrap().unwrap();
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

/// One that never ends is given up after a minute, here of virtual time.
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    use http_body_util::StreamBody;
    use tower::ServiceExt;
    let never = futures::stream::pending::<Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>>();
    let path = "/api/v1/namespaces/default/configmaps";
    let request = http::Request::post(path).header("content-type", "application/json").body(StreamBody::new(never));
    let began = tokio::time::Instant::now();
    let answer = server().oneshot(request.unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), began.elapsed()), (504, Duration::from_secs(60)));
}

/// A watch that is opened and never read holds up nobody, and costs no more than what fits into the connection.
#[tokio::test]
async fn a_watch_that_is_not_read() {
    let server = ApiServer::new(Config { history: 50, ..Config::default() });
    let (_serving, mut stream) = connect(&server).await;
    stream.write_all(b"GET /api/v1/configmaps?watch=true HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let large = "x".repeat(100_000);
    for i in 0..300 {
        apply(&server, &config_map("cm", &format!("{i}{large}"))).await;
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    let all = async {
        loop {
            let n = stream.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..n]);
            if n == 0 || seen.windows(9).any(|w| w == b"\"Expired\"") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    assert!(seen.len() < 30 * 1024 * 1024, "{} bytes of 30 MB were held for it", seen.len());
    assert!(seen.windows(9).any(|w| w == b"\"Expired\""), "what it missed is gone, and it is told");
}

/// The tools that need it can be missing.
#[tokio::test]
async fn curl_trusts_the_certificate() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("no curl");
    }
    let serving = server().serve_tls("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, serving.certificate_authority().unwrap()).unwrap();
    let url = format!("https://localhost:{}/version", serving.address().port());
    let curl = move || Command::new("curl").args(["-sSf", "--cacert"]).arg(&file).arg(&url).output().unwrap();
    let output = tokio::task::spawn_blocking(curl).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
