//! The story: six things that GitOps is, each done for real and seen in the cluster.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use flux_core::cluster::{Patch, WriteOptions};
use flux_core::engine::{Engine, Unit};
use flux_core::reconcile::{KeyStatus, Phase};
use flux_core::{Cluster, Context, ObjectId, ObjectRef};
use flux_examples::repository::Repository;
use flux_examples::terminal::Terminal;
use flux_kube::apiserver::ApiServer;
use flux_kube::{api, compose::Composition};
use serde_json::json;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How long one step may take before the story ends with an error.
const PATIENCE: Duration = Duration::from_secs(30);

const FILES: [(&str, &str); 4] = [
    (
        "deploy/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: web
resources:
  - namespace.yaml
  - app.yaml
configMapGenerator:
  - name: settings
    literals: [GREETING=hello]
",
    ),
    ("deploy/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: web\n"),
    (
        "deploy/app.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: podinfo
spec:
  replicas: 2
  selector:
    matchLabels: {app: podinfo}
  template:
    metadata:
      labels: {app: podinfo}
    spec:
      containers:
        - name: podinfo
          image: ghcr.io/stefanprodan/podinfo:6.7.0
          envFrom:
            - configMapRef: {name: settings}
          ports:
            - containerPort: 9898
",
    ),
    (
        "deploy/service.yaml",
        "apiVersion: v1
kind: Service
metadata:
  name: podinfo
spec:
  selector: {app: podinfo}
  ports:
    - port: 80
      targetPort: 9898
",
    ),
];

/// Everything the story plays with.
struct Stage {
    terminal: Arc<Terminal>,
    repository: Repository,
    cluster: Arc<dyn Cluster>,
    engine: Engine,
    cx: Context,
}

pub(crate) async fn tell() -> Result {
    let folder = tempfile::tempdir()?;
    let stage = Stage::set(folder.path().join("my-app"))?;
    let runner = tokio::spawn({
        let (engine, cx) = (stage.engine.clone(), stage.cx.clone());
        async move { engine.run(&cx).await }
    });
    let told = stage.play().await;
    stage.cx.cancellation().cancel();
    runner.await??;
    told
}

impl Stage {
    fn set(path: std::path::PathBuf) -> Result<Self> {
        let terminal = Arc::new(Terminal::default());
        terminal.heading("A Git repository and a cluster in memory");
        let repository = Repository::create(path)?;
        for (path, content) in FILES {
            repository.write(path, content)?;
        }
        repository.replace("deploy/kustomization.yaml", "  - app.yaml\n", "  - app.yaml\n  - service.yaml\n")?;
        let documents = super::documents("my-app", &repository.url(), "main", "./deploy");
        repository.write("flux.yaml", &documents)?;
        repository.commit("Deploy podinfo 6.7.0")?;
        terminal.note("flux.yaml describes the pipeline; deploy/ is what should be in the cluster:");
        documents.lines().for_each(|line| terminal.line(line));

        let cluster: Arc<dyn Cluster> = Arc::new(ApiServer::default());
        let engine = Engine::in_memory();
        Composition::new(&api::read("flux.yaml", documents.as_bytes())?, &cluster)?.add_to(&engine);
        let cx = Context::background().with_events(terminal.clone()).with_audit(terminal.clone());
        Ok(Self { terminal, repository, cluster, engine, cx })
    }

    async fn play(&self) -> Result {
        self.terminal.heading("1. The first commit is applied");
        self.ready().await?;

        self.terminal.heading("2. A commit changes the image");
        self.repository.replace("deploy/app.yaml", "podinfo:6.7.0", "podinfo:6.8.0")?;
        self.push("Update podinfo to 6.8.0").await?;
        self.ready().await?;

        self.terminal.heading("3. Somebody scales by hand, and it is repaired");
        self.scale_by_hand(7).await?;
        self.terminal.note(&format!("by hand: {} replicas", self.replicas().await?));
        self.run_pipeline().await?;
        self.terminal.note(&format!("again as Git has it: {} replicas", self.replicas().await?));

        self.terminal.heading("4. A commit deletes a manifest, and the object goes");
        self.repository.delete("deploy/service.yaml")?;
        self.repository.replace("deploy/kustomization.yaml", "  - service.yaml\n", "")?;
        self.push("Remove the service").await?;
        self.ready().await?;

        self.terminal.heading("5. A bad commit is refused, and the last good state stays");
        self.repository.replace("deploy/app.yaml", "  replicas: 2", "  replicas: 2\n\tpaused: true")?;
        self.push("Pause the deployment, with a tab in it").await?;
        self.settled(Phase::Stalled).await?;
        self.terminal.note(&format!("in the cluster: {} replicas, as before", self.replicas().await?));

        self.terminal.heading("6. It is mended, and a run with nothing to do writes nothing");
        self.repository.replace("deploy/app.yaml", "\tpaused: true", "  paused: true")?;
        self.push("Mend it").await?;
        self.ready().await?;
        self.run_pipeline().await?;
        self.terminal.note("unchanged: no write, no event");

        let state = self.engine.state(&self.pipeline()?).await?.unwrap_or_default();
        self.terminal.heading("The cluster now holds, owned by Kustomization/default/my-app");
        state.inventory.iter().for_each(|object| self.terminal.line(&object.to_string()));
        Ok(())
    }

    /// Commits, and calls the source as a webhook would.
    async fn push(&self, message: &str) -> Result {
        self.repository.commit(message)?;
        let before = self.revision();
        self.engine.handle().trigger(Unit::new("GitRepository", "default", "my-app"));
        self.until(|| async { Ok(self.revision() != before) }).await
    }

    fn revision(&self) -> Option<String> {
        let artifact = self.engine.artifact(&Unit::new("GitRepository", "default", "my-app"))?;
        Some(artifact.revision.to_string())
    }

    /// Waits until the pipeline has applied what the source has.
    async fn ready(&self) -> Result {
        self.until(|| async {
            let state = self.engine.state(&self.pipeline()?).await?.unwrap_or_default();
            let applied = state.last_applied_revision.map(|revision| revision.to_string());
            Ok(applied.is_some() && applied == self.revision())
        })
        .await?;
        self.settled(Phase::Ready).await
    }

    async fn settled(&self, phase: Phase) -> Result {
        self.until(|| async { Ok(self.status().await?.phase == phase) }).await
    }

    /// Runs the pipeline as its interval would.
    async fn run_pipeline(&self) -> Result {
        let runs = self.status().await?.runs;
        self.engine.handle().trigger(self.pipeline()?);
        self.until(|| async { Ok(self.status().await?.runs > runs) }).await
    }

    async fn status(&self) -> Result<KeyStatus<Unit>> {
        Ok(self.engine.handle().status(self.pipeline()?).await?.ok_or("the pipeline is gone")?)
    }

    fn pipeline(&self) -> Result<Unit> {
        Ok(Unit::new("Kustomization", "default", "my-app"))
    }

    /// Looks again and again until something is so.
    async fn until<F: Future<Output = Result<bool>>>(&self, look: impl Fn() -> F) -> Result {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !look().await? {
            if tokio::time::Instant::now() > deadline {
                return Err(format!("waited {PATIENCE:?} in vain: {:?}", self.status().await?).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn deployment() -> ObjectRef {
        ObjectId::new("apps", "Deployment", "web", "podinfo").at("v1")
    }

    async fn scale_by_hand(&self, replicas: u32) -> Result {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let options = WriteOptions { field_manager: "kubectl-edit".into(), ..WriteOptions::default() };
        self.cluster.patch(&self.cx, &Self::deployment(), &patch, &options).await?;
        Ok(())
    }

    async fn replicas(&self) -> Result<u64> {
        let live = self.cluster.get(&self.cx, &Self::deployment()).await?.ok_or("the deployment is gone")?;
        Ok(live.pointer("/spec/replicas").and_then(serde_json::Value::as_u64).ok_or("no replicas")?)
    }
}
