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
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use flux_kube::apiserver::{ApiServer, Config, Token};

    /// The recorded data, or nothing when it is not there and need not be.
    fn corpus() -> Option<PathBuf> {
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn answers_as_a_real_server_did() {
        let Some(shared) = corpus() else { return };
        let tokens = vec![Token { token: "t".into(), user: "admin".into(), groups: vec!["system:masters".into()] }];
        let server = ApiServer::new(Config { tokens, ..Config::default() });
        let serving = server.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = serving.url();
        let output = tokio::task::spawn_blocking(move || {
            Command::new("python3")
                .arg(shared.join("tools/apiserver_conformance.py"))
                .args(["check", "--server", &url, "--token", "t", "--level", "strict", "--against"])
                .arg(shared.join("conformance/apiserver/recorded"))
                .output()
        });
        let output = output.await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serving.stop();
        let line = text.lines().find(|l| l.starts_with("steps: ")).unwrap_or_else(|| panic!("{text}"));
        let numbers: Vec<usize> = line.split(' ').filter_map(|w| w.parse().ok()).collect();
        assert!(numbers[1] > 600 && numbers[0] == numbers[1], "{text}");
    }
}
