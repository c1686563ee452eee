//! Clusters that a kubeconfig leads to.

mod access;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flux_core::cluster::{
    ApplyOptions, Cluster, ClusterError, DeleteOptions, Identity, ListOptions, ObjectList, Patch, Resource,
    WatchOptions, WatchStream, WriteOptions,
};
use flux_core::digest::Digest;
use flux_core::{Context, Gvk, Object, ObjectRef};
use tokio::time::Instant;

use crate::client::{KubeCluster, KubeconfigError, KubeconfigPolicy};
pub(super) use access::Access;

/// How long a kubeconfig is taken to be what it was.
const FRESH: Duration = Duration::from_secs(30);

/// The cluster that a Secret or a ConfigMap leads to (`spec.kubeConfig`). That is read again when it is no longer fresh or
/// the cluster no longer lets anybody in: a new one takes effect without a restart. A token of a service account is asked
/// for anew before it ends.
pub(super) struct RemoteCluster {
    /// Where the Secret or ConfigMap is.
    pub(super) local: Arc<dyn Cluster>,
    pub(super) namespace: String,
    pub(super) access: Access,
    pub(super) policy: KubeconfigPolicy,
    /// Whom to act as there.
    pub(super) identity: Option<Identity>,
    pub(super) connected: Arc<Mutex<Option<Connected>>>,
}

pub(super) struct Connected {
    digest: Digest,
    read: Instant,
    /// When what lets one in ends.
    ends: Option<Instant>,
    cluster: KubeCluster,
}

impl Connected {
    fn is_fresh(&self) -> bool {
        self.read.elapsed() < FRESH && self.lets_in()
    }

    fn lets_in(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends)
    }
}

impl RemoteCluster {
    fn invalid(&self, problem: impl fmt::Display) -> ClusterError {
        ClusterError::Invalid(format!("kubeconfig of {}: {problem}", self.access.shown(&self.namespace)))
    }

    async fn cluster(&self, cx: &Context) -> Result<Arc<dyn Cluster>, ClusterError> {
        let known = self.lock().as_ref().filter(|known| known.is_fresh()).map(|known| known.cluster.clone());
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
        let entry = self.access.read(cx, &*self.local, &self.namespace).await?;
        let digest = Digest::sha256(entry.basis.as_bytes());
        if let Some(known) = self.lock().as_mut().filter(|known| known.digest == digest && known.lets_in()) {
            known.read = Instant::now();
            return Ok(known.cluster.clone());
        }
        let opened = self.access.open(cx, &*self.local, &self.namespace, entry).await?;
        let cluster = KubeCluster::from_kubeconfig(&opened.kubeconfig, None, &self.policy).await;
        let cluster = cluster.map_err(|error| match error {
            // What the parser says quotes what it read.
            KubeconfigError::Invalid(_) => self.invalid("it cannot be read"),
            other => self.invalid(other),
        })?;
        let now = Instant::now();
        let ends = opened.lasts.map(|lasts| now + lasts);
        *self.lock() = Some(Connected { digest, read: now, ends, cluster: cluster.clone() });
        Ok(cluster)
    }

    /// Where the cluster does not know the credentials, new ones may be there already.
    fn look<T>(&self, answer: Result<T, ClusterError>) -> Result<T, ClusterError> {
        if answer.as_ref().err().and_then(ClusterError::code) == Some(401)
            && let Some(known) = &mut *self.lock()
            && let Some(stale) = Instant::now().checked_sub(FRESH)
        {
            known.read = stale;
            known.ends = known.ends.map(|_| stale);
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
            .field("access", &format_args!("{}", self.access.shown(&self.namespace)))
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
                    access: self.access.clone(),
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
