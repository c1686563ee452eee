//! What an envelope of the Notary Project holds, in whatever form: a payload, who signed it, and how.

use serde::Deserialize;
use x509_parser::certificate::X509Certificate;

use super::{chain, cose, jws};
use crate::oci::certificate::{self, Algorithm};

/// The forms of envelopes that are read, by media type.
pub(super) const FORMS: &[&str] = &[jws::MEDIA_TYPE, cose::MEDIA_TYPE];
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";
/// The scheme in which the signer vouches for the time by his certificate alone.
pub(super) const SCHEME: &str = "notary.x509";
/// How many certificates a chain may have.
const CERTIFICATES: usize = 10;

/// The attributes that the Notary Project gives a meaning to.
pub(super) mod attribute {
    pub(in super::super) const SCHEME: &str = "io.cncf.notary.signingScheme";
    pub(in super::super) const TIME: &str = "io.cncf.notary.signingTime";
    pub(in super::super) const EXPIRY: &str = "io.cncf.notary.expiry";
    pub(in super::super) const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
}

/// An envelope, taken apart and not believed yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) payload: Vec<u8>,
    /// What the signature is over: the payload and the attributes.
    pub(super) message: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: Algorithm,
    /// Certificates in DER, the signer's first.
    pub(super) chain: Vec<Vec<u8>>,
    /// When it was made, by its own account.
    pub(super) made: i64,
    /// Until when it is good.
    pub(super) expiry: Option<i64>,
}

/// What is signed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Target,
}

/// The manifest or index that a signature is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
}

impl Envelope {
    /// Takes an envelope apart.
    ///
    /// # Errors
    /// In words: an envelope that is none, or one that must be understood and is not.
    pub(super) fn read(media_type: &str, data: &[u8]) -> Result<Self, String> {
        let envelope = match media_type {
            jws::MEDIA_TYPE => jws::read(data)?,
            cose::MEDIA_TYPE => cose::read(data)?,
            other => return Err(format!("it is in a `{}`", other.escape_debug())),
        };
        if envelope.chain.len() > CERTIFICATES {
            return Err(format!("there are more than {CERTIFICATES} certificates with it"));
        }
        Ok(envelope)
    }

    /// The certificates with it.
    ///
    /// # Errors
    /// In words.
    pub(super) fn certificates(&self) -> Result<Vec<X509Certificate<'_>>, String> {
        self.chain.iter().map(|der| certificate::read(der)).collect()
    }

    /// Whether it is whole: the signature is of the key in the first certificate, and the certificates are a chain that may
    /// sign. Then it is about what is returned.
    ///
    /// # Errors
    /// In words.
    pub(super) fn is_whole(&self, chain: &[X509Certificate<'_>]) -> Result<Target, String> {
        chain::check(chain)?;
        let leaf = chain.first().ok_or("there is no certificate with it")?;
        if Algorithm::of(leaf.public_key()) != Some(self.algorithm) {
            return Err("its algorithm is not the one for the key of its certificate".into());
        }
        if !self.algorithm.made(leaf.public_key(), &self.message, &self.signature) {
            return Err("the key of its certificate did not make it".into());
        }
        let payload: Payload =
            serde_json::from_slice(&self.payload).map_err(|error| format!("what is signed cannot be read: {error}"))?;
        Ok(payload.target_artifact)
    }
}
