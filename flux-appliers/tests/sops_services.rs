//! Data keys that services keep, asked for at a small server of our own.
#![cfg(all(feature = "sops-vault", feature = "sops-aws", feature = "sops-gcp", feature = "sops-azure"))]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flux_appliers::sops::{
    AwsKmsKeys, AzureKeys, GcpKmsKeys, HttpClient, HttpRequest, HttpResponse, HttpsClient, KeyError, KeyService,
    MasterKey, VaultKeys,
};
use flux_core::Context;
use serde_json::{Value, json};

const KEY: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// A server that answers by path, and keeps what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str, &str) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                // The head, then as much as it says.
                let (head, length) = loop {
                    let read = stream.read(&mut chunk).unwrap();
                    request.extend_from_slice(&chunk[..read]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    if let Some(end) = text.find("\r\n\r\n") {
                        let length = text
                            .lines()
                            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                        break (end + 4, length.map_or(0, |length| length.trim().parse::<usize>().unwrap()));
                    }
                };
                while request.len() < head + length {
                    let read = stream.read(&mut chunk).unwrap();
                    request.extend_from_slice(&chunk[..read]);
                }
                let text = String::from_utf8(request).unwrap();
                let path = text.split(' ').nth(1).unwrap().to_owned();
                let (status, body) = answer(&path, &text);
                log.lock().unwrap().push(text);
                let body = body.to_string();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Sends what is for a host of a cloud to the server of the test.
#[derive(Debug)]
struct Routed {
    client: HttpsClient,
    to: String,
}

#[async_trait]
impl HttpClient for Routed {
    async fn post(&self, cx: &Context, request: HttpRequest) -> Result<HttpResponse, KeyError> {
        let rest = request.url.strip_prefix("https://").unwrap();
        let url = format!("{}/{rest}", self.to);
        self.client.post(cx, HttpRequest { url, ..request }).await
    }
}

fn routed(server: &Server) -> Arc<dyn HttpClient> {
    Arc::new(Routed { client: HttpsClient::new().unwrap(), to: server.address.clone() })
}

async fn open(service: &dyn KeyService, key: &MasterKey) -> Result<Option<Vec<u8>>, String> {
    let opened = service.open(&Context::background(), key).await;
    opened.map(|key| key.map(|key| key.to_vec())).map_err(|error| error.to_string())
}

#[tokio::test]
async fn vault_decrypts_and_its_token_goes_nowhere_else() {
    let server = Server::start(|path, text| match path {
        "/v1/sops/decrypt/first" if text.contains("x-vault-token: s.token") && text.contains("vault:v1:abc") => {
            (200, json!({"data": {"plaintext": STANDARD.encode(KEY)}}))
        }
        _ => (403, json!({"errors": ["permission denied"]})),
    });
    let keys = VaultKeys::new(Arc::new(HttpsClient::new().unwrap()), &server.address, "s.token\n");
    let key = |address: &str, engine: &str, name: &str| MasterKey::Vault {
        address: address.into(),
        engine_path: engine.into(),
        key_name: name.into(),
        enc: "vault:v1:abc".into(),
    };
    assert_eq!(open(&keys, &key(&server.address, "sops", "first")).await, Ok(Some(KEY.to_vec())));
    let error = open(&keys, &key(&server.address, "sops", "other")).await.unwrap_err();
    assert_eq!(error, "the service answered with HTTP status 403");
    let before = server.asked().len();
    // Another server is not asked, nor another path.
    assert_eq!(open(&keys, &key("http://127.0.0.1:9", "sops", "first")).await, Ok(None));
    for (engine, name) in [("sops/../auth", "first"), ("sops", "../x"), ("sops", "a?b"), ("", "first")] {
        assert!(open(&keys, &key(&server.address, engine, name)).await.is_err(), "{engine} {name}");
    }
    assert_eq!(server.asked().len(), before);
    assert!(!format!("{keys:?}").contains("s.token"));
}

#[tokio::test]
async fn aws_is_asked_with_a_signed_request() {
    let server = Server::start(|path, text| {
        let signed = text.contains("authorization: AWS4-HMAC-SHA256 Credential=AKID/")
            && text.contains("/eu-west-1/kms/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target")
            && text.contains("x-amz-target: TrentService.Decrypt");
        match path {
            "/kms.eu-west-1.amazonaws.com/" if signed && text.contains("\"EncryptionContext\":{\"app\":\"web\"}") => {
                (200, json!({"Plaintext": STANDARD.encode(KEY)}))
            }
            _ => (400, json!({})),
        }
    });
    let file = b"aws_access_key_id: AKID\naws_secret_access_key: hidden\naws_session_token: hidden-too\n";
    let keys = AwsKmsKeys::from_file(routed(&server), file).unwrap();
    let key = |arn: &str, role: Option<&str>| MasterKey::AwsKms {
        arn: arn.into(),
        role: role.map(str::to_owned),
        context: vec![("app".into(), "web".into())],
        enc: "AAAA".into(),
    };
    let arn = "arn:aws:kms:eu-west-1:123456789012:key/1";
    assert_eq!(open(&keys, &key(arn, None)).await, Ok(Some(KEY.to_vec())));
    assert!(open(&keys, &key(arn, Some("arn:aws:iam::1:role/x"))).await.unwrap_err().contains("role"));
    assert!(open(&keys, &key("arn:aws:kms:evil.example.org/:1:key/1", None)).await.unwrap_err().contains("region"));
    assert_eq!(server.asked().len(), 1);
    assert!(!format!("{keys:?}").contains("hidden"));
    assert!(AwsKmsKeys::from_file(routed(&server), b"x: hidden").is_err());
}

#[tokio::test]
async fn azure_is_asked_with_a_token_and_only_at_its_own_domains() {
    let server = Server::start(|path, text| match path {
        "/login.microsoftonline.com/tenant/oauth2/v2.0/token" if text.contains("client_secret=a%26b") => {
            (200, json!({"access_token": "bearer-1"}))
        }
        "/sops.vault.azure.net/keys/first/v7/decrypt?api-version=7.4"
            if text.contains("authorization: Bearer bearer-1") && text.contains("RSA-OAEP-256") =>
        {
            (200, json!({"value": URL_SAFE_NO_PAD.encode(KEY)}))
        }
        _ => (401, json!({})),
    });
    let keys = AzureKeys::from_file(routed(&server), b"tenantId: tenant\nclientId: app\nclientSecret: a&b\n").unwrap();
    let key = |url: &str| MasterKey::AzureKeyVault {
        vault_url: url.into(),
        name: "first".into(),
        version: "v7".into(),
        enc: "AAAA".into(),
    };
    assert_eq!(open(&keys, &key("https://sops.vault.azure.net/")).await, Ok(Some(KEY.to_vec())));
    let before = server.asked().len();
    for url in [
        "https://evil.example.org",
        "http://sops.vault.azure.net",
        "https://evil.org/.vault.azure.net",
        "https://a@b.vault.azure.net",
    ] {
        assert!(open(&keys, &key(url)).await.is_err(), "{url}");
    }
    assert_eq!(server.asked().len(), before, "no token was asked for");
}

#[tokio::test]
async fn google_is_asked_with_a_token_that_a_service_account_signs_for() {
    let server = Server::start(|path, text| match path {
        "/oauth2.googleapis.com/token" => {
            let assertion = text.rsplit_once("assertion=").unwrap().1;
            let parts: Vec<_> = assertion.split('.').collect();
            let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
            let signed = URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len() == 256;
            if signed && claims["iss"] == "sops@project.example" {
                (200, json!({"access_token": "t"}))
            } else {
                (400, json!({}))
            }
        }
        "/cloudkms.googleapis.com/v1/projects/p/locations/global/keyRings/r/cryptoKeys/k:decrypt"
            if text.contains("authorization: Bearer t") =>
        {
            (200, json!({"plaintext": STANDARD.encode(KEY)}))
        }
        _ => (403, json!({})),
    });
    let pem = include_str!("data/sops/service-account.pem");
    let file = json!({"client_email": "sops@project.example", "private_key": pem}).to_string();
    let keys = GcpKmsKeys::from_file(routed(&server), file.as_bytes()).unwrap();
    let key = |resource: &str| MasterKey::GcpKms { resource_id: resource.into(), enc: "AAAA".into() };
    let resource = "projects/p/locations/global/keyRings/r/cryptoKeys/k";
    assert_eq!(open(&keys, &key(resource)).await, Ok(Some(KEY.to_vec())));
    assert!(open(&keys, &key("projects/p/../../x")).await.is_err());
    assert!(GcpKmsKeys::from_file(routed(&server), b"{}").is_err());
}
