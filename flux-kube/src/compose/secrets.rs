//! Git repositories whose credentials, proxy or keys are in Secrets of the cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::object::ObjectId;
use flux_core::{Artifact, Cluster, Context, Digest, Revision, Source, SourceError};
use flux_sources::git::{GitSource, GitSourceBuilder, GithubApp, Keyring, SshIdentity, VerifyMode};
use flux_sources::{Credentials, Proxy, Secret, Tls};
use serde_json::Value;

use crate::api::{GitRepositorySpec, GitRepositoryVerification};

/// A Git repository and the Secrets it refers to, which are read anew whenever it is asked for something, as Flux reads
/// them: a changed Secret counts from the next look on.
pub(super) struct SecretSource {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    spec: GitRepositorySpec,
    builder: GitSourceBuilder,
    /// The source that was made last, and the digest of the Secrets it was made with.
    made: Mutex<Option<(Digest, GitSource)>>,
}

/// The Secrets of a repository, by what they are for.
#[derive(Default)]
struct Secrets {
    login: Option<Secret>,
    proxy: Option<Secret>,
    keyring: Option<Secret>,
}

impl SecretSource {
    /// Whether a repository refers to Secrets at all.
    pub(super) fn is_needed(spec: &GitRepositorySpec) -> bool {
        spec.secret_ref.is_some() || spec.proxy_secret_ref.is_some() || spec.verify.is_some()
    }

    /// `builder` holds everything that is not in a Secret.
    pub(super) fn new(
        cluster: Arc<dyn Cluster>,
        namespace: &str,
        spec: GitRepositorySpec,
        builder: GitSourceBuilder,
    ) -> Self {
        Self { cluster, namespace: namespace.to_owned(), spec, builder, made: Mutex::new(None) }
    }

    /// The source as the Secrets are now.
    async fn source(&self, cx: &Context) -> Result<GitSource, SourceError> {
        let mut seen = Vec::new();
        let spec = &self.spec;
        let mut secrets = Secrets::default();
        if let Some(reference) = &spec.secret_ref {
            secrets.login = Some(self.read(cx, &reference.name, &mut seen).await?);
        }
        if let Some(reference) = &spec.proxy_secret_ref {
            secrets.proxy = Some(self.read(cx, &reference.name, &mut seen).await?);
        }
        if let Some(verify) = &spec.verify {
            secrets.keyring = Some(self.read(cx, &verify.secret_ref.name, &mut seen).await?);
        }
        let digest = Digest::sha256(&seen);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, source)) = made.as_ref().filter(|(known, _)| *known == digest) {
            return Ok(source.clone());
        }
        let source = self.make(&secrets)?;
        *made = Some((digest, source.clone()));
        Ok(source)
    }

    /// A Secret; what is in it is added to `seen`.
    async fn read(&self, cx: &Context, name: &str, seen: &mut Vec<u8>) -> Result<Secret, SourceError> {
        let shown = format!("{}/{name}", self.namespace);
        let reference = ObjectId::new("", "Secret", self.namespace.as_str(), name).at("v1");
        let failed = |error: flux_core::ClusterError| SourceError::Other { class: error.class(), error: error.into() };
        let found = self.cluster.get(cx, &reference).await.map_err(failed)?;
        let found =
            found.ok_or_else(|| SourceError::NotFound { url: "cluster".into(), what: format!("Secret `{shown}`") })?;
        let mut data = BTreeMap::new();
        for (key, value) in found.as_map().get("data").and_then(Value::as_object).into_iter().flatten() {
            let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok());
            let decoded = decoded.ok_or_else(|| SourceError::Invalid {
                field: format!("Secret `{shown}`: data.{key}"),
                problem: "is not base64".into(),
            })?;
            seen.extend_from_slice(&(key.len() as u64).to_be_bytes());
            seen.extend_from_slice(key.as_bytes());
            seen.extend_from_slice(&(decoded.len() as u64).to_be_bytes());
            seen.extend_from_slice(&decoded);
            data.insert(key.clone(), decoded);
        }
        seen.push(0);
        Ok(Secret::new(shown, data))
    }

    fn make(&self, secrets: &Secrets) -> Result<GitSource, SourceError> {
        let mut builder = self.builder.clone();
        let proxy = secrets.proxy.as_ref().map(Proxy::from_secret).transpose()?;
        if let Some(secret) = &secrets.login {
            builder = log_in(builder, &self.spec, secret, proxy.as_ref())?;
        }
        if let Some(proxy) = proxy {
            builder = builder.proxy(proxy);
        }
        if let (Some(verify), Some(secret)) = (&self.spec.verify, &secrets.keyring) {
            let mode = mode_of(verify).map_err(|problem| invalid("spec.verify.mode", &problem))?;
            builder = builder.verify(mode, Keyring::from_secret(secret)?);
        }
        builder.build()
    }
}

/// Who we are to the server, by the provider and the Secret.
fn log_in(
    builder: GitSourceBuilder,
    spec: &GitRepositorySpec,
    secret: &Secret,
    proxy: Option<&Proxy>,
) -> Result<GitSourceBuilder, SourceError> {
    if spec.url.starts_with("ssh://") {
        return Ok(builder.ssh_identity(SshIdentity::from_secret(secret)?));
    }
    let builder = builder.tls(Tls::from_secret(secret)?);
    let is_github = spec.provider.as_deref() == Some("github");
    match (is_github, GithubApp::from_secret(secret, proxy)?) {
        (true, Some(app)) => Ok(builder.github_app(app)),
        (false, None) => Ok(builder.credentials(Credentials::from_secret(secret)?)),
        (true, None) => {
            Err(invalid("spec.secretRef", "the Secret holds no GitHub App, which the provider `github` needs"))
        }
        (false, Some(_)) => {
            Err(invalid("spec.provider", "the Secret is about a GitHub App, and the provider is not `github`"))
        }
    }
}

/// What has to be signed; `HEAD` when nothing is said.
pub(super) fn mode_of(verify: &GitRepositoryVerification) -> Result<VerifyMode, String> {
    match verify.mode.as_deref() {
        None | Some("" | "HEAD" | "head") => Ok(VerifyMode::Head),
        Some("Tag") => Ok(VerifyMode::Tag),
        Some("TagAndHEAD") => Ok(VerifyMode::TagAndHead),
        Some(other) => Err(format!("`{other}` is none of HEAD, Tag and TagAndHEAD")),
    }
}

fn invalid(field: &str, problem: &str) -> SourceError {
    SourceError::Invalid { field: field.to_owned(), problem: problem.to_owned() }
}

#[async_trait]
impl Source for SecretSource {
    async fn resolve(&self, cx: &Context) -> Result<Revision, SourceError> {
        self.source(cx).await?.resolve(cx).await
    }

    async fn fetch(&self, cx: &Context, revision: &Revision) -> Result<Artifact, SourceError> {
        self.source(cx).await?.fetch(cx, revision).await
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSource")
            .field("url", &self.spec.url)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "apiserver"))]
mod tests {
    use super::*;
    use crate::apiserver::ApiServer;
    use flux_core::cluster::WriteOptions;
    use flux_core::{Class, Object};

    async fn cluster_with(data: &[(&str, &str)]) -> Arc<dyn Cluster> {
        let cluster: Arc<dyn Cluster> = Arc::new(ApiServer::default());
        let data: serde_json::Map<String, Value> =
            data.iter().map(|(key, value)| ((*key).to_owned(), STANDARD.encode(value).into())).collect();
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}, "data": data,
        });
        let secret = Object::from_value(secret).unwrap();
        cluster.create(&Context::background(), &secret, &WriteOptions::default()).await.unwrap();
        cluster
    }

    async fn resolve(spec: Value, data: &[(&str, &str)]) -> SourceError {
        let cluster = cluster_with(data).await;
        let mut whole = serde_json::json!({"url": "http://127.0.0.1:1/app", "interval": "1m"});
        whole.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap());
        let spec: GitRepositorySpec = serde_json::from_value(whole).unwrap();
        let builder = GitSource::builder(&spec.url);
        let source = SecretSource::new(cluster, "default", spec, builder);
        assert!(!format!("{source:?}").contains("hunter2"));
        source.resolve(&Context::background()).await.unwrap_err()
    }

    #[tokio::test]
    async fn secrets_are_read_from_the_cluster_and_never_shown() {
        let reference = serde_json::json!({"name": "s"});
        let basic = [("username", "ada"), ("password", "hunter2")];
        let error = resolve(serde_json::json!({"secretRef": reference}), &basic).await;
        assert!(matches!(error, SourceError::Unreachable { .. }), "the Secret is fine: {error:?}");
        for (spec, data, said) in [
            (
                serde_json::json!({"secretRef": {"name": "other"}}),
                &basic[..],
                "cluster: Secret `default/other` not found",
            ),
            (serde_json::json!({"secretRef": reference}), &basic[1..], "Secret `default/s`: data.username: is missing"),
            (serde_json::json!({"secretRef": reference, "provider": "github"}), &basic, "holds no GitHub App"),
            (serde_json::json!({"secretRef": reference}), &[("githubAppID", "1")], "data.githubAppInstallationID"),
            (serde_json::json!({"secretRef": reference, "url": "ssh://h/app"}), &basic, "data.identity: is missing"),
            (serde_json::json!({"proxySecretRef": reference}), &basic, "data.address: is missing"),
            (serde_json::json!({"verify": {"secretRef": reference}}), &basic, "data.password: holds no OpenPGP key"),
        ] {
            let error = resolve(spec, data).await;
            assert!(error.to_string().contains(said), "{said}: {error}");
            assert!(!format!("{error:?}").contains("hunter2"));
            assert!(matches!(error.class(), Class::Terminal | Class::Transient));
        }
    }
}
