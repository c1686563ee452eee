//! Who packaged a chart: provenance files, as `helm package --sign` makes them and `helm verify` reads them.
//!
//! Beside `app-1.0.0.tgz` lies `app-1.0.0.tgz.prov`, a signed text in two parts: the chart's `Chart.yaml`, and the digests
//! of files by their names. The signature has to be of a key in the keyring that is good now, and the digest under the name
//! of the archive that of the archive; Helm asks for no more. Here the name and version in the text have to be those that
//! were asked for too, so that a repository cannot pass an old release off as a new one.

mod clearsign;

use std::fmt;
use std::sync::Arc;

use flux_core::Digest;
use flux_core::source::SourceError;
use flux_core::yaml::{self, Dialect, ReadOptions};
use serde_json::Value;

use crate::openpgp::{self, SignedPublicKey};
use crate::secret::Secret;
use clearsign::Clearsigned;

/// What a provenance file may weigh; the `Chart.yaml` in it may weigh as much in Helm.
pub(super) const PROVENANCE_BYTES: u64 = 1 << 20;
/// What stands between the two parts of the signed text.
const BETWEEN: &str = "\n...\n";

/// The OpenPGP keys whose signatures of charts count: what `helm verify --keyring` is given. Without a key, none does.
#[derive(Clone, Default)]
pub struct ProvenanceKeys(Arc<Vec<SignedPublicKey>>);

impl ProvenanceKeys {
    /// Adds the keys in a keyring, in armor or as `gpg --export` writes it.
    ///
    /// # Errors
    /// A keyring without a key or with a broken one, or one in the format of GnuPG's `pubring.kbx`.
    pub fn with_keyring(mut self, data: &[u8]) -> Result<Self, SourceError> {
        let invalid = |problem| SourceError::Invalid { field: "keyring".into(), problem };
        let keys = openpgp::read_keyring(data).map_err(invalid)?;
        Arc::make_mut(&mut self.0).extend(keys);
        Ok(self)
    }

    /// The keys in every value of a Secret.
    ///
    /// # Errors
    /// A value without a key or with a broken one, or a Secret that holds none.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let mut keys = Self::default();
        for name in secret.keys() {
            keys = keys.with_keyring(secret.get(name).unwrap_or_default()).map_err(|error| match error {
                SourceError::Invalid { problem, .. } => secret.invalid(name, problem),
                other => other,
            })?;
        }
        if keys.0.is_empty() { Err(secret.invalid("*", "is missing; no key would be trusted")) } else { Ok(keys) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who vouches for a chart by its provenance file; an error in words if nobody who is trusted does.
    pub(super) fn verify(&self, provenance: &[u8], chart: &Packaged<'_>, now: i64) -> Result<String, String> {
        if self.is_empty() {
            return Err("the keyring is empty".into());
        }
        let message = std::str::from_utf8(provenance).map_err(|_| "the provenance file is not UTF-8")?;
        let message = Clearsigned::read(message).map_err(|problem| format!("in the provenance file, {problem}"))?;
        let signer = openpgp::verify(&self.0, message.signature, message.signed().as_bytes(), now)?;
        chart.is_described_by(&message.text())?;
        Ok(signer)
    }
}

impl fmt::Debug for ProvenanceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvenanceKeys").field("openpgp", &self.0.len()).finish()
    }
}

/// A chart as it was asked for and as it came.
#[derive(Debug)]
pub(super) struct Packaged<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// The name of the archive.
    pub(super) file: &'a str,
    pub(super) archive: &'a [u8],
}

impl Packaged<'_> {
    /// Whether a signed text is about this chart; if not, why.
    fn is_described_by(&self, text: &str) -> Result<(), String> {
        let mut parts = text.split(BETWEEN);
        let (Some(metadata), Some(sums), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err("the signed text does not consist of two parts".into());
        };
        let metadata = read("the signed metadata", metadata)?;
        for (field, wanted) in [("name", self.name), ("version", self.version)] {
            let found = metadata.get(field).and_then(Value::as_str).unwrap_or_default();
            if found != wanted {
                let found = found.escape_debug();
                return Err(format!("the signature is for a chart of {field} `{found}` and not `{wanted}`"));
            }
        }
        let sums = read("the signed digests", sums)?;
        let wanted = sums.get("files").and_then(|files| files.get(self.file)).and_then(Value::as_str);
        let file = self.file.escape_debug();
        let wanted = wanted.ok_or_else(|| format!("no digest is signed for a file of name `{file}`"))?;
        let found = Digest::sha256(self.archive);
        if wanted != found.to_string() {
            let wanted = wanted.escape_debug();
            return Err(format!("`{file}` has the digest `{found}` and `{wanted}` is signed"));
        }
        Ok(())
    }
}

/// Reads a part of the text, in which a key may not stand twice.
fn read(what: &str, text: &str) -> Result<Value, String> {
    let value = yaml::read(text.as_bytes(), &ReadOptions::new(Dialect::Strict));
    value.map_err(|error| format!("{what} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: &[u8] = b"archive";

    fn described(text: &str) -> Result<(), String> {
        let chart = Packaged { name: "app", version: "1.0.0", file: "app-1.0.0.tgz", archive: ARCHIVE };
        chart.is_described_by(text)
    }

    #[test]
    fn h27_a_text_is_about_one_file_of_one_chart() {
        let digest = Digest::sha256(ARCHIVE);
        let metadata = "apiVersion: v2\nname: app\nversion: 1.0.0\n";
        let files = format!("files:\n  app-1.0.0.tgz: {digest}\n");
        assert_eq!(described(&format!("{metadata}\n...\n{files}")), Ok(()));
        let other = Digest::sha256(b"other");
        for (text, problem) in [
            (String::new(), "two parts"),
            (metadata.to_owned(), "two parts"),
            (format!("{metadata}\n...\n{files}\n...\n{files}"), "two parts"),
            (format!("{metadata}\n...\n"), "no digest is signed for a file"),
            (format!("{metadata}\n...\nfiles: 1"), "no digest is signed for a file"),
            (format!("{metadata}\n...\nfiles: [app-1.0.0.tgz]"), "no digest is signed for a file"),
            (format!("{metadata}\n...\nfiles:\n  app-1.0.1.tgz: {digest}"), "no digest is signed for a file"),
            (format!("{metadata}\n...\nimages:\n  app-1.0.0.tgz: {digest}"), "no digest is signed for a file"),
            (format!("{metadata}\n...\nfiles:\n  app-1.0.0.tgz: {other}"), "is signed"),
            (format!("{metadata}\n...\nfiles:\n  app-1.0.0.tgz: {}", digest.hex()), "is signed"),
            (format!("{metadata}\n...\nfiles:\n  app-1.0.0.tgz: {other}\n  app-1.0.0.tgz: {digest}"), "cannot be read"),
            (format!("name: app\nversion: 1.0.1\n...\n{files}"), "version `1.0.1` and not `1.0.0`"),
            (format!("name: other\nversion: 1.0.0\n...\n{files}"), "name `other` and not `app`"),
            (format!("[]\n...\n{files}"), "name `` and not `app`"),
            (format!("{{\n...\n{files}"), "the signed metadata cannot be read"),
        ] {
            let error = described(&text).unwrap_err();
            assert!(error.contains(problem), "{problem}: {error}");
        }
    }

    #[test]
    fn h27_no_key_is_no_proof() {
        let chart = Packaged { name: "app", version: "1.0.0", file: "app-1.0.0.tgz", archive: ARCHIVE };
        assert_eq!(ProvenanceKeys::default().verify(b"", &chart, 0).unwrap_err(), "the keyring is empty");
    }
}
