//! Clusters whose kubeconfig is in a Secret.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use flux_core::cluster::{
    ApplyOptions, Cluster, ClusterError, DeleteOptions, Identity, ListOptions, ObjectList, Patch, Resource,
    WatchOptions, WatchStream, WriteOptions,
};
use flux_core::digest::Digest;
use flux_core::{Context, Gvk, Object, ObjectId, ObjectRef};
use tokio::time::Instant;

use crate::client::{KubeCluster, KubeconfigError, KubeconfigPolicy};

/// How long a kubeconfig is taken to be what it was.
const FRESH: Duration = Duration::from_secs(30);

/// The cluster of a kubeconfig in a Secret (`spec.kubeConfig.secretRef`). The Secret is read again when the kubeconfig is
/// no longer fresh or the cluster no longer lets it in: a new one takes effect without a restart.
pub(super) struct RemoteCluster {
    /// Where the Secret is.
    pub(super) local: Arc<dyn Cluster>,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The entry; `value`, or else `value.yaml`, when none.
    pub(super) key: Option<String>,
    pub(super) policy: KubeconfigPolicy,
    /// Whom to act as there.
    pub(super) identity: Option<Identity>,
    pub(super) connected: Arc<Mutex<Option<Connected>>>,
}

pub(super) struct Connected {
    digest: Digest,
    read: Instant,
    cluster: KubeCluster,
}

impl RemoteCluster {
    fn invalid(&self, problem: impl fmt::Display) -> ClusterError {
        ClusterError::Invalid(format!("kubeconfig of Secret/{}/{}: {problem}", self.namespace, self.name))
    }

    async fn cluster(&self, cx: &Context) -> Result<Arc<dyn Cluster>, ClusterError> {
        let known =
            self.lock().as_ref().filter(|known| known.read.elapsed() < FRESH).map(|known| known.cluster.clone());
        let cluster = match known {
            Some(cluster) => cluster,
            None => self.connect(cx).await?,
        };
        match &self.identity {
            Some(identity) => cluster.impersonate(identity),
            None => Ok(Arc::new(cluster)),
        }
    }

    async fn connect(&self, cx: &Context) -> Result<KubeCluster, ClusterError> {
        let text = self.read(cx).await?;
        let digest = Digest::sha256(text.as_bytes());
        let same = self.lock().as_ref().filter(|known| known.digest == digest).map(|known| known.cluster.clone());
        let cluster = match same {
            Some(cluster) => cluster,
            None => KubeCluster::from_kubeconfig(&text, None, &self.policy).await.map_err(|error| match error {
                // What the parser says quotes what it read.
                KubeconfigError::Invalid(_) => self.invalid("it cannot be read"),
                other => self.invalid(other),
            })?,
        };
        *self.lock() = Some(Connected { digest, read: Instant::now(), cluster: cluster.clone() });
        Ok(cluster)
    }

    async fn read(&self, cx: &Context) -> Result<String, ClusterError> {
        let reference = ObjectId::new("", "Secret", &*self.namespace, &*self.name).at("v1");
        let secret = self.local.get(cx, &reference).await?;
        let secret = secret.ok_or_else(|| self.invalid("there is no such Secret"))?;
        let keys: &[&str] = match &self.key {
            Some(key) => &[key.as_str()],
            None => &["value", "value.yaml"],
        };
        let data = |key: &&str| secret.as_map().get("data")?.get(*key)?.as_str();
        let text =
            keys.iter().find_map(data).ok_or_else(|| self.invalid(format!("there is no entry {:?}", keys[0])))?;
        let text = base64::engine::general_purpose::STANDARD.decode(text).ok().and_then(|b| String::from_utf8(b).ok());
        text.ok_or_else(|| self.invalid("it is not text"))
    }

    /// Where the cluster does not know the credentials, new ones may be there already.
    fn look<T>(&self, answer: Result<T, ClusterError>) -> Result<T, ClusterError> {
        if answer.as_ref().err().and_then(ClusterError::code) == Some(401)
            && let Some(known) = &mut *self.lock()
            && let Some(stale) = Instant::now().checked_sub(FRESH)
        {
            known.read = stale;
        }
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connected>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RemoteCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCluster")
            .field("secret", &format_args!("{}/{}", self.namespace, self.name))
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl Cluster for RemoteCluster {
            $(async fn $name(&self, cx: &Context, $($arg: $ty),*) -> Result<$out, ClusterError> {
                self.look(self.cluster(cx).await?.$name(cx, $($arg),*).await)
            })*

            fn impersonate(&self, identity: &Identity) -> Result<Arc<dyn Cluster>, ClusterError> {
                if identity.user.is_empty() {
                    return Err(ClusterError::Invalid("an identity needs a user name".to_owned()));
                }
                Ok(Arc::new(Self {
                    local: self.local.clone(),
                    namespace: self.namespace.clone(),
                    name: self.name.clone(),
                    key: self.key.clone(),
                    policy: self.policy,
                    identity: Some(identity.clone()),
                    connected: self.connected.clone(),
                }))
            }
        }
    };
}

forward! {
    resource(gvk: &Gvk) -> Resource;
    get(object: &ObjectRef) -> Option<Object>;
    list(gvk: &Gvk, options: &ListOptions) -> ObjectList;
    watch(gvk: &Gvk, options: &WatchOptions) -> WatchStream;
    apply(object: &Object, options: &ApplyOptions) -> Object;
    create(object: &Object, options: &WriteOptions) -> Object;
    update(object: &Object, options: &WriteOptions) -> Object;
    patch(object: &ObjectRef, patch: &Patch, options: &WriteOptions) -> Object;
    delete(object: &ObjectRef, options: &DeleteOptions) -> bool;
}
