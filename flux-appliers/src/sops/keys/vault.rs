//! The transit engine of Vault and OpenBao.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::Context;
use serde_json::json;
use zeroize::Zeroizing;

use super::http::{self, HttpClient, HttpRequest};
use super::{KeyError, KeyService, MasterKey};

/// Keys that one server keeps. Files name the server that is to be asked, and whoever writes a file could name his own:
/// the token goes to the server that it was given for, and to no other.
#[derive(Clone)]
pub struct VaultKeys {
    http: Arc<dyn HttpClient>,
    address: String,
    token: Zeroizing<String>,
}

impl VaultKeys {
    /// The keys of the server at `address`, such as `https://vault.example.org:8200`, which `token` may decrypt with.
    pub fn new(http: Arc<dyn HttpClient>, address: &str, token: &str) -> Self {
        let address = address.trim().trim_end_matches('/').to_owned();
        Self { http, address, token: Zeroizing::new(token.trim().to_owned()) }
    }
}

#[async_trait]
impl KeyService for VaultKeys {
    async fn open(&self, cx: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let MasterKey::Vault { address, engine_path, key_name, enc } = key else { return Ok(None) };
        if address.trim_end_matches('/') != self.address {
            return Ok(None);
        }
        let engine_path = engine_path.trim_matches('/');
        let plain = |text: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
            !text.is_empty()
                && text.chars().all(allowed)
                && !text.split('/').any(|part| matches!(part, "" | "." | ".."))
        };
        if !plain(engine_path) || !plain(key_name) || key_name.contains('/') {
            return Err(KeyError("its path is none of the transit engine".into()));
        }
        let url = format!("{}/v1/{engine_path}/decrypt/{key_name}", self.address);
        let token = ("x-vault-token", self.token.clone());
        let answer =
            http::ask(&*self.http, cx, HttpRequest::json(url, vec![token], &json!({"ciphertext": enc}))).await?;
        let text = http::field(&answer, "/data/plaintext")?;
        let key = STANDARD.decode(text.as_bytes()).map_err(|_| KeyError("the data key is not base64".into()))?;
        Ok(Some(Zeroizing::new(key)))
    }
}

impl fmt::Debug for VaultKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultKeys({})", self.address)
    }
}
