//! Azure Key Vault.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flux_core::Context;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::http::{self, HttpClient, HttpRequest, encoded};
use super::{KeyError, KeyService, MasterKey};

/// The domains of Key Vault: a token goes to no other.
const DOMAINS: [&str; 4] = [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".managedhsm.azure.net"];

/// Keys of Azure Key Vault that an application may decrypt with.
#[derive(Clone)]
pub struct AzureKeys {
    http: Arc<dyn HttpClient>,
    tenant: String,
    client: String,
    secret: Zeroizing<String>,
}

impl AzureKeys {
    /// The keys that an application of a tenant may decrypt with.
    pub fn new(http: Arc<dyn HttpClient>, tenant: &str, client: &str, secret: &str) -> Self {
        let secret = Zeroizing::new(secret.to_owned());
        Self { http, tenant: tenant.to_owned(), client: client.to_owned(), secret }
    }

    /// From a file with `tenantId`, `clientId` and `clientSecret` (or `tenant`, `appId` and `password`), in YAML, as Flux
    /// keeps it in `sops.azure-kv`.
    ///
    /// # Errors
    /// It is not such a file. The text does not quote it.
    pub fn from_file(http: Arc<dyn HttpClient>, file: &[u8]) -> Result<Self, KeyError> {
        let wrong = || KeyError("must be YAML with tenantId, clientId and clientSecret".into());
        let value = flux_core::yaml::read(file, &Default::default()).map_err(|_| wrong())?;
        let text = |names: [&str; 2]| names.iter().find_map(|name| value.get(*name).and_then(Value::as_str));
        let tenant = text(["tenantId", "tenant"]).ok_or_else(wrong)?;
        let client = text(["clientId", "appId"]).ok_or_else(wrong)?;
        Ok(Self::new(http, tenant, client, text(["clientSecret", "password"]).ok_or_else(wrong)?))
    }

    async fn token(&self, cx: &Context) -> Result<Zeroizing<String>, KeyError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client),
            ("client_secret", &self.secret),
            ("scope", "https://vault.azure.net/.default"),
        ];
        let request = HttpRequest {
            url: format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", encoded(&self.tenant)),
            headers: vec![("content-type", Zeroizing::new("application/x-www-form-urlencoded".into()))],
            body: http::form(&form),
        };
        http::field(&http::ask(&*self.http, cx, request).await?, "/access_token")
    }
}

#[async_trait]
impl KeyService for AzureKeys {
    async fn open(&self, cx: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let MasterKey::AzureKeyVault { vault_url, name, version, enc } = key else { return Ok(None) };
        let host = vault_url.strip_prefix("https://").map(|host| host.trim_end_matches('/'));
        let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        let host = host.filter(plain).filter(|host| DOMAINS.iter().any(|domain| host.ends_with(domain)));
        let host = host.ok_or_else(|| KeyError("its vault is at no address of Azure Key Vault".into()))?;
        let token = self.token(cx).await?;
        let url = format!("https://{host}/keys/{}/{}/decrypt?api-version=7.4", encoded(name), encoded(version));
        let bearer = ("authorization", Zeroizing::new(format!("Bearer {}", &*token)));
        let body = json!({"alg": "RSA-OAEP-256", "value": enc});
        let answer = http::ask(&*self.http, cx, HttpRequest::json(url, vec![bearer], &body)).await?;
        let text = http::field(&answer, "/value")?;
        let key = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        Ok(Some(Zeroizing::new(key.map_err(|_| KeyError("the data key is not base64".into()))?)))
    }
}

impl fmt::Debug for AzureKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureKeys({})", self.client)
    }
}
