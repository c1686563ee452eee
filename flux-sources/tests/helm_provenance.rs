//! Provenance files of charts, signed by the real gpg as `helm package --sign` signs them.
#![cfg(feature = "provenance")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flux_core::time::{Clock, Timestamp};
use flux_core::{Artifact, Class, Context, Digest, Source, SourceError};
use flux_sources::Secret;
use flux_sources::helm::{HelmChartSource, ProvenanceKeys};
use support::archive::layer;
use support::gpg::Gpg;
use support::{HttpServer, respond};

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
const CHART: &str = "apiVersion: v2\nname: app\nversion: 1.0.0\nmaintainers:\n- name: Ada\n";

/// A repository with one version of the chart `app`.
struct Repository {
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    server: HttpServer,
    archive: Vec<u8>,
}

impl Repository {
    fn new() -> Self {
        let files = Arc::new(Mutex::new(HashMap::<String, Vec<u8>>::new()));
        let shared = files.clone();
        let server = HttpServer::start(move |request, stream| match shared.lock().unwrap().get(&request.target) {
            Some(data) => respond(stream, "200 OK", &[], data),
            None => respond(stream, "404 Not Found", &[], b""),
        });
        let archive = layer(&[("app/Chart.yaml", CHART), ("app/templates/a.yaml", "a: 1\n")]);
        let repository = Self { files, server, archive };
        repository.put("/app-1.0.0.tgz", repository.archive.clone());
        repository.index("app-1.0.0.tgz");
        repository
    }

    fn put(&self, target: &str, data: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(target.to_owned(), data.into());
    }

    fn take(&self, target: &str) {
        self.files.lock().unwrap().remove(target).unwrap();
    }

    /// Where the index says the archive is. No digest is there, as whoever can change one could change the other.
    fn index(&self, url: &str) {
        let entry = format!("  app:\n  - name: app\n    version: 1.0.0\n    urls: [{url}]\n");
        self.put("/index.yaml", format!("apiVersion: v1\nentries:\n{entry}"));
    }

    /// What Helm signs about an archive of this name.
    fn text(&self, metadata: &str, file: &str) -> String {
        format!("{metadata}\n...\nfiles:\n  {file}: {}\n", Digest::sha256(&self.archive))
    }

    async fn get(&self, keys: &ProvenanceKeys) -> Result<Artifact, SourceError> {
        self.get_at(keys, &Context::background()).await
    }

    async fn get_at(&self, keys: &ProvenanceKeys, cx: &Context) -> Result<Artifact, SourceError> {
        let url = format!("http://{}", self.server.address);
        let source = HelmChartSource::builder(url, "app").verify(keys.clone()).build()?;
        let revision = source.resolve(cx).await?;
        source.fetch(cx, &revision).await
    }
}

fn keyring(text: impl AsRef<[u8]>) -> ProvenanceKeys {
    ProvenanceKeys::default().with_keyring(text.as_ref()).unwrap()
}

#[track_caller]
fn refused(outcome: Result<Artifact, SourceError>, problem: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, SourceError::Unverified { .. }), "{problem}: {error:?}");
    assert!(error.to_string().contains(problem), "{problem}: {error}");
    assert_eq!(error.class(), Class::Denied);
}

#[tokio::test]
async fn a_chart_with_its_provenance_is_fetched() {
    let Some(gpg) = Gpg::new() else { return };
    let repository = Repository::new();
    let ada = gpg.key("ada@example.com", "ed25519", "sign,cert", "0");
    let rsa = gpg.key("rsa@example.com", "rsa2048", "sign,cert", "0");
    let sub = gpg.key("sub@example.com", "ed25519", "cert", "0");
    gpg.run(&["--quick-add-key", &sub, "ed25519", "sign", "0"]);
    let text = repository.text(CHART, "app-1.0.0.tgz");
    for key in [&ada, &rsa, &sub] {
        let signed = gpg.clearsign(key, &text);
        assert!(signed.contains("\n- - name: Ada\n"), "a dash is escaped");
        for signed in [signed.replace('\n', "\r\n"), signed] {
            repository.put("/app-1.0.0.tgz.prov", signed);
            let all = gpg.export(&ada) + &gpg.export(&rsa) + &gpg.export(&sub);
            for keys in [keyring(gpg.export(key)), keyring(gpg.export_packets(key)), keyring(all)] {
                let artifact = repository.get(&keys).await.unwrap();
                assert!(artifact.tree.is_file("templates/a.yaml"));
                assert!(artifact.metadata["verified"].starts_with("OpenPGP key "), "{:?}", artifact.metadata);
            }
        }
    }
    // The file is named by the path of the URL, whatever else is in it; what is escaped there is not in the name.
    let signed = gpg.clearsign(&ada, &repository.text(CHART, "app-1.0.0+b.tgz"));
    repository.put("/d/app-1.0.0%2Bb.tgz?at=2", repository.archive.clone());
    repository.put("/d/app-1.0.0%2Bb.tgz.prov?at=2", signed);
    repository.index("'d/app-1.0.0%2Bb.tgz?at=2'");
    repository.get(&keyring(gpg.export(&ada))).await.unwrap();
}

#[tokio::test]
async fn h27_a_chart_that_no_trusted_key_vouches_for_is_refused() {
    let Some(gpg) = Gpg::new() else { return };
    let repository = Repository::new();
    let ada = gpg.key("ada@example.com", "ed25519", "sign,cert", "2y");
    let bob = gpg.key("bob@example.com", "ed25519", "sign,cert", "0");
    let text = repository.text(CHART, "app-1.0.0.tgz");
    let keys = keyring(gpg.export(&ada));
    refused(repository.get(&keys).await, "there is no provenance file `app-1.0.0.tgz.prov`");

    let signed = gpg.clearsign(&ada, &text);
    repository.put("/app-1.0.0.tgz.prov", signed.clone());
    repository.get(&keys).await.unwrap();
    refused(repository.get(&ProvenanceKeys::default()).await, "the keyring is empty");
    refused(repository.get(&keyring(gpg.export(&bob))).await, "no key of the keyring made the signature");
    let late = Context::background().with_clock(Clock::starting_at(Clock::system().now().plus(3 * YEAR)));
    refused(repository.get_at(&keys, &late).await, "expired");
    let early = Context::background().with_clock(Clock::starting_at(Timestamp::UNIX_EPOCH));
    refused(repository.get_at(&keys, &early).await, "not valid at this time");

    // The archive is another one, and so is one whose digest the index vouches for.
    let other = layer(&[("app/Chart.yaml", CHART), ("app/templates/a.yaml", "a: 2\n")]);
    repository.put("/app-1.0.0.tgz", other.clone());
    refused(repository.get(&keys).await, "is signed");
    repository.put("/app-1.0.0.tgz", repository.archive.clone());

    for (provenance, problem) in [
        (signed.replace("name: Ada", "name: Eve"), "no key of the keyring made the signature"),
        (
            signed.replace(&Digest::sha256(&repository.archive).to_string(), &Digest::sha256(&other).to_string()),
            "no key of the keyring made the signature",
        ),
        (signed.replace("\nversion: 1.0.0", "\nversion: 1.0.0\nx: y"), "no key of the keyring made the signature"),
        (text.clone(), "does not begin with a signed message"),
        (format!("{text}\n{signed}"), "does not begin with a signed message"),
        (format!("{signed}{text}"), "not one signature at its end"),
        (signed.replace("Hash: ", "Comment: "), "something else than digests"),
        (String::new(), "does not begin with a signed message"),
        // Signed well, and about something else.
        (gpg.clearsign(&ada, &repository.text(CHART, "other-1.0.0.tgz")), "for a file of name `app-1.0.0.tgz`"),
        (
            gpg.clearsign(&ada, &repository.text(&CHART.replace("1.0.0", "0.9.0"), "app-1.0.0.tgz")),
            "is for a chart of version `0.9.0` and not `1.0.0`",
        ),
        (
            gpg.clearsign(&ada, &repository.text(&CHART.replace("app", "api"), "app-1.0.0.tgz")),
            "is for a chart of name `api` and not `app`",
        ),
        (gpg.clearsign(&ada, CHART), "does not consist of two parts"),
        (gpg.clearsign(&bob, &text), "no key of the keyring made the signature"),
    ] {
        repository.put("/app-1.0.0.tgz.prov", provenance);
        refused(repository.get(&keys).await, problem);
    }
    let error = {
        repository.put("/app-1.0.0.tgz.prov", vec![b'a'; (1 << 20) + 1]);
        repository.get(&keys).await.unwrap_err()
    };
    assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");

    // An old release under the name of a new one: everything about it is signed.
    let old = CHART.replace("1.0.0", "0.9.0");
    repository.put("/app-0.9.0.tgz", repository.archive.clone());
    repository.put("/app-0.9.0.tgz.prov", gpg.clearsign(&ada, &repository.text(&old, "app-0.9.0.tgz")));
    repository.index("app-0.9.0.tgz");
    refused(repository.get(&keys).await, "is for a chart of version `0.9.0` and not `1.0.0`");
    repository.index("app-1.0.0.tgz");

    // A key that was good is revoked.
    repository.put("/app-1.0.0.tgz.prov", signed);
    repository.get(&keys).await.unwrap();
    let certificate = fs::read_to_string(Path::new(gpg.home()).join(format!("openpgp-revocs.d/{ada}.rev"))).unwrap();
    let file = Path::new(gpg.home()).join("revoke");
    fs::write(&file, certificate.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    gpg.run(&["--import", file.to_str().unwrap()]);
    refused(repository.get(&keyring(gpg.export(&ada))).await, "revoked");
    repository.take("/app-1.0.0.tgz.prov");
    refused(repository.get(&keys).await, "there is no provenance file");
}

/// Packages a chart and signs it with the program `helm`, where `FLUX_HELM` names one; verified by both, either way.
#[tokio::test]
async fn helm_agrees() {
    let Some(helm) = std::env::var_os("FLUX_HELM") else {
        println!("skipped: no FLUX_HELM");
        return;
    };
    let Some(gpg) = Gpg::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&helm);
        command.args(arguments).current_dir(dir.path());
        command.envs([("HELM_CACHE_HOME", path("cache")), ("HELM_CONFIG_HOME", path("config"))]);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for algorithm in ["ed25519", "rsa2048"] {
        let user = format!("{algorithm}@example.com");
        let key = gpg.key(&user, algorithm, "sign,cert", "0");
        fs::write(path("secret.gpg"), gpg.export_secret(&key)).unwrap();
        fs::write(path("public.gpg"), gpg.export_packets(&key)).unwrap();
        fs::create_dir_all(path("app/templates")).unwrap();
        fs::write(path("app/Chart.yaml"), CHART).unwrap();
        fs::write(path("app/templates/a.yaml"), "a: 1\n").unwrap();
        let (done, text) = run(&["package", "app", "--sign", "--key", &user, "--keyring", "secret.gpg"]);
        assert!(done, "{text}");
        let mut repository = Repository::new();
        let keys = keyring(gpg.export_packets(&key));
        let archive = fs::read(path("app-1.0.0.tgz")).unwrap();
        let provenance = fs::read_to_string(path("app-1.0.0.tgz.prov")).unwrap();
        repository.archive.clone_from(&archive);
        repository.put("/app-1.0.0.tgz", archive.clone());
        let ours = gpg.clearsign(&key, &repository.text(CHART, "app-1.0.0.tgz"));
        let of_another = gpg.clearsign(&key, &repository.text(CHART, "app-1.0.1.tgz"));
        let changed = provenance.replace("name: Ada", "name: Eve");
        assert_ne!(changed, provenance);
        for (provenance, archive, good) in [
            (&provenance, &archive[..], true),
            (&ours, &archive, true),
            (&of_another, &archive, false),
            (&changed, &archive, false),
            (&provenance, &layer(&[("app/Chart.yaml", CHART)]), false),
        ] {
            repository.put("/app-1.0.0.tgz", archive);
            repository.put("/app-1.0.0.tgz.prov", provenance.clone());
            fs::write(path("app-1.0.0.tgz"), archive).unwrap();
            fs::write(path("app-1.0.0.tgz.prov"), provenance).unwrap();
            let (verified, text) = run(&["verify", "app-1.0.0.tgz", "--keyring", "public.gpg"]);
            assert_eq!(verified, good, "{text}");
            assert_eq!(repository.get(&keys).await.is_ok(), good, "{text}");
        }
    }
}

/// A chart of version `1.0.0+b.1` in a registry, with these provenance files beside it.
#[cfg(feature = "oci")]
fn push(registry: &support::registry::Own, archive: &[u8], provenance: &[&str]) {
    use serde_json::json;
    let mut content = registry.content.lock().unwrap();
    let mut descriptor = |media_type: &str, data: &[u8]| {
        let digest = Digest::sha256(data).to_string();
        content.objects.insert(digest.clone(), data.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": data.len()})
    };
    let config = descriptor("application/vnd.cncf.helm.config.v1+json", b"{}");
    let mut layers = vec![descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", archive)];
    for file in provenance {
        layers.push(descriptor("application/vnd.cncf.helm.chart.provenance.v1.prov", file.as_bytes()));
    }
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string().into_bytes();
    let digest = Digest::sha256(&manifest).to_string();
    content.objects.insert(digest.clone(), manifest);
    content.tags.insert("1.0.0_b.1".into(), digest);
}

#[cfg(feature = "oci")]
#[tokio::test]
async fn h27_a_chart_in_a_registry_needs_its_provenance_too() {
    use flux_sources::oci::OciChartSource;
    let Some(gpg) = Gpg::new() else { return };
    let registry = support::registry::Own::start();
    let ada = gpg.key("ada@example.com", "ed25519", "sign,cert", "0");
    let bob = gpg.key("bob@example.com", "ed25519", "sign,cert", "0");
    let chart = CHART.replace("1.0.0", "1.0.0+b.1");
    let archive = layer(&[("app/Chart.yaml", &chart)]);
    let text = |file: &str| format!("{chart}\n...\nfiles:\n  {file}: {}\n", Digest::sha256(&archive));
    let get = async |keys: &ProvenanceKeys| {
        let url = format!("oci://{}/org", registry.server.address);
        let builder = OciChartSource::builder(url, "app").version("1.0.0+b.1").insecure(true);
        let source = builder.verify_provenance(keys.clone()).build()?;
        let cx = Context::background();
        let revision = source.resolve(&cx).await?;
        source.fetch(&cx, &revision).await
    };
    let keys = keyring(gpg.export(&ada));
    let signed = gpg.clearsign(&ada, &text("app-1.0.0+b.1.tgz"));
    push(&registry, &archive, &[&signed]);
    let artifact = get(&keys).await.unwrap();
    assert!(artifact.metadata["verified"].starts_with("OpenPGP key "), "{:?}", artifact.metadata);
    refused(get(&ProvenanceKeys::default()).await, "the keyring is empty");
    refused(get(&keyring(gpg.export(&bob))).await, "no key of the keyring made the signature");
    let other = gpg.clearsign(&ada, &text("other-1.0.0+b.1.tgz"));
    let by_bob = gpg.clearsign(&bob, &text("app-1.0.0+b.1.tgz"));
    for (provenance, problem) in [
        (&[][..], "no provenance file, or several"),
        (&[&*by_bob, &signed], "no provenance file, or several"),
        (&[&by_bob], "no key of the keyring made the signature"),
        (&[&other], "for a file of name `app-1.0.0+b.1.tgz`"),
        (&[""], "does not begin with a signed message"),
    ] {
        push(&registry, &archive, provenance);
        refused(get(&keys).await, problem);
    }
    push(&registry, &layer(&[("app/Chart.yaml", &chart), ("app/values.yaml", "a: 1")]), &[&signed]);
    refused(get(&keys).await, "is signed");
}

#[test]
fn keyrings_are_read_from_a_secret_and_hold_keys() {
    let read = |data: &[(&str, &[u8])]| {
        ProvenanceKeys::from_secret(&Secret::new("ns/keys", data.iter().copied())).unwrap_err().to_string()
    };
    for (value, problem) in [
        (&b""[..], "holds no OpenPGP key"),
        (b"hello", "holds no OpenPGP key"),
        (b"\xff\xff\xff", ""),
        (b"\0\0\0\x20KBXf", "holds no OpenPGP key"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n", ""),
    ] {
        let error = read(&[("a.asc", value)]);
        let start = ["Secret `ns/keys`: data.a.asc: ", "Secret `ns/keys`: data.*: "];
        assert!(start.iter().any(|start| error.starts_with(start)) && error.contains(problem), "{error}");
    }
    assert_eq!(read(&[]), "Secret `ns/keys`: data.*: is missing; no key would be trusted");
    let Some(gpg) = Gpg::new() else { return };
    let ada = gpg.key("ada@example.com", "ed25519", "sign,cert", "0");
    let secret = Secret::new("ns/keys", [("a.asc", gpg.export(&ada)), ("b.asc", gpg.export(&ada))]);
    assert_eq!(format!("{:?}", ProvenanceKeys::from_secret(&secret).unwrap()), "ProvenanceKeys { openpgp: 2 }");
}
