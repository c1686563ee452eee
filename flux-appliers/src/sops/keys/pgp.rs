//! OpenPGP keys.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use async_trait::async_trait;
use flux_core::Context;
use pgp::composed::{Deserializable as _, Message, SignedSecretKey};
use pgp::types::Password;
use zeroize::Zeroizing;

use super::{KeyError, KeyService, MAX_KEY, MasterKey};

/// Secret keys without a passphrase, as Flux reads them from a Secret.
#[derive(Clone, Default)]
pub struct PgpKeys(Vec<Arc<SignedSecretKey>>);

impl PgpKeys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the secret keys of an armoured file.
    ///
    /// # Errors
    /// There is none in it.
    pub fn add(&mut self, file: &[u8]) -> Result<(), KeyError> {
        let wrong = || KeyError("not an armoured file of OpenPGP secret keys".into());
        let (keys, _) = SignedSecretKey::from_armor_many(file).map_err(|_| wrong())?;
        let before = self.0.len();
        for key in keys {
            self.0.push(Arc::new(key.map_err(|_| wrong())?));
        }
        if self.0.len() == before { Err(wrong()) } else { Ok(()) }
    }

    fn open(&self, enc: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        for key in &self.0 {
            let (message, _) = Message::from_armor(enc.as_bytes())
                .map_err(|_| KeyError("the encrypted data key is no OpenPGP message".into()))?;
            let Ok(mut message) = message.decrypt(&Password::empty(), key) else { continue };
            if message.is_compressed() {
                message = message.decompress().map_err(|_| KeyError("the data key is broken".into()))?;
            }
            let mut data = Zeroizing::new(Vec::with_capacity(64));
            let read = (&mut message).take(MAX_KEY).read_to_end(&mut data);
            return read.map(|_| data).map_err(|_| KeyError("the data key is broken".into()));
        }
        Err(KeyError("no secret key fits it".into()))
    }
}

#[async_trait]
impl KeyService for PgpKeys {
    async fn open(&self, _: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        match key {
            MasterKey::Pgp { enc, .. } if !self.0.is_empty() => Self::open(self, enc).map(Some),
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for PgpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgpKeys({})", self.0.len())
    }
}
