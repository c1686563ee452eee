//! Whom all trust in keyless signatures goes back to: `trusted_root.json` of Sigstore.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::made_by;
use crate::oci::certificate;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// The authorities that issue certificates, and the logs of signatures and of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrustedRoot {
    pub(super) authorities: Vec<Authority>,
    /// Rekor.
    pub(super) logs: Vec<Log>,
    /// The logs of Certificate Transparency.
    pub(super) certificate_logs: Vec<Log>,
}

/// An authority, by certificates in DER: the one that issues, and up to the one that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) valid: Period,
}

/// A log, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) id: Vec<u8>,
    key: Vec<u8>,
    pub(super) valid: Period,
}

impl Log {
    /// Whether the log signed something.
    pub(super) fn made(&self, message: &[u8], signature: &[u8]) -> bool {
        made_by(&self.key, message, signature)
    }
}

/// From when until when, in seconds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    start: i64,
    end: i64,
}

impl Period {
    pub(super) fn holds(&self, seconds: i64) -> bool {
        (self.start..=self.end).contains(&seconds)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<WrittenLog>,
    #[serde(default)]
    certificate_authorities: Vec<WrittenAuthority>,
    #[serde(default)]
    ctlogs: Vec<WrittenLog>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLog {
    public_key: WrittenKey,
    log_id: LogId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenKey {
    raw_bytes: String,
    #[serde(default)]
    valid_for: WrittenPeriod,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenAuthority {
    cert_chain: WrittenChain,
    #[serde(default)]
    valid_for: WrittenPeriod,
}

#[derive(Deserialize)]
struct WrittenChain {
    certificates: Vec<WrittenCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCertificate {
    raw_bytes: String,
}

#[derive(Default, Deserialize)]
struct WrittenPeriod {
    start: Option<String>,
    end: Option<String>,
}

impl TrustedRoot {
    /// Reads a document. What it lacks is missed where it is needed.
    ///
    /// # Errors
    /// In words.
    pub(super) fn read(document: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
        if !document.media_type.starts_with(MEDIA_TYPE) {
            return Err(format!("is a `{}`", document.media_type.escape_debug()));
        }
        let authorities = document.certificate_authorities.into_iter().map(authority).collect::<Result<_, _>>()?;
        let logs = |written: Vec<WrittenLog>| written.into_iter().map(log).collect::<Result<Vec<_>, _>>();
        Ok(Self { authorities, logs: logs(document.tlogs)?, certificate_logs: logs(document.ctlogs)? })
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("holds bytes that cannot be read: {error}"))
}

fn period(written: &WrittenPeriod) -> Result<Period, String> {
    let time = |text: &Option<String>| {
        let time = text.as_deref().map(str::parse::<jiff::Timestamp>).transpose();
        time.map(|time| time.map(jiff::Timestamp::as_second)).map_err(|error| format!("holds a broken time: {error}"))
    };
    let start = time(&written.start)?.ok_or("does not say from when on something is trusted")?;
    Ok(Period { start, end: time(&written.end)?.unwrap_or(i64::MAX) })
}

fn log(written: WrittenLog) -> Result<Log, String> {
    let key = &written.public_key;
    Ok(Log { id: bytes(&written.log_id.key_id)?, key: bytes(&key.raw_bytes)?, valid: period(&key.valid_for)? })
}

fn authority(written: WrittenAuthority) -> Result<Authority, String> {
    let chain = written.cert_chain.certificates.iter().map(|certificate| bytes(&certificate.raw_bytes));
    let chain: Vec<Vec<u8>> = chain.collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err("holds an authority without a certificate".into());
    }
    for der in &chain {
        certificate::read(der)?;
    }
    Ok(Authority { chain, valid: period(&written.valid_for)? })
}
