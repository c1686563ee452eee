//! One secret in every input, and in no output.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flux_core::reconcile::Phase;
use flux_kube::compose::Policy;

use crate::stage::{Stage, kustomization};

const CANARY: &str = "canary-7f3a";
const ENCODED: &str = "Y2FuYXJ5LTdmM2";

/// What is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flux-appliers/tests/data/sops");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn silent(what: &str, text: &str) {
    for secret in [CANARY, ENCODED, "hunter2-canary", "aHVudGVyMi1jYW5hcn", "AGE-SECRET-KEY"] {
        assert!(!text.contains(secret), "{what}: {secret} is in {text}");
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Everything that anybody gets to see.
async fn outputs(stage: &Stage, names: &[&str]) {
    for event in stage.events.all() {
        silent("event", &format!("{event:?} {}", serde_json::to_string(&event).unwrap()));
    }
    silent(
        "journal",
        &format!("{:?} {}", stage.journal.lines(), serde_json::to_string(&stage.journal.lines()).unwrap()),
    );
    silent("statuses", &format!("{:?}", stage.engine.handle().statuses().await));
    silent("engine", &format!("{stage:?}"));
    for name in names {
        let state = stage.engine.state(&kustomization(name)).await.unwrap();
        silent("state", &format!("{state:?} {}", serde_json::to_string(&state).unwrap()));
        match stage.engine.plan(&stage.cx, &kustomization(name)).await {
            Ok(plan) => silent("plan", &format!("{plan} {plan:?} {}", serde_json::to_string(&plan).unwrap())),
            Err(error) => silent("plan error", &format!("{error} {error:?}")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h39_h40_a_secret_in_every_input_shows_in_no_output() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    // For every thread, those that build among them.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: plain, namespace: default}}\nstringData: {{p: {CANARY}-1, c: '${{password}}'}}\n"
    );
    let generator = "resources: [plain.yaml, sealed.yaml]\nsecretGenerator:\n- name: made\n  namespace: default\n  files: [app.ini]\n  literals: [k=canary-7f3a-2]\n";
    let sealed = data("enc/regex.yaml").replace("namespace: apps", "namespace: default");
    // The namespace is not encrypted and part of what is authenticated: the file is refused, and says no more than that.
    let files = [
        ("deploy/kustomization.yaml", generator),
        ("deploy/plain.yaml", secret.as_str()),
        ("deploy/sealed.yaml", &sealed),
        ("deploy/app.ini", &data("enc/app.ini")),
    ];
    let stage = Stage::new(&files);
    let keys = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: keys, namespace: default}}\nstringData:\n  one.agekey: |\n{}",
        indented(&data("one.agekey"))
    );
    stage.create(&keys).await;
    stage.create(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: values, namespace: default}}, stringData: {{password: '{CANARY}-3'}}}}")).await;
    stage.create("{apiVersion: v1, kind: Namespace, metadata: {name: apps}}").await;
    let spec = "\
decryption: {provider: sops, secretRef: {name: keys}}
postBuild: {substituteFrom: [{kind: Secret, name: values}], substitute: {inline: canary-7f3a-4}}
";
    stage.start(&[("app", spec)]);
    let error = stage.failed("app").await;
    assert!(error.contains("deploy/sealed.yaml") && error.contains("authentication code"), "{error}");
    outputs(&stage, &["app"]).await;

    // Mended, it is applied, changed, and drifts.
    stage.repository.write("deploy/sealed.yaml", &data("enc/regex.yaml")).unwrap();
    stage.repository.commit("Mend").unwrap();
    stage.settled("app", Phase::Ready).await;
    let made = stage.get("v1", "Secret", "apps", "database").await.unwrap();
    assert!(serde_json::to_string(&made).unwrap().contains("aHVudGVyMi1jYW5hcn"), "it is what is applied");
    outputs(&stage, &["app"]).await;
    stage.repository.replace("deploy/plain.yaml", "canary-7f3a-1", "canary-7f3a-5").unwrap();
    stage.commit("app").await;
    outputs(&stage, &["app"]).await;

    // Every way to fail: broken YAML, a variable that breaks it, values that are no base64, names that are none.
    for (path, text) in [
        ("deploy/plain.yaml", format!("apiVersion: v1\nkind: Secret\nstringData: {{p: {CANARY}\n\t: [\n")),
        ("deploy/plain.yaml", secret.replace("'${password}'", &format!("'${{password^}} ${{undefined}} {CANARY}'"))),
        ("deploy/plain.yaml", secret.replace("stringData", "data")),
        ("deploy/plain.yaml", secret.replace("name: plain", "name: Not A Name")),
        ("deploy/plain.yaml", secret.replace("{p: canary", "{'no key !': canary")),
        ("deploy/app.ini", data("enc/app.ini").replace("[database]", "[moved]")),
        ("deploy/sealed.yaml", data("enc/regex.yaml").replace("mac: ENC", &format!("mac: {CANARY}ENC"))),
        ("deploy/kustomization.yaml", generator.replace("k=canary", "canary")),
    ] {
        let before = std::fs::read_to_string(stage.repository.path().join(path)).unwrap();
        stage.repository.write(path, &text).unwrap();
        stage.repository.commit("Break").unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        stage.failed("app").await;
        outputs(&stage, &["app"]).await;
        stage.repository.write(path, &before).unwrap();
        stage.repository.commit("Mend").unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        stage.settled("app", Phase::Ready).await;
    }
    let composed = stage.compose(&[("other", spec)], &Policy::default()).unwrap();
    let shown = format!("{composed:?}");
    // What a document says itself is no secret of the library's, but is not shown either.
    silent("composition", &shown);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("reconcile"), "something is logged");
    silent("log", &logged);
}

#[tokio::test(start_paused = true)]
async fn h41_what_is_decrypted_is_not_on_disk() {
    let stage = Stage::new(&[("deploy/sealed.yaml", &data("enc/regex.yaml"))]);
    let keys = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: keys, namespace: default}}\nstringData:\n  one.agekey: |\n{}",
        indented(&data("one.agekey"))
    );
    stage.create(&keys).await;
    stage.create("{apiVersion: v1, kind: Namespace, metadata: {name: apps}}").await;
    let store = flux_core::store::FileStateStore::open(stage.folder.path().join("state")).unwrap();
    let engine = flux_core::Engine::new(Arc::new(store), Default::default());
    let spec = "decryption: {provider: sops, secretRef: {name: keys}}";
    stage.compose(&[("app", spec)], &Policy::default()).unwrap().add_to(&engine);
    let running = tokio::spawn({
        let (engine, cx) = (engine.clone(), stage.cx.clone());
        async move { engine.run(&cx).await }
    });
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if stage.get("v1", "Secret", "apps", "database").await.is_some() {
            break;
        }
    }
    assert!(stage.get("v1", "Secret", "apps", "database").await.is_some());
    running.abort();
    let mut todo = vec![stage.folder.path().to_owned()];
    let mut files = 0;
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            silent(&path.display().to_string(), &String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
    assert!(files > 5, "{files} files were looked at");
}
