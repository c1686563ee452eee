//! Entries of a log of signatures: when a signature was there, as the log vouches for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::proof::Proof;
use super::root::Log;

/// An entry, not believed yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What is logged.
    pub(super) body: Vec<u8>,
    /// When it was logged, in seconds.
    time: i64,
    index: i64,
    log_id: Vec<u8>,
    /// The log's signature over all of that.
    promise: Vec<u8>,
    proof: Option<Proof>,
}

/// An entry in an annotation, as Cosign wrote it before version 3.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Annotated {
    signed_entry_timestamp: String,
    payload: AnnotatedPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnnotatedPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// An entry in a Sigstore bundle.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundled {
    log_index: String,
    log_id: BundledId,
    #[serde(default)]
    integrated_time: Option<String>,
    #[serde(default)]
    inclusion_promise: Option<BundledPromise>,
    #[serde(default)]
    inclusion_proof: Option<BundledProof>,
    canonicalized_body: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundledId {
    key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundledPromise {
    signed_entry_timestamp: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundledProof {
    log_index: String,
    root_hash: String,
    tree_size: String,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: BundledCheckpoint,
}

#[derive(Debug, Deserialize)]
struct BundledCheckpoint {
    envelope: String,
}

impl Entry {
    /// Reads an annotation.
    ///
    /// # Errors
    /// In words.
    pub(super) fn annotated(text: &str) -> Result<Self, String> {
        let Annotated { signed_entry_timestamp, payload } =
            serde_json::from_str(text).map_err(|error| format!("its entry in the log cannot be read: {error}"))?;
        Ok(Self {
            body: bytes(&payload.body)?,
            time: payload.integrated_time,
            index: payload.log_index,
            log_id: hex(&payload.log_id).ok_or("its entry in the log names no log")?,
            promise: bytes(&signed_entry_timestamp)?,
            proof: None,
        })
    }

    /// Reads an entry of a bundle, which holds a proof too.
    ///
    /// # Errors
    /// In words. That the log vouches for the time is required: without, it would be for a time-stamping authority to do.
    pub(super) fn bundled(bundled: &Bundled) -> Result<Self, String> {
        // Rekor 2 says nothing about the time.
        let (Some(promise), Some(time)) = (&bundled.inclusion_promise, &bundled.integrated_time) else {
            return Err("the log does not say when it was logged".into());
        };
        let proof = bundled.inclusion_proof.as_ref().ok_or("there is no proof that the log holds it")?;
        let hashes: Result<Vec<_>, _> = proof.hashes.iter().map(|hash| bytes(hash)).collect();
        Ok(Self {
            body: bytes(&bundled.canonicalized_body)?,
            time: number(time)?,
            index: number(&bundled.log_index)?,
            log_id: bytes(&bundled.log_id.key_id)?,
            promise: bytes(&promise.signed_entry_timestamp)?,
            proof: Some(Proof {
                index: number(&proof.log_index)?,
                size: number(&proof.tree_size)?,
                root: bytes(&proof.root_hash)?,
                hashes: hashes?,
                checkpoint: proof.checkpoint.envelope.clone(),
            }),
        })
    }

    /// When it was logged, if one of the logs vouches for that.
    ///
    /// # Errors
    /// In words.
    pub(super) fn time(&self, logs: &[Log]) -> Result<i64, String> {
        // The canonical form of JSON: the fields in their order, and no blanks.
        let (body, id): (_, String) =
            (STANDARD.encode(&self.body), self.log_id.iter().map(|b| format!("{b:02x}")).collect());
        let (time, index) = (self.time, self.index);
        let message = format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#);
        let known = logs
            .iter()
            .find(|log| log.id == self.log_id && log.valid.holds(time) && log.made(message.as_bytes(), &self.promise));
        let log = known.ok_or("no trusted log vouches for its entry")?;
        self.proof.as_ref().map_or(Ok(()), |proof| proof.check(&self.body, log))?;
        Ok(time)
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("its entry in the log cannot be read: {error}"))
}

fn number<N: std::str::FromStr<Err = std::num::ParseIntError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error| format!("its entry in the log cannot be read: {error}"))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let digits = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..text.len()).step_by(2).map(digits).collect()
}
