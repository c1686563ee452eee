//! The embedded API server against the contract of clusters, and against what a real server answered.
#![cfg(feature = "apiserver")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use flux_kube::apiserver::{ApiServer, Config};

#[tokio::test(start_paused = true)]
async fn keeps_the_contract_of_clusters() {
    support::contract(Arc::new(ApiServer::new(Config::default()))).await;
}

/// Two servers with the same seed and epoch that are told the same are the same to the last byte.
#[tokio::test(start_paused = true)]
async fn is_deterministic() {
    use flux_core::cluster::{Cluster, ListOptions};
    use flux_core::{Context, Gvk};
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let epoch = "2026-01-01T00:00:00Z".parse().ok();
        let server = ApiServer::new(Config { epoch, seed: 11, ..Config::default() });
        support::contract(Arc::new(server.clone())).await;
        let all = ListOptions::default();
        let listed = server.list(&Context::background(), &Gvk::new("", "v1", "ConfigMap"), &all).await.unwrap();
        outcomes.push(serde_json::to_string(&listed.items).unwrap());
    }
    assert!(outcomes[0].contains("2026-01-01T00:00"));
    assert_eq!(outcomes[0], outcomes[1]);
}

#[cfg(feature = "serve")]
mod served {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use flux_kube::apiserver::{ApiServer, Config, Token};

    /// The conformance kit, or nothing when it is not there and need not be.
    fn kit() -> Option<PathBuf> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
        let shared = std::env::var("FLUX_SHARED").unwrap_or_else(|_| beside.to_owned());
        let path = Path::new(&shared).join("conformance/apiserver/recorded");
        if path.is_dir() && Path::new(&shared).join("tools/apiserver_conformance.py").is_file() {
            return Some(PathBuf::from(shared));
        }
        assert!(std::env::var("FLUX_REQUIRE_CORPUS").as_deref() != Ok("1"), "no corpus at {}", path.display());
        #[allow(clippy::print_stderr)] // why a test did nothing
        {
            eprintln!("skipped: no corpus");
        }
        None
    }

    /// Replays scenarios against a new server; the report of what differs.
    async fn replay(kit: &Path, scenarios: PathBuf, recorded: PathBuf) -> serde_json::Value {
        let tokens = vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }];
        let server = ApiServer::new(Config { tokens, ..Config::default() });
        let serving = server.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (url, tool) = (serving.url(), kit.join("tools/apiserver_conformance.py"));
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
    fn differing(report: &serde_json::Value) -> BTreeSet<String> {
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn answers_as_a_real_server_did() {
        let Some(kit) = kit() else { return };
        let of = |part: &str| kit.join("conformance/apiserver").join(part);
        let report = replay(&kit, of("scenarios"), of("recorded")).await;
        assert!(report["steps"].as_u64().unwrap() > 600, "{report:#}");
        assert_eq!(differing(&report), BTreeSet::new(), "{report:#}");
    }

    /// Our own scenarios, whose answers were recorded from a real server too: see the README beside them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn answers_as_recorded() {
        let Some(kit) = kit() else { return };
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/apiserver");
        let known = std::fs::read_to_string(data.join("known.txt")).unwrap();
        // Reasons are indented below the steps they are for.
        let known: BTreeSet<String> =
            known.lines().filter(|l| !l.is_empty() && !l.starts_with(' ')).map(str::to_owned).collect();
        let report = replay(&kit, data.join("scenarios"), data.join("recorded")).await;
        assert_eq!(differing(&report), known, "{report:#}");
    }
}
