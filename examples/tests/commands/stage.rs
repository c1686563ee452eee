//! A cluster that is served, a repository, and the commands.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use flux_core::cluster::{Patch, WriteOptions};
use flux_core::{Cluster, Context, Object, ObjectId};
use flux_examples::repository::Repository;
use flux_kube::client::{KubeCluster, KubeconfigPolicy};
use serde_json::Value;
use tempfile::TempDir;

/// What must never be shown.
pub(crate) const CANARY: &str = "canary-5e1d";
const ENCODED: &str = "Y2FuYXJ5LTVlMW";

pub(crate) const APP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: default
data:
  colour: blue
---
apiVersion: v1
kind: Secret
metadata:
  name: password
  namespace: default
stringData:
  password: canary-5e1d-1
  derived: ${password}
";

/// Everything around one test.
pub(crate) struct Stage {
    folder: TempDir,
    server: Child,
    pub(crate) repository: Repository,
    token: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It ended so and printed all of this.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(
                self.out.contains(part) || self.err.contains(part),
                "{part:?} is not in {}\n{}",
                self.out,
                self.err
            );
        }
        self
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It is our own, and may be over already.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Stage {
    /// A server, a repository with [`APP`], and the documents for it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let mut server = Command::new(env!("CARGO_BIN_EXE_fluxrs"))
            .args(["apiserver", "--rbac", "--kubeconfig-out"])
            .arg(&kubeconfig)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("serving http://"), "{line}");
        let text = std::fs::read_to_string(&kubeconfig).unwrap();
        let token =
            text.split("token:").nth(1).unwrap().split_whitespace().next().unwrap().trim_matches('"').to_owned();
        assert!(token.len() > 20, "a token that nobody guesses");
        let repository = Repository::create(folder.path().join("repository")).unwrap();
        repository.write("deploy/app.yaml", APP).unwrap();
        repository.commit("First").unwrap();
        let stage = Self { folder, server, repository, token };
        stage.documents("");
        stage.create(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: values, namespace: default}}, stringData: {{password: {CANARY}-2}}}}"
        ));
        stage
    }

    /// Writes the documents, with this more in the spec of the Kustomization.
    pub(crate) fn documents(&self, spec: &str) {
        let url = self.repository.url();
        let documents = format!(
            "\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: app}}
spec:
  interval: 1m
  url: {url}
  ref: {{branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: app}}
spec:
  interval: 5m
  sourceRef: {{kind: GitRepository, name: app}}
  path: ./deploy
  prune: true
  postBuild: {{substituteFrom: [{{kind: Secret, name: values}}], substitute: {{inline: {CANARY}-3}}}}
{spec}"
        );
        std::fs::write(self.path("flux.yaml"), documents).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command with the documents, the cluster and the state, then these arguments. Nothing it prints, logs at
    /// every level or keeps holds a secret.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Ended {
        let flux = self.path("flux.yaml").display().to_string();
        let (kubeconfig, state) =
            (self.path("kubeconfig").display().to_string(), self.path("state").display().to_string());
        let all = [&["-f", &flux, "--kubeconfig", &kubeconfig, "--state", &state], arguments].concat();
        self.bare(command, &all)
    }

    /// Runs a command with these arguments only.
    pub(crate) fn bare(&self, command: &str, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_fluxrs"))
            .arg(command)
            .args(arguments)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            // What is logged is looked through, then left out.
            err: text(&output.stderr),
        };
        let what = format!("fluxrs {command} {arguments:?}");
        self.silent(&what, &ended.out);
        self.silent(&what, &ended.err);
        for kept in ["journal", "plan.json"] {
            if let Ok(kept) = std::fs::read_to_string(self.path(kept)) {
                self.silent(&format!("{what}: what it keeps"), &kept);
            }
        }
        ended
    }

    /// No secret is in this text.
    #[track_caller]
    pub(crate) fn silent(&self, what: &str, text: &str) {
        for secret in [CANARY, ENCODED, &self.token] {
            if let Some(at) = text.find(secret) {
                let near: String = text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{what}: {secret} comes after {near}");
            }
        }
    }

    fn block_on<T>(&self, work: impl AsyncFnOnce(&KubeCluster, &Context) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let kubeconfig = self.path("kubeconfig");
            let policy = KubeconfigPolicy::trusted();
            let cluster = KubeCluster::from_kubeconfig_file(&kubeconfig, None, &policy).await.unwrap();
            work(&cluster, &Context::background()).await
        })
    }

    /// Makes an object as a person would.
    pub(crate) fn create(&self, yaml: &str) {
        let object = Object::from_value(serde_yaml::from_str(yaml).unwrap()).unwrap();
        self.block_on(async |cluster, cx| cluster.create(cx, &object, &person()).await.unwrap());
    }

    /// Changes a config map as a person would.
    pub(crate) fn patch(&self, name: &str, patch: Value) {
        let object = ObjectId::new("", "ConfigMap", "default", name).at("v1");
        self.block_on(async |cluster, cx| cluster.patch(cx, &object, &Patch::Merge(patch), &person()).await.unwrap());
    }

    /// A value of the config map; none if there is none.
    pub(crate) fn value(&self, name: &str, key: &str) -> Option<String> {
        let object = ObjectId::new("", "ConfigMap", "default", name).at("v1");
        let live = self.block_on(async |cluster, cx| cluster.get(cx, &object).await.unwrap())?;
        Some(live.pointer(&format!("/data/{key}"))?.as_str()?.to_owned())
    }

    /// The same file with a colour that is another, committed.
    pub(crate) fn recolour(&self, from: &str, to: &str) {
        self.repository.replace("deploy/app.yaml", from, to).unwrap();
        self.repository.commit("Something else instead").unwrap();
    }

    /// A file below the folder, as text.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

fn person() -> WriteOptions {
    WriteOptions { field_manager: "kubectl-edit".into(), ..WriteOptions::default() }
}
