//! Requests to key services.

use std::fmt;

use async_trait::async_trait;
use flux_core::Context;
use serde_json::Value;
use zeroize::Zeroizing;

use super::KeyError;

/// The largest answer of a key service.
const MAX_ANSWER: usize = 64 << 10;

/// One request.
pub struct HttpRequest {
    /// `https://…`.
    pub url: String,
    /// Headers by name; values may be secret.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// What is posted.
    pub body: Zeroizing<Vec<u8>>,
}

impl HttpRequest {
    pub(super) fn json(url: String, headers: Vec<(&'static str, Zeroizing<String>)>, body: &Value) -> Self {
        let mut headers = headers;
        headers.push(("content-type", Zeroizing::new("application/json".into())));
        Self { url, headers, body: Zeroizing::new(body.to_string().into_bytes()) }
    }
}

/// Where it goes, and nothing else.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POST {}", self.url)
    }
}

/// One answer.
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// What was answered.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({})", self.status)
    }
}

/// Posts requests to key services. It must follow no redirects: requests carry credentials.
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Posts a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer. The text must not hold what was sent.
    async fn post(&self, cx: &Context, request: HttpRequest) -> Result<HttpResponse, KeyError>;
}

/// Posts a request and reads the JSON that is answered.
pub(super) async fn ask(http: &dyn HttpClient, cx: &Context, request: HttpRequest) -> Result<Value, KeyError> {
    let response = http.post(cx, request).await?;
    if !(200..300).contains(&response.status) {
        return Err(KeyError(format!("the service answered with HTTP status {}", response.status)));
    }
    if response.body.len() > MAX_ANSWER {
        return Err(KeyError("the service's answer is too large".into()));
    }
    serde_json::from_slice(&response.body).map_err(|_| KeyError("the service's answer is not JSON".into()))
}

/// A form as its body.
#[cfg(any(feature = "sops-azure", feature = "sops-gcp"))]
pub(super) fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| Zeroizing::new(format!("{name}={}", encoded(value)))).collect();
    let size = pairs.iter().map(|pair| pair.len() + 1).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(size));
    for (i, pair) in pairs.iter().enumerate() {
        if i > 0 {
            body.push(b'&');
        }
        body.extend_from_slice(pair.as_bytes());
    }
    body
}

/// A text with everything encoded that means something in a URL or a form.
#[cfg(any(feature = "sops-azure", feature = "sops-gcp"))]
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A text in an answer.
pub(super) fn field(answer: &Value, pointer: &str) -> Result<Zeroizing<String>, KeyError> {
    let text = answer.pointer(pointer).and_then(Value::as_str).map(|text| Zeroizing::new(text.to_owned()));
    text.ok_or_else(|| KeyError(format!("the service's answer has no {}", pointer.trim_start_matches('/'))))
}

mod client {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use flux_core::Context;
    use zeroize::Zeroizing;

    use super::{HttpClient, HttpRequest, HttpResponse, KeyError, MAX_ANSWER};

    /// How long a service may take to answer.
    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Posts over HTTPS, with rustls on ring and the certificates of the machine.
    #[derive(Debug, Clone)]
    pub struct HttpsClient(reqwest::Client);

    impl HttpsClient {
        /// A client; no TLS provider needs to be installed in the process.
        ///
        /// # Errors
        /// TLS cannot be set up.
        pub fn new() -> Result<Self, KeyError> {
            let failed = |_| KeyError("the HTTPS client cannot be set up".into());
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|_| KeyError("TLS cannot be set up".into()))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(tls)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(TIMEOUT);
            client.build().map(Self).map_err(failed)
        }
    }

    #[async_trait]
    impl HttpClient for HttpsClient {
        async fn post(&self, _: &Context, request: HttpRequest) -> Result<HttpResponse, KeyError> {
            let failed = |_| KeyError("the service cannot be reached".into());
            let mut post = self.0.post(&request.url).body(request.body.to_vec());
            for (name, value) in &request.headers {
                post = post.header(*name, value.as_str());
            }
            let mut response = post.send().await.map_err(failed)?;
            let status = response.status().as_u16();
            let mut body = Zeroizing::new(Vec::with_capacity(4096));
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    return Err(KeyError("the service's answer is too large".into()));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(HttpResponse { status, body })
        }
    }
}

pub use client::HttpsClient;
