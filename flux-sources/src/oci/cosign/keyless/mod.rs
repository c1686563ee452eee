//! Signatures that Cosign makes with a key for the moment, whose certificate says who the signer is.
//!
//! A signature counts when a trusted authority issued its certificate and a log of certificates knows that, when a trusted
//! log of signatures vouches that this signature was there while the certificate was valid, and when the identity in the
//! certificate is one that was asked for. Nothing is asked over the network: all of that lies with the signature.

mod der;
mod entry;
mod identity;
mod issued;
mod logged;
mod proof;
mod root;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::re2::Pattern;
use flux_core::source::SourceError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;

use super::made_by;
use crate::oci::certificate;
use crate::secret::Secret;
use entry::{Bundled, Entry};
use identity::{Identity, Rule};
use logged::Made;
use root::TrustedRoot;

/// The name of the root of trust in a Secret.
const ROOT: &str = "trusted_root.json";

/// The identities whose keyless signatures count, and the root of trust that vouches for them: `spec.verify` of an
/// `OCIRepository` with the provider `cosign` and without a `secretRef`.
///
/// Flux fetches the root of trust of the public Sigstore where `trustedRootSecretRef` names none; here it is always given.
/// Flux takes a signature of anybody where `matchOIDCIdentity` names nobody; here nobody's counts then, unless
/// [`with_any_identity`](Self::with_any_identity) says so.
///
/// Signatures that are logged in Rekor 2, where a time-stamping authority vouches for the time, do not count.
#[derive(Clone)]
pub struct CosignIdentities(Arc<Trust>);

#[derive(Clone)]
struct Trust {
    root: TrustedRoot,
    rules: Vec<Rule>,
    any: bool,
}

/// What a bundle holds beside the signature.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<Certificate>,
    #[serde(default)]
    tlog_entries: Vec<Bundled>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    raw_bytes: String,
}

impl CosignIdentities {
    /// Starts with a root of trust: a `trusted_root.json` of Sigstore, with the certificates of Fulcio and the keys of its
    /// logs.
    ///
    /// # Errors
    /// A text that is none.
    pub fn new(trusted_root: &[u8]) -> Result<Self, SourceError> {
        let invalid = |problem| SourceError::Invalid { field: ROOT.into(), problem };
        let root = TrustedRoot::read(trusted_root).map_err(invalid)?;
        Ok(Self(Arc::new(Trust { root, rules: Vec::new(), any: false })))
    }

    /// The root of trust in the Secret of a `verify.trustedRootSecretRef`: the value of `trusted_root.json`.
    ///
    /// # Errors
    /// A value that is missing or none.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let root = secret.get(ROOT).ok_or_else(|| secret.invalid(ROOT, "is missing"))?;
        Self::new(root).map_err(|error| match error {
            SourceError::Invalid { problem, .. } => secret.invalid(ROOT, problem),
            other => other,
        })
    }

    /// Lets signatures of those pass whose issuer and subject match these regular expressions, in any part unless they have
    /// anchors: one of `matchOIDCIdentity`.
    ///
    /// # Errors
    /// An expression that is empty or none.
    pub fn with_identity(mut self, issuer: &str, subject: &str) -> Result<Self, SourceError> {
        let read = |name: &str, text: &str| {
            let invalid = |problem: String| SourceError::Invalid {
                field: format!("spec.verify.matchOIDCIdentity.{name}"),
                problem,
            };
            if text.is_empty() {
                return Err(invalid("is empty and would match anything".into()));
            }
            Pattern::compile(text).map_err(|error| invalid(error.to_string()))
        };
        let rule = Rule { issuer: read("issuer", issuer)?, subject: read("subject", subject)? };
        Arc::make_mut(&mut self.0).rules.push(rule);
        Ok(self)
    }

    /// Lets signatures of everybody pass whom the authorities of the root of trust give a certificate. With that of the
    /// public Sigstore, that is everybody.
    pub fn with_any_identity(mut self) -> Self {
        Arc::make_mut(&mut self.0).any = true;
        self
    }

    /// Whether no signature could count.
    pub(super) fn is_empty(&self) -> bool {
        self.0.rules.is_empty() && !self.0.any
    }

    /// Who made a signature whose certificate and entry in a log are annotations, in PEM and JSON.
    pub(super) fn of_annotated(
        &self,
        text: &[u8],
        signature: &[u8],
        certificate: Option<&str>,
        entry: Option<&str>,
    ) -> Result<String, String> {
        let certificate = certificate.ok_or("there is no certificate with it")?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| "the certificate with it cannot be read")?;
        let entry = Entry::annotated(entry.ok_or("it is not logged")?)?;
        self.signer(&Made { text, signature, certificate: &certificate }, text, &entry)
    }

    /// Who made a signature in a bundle: over a message, about the text in it, with what else the bundle holds.
    pub(super) fn of_bundled(&self, made: (&[u8], &[u8]), text: &[u8], material: &Value) -> Result<String, String> {
        let (message, signature) = made;
        let Material { certificate, tlog_entries } = Material::deserialize(material)
            .map_err(|error| format!("what a bundle is verified with cannot be read: {error}"))?;
        let certificate = certificate.ok_or("there is no certificate with it")?;
        let certificate =
            STANDARD.decode(&certificate.raw_bytes).map_err(|_| "the certificate with it cannot be read")?;
        let [entry] = tlog_entries.as_slice() else { return Err("it is not logged once".into()) };
        self.signer(&Made { text, signature, certificate: &certificate }, message, &Entry::bundled(entry)?)
    }

    fn signer(&self, made: &Made<'_>, message: &[u8], entry: &Entry) -> Result<String, String> {
        let leaf = certificate::read(made.certificate)?;
        if !made_by(leaf.public_key().raw, message, made.signature) {
            return Err("the key of its certificate did not make it".into());
        }
        let time = entry.time(&self.0.root.logs)?;
        made.is_logged(&entry.body)?;
        issued::check(&leaf, &self.0.root, time)?;
        let identity = Identity::of(&leaf)?;
        let admitted = self.0.rules.iter().find_map(|rule| rule.admits(&identity));
        let any = identity.subjects.first().map(String::as_str).filter(|_| self.0.any);
        match admitted.or(any) {
            Some(subject) => Ok(format!("{subject}, known to {}", identity.issuer).replace(char::is_control, "?")),
            None => Err(format!(
                "it is of `{}`, known to `{}`",
                identity.subjects.join("`, `").escape_debug(),
                identity.issuer.escape_debug()
            )),
        }
    }
}

#[cfg(feature = "fuzz")]
impl CosignIdentities {
    /// Reads a bundle, an entry in an annotation and a certificate; none may pass.
    pub(in crate::oci) fn refuses(&self, data: &[u8]) {
        let signers = super::Signers::Identities(self);
        assert!(super::bundle::check(signers, data, &flux_core::Digest::sha256(b"a").to_string()).is_err());
        let text = String::from_utf8_lossy(data);
        assert!(self.of_annotated(b"a", b"b", Some(&text), Some(&text)).is_err());
        if let Ok(entry) = Entry::annotated(&text) {
            let _ = entry.time(&self.0.root.logs);
            assert!(Made { text: b"a", signature: b"b", certificate: b"c" }.is_logged(&entry.body).is_err());
        }
        if let Ok(leaf) = certificate::read(data) {
            let _ = issued::check(&leaf, &self.0.root, 1_591_012_800);
            let _ = Identity::of(&leaf);
        }
    }
}

impl fmt::Debug for CosignIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trust { rules, any, .. } = &*self.0;
        f.debug_struct("CosignIdentities").field("rules", rules).field("any", any).finish_non_exhaustive()
    }
}
