//! age keys.

use std::fmt;
use std::io::Read as _;

use age::armor::ArmoredReader;
use age::{Decryptor, Identity};
use async_trait::async_trait;
use flux_core::Context;
use zeroize::Zeroizing;

use super::{KeyError, KeyService, MAX_KEY, MasterKey};

/// The identities of one or more age key files.
#[derive(Clone, Default)]
pub struct AgeKeys(Vec<age::x25519::Identity>);

impl AgeKeys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the identities of a key file: one `AGE-SECRET-KEY-1…` a line, with comments. Post-quantum
    /// identities are not known.
    ///
    /// # Errors
    /// A line is no identity. The text does not quote it.
    pub fn add(&mut self, file: &[u8]) -> Result<(), KeyError> {
        let wrong = || KeyError("not a file of age identities".into());
        let text = std::str::from_utf8(file).map_err(|_| wrong())?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities: Vec<_> = lines.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        self.0.extend(identities);
        Ok(())
    }

    fn open(&self, enc: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let decryptor = Decryptor::new(ArmoredReader::new(enc.as_bytes()))
            .map_err(|_| KeyError("the encrypted data key is no age file".into()))?;
        let identities = self.0.iter().map(|identity| identity as &dyn Identity);
        let reader = decryptor.decrypt(identities).map_err(|_| KeyError("no identity fits it".into()))?;
        let mut key = Zeroizing::new(Vec::with_capacity(64));
        reader.take(MAX_KEY).read_to_end(&mut key).map_err(|_| KeyError("the data key is broken".into()))?;
        Ok(key)
    }
}

#[async_trait]
impl KeyService for AgeKeys {
    async fn open(&self, _: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        match key {
            MasterKey::Age { enc, .. } if !self.0.is_empty() => Self::open(self, enc).map(Some),
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for AgeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeKeys({})", self.0.len())
    }
}
