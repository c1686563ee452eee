//! Clusters described by kubeconfigs, and which of those to trust.

use std::path::Path;

use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig};

use super::KubeCluster;

/// What a kubeconfig may ask for. Whoever writes one decides where requests go and with which rights: nothing of this is
/// allowed by default, as for the kubeconfigs that Flux reads from Secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigPolicy {
    /// Reading certificates, keys and tokens from files that it names.
    pub allow_files: bool,
    /// Running programs for credentials. Flux: `--insecure-kubeconfig-exec`.
    pub allow_exec: bool,
    /// Not checking the server's certificate, or talking without TLS. Flux: `--insecure-kubeconfig-tls`.
    pub allow_insecure_tls: bool,
}

impl KubeconfigPolicy {
    /// For a kubeconfig that the person who runs the program wrote: files and plain connections, but no programs.
    pub fn trusted() -> Self {
        Self { allow_files: true, allow_exec: false, allow_insecure_tls: true }
    }
}

/// Why a kubeconfig does not lead to a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// It cannot be read, or what it says is not there.
    #[error("kubeconfig: {0}")]
    Invalid(#[from] kube::config::KubeconfigError),
    /// It has no such context.
    #[error("kubeconfig: no context {0:?}")]
    NoContext(String),
    /// It asks for what is not allowed.
    #[error("kubeconfig: {field} is not allowed; {why}")]
    Refused {
        /// Which field asks for it.
        field: &'static str,
        /// What to do.
        why: &'static str,
    },
    /// The client cannot be made.
    #[error("kubeconfig: {0}")]
    Client(#[from] kube::Error),
}

impl KubeCluster {
    /// The cluster of a context of a kubeconfig in memory; the current context when none is named.
    ///
    /// # Errors
    /// It cannot be read, or asks for what `policy` does not allow.
    pub async fn from_kubeconfig(
        text: &str,
        context: Option<&str>,
        policy: &KubeconfigPolicy,
    ) -> Result<Self, KubeconfigError> {
        connect(Kubeconfig::from_yaml(text)?, context, policy).await
    }

    /// The cluster of a context of a kubeconfig file; paths in it are relative to it.
    ///
    /// # Errors
    /// It cannot be read, or asks for what `policy` does not allow.
    pub async fn from_kubeconfig_file(
        path: impl AsRef<Path>,
        context: Option<&str>,
        policy: &KubeconfigPolicy,
    ) -> Result<Self, KubeconfigError> {
        connect(Kubeconfig::read_from(path)?, context, policy).await
    }
}

async fn connect(
    mut kubeconfig: Kubeconfig,
    context: Option<&str>,
    policy: &KubeconfigPolicy,
) -> Result<KubeCluster, KubeconfigError> {
    let name = context.map(str::to_owned).or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    let found = kubeconfig.contexts.iter().find(|named| named.name == name).and_then(|named| named.context.clone());
    let context = found.ok_or_else(|| KubeconfigError::NoContext(name.clone()))?;
    // Only what this context names is looked at and kept.
    kubeconfig.clusters.retain(|named| named.name == context.cluster);
    kubeconfig.auth_infos.retain(|named| Some(&named.name) == context.user.as_ref());
    let mut proxy = None;
    for cluster in kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref()) {
        check_cluster(cluster, policy)?;
        proxy = cluster.proxy_url.as_deref().and_then(|url| url.parse().ok());
    }
    for user in kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()) {
        check_user(user, policy)?;
    }
    let options = KubeConfigOptions { context: Some(name), ..KubeConfigOptions::default() };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // Neither retries nor proxies that only the environment names.
    config.default_retry = false;
    config.proxy_url = proxy;
    Ok(KubeCluster::new(kube::Client::try_from(config)?))
}

fn check_cluster(cluster: &Cluster, policy: &KubeconfigPolicy) -> Result<(), KubeconfigError> {
    let plain = cluster.server.as_deref().is_some_and(|server| !server.starts_with("https://"));
    if !policy.allow_insecure_tls && (plain || cluster.insecure_skip_tls_verify == Some(true)) {
        let field = if plain { "server without TLS" } else { "insecure-skip-tls-verify" };
        return Err(KubeconfigError::Refused { field, why: "give certificate-authority-data and an https URL" });
    }
    if !policy.allow_files && cluster.certificate_authority.is_some() {
        return Err(files("certificate-authority"));
    }
    Ok(())
}

fn check_user(user: &AuthInfo, policy: &KubeconfigPolicy) -> Result<(), KubeconfigError> {
    if !policy.allow_exec {
        let why = "no program is run for credentials; give a token or a client certificate";
        if user.exec.is_some() {
            return Err(KubeconfigError::Refused { field: "exec", why });
        }
        if user.auth_provider.is_some() {
            return Err(KubeconfigError::Refused { field: "auth-provider", why });
        }
    }
    if !policy.allow_files {
        let named = [
            ("tokenFile", &user.token_file),
            ("client-certificate", &user.client_certificate),
            ("client-key", &user.client_key),
        ];
        if let Some((field, _)) = named.into_iter().find(|(_, path)| path.is_some()) {
            return Err(files(field));
        }
    }
    Ok(())
}

fn files(field: &'static str) -> KubeconfigError {
    KubeconfigError::Refused { field, why: "no file is read for a kubeconfig; put the data into it" }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(cluster: &str, user: &str) -> String {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {cluster}}}]\nusers: [{{name: u, user: {user}}}]\n"
        );
        KubeCluster::from_kubeconfig(&text, None, &KubeconfigPolicy::default()).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn h36_a_kubeconfig_that_asks_for_too_much_is_refused() {
        let https = "{server: 'https://127.0.0.1:6443'}";
        for (cluster, user, field) in [
            (https, "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh}}", "exec"),
            (https, "{auth-provider: {name: gcp, config: {}}}", "auth-provider"),
            (https, "{tokenFile: /etc/passwd}", "tokenFile"),
            (https, "{client-key: /etc/passwd}", "client-key"),
            ("{server: 'http://127.0.0.1:6443'}", "{token: t}", "server without TLS"),
            ("{server: 'https://127.0.0.1', insecure-skip-tls-verify: true}", "{token: t}", "insecure-skip-tls-verify"),
            (
                "{server: 'https://127.0.0.1', certificate-authority: /etc/passwd}",
                "{token: t}",
                "certificate-authority",
            ),
        ] {
            let error = refused(cluster, user).await;
            assert!(error.starts_with(&format!("kubeconfig: {field} is not allowed")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_context_that_is_not_there_is_named() {
        let error = KubeCluster::from_kubeconfig("{}", Some("prod"), &KubeconfigPolicy::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "kubeconfig: no context \"prod\"");
    }
}
