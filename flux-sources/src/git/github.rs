//! Tokens for a GitHub App: `spec.provider: github`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flux_core::Context;
use flux_core::source::SourceError;
use flux_core::time::Timestamp;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Url};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::http::{Answer, Credentials, Http, Proxy, Request, Settings, Tls};
use crate::secret::Secret;

const API: &str = "https://api.github.com";
/// The user that a token is the password of.
const USER: &str = "x-access-token";
/// What an answer of the API may weigh.
const ANSWER_BYTES: u64 = 1 << 20;
/// GitHub takes a claim of at most ten minutes; its clock may be behind ours.
const CLAIM_LIFE: i64 = 9 * 60;
const CLOCK_DRIFT: i64 = 60;
/// A token is not used in its last minutes.
const TOKEN_MARGIN: Duration = Duration::from_secs(5 * 60);

/// A GitHub App that is installed where the repository is. A clone shares its token.
#[derive(Clone)]
pub struct GithubApp(Arc<App>);

struct App {
    id: String,
    installation: Installation,
    key: RsaKeyPair,
    api: Url,
    http: Http,
    token: Mutex<Option<Token>>,
}

/// Which installation of the app is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installation {
    /// Its number.
    Id(String),
    /// The organisation or user that it belongs to.
    Owner(String),
}

#[derive(Clone)]
struct Token {
    text: String,
    until: Timestamp,
}

#[derive(Deserialize)]
struct Found {
    id: u64,
}

#[derive(Deserialize)]
struct Granted {
    token: String,
    expires_at: Timestamp,
}

impl GithubApp {
    /// What a Secret in Flux's format holds: `githubAppID`, `githubAppPrivateKey`, either `githubAppInstallationID` or
    /// `githubAppInstallationOwner`, and, for a server of one's own, `githubAppBaseURL` and `ca.crt`. None if it is about no
    /// app.
    ///
    /// # Errors
    /// A missing part, both of the installation's names, or a key that is no RSA key in PEM.
    pub fn from_secret(secret: &Secret, proxy: Option<&Proxy>) -> Result<Option<Self>, SourceError> {
        let Some(id) = secret.text("githubAppID")? else { return Ok(None) };
        let installation = match (secret.text("githubAppInstallationID")?, secret.text("githubAppInstallationOwner")?) {
            (Some(id), None) => Installation::Id(id.to_owned()),
            (None, Some(owner)) => Installation::Owner(owner.to_owned()),
            _ => {
                let problem = "exactly one of it and `githubAppInstallationOwner` is needed";
                return Err(secret.invalid("githubAppInstallationID", problem));
            }
        };
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let (Installation::Id(name) | Installation::Owner(name)) = &installation;
        if !plain(name) || !plain(id) {
            return Err(secret.invalid("githubAppID", "the app and its installation should be numbers or plain names"));
        }
        let name = "githubAppPrivateKey";
        let pem = secret.get(name).ok_or_else(|| secret.invalid(name, "is missing"))?;
        let key = read_key(pem).map_err(|problem| secret.invalid(name, problem))?;
        let api = secret.text("githubAppBaseURL")?.unwrap_or(API);
        let api = Url::parse(api).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some());
        let api = api.ok_or_else(|| secret.invalid("githubAppBaseURL", "is not a URL for HTTP"))?;
        let http = Http::new(Settings { tls: Tls::from_secret(secret)?, proxy: proxy.cloned() });
        let token = Mutex::new(None);
        Ok(Some(Self(Arc::new(App { id: id.to_owned(), installation, key, api, http, token }))))
    }

    /// A token as credentials: the one at hand, or a new one shortly before that ends.
    pub(super) async fn credentials(&self, cx: &Context) -> Result<Credentials, SourceError> {
        let app = &*self.0;
        let known = app.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = known.filter(|token| token.until > cx.now().plus(TOKEN_MARGIN)) {
            return Ok(Credentials::basic(USER, token.text));
        }
        let id = match &app.installation {
            Installation::Id(id) => id.clone(),
            Installation::Owner(owner) => app.find(cx, owner).await?,
        };
        let path = format!("app/installations/{id}/access_tokens");
        let answer =
            app.call(cx, Method::POST, &path).await?.success(app.api.as_str(), "installation of the GitHub App")?;
        let Granted { token, expires_at } = app.read(&answer)?;
        *app.token.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Token { text: token.clone(), until: expires_at });
        Ok(Credentials::basic(USER, token))
    }
}

impl App {
    /// The installation of an organisation or, if there is no such organisation, of a user.
    async fn find(&self, cx: &Context, owner: &str) -> Result<String, SourceError> {
        let mut answer = self.call(cx, Method::GET, &format!("orgs/{owner}/installation")).await?;
        if answer.status.as_u16() == 404 {
            answer = self.call(cx, Method::GET, &format!("users/{owner}/installation")).await?;
        }
        let answer = answer.success(self.api.as_str(), &format!("installation of the GitHub App for `{owner}`"))?;
        Ok(self.read::<Found>(&answer)?.id.to_string())
    }

    async fn call(&self, cx: &Context, method: Method, path: &str) -> Result<Answer, SourceError> {
        let shown = self.api.as_str();
        let rejected = |problem: &str| SourceError::Rejected { url: shown.to_owned(), problem: problem.to_owned() };
        let url = Url::parse(&format!("{}/{path}", shown.trim_end_matches('/')));
        let url = url.map_err(|_| rejected("is not a URL for HTTP"))?;
        let claim = self.claim(cx.now()).ok_or_else(|| rejected("the key of the GitHub App cannot sign"))?;
        let request = Request::new(method, url, &Credentials::bearer(claim)).in_thread();
        let request = request.header(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        self.http.send(cx, shown, &request, ANSWER_BYTES).await
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, answer: &Answer) -> Result<T, SourceError> {
        // The text may hold a token, and is not shown.
        serde_json::from_slice(&answer.body).map_err(|_| SourceError::Rejected {
            url: self.api.to_string(),
            problem: "the answer about the GitHub App cannot be read".into(),
        })
    }

    /// What proves that we are the app: a signed JSON Web Token (RFC 7519).
    fn claim(&self, now: Timestamp) -> Option<String> {
        let now = now.unix_seconds();
        let head = r#"{"alg":"RS256","typ":"JWT"}"#;
        let body = serde_json::json!({"iat": now - CLOCK_DRIFT, "exp": now + CLAIM_LIFE, "iss": self.id}).to_string();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn read_key(pem: &[u8]) -> Result<RsaKeyPair, &'static str> {
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err("is no RSA key in PEM"),
    };
    key.map_err(|_| "is no RSA key in PEM, or one that is too short")
}

impl fmt::Debug for GithubApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubApp").field("id", &self.0.id).field("installation", &self.0.installation).finish()
    }
}
