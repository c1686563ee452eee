//! What documents may ask for.

#[cfg(feature = "client")]
use crate::client::KubeconfigPolicy;

/// What documents may ask for. Whoever writes one decides about the rights of the host: what reaches beyond a document's
/// own namespace, or drops its safeguards, is denied unless it is allowed here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Sources and dependencies in other namespaces. Off by default (Flux: `--no-cross-namespace-refs` denies the former).
    pub cross_namespace: bool,
    /// The service account to apply as where a document names none; the host's own rights when there is none
    /// (`--default-service-account`).
    pub default_service_account: Option<String>,
    /// Whether every document must apply as a service account, its own or the default: the host's own rights are for
    /// nobody then.
    pub require_service_account: bool,
    /// Whether a variable without value or default is nothing, instead of an error (the feature gate
    /// `StrictPostBuildSubstitutions`, turned off).
    pub lenient_substitution: bool,
    /// Whether a revision that is not ready in time is taken back: see
    /// [`Pipeline::roll_back`](flux_core::engine::Pipeline::roll_back). Off by default, as Flux knows no such thing.
    pub roll_back: bool,
    /// The servers of Vault that tokens in Secrets may go to, such as `https://vault.example.org:8200`. None by default:
    /// an encrypted file names the server that is to be asked.
    #[cfg(feature = "sops-services")]
    pub vault_addresses: Vec<String>,
    /// What kubeconfigs in Secrets may ask for.
    #[cfg(feature = "client")]
    pub kubeconfigs: KubeconfigPolicy,
}
