//! Signatures of the Notary Project: `spec.verify` of an `OCIRepository` with the provider `notation`.
//!
//! A signature refers to the artifact, in an envelope with the signer's certificates. It counts when it is whole, about
//! exactly this manifest, and as good as the trust policy asks for. Nobody is asked over the network whether a certificate
//! is revoked: where the policy enforces that and a certificate could be, the signature does not count.

mod cbor;
mod chain;
mod cose;
mod envelope;
mod identity;
mod judge;
mod jws;
mod policy;

use std::fmt;
use std::sync::Arc;

use flux_core::Context;
use flux_core::source::SourceError;
use serde::Deserialize;

use super::manifest::{self, Manifest};
use super::registry::Registry;
use super::{certificate, referrers};
use crate::secret::Secret;
use envelope::{Envelope, FORMS, Target};
use judge::{Judge, Judgement};
use policy::{Level, Policy};

/// The type of manifests that hold a signature.
const SIGNATURE: &str = "application/vnd.cncf.notary.signature";
/// What an envelope may weigh; it is of some thousand bytes.
const ENVELOPE_BYTES: u64 = 256 << 10;
/// How many signatures of one artifact are looked at.
const SIGNATURES: usize = 100;
/// The name of the policy in a Secret.
const POLICY: &str = "trustpolicy.json";

/// A trust policy of the Notary Project and the certificates that it trusts.
///
/// Every trust store that the policy names is all of the certificates, as in Flux. What the policy asks for is done as the
/// Notary Project does it, but for this: time stamps are not read, so that a policy which trusts a `tsa` store is refused;
/// revocation is not asked for, so that where it is enforced no certificate may name a place to ask at; the only scheme is
/// `notary.x509`; plugins there are none.
#[derive(Clone)]
pub struct NotationTrust(Arc<Trust>);

#[derive(Clone)]
struct Trust {
    policy: Policy,
    certificates: Vec<Vec<u8>>,
}

impl NotationTrust {
    /// Starts with a trust policy: a `trustpolicy.json` of version 1.0.
    ///
    /// # Errors
    /// A policy that is none, or that asks for what is not done here.
    pub fn new(policy: &[u8]) -> Result<Self, SourceError> {
        let invalid = |problem| SourceError::Invalid { field: POLICY.into(), problem };
        Ok(Self(Arc::new(Trust { policy: Policy::read(policy).map_err(invalid)?, certificates: Vec::new() })))
    }

    /// Trusts the certificates in a file too, in PEM or DER. The name is for errors.
    ///
    /// # Errors
    /// A file without a certificate or with a broken one.
    pub fn with_certificates(mut self, name: &str, data: &[u8]) -> Result<Self, SourceError> {
        let found = certificate::read_file(name, data)?;
        Arc::make_mut(&mut self.0).certificates.extend(found);
        Ok(self)
    }

    /// What the Secret of a `verify.secretRef` holds: the policy as `trustpolicy.json`, and certificates under names that
    /// end in `.crt` or `.pem`.
    ///
    /// # Errors
    /// A policy that is missing or refused, a broken certificate, or none where one is needed.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let own = |key: &str| {
            let key = key.to_owned();
            move |error| match error {
                SourceError::Invalid { problem, .. } => secret.invalid(&key, problem),
                other => other,
            }
        };
        let policy = secret.get(POLICY).ok_or_else(|| secret.invalid(POLICY, "is missing"))?;
        let mut trust = Self::new(policy).map_err(own(POLICY))?;
        for key in secret.keys().filter(|key| key.ends_with(".crt") || key.ends_with(".pem")) {
            trust = trust.with_certificates(key, secret.get(key).unwrap_or_default()).map_err(own(key))?;
        }
        if trust.0.certificates.is_empty() && trust.0.policy.needs_certificates() {
            return Err(secret.invalid("*.crt", "is missing; no certificate would be trusted"));
        }
        Ok(trust)
    }

    /// Refuses an artifact without a signature as the policy wants it. Who signed is returned, unless the policy does not
    /// enforce that it is somebody who is trusted.
    pub(super) async fn verify(
        &self,
        cx: &Context,
        registry: &Registry,
        url: &str,
        digest: &str,
    ) -> Result<Option<String>, SourceError> {
        let unverified = |problem: String| SourceError::Unverified { url: url.to_owned(), problem };
        let repository = url.strip_prefix("oci://").unwrap_or(url).trim_end_matches('/');
        let statement = self.0.policy.of(repository);
        let statement =
            statement.ok_or_else(|| unverified(format!("the trust policy says nothing about `{repository}`")))?;
        let Level::Verify(enforcement) = statement.level else { return Ok(None) };
        let target = target(&registry.manifest(cx, digest).await?, digest).map_err(unverified)?;
        let found = referrers::list(cx, registry, digest, SIGNATURE, SIGNATURES).await?.map_err(unverified)?;
        let now = cx.now().unix_seconds();
        let (mut reasons, mut tolerated) = (Vec::new(), false);
        for manifest in found {
            let envelope = referrers::layer(cx, registry, &manifest, FORMS, ENVELOPE_BYTES).await?;
            let judged = envelope.and_then(|(form, data)| {
                let judge = Judge { trusted: &self.0.certificates, statement, enforcement, target: &target, now };
                judge.judge(&Envelope::read(&form, &data)?)
            });
            match judged {
                Ok(Judgement { signer, doubts }) if doubts.is_empty() => return Ok(Some(signer)),
                Ok(Judgement { signer, doubts }) => {
                    for doubt in &doubts {
                        tracing::warn!(url, signer, %doubt, "a signature is let pass by the trust policy");
                    }
                    if !doubts.iter().any(|doubt| doubt.authenticity) {
                        return Ok(Some(signer));
                    }
                    tolerated = true;
                }
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        if tolerated {
            return Ok(None);
        }
        if reasons.is_empty() {
            return Err(unverified(format!("`{digest}` has no signature")));
        }
        Err(unverified(format!("no signature of `{digest}` holds: {}", reasons.join("; "))))
    }
}

#[cfg(feature = "fuzz")]
impl NotationTrust {
    /// Reads an envelope in every form, and judges it about what it says that it is about; none may pass.
    pub(super) fn refuses(&self, data: &[u8]) {
        let Some(statement) = self.0.policy.of("example.com/app") else { return };
        let Level::Verify(enforcement) = statement.level else { return };
        for form in FORMS {
            let Ok(envelope) = Envelope::read(form, data) else { continue };
            let Ok(certificates) = envelope.certificates() else { continue };
            let Ok(target) = envelope.is_whole(&certificates) else { continue };
            let trusted = &self.0.certificates;
            let judge = Judge { trusted, statement, enforcement, target: &target, now: 1_800_000_000 };
            assert!(judge.judge(&envelope).is_err());
        }
    }
}

/// What a signature has to be about: the manifest or index of a digest, as its descriptor says it.
fn target(document: &[u8], digest: &str) -> Result<Target, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let implied = match manifest::read(document)? {
        Manifest::Image(_) => "application/vnd.oci.image.manifest.v1+json",
        Manifest::Index(_) => "application/vnd.oci.image.index.v1+json",
    };
    let typed: Typed = serde_json::from_slice(document).map_err(|error| format!("the manifest is broken: {error}"))?;
    let media_type = typed.media_type.unwrap_or_else(|| implied.to_owned());
    Ok(Target { media_type, digest: digest.to_owned(), size: document.len() as u64 })
}

impl fmt::Debug for NotationTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trust { policy, certificates } = &*self.0;
        f.debug_struct("NotationTrust").field("policy", policy).field("certificates", &certificates.len()).finish()
    }
}
