//! Encrypted files.

use std::sync::Arc;

use async_trait::async_trait;
use flux_appliers::sops::{Decryptor, Format, KeyError, KeyService, MasterKey};
use flux_core::Context;

/// A key for everything.
#[derive(Debug)]
struct AnyKey;

#[async_trait]
impl KeyService for AnyKey {
    async fn open(&self, _: &Context, _: &MasterKey) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, KeyError> {
        Ok(Some(zeroize::Zeroizing::new(vec![7; 32])))
    }
}

/// Reads a file in every format, with a key that opens its data key and is the wrong one.
pub(super) fn read(data: &[u8]) {
    let _ = Format::of_encrypted(data);
    let decryptor = Decryptor::new([Arc::new(AnyKey) as Arc<dyn KeyService>]);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    for format in [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary] {
        let read = runtime.block_on(decryptor.decrypt(&Context::background(), data, format, format));
        // The code over the whole cannot fit.
        assert!(read.is_err(), "{format}");
    }
}
