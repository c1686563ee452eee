//! Google Cloud KMS.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flux_core::Context;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::http::{self, HttpClient, HttpRequest};
use super::{KeyError, KeyService, MasterKey};

/// Where tokens come from, and who they are for.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";

/// Keys of Google Cloud KMS that a service account may decrypt with.
#[derive(Clone)]
pub struct GcpKmsKeys {
    http: Arc<dyn HttpClient>,
    account: String,
    key: Arc<RsaKeyPair>,
}

impl GcpKmsKeys {
    /// From the JSON key file of a service account, as Flux keeps it in `sops.gcp-kms`.
    ///
    /// # Errors
    /// It is not such a file. The text does not quote it.
    pub fn from_file(http: Arc<dyn HttpClient>, file: &[u8]) -> Result<Self, KeyError> {
        let wrong = || KeyError("must be the JSON key file of a service account".into());
        let value: Value = serde_json::from_slice(file).map_err(|_| wrong())?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(wrong);
        let lines = text("private_key")?.lines().filter(|line| !line.starts_with("-----"));
        let der = Zeroizing::new(lines.collect::<String>());
        let der = STANDARD.decode(der.as_bytes()).map(Zeroizing::new).map_err(|_| wrong())?;
        let key = RsaKeyPair::from_pkcs8(&der).map_err(|_| wrong())?;
        Ok(Self { http, account: text("client_email")?.to_owned(), key: Arc::new(key) })
    }

    async fn token(&self, cx: &Context) -> Result<Zeroizing<String>, KeyError> {
        let now = cx.now().unix_seconds();
        let claims = json!({"iss": self.account, "scope": SCOPE, "aud": TOKENS, "iat": now, "exp": now + 600});
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| KeyError("the request for a token cannot be signed".into()))?;
        let assertion = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
        let request = HttpRequest {
            url: TOKENS.into(),
            headers: vec![("content-type", Zeroizing::new("application/x-www-form-urlencoded".into()))],
            body: http::form(&form),
        };
        http::field(&http::ask(&*self.http, cx, request).await?, "/access_token")
    }
}

#[async_trait]
impl KeyService for GcpKmsKeys {
    async fn open(&self, cx: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let MasterKey::GcpKms { resource_id, enc } = key else { return Ok(None) };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.' | b':');
        if !resource_id.starts_with("projects/") || !resource_id.bytes().all(plain) || resource_id.contains("..") {
            return Err(KeyError("its resource is no key".into()));
        }
        let token = self.token(cx).await?;
        let url = format!("https://cloudkms.googleapis.com/v1/{resource_id}:decrypt");
        let bearer = ("authorization", Zeroizing::new(format!("Bearer {}", &*token)));
        let answer =
            http::ask(&*self.http, cx, HttpRequest::json(url, vec![bearer], &json!({"ciphertext": enc}))).await?;
        let text = http::field(&answer, "/plaintext")?;
        let key = STANDARD.decode(text.as_bytes()).map_err(|_| KeyError("the data key is not base64".into()))?;
        Ok(Some(Zeroizing::new(key)))
    }
}

impl fmt::Debug for GcpKmsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GcpKmsKeys({})", self.account)
    }
}
