//! Who signed a commit or a tag: `spec.verify` of a `GitRepository`.

mod check;
mod signed;
mod ssh;

use std::fmt;
use std::sync::Arc;

use flux_core::source::SourceError;
use pgp::composed::SignedPublicKey;
use serde::{Deserialize, Serialize};
use ssh_key::PublicKey;

use crate::openpgp;
use crate::secret::Secret;
use signed::{Kind, Signed, header};

/// What has to be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyMode {
    /// The commit.
    #[default]
    #[serde(rename = "HEAD", alias = "head")]
    Head,
    /// The tag that leads to the commit.
    Tag,
    /// Both.
    #[serde(rename = "TagAndHEAD")]
    TagAndHead,
}

impl VerifyMode {
    pub(super) fn wants_tag(self) -> bool {
        self != Self::Head
    }

    pub(super) fn wants_commit(self) -> bool {
        self != Self::Tag
    }
}

/// The keys whose signatures count: OpenPGP keys and SSH keys. Without a key, none does.
#[derive(Clone, Default)]
pub struct Keyring(Arc<Keys>);

#[derive(Clone, Default)]
struct Keys {
    openpgp: Vec<SignedPublicKey>,
    ssh: Vec<PublicKey>,
}

impl Keyring {
    /// Adds the OpenPGP keys in a text of armored blocks.
    ///
    /// # Errors
    /// A text without a key or with a broken one.
    pub fn with_openpgp(mut self, text: &str) -> Result<Self, SourceError> {
        let keys = openpgp::read_keys(text).map_err(|problem| invalid("spec.verify", problem))?;
        Arc::make_mut(&mut self.0).openpgp.extend(keys);
        Ok(self)
    }

    /// Adds the SSH keys in a text of the form of `authorized_keys`.
    ///
    /// # Errors
    /// A text without a key, with a broken one or with one that has options.
    pub fn with_ssh(mut self, text: &str) -> Result<Self, SourceError> {
        let keys = ssh::read_keys(text).map_err(|problem| invalid("spec.verify", problem))?;
        Arc::make_mut(&mut self.0).ssh.extend(keys);
        Ok(self)
    }

    /// What the Secret of a `verify.secretRef` holds: SSH keys under names that end in `.sshpub`, OpenPGP keys under all
    /// others.
    ///
    /// # Errors
    /// A value without a key or with a broken one.
    pub fn from_secret(secret: &Secret) -> Result<Self, SourceError> {
        let mut keyring = Self::default();
        for key in secret.keys() {
            let Some(text) = secret.text(key)? else { continue };
            let added = if key.ends_with(".sshpub") { keyring.with_ssh(text) } else { keyring.with_openpgp(text) };
            keyring = added.map_err(|error| match error {
                SourceError::Invalid { problem, .. } => secret.invalid(key, problem),
                other => other,
            })?;
        }
        Ok(keyring)
    }

    /// Who signed a commit, given as it is stored.
    pub(super) fn verify_commit(&self, raw: &[u8], sha256: bool, now: i64) -> Result<String, String> {
        self.verify(Signed::commit(raw, sha256)?, now)
    }

    /// Who signed a tag, given as it is stored. The name is a part of what is signed, so that a tag under another name is
    /// not taken for this one.
    pub(super) fn verify_tag(&self, raw: &[u8], name: &str, now: i64) -> Result<String, String> {
        let signed = Signed::tag(raw)?;
        match header(&signed.payload, "tag") {
            Some(found) if found == name => self.verify(signed, now),
            found => Err(format!("is the tag `{}` by its own account", found.unwrap_or_default().escape_debug())),
        }
    }

    fn verify(&self, signed: Signed, now: i64) -> Result<String, String> {
        let Keys { openpgp, ssh } = &*self.0;
        if openpgp.is_empty() && ssh.is_empty() {
            return Err("cannot be verified: the keyring is empty".into());
        }
        let signer = match signed.kind()? {
            Kind::OpenPgp => openpgp::verify(openpgp, &signed.signature, &signed.payload, now),
            Kind::Ssh => ssh::verify(ssh, &signed.signature, &signed.payload),
        };
        signer.map_err(|problem| format!("is not signed as it should be: {problem}"))
    }
}

fn invalid(field: &str, problem: String) -> SourceError {
    SourceError::Invalid { field: field.to_owned(), problem }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("openpgp", &self.0.openpgp.len()).field("ssh", &self.0.ssh.len()).finish()
    }
}
