//! Sources whose credentials, certificates, proxies or keys are in Secrets of the cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::object::ObjectId;
use flux_core::{Artifact, Cluster, Context, Digest, Revision, Source, SourceError};
use flux_sources::Secret;
use serde_json::Value;

use crate::api::LocalObjectReference;

/// The Secret that says who we are.
pub(super) const LOGIN: &str = "login";
/// The Secret with certificates.
pub(super) const CERTIFICATE: &str = "certificate";
/// The Secret with the address of a proxy.
pub(super) const PROXY: &str = "proxy";
/// The Secret with the keys whose signatures count.
pub(super) const KEYS: &str = "keys";

/// The names of Secrets, by what they are for.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn with(mut self, role: &str, reference: Option<&LocalObjectReference>) -> Self {
        self.0.extend(reference.map(|reference| (role.to_owned(), reference.name.clone())));
        self
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Secrets, by what they are for.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    pub(super) fn get(&self, role: &str) -> Option<&Secret> {
        self.0.get(role)
    }
}

/// Makes a source with what is in its Secrets.
pub(super) type Make = Box<dyn Fn(&Secrets) -> Result<Arc<dyn Source>, SourceError> + Send + Sync>;

/// A source and the Secrets that it refers to, which are read anew whenever it is asked for something, as Flux reads
/// them: a changed Secret counts from the next look on.
pub(super) struct SecretSource {
    cluster: Arc<dyn Cluster>,
    namespace: String,
    /// What it is a source of.
    shown: String,
    names: Names,
    make: Make,
    /// The source that was made last, and the digest of the Secrets it was made with.
    made: Mutex<Option<(Digest, Arc<dyn Source>)>>,
}

impl SecretSource {
    pub(super) fn new(cluster: Arc<dyn Cluster>, namespace: &str, shown: &str, names: Names, make: Make) -> Self {
        Self { cluster, namespace: namespace.to_owned(), shown: shown.to_owned(), names, make, made: Mutex::new(None) }
    }

    /// The source as the Secrets are now.
    async fn source(&self, cx: &Context) -> Result<Arc<dyn Source>, SourceError> {
        let mut seen = Vec::new();
        let mut secrets = Secrets::default();
        for (role, name) in &self.names.0 {
            secrets.0.insert(role.clone(), self.read(cx, name, &mut seen).await?);
        }
        let digest = Digest::sha256(&seen);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, source)) = made.as_ref().filter(|(known, _)| *known == digest) {
            return Ok(source.clone());
        }
        let source = (self.make)(&secrets)?;
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
}

pub(super) fn invalid(field: &str, problem: &str) -> SourceError {
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
            .field("of", &self.shown)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "apiserver"))]
mod tests {
    use flux_sources::git::GitSource;

    use super::*;
    use crate::api::GitRepositorySpec;
    use crate::apiserver::ApiServer;
    use crate::compose::git;
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
        let (url, names) = (spec.url.clone(), git::secrets(&spec));
        let make: Make = Box::new(move |secrets| Ok(Arc::new(git::make(&spec, builder.clone(), secrets)?)));
        let source = SecretSource::new(cluster, "default", &url, names, make);
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
