//! Values: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The key of one file. It is wiped when it goes.
pub(super) struct DataKey(Zeroizing<[u8; 32]>);

/// A value as it was before it was encrypted.
pub(super) struct Plain {
    pub(super) text: Zeroizing<Vec<u8>>,
    pub(super) kind: Kind,
}

/// What a value was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Time,
    Comment,
}

impl DataKey {
    /// A key of 32 bytes; `None` if it has another length.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Decrypts a value. `context` is where it stands; a value that was moved is refused.
    pub(super) fn open(&self, value: &str, context: &str) -> Option<Plain> {
        let parts = Parts::read(value)?;
        if parts.tag.len() != 16 {
            return None;
        }
        let sealed = [parts.data, parts.tag].concat();
        let payload = Payload { msg: &sealed, aad: context.as_bytes() };
        // SOPS makes nonces of 32 bytes; early versions made them of 12.
        let text = match parts.iv.len() {
            32 => {
                let cipher = AesGcm::<Aes256, U32>::new(Key::<Aes256>::from_slice(&*self.0));
                cipher.decrypt(Nonce::<U32>::from_slice(&parts.iv), payload)
            }
            12 => {
                let cipher = aes_gcm::Aes256Gcm::new(Key::<Aes256>::from_slice(&*self.0));
                cipher.decrypt(Nonce::from_slice(&parts.iv), payload)
            }
            _ => return None,
        };
        Some(Plain { text: Zeroizing::new(text.ok()?), kind: parts.kind })
    }
}

/// Whether a text looks like an encrypted value.
pub(super) fn is_sealed(value: &str) -> bool {
    value.starts_with("ENC[AES256_GCM,") && value.ends_with(']')
}

struct Parts {
    data: Vec<u8>,
    iv: Vec<u8>,
    tag: Vec<u8>,
    kind: Kind,
}

impl Parts {
    fn read(value: &str) -> Option<Self> {
        let inner = value.strip_prefix("ENC[AES256_GCM,data:")?.strip_suffix(']')?;
        let (data, rest) = inner.split_once(",iv:")?;
        let (iv, rest) = rest.split_once(",tag:")?;
        let (tag, kind) = rest.split_once(",type:")?;
        let kind = match kind {
            "str" => Kind::Text,
            "int" => Kind::Int,
            "float" => Kind::Float,
            "bool" => Kind::Bool,
            "time" => Kind::Time,
            "comment" => Kind::Comment,
            _ => return None,
        };
        let decode = |text: &str| STANDARD.decode(text).ok();
        Some(Self { data: decode(data)?, iv: decode(iv)?, tag: decode(tag)?, kind })
    }
}
