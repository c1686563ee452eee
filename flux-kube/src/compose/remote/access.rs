//! How to get into another cluster: a kubeconfig in a Secret, or a ConfigMap that says where it is and as whom.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::cluster::{Cluster, ClusterError, WriteOptions};
use flux_core::{Context, Object, ObjectId, Timestamp};
use serde_json::{Value, json};

/// How long a token is asked for: what Kubernetes gives when nobody says.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Where it is said how to get in.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// A Secret with a kubeconfig, under this key, or else under `value` or `value.yaml` (`spec.kubeConfig.secretRef`).
    Secret { name: String, key: Option<String> },
    /// A ConfigMap with an address, and a service account whose tokens the other cluster accepts
    /// (`spec.kubeConfig.configMapRef` with the provider `generic`).
    ConfigMap { name: String },
}

/// What is needed to get in.
pub(super) struct Entry {
    /// What it follows from: as long as that is the same, so is the way in.
    pub(super) basis: String,
    kubeconfig: Kubeconfig,
}

enum Kubeconfig {
    Whole(String),
    Token(Account),
}

/// A service account that the other cluster knows.
struct Account {
    address: String,
    authority: Option<String>,
    audiences: Vec<String>,
    name: String,
}

/// A kubeconfig, and for how long it lets anybody in.
pub(super) struct Opened {
    pub(super) kubeconfig: String,
    pub(super) lasts: Option<Duration>,
}

impl Access {
    /// The object that says it, as errors name it.
    pub(super) fn shown(&self, namespace: &str) -> String {
        match self {
            Self::Secret { name, .. } => format!("Secret/{namespace}/{name}"),
            Self::ConfigMap { name } => format!("ConfigMap/{namespace}/{name}"),
        }
    }

    fn invalid(&self, namespace: &str, problem: impl fmt::Display) -> ClusterError {
        ClusterError::Invalid(format!("kubeconfig of {}: {problem}", self.shown(namespace)))
    }

    /// Reads what is said now.
    pub(super) async fn read(&self, cx: &Context, local: &dyn Cluster, namespace: &str) -> Result<Entry, ClusterError> {
        let (kind, name) = match self {
            Self::Secret { name, .. } => ("Secret", name),
            Self::ConfigMap { name } => ("ConfigMap", name),
        };
        let reference = ObjectId::new("", kind, namespace, name.as_str()).at("v1");
        let invalid = |problem: String| self.invalid(namespace, problem);
        let object = local.get(cx, &reference).await?;
        let object = object.ok_or_else(|| invalid(format!("there is no such {kind}")))?;
        match self {
            Self::Secret { key, .. } => {
                let text = kubeconfig_in(&object, key.as_deref()).map_err(invalid)?;
                Ok(Entry { basis: text.clone(), kubeconfig: Kubeconfig::Whole(text) })
            }
            Self::ConfigMap { .. } => {
                let account = account_in(&object).map_err(invalid)?;
                let basis =
                    Value::Object(object.as_map().clone()).get("data").map(Value::to_string).unwrap_or_default();
                Ok(Entry { basis, kubeconfig: Kubeconfig::Token(account) })
            }
        }
    }

    /// What lets one in: for a service account, a new token.
    pub(super) async fn open(
        &self,
        cx: &Context,
        local: &dyn Cluster,
        namespace: &str,
        entry: Entry,
    ) -> Result<Opened, ClusterError> {
        let account = match entry.kubeconfig {
            Kubeconfig::Whole(kubeconfig) => return Ok(Opened { kubeconfig, lasts: None }),
            Kubeconfig::Token(account) => account,
        };
        let (token, until) = account.token(cx, local, namespace).await.map_err(|error| match error {
            ClusterError::Api(status) if status.code == 404 => {
                let problem = format!("there is no ServiceAccount/{namespace}/{}", account.name);
                self.invalid(namespace, problem)
            }
            other => other,
        })?;
        // A token that is about to end is none.
        let lasts = until.map_or(LIFETIME, |until| until.since(cx.now()));
        Ok(Opened { kubeconfig: account.kubeconfig(&token), lasts: Some(lasts.mul_f64(0.8)) })
    }
}

/// The kubeconfig in a Secret.
fn kubeconfig_in(secret: &Object, key: Option<&str>) -> Result<String, String> {
    let keys = match key {
        Some(key) => &[key][..],
        None => &["value", "value.yaml"],
    };
    let data = |key: &&str| secret.as_map().get("data")?.get(*key)?.as_str();
    let text = keys.iter().find_map(data).ok_or_else(|| format!("there is no entry {:?}", keys[0]))?;
    let text = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| "it is not text".to_owned())
}

/// The account that a ConfigMap describes.
fn account_in(map: &Object) -> Result<Account, String> {
    let entry = |key: &str| {
        let text = map.as_map().get("data").and_then(|data| data.get(key)).and_then(Value::as_str).unwrap_or_default();
        Some(text.trim()).filter(|text| !text.is_empty())
    };
    match entry("provider") {
        Some("generic") => {}
        Some(cloud @ ("aws" | "azure" | "gcp")) => {
            return Err(format!(
                "provider: {cloud} is not supported, as clusters of clouds are not looked up and their tokens not asked for; \
                 use the provider generic, or put a kubeconfig into a Secret and name it in secretRef"
            ));
        }
        Some(other) => return Err(format!("provider: {other:?} is none of generic, aws, azure and gcp")),
        None => return Err("provider: is missing; it must be generic".to_owned()),
    }
    // One that is none would leave it to chance whom to trust.
    if entry("ca.crt").is_some_and(|authority| !authority.contains("-----BEGIN CERTIFICATE-----")) {
        return Err("ca.crt: holds no certificate in PEM form".to_owned());
    }
    let address = entry("address").ok_or("address: is missing, where the cluster is")?.to_owned();
    let name = entry("serviceAccountName").ok_or(
        "serviceAccountName: is missing, whose tokens the cluster accepts; this program has no service account of its own",
    )?;
    let audiences: Vec<String> =
        entry("audiences").map(|list| list.split_whitespace().map(str::to_owned).collect()).unwrap_or_default();
    Ok(Account {
        audiences: if audiences.is_empty() { vec![address.clone()] } else { audiences },
        address,
        authority: entry("ca.crt").map(str::to_owned),
        name: name.to_owned(),
    })
}

impl Account {
    /// A new token, and until when it holds.
    async fn token(
        &self,
        cx: &Context,
        local: &dyn Cluster,
        namespace: &str,
    ) -> Result<(String, Option<Timestamp>), ClusterError> {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {"audiences": self.audiences, "expirationSeconds": LIFETIME.as_secs()}});
        let request = Object::from_value(request).map_err(|error| ClusterError::Invalid(error.to_string()))?;
        let options = WriteOptions { subresource: Some("token".to_owned()), ..WriteOptions::default() };
        let answer = local.create(cx, &request, &options).await?;
        let status = |key: &str| answer.as_map().get("status")?.get(key)?.as_str();
        let no_token = || ClusterError::Invalid("the answer to a TokenRequest has no token".to_owned());
        let token = status("token").ok_or_else(no_token)?.to_owned();
        Ok((token, status("expirationTimestamp").and_then(|until| until.parse().ok())))
    }

    fn kubeconfig(&self, token: &str) -> String {
        let mut cluster = json!({"server": self.address});
        if let Some(authority) = &self.authority {
            cluster["certificate-authority-data"] = STANDARD.encode(authority).into();
        }
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "remote",
            "contexts": [{"name": "remote", "context": {"cluster": "remote", "user": "remote"}}],
            "clusters": [{"name": "remote", "cluster": cluster}],
            "users": [{"name": "remote", "user": {"token": token}}]});
        kubeconfig.to_string()
    }
}
