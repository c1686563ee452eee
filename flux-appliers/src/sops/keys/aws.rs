//! AWS KMS, with requests signed by Signature Version 4.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::{Context, Timestamp};
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value, json};
use sha2_10::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::http::{self, HttpClient, HttpRequest};
use super::{KeyError, KeyService, MasterKey};

/// Keys of AWS KMS that an access key may decrypt with.
#[derive(Clone)]
pub struct AwsKmsKeys {
    http: Arc<dyn HttpClient>,
    credentials: Credentials,
}

#[derive(Clone)]
struct Credentials {
    id: String,
    secret: Zeroizing<String>,
    session: Option<Zeroizing<String>>,
}

impl AwsKmsKeys {
    /// The keys that this access key may decrypt with; `session` comes with temporary credentials.
    pub fn new(http: Arc<dyn HttpClient>, id: &str, secret: &str, session: Option<&str>) -> Self {
        let secret = Zeroizing::new(secret.to_owned());
        let session = session.map(|session| Zeroizing::new(session.to_owned()));
        Self { http, credentials: Credentials { id: id.to_owned(), secret, session } }
    }

    /// From a file with `aws_access_key_id`, `aws_secret_access_key` and maybe `aws_session_token`, in YAML, as Flux keeps
    /// it in `sops.aws-kms`.
    ///
    /// # Errors
    /// It is not such a file. The text does not quote it.
    pub fn from_file(http: Arc<dyn HttpClient>, file: &[u8]) -> Result<Self, KeyError> {
        let wrong = || KeyError("must be YAML with aws_access_key_id and aws_secret_access_key".into());
        let value = flux_core::yaml::read(file, &Default::default()).map_err(|_| wrong())?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (id, secret) = text("aws_access_key_id").zip(text("aws_secret_access_key")).ok_or_else(wrong)?;
        Ok(Self::new(http, id, secret, text("aws_session_token")))
    }
}

#[async_trait]
impl KeyService for AwsKmsKeys {
    async fn open(&self, cx: &Context, key: &MasterKey) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let MasterKey::AwsKms { arn, role, context, enc } = key else { return Ok(None) };
        if role.is_some() {
            return Err(KeyError("a role to assume is not carried out; let the access key use the key itself".into()));
        }
        // arn:aws:kms:REGION:ACCOUNT:key/ID
        let mut parts = arn.split(':');
        let (partition, region) = (parts.nth(1), parts.nth(1));
        let plain = |text: &&str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let region = region.filter(plain).ok_or_else(|| KeyError("its ARN names no region".into()))?;
        let suffix = if partition == Some("aws-cn") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let host = format!("kms.{region}.{suffix}");
        let context: Map<String, Value> = context.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        let mut body = json!({"KeyId": arn, "CiphertextBlob": enc});
        if !context.is_empty() {
            body["EncryptionContext"] = context.into();
        }
        let body = body.to_string();
        let time = amazon_time(cx.now());
        let mut headers = vec![
            ("content-type", Zeroizing::new("application/x-amz-json-1.1".to_owned())),
            ("host", Zeroizing::new(host.clone())),
            ("x-amz-date", Zeroizing::new(time.clone())),
        ];
        headers.extend(self.credentials.session.clone().map(|session| ("x-amz-security-token", session)));
        headers.push(("x-amz-target", Zeroizing::new("TrentService.Decrypt".to_owned())));
        let signature = sign(
            &self.credentials,
            &Signed { method: "POST", query: "", headers: &headers, body: &body, time: &time, region, service: "kms" },
        );
        headers.retain(|(name, _)| *name != "host");
        headers.push(("authorization", signature));
        let request = HttpRequest { url: format!("https://{host}/"), headers, body: Zeroizing::new(body.into_bytes()) };
        let answer = http::ask(&*self.http, cx, request).await?;
        let text = http::field(&answer, "/Plaintext")?;
        let key = STANDARD.decode(text.as_bytes()).map_err(|_| KeyError("the data key is not base64".into()))?;
        Ok(Some(Zeroizing::new(key)))
    }
}

/// What of a request is signed. Headers are in the order of their names.
struct Signed<'a> {
    method: &'a str,
    query: &'a str,
    headers: &'a [(&'static str, Zeroizing<String>)],
    body: &'a str,
    time: &'a str,
    region: &'a str,
    service: &'a str,
}

fn sign(credentials: &Credentials, signed: &Signed<'_>) -> Zeroizing<String> {
    let Signed { method, query, headers, body, time, region, service } = signed;
    let date = time.get(..8).unwrap_or_default();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = Zeroizing::new(format!("{method}\n/\n{query}\n"));
    for (name, value) in *headers {
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{names}\n{}", hex(&Sha256::digest(body.as_bytes()))));
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let start = Zeroizing::new(format!("AWS4{}", &*credentials.secret).into_bytes());
    let key = [date, region, service, "aws4_request"].iter().fold(start, |key, part| mac(&key, part.as_bytes()));
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    let id = &credentials.id;
    Zeroizing::new(format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"))
}

fn mac(key: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>> {
    // Any length of key will do for this code.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Zeroizing::new(Vec::new()) };
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20150830T123600Z`.
fn amazon_time(now: Timestamp) -> String {
    let text = Timestamp::from_unix_seconds(now.unix_seconds()).to_string();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

impl fmt::Debug for AwsKmsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsKmsKeys({})", self.credentials.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation.
    #[test]
    fn requests_are_signed_as_documented() {
        let credentials = Credentials {
            id: "AKIDEXAMPLE".into(),
            secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
            session: None,
        };
        let time = amazon_time("2015-08-30T12:36:00Z".parse().unwrap());
        assert_eq!(time, "20150830T123600Z");
        let headers = [
            ("content-type", Zeroizing::new("application/x-www-form-urlencoded; charset=utf-8".to_owned())),
            ("host", Zeroizing::new("iam.amazonaws.com".to_owned())),
            ("x-amz-date", Zeroizing::new(time.clone())),
        ];
        let signed = Signed {
            method: "GET",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            body: "",
            time: &time,
            region: "us-east-1",
            service: "iam",
        };
        assert_eq!(
            &*sign(&credentials, &signed),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }
}
