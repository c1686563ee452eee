//! Keys and certificates, in PEM.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use rand_core::{CryptoRng, RngCore};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};

use super::args::{Args, Outcome};
use crate::helm::host::Entropy;
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::gofmt::shown;
use crate::helm::template::{Function, List, Native, Type, Value};

const CERTIFICATE: &str = "sprig.certificate";
const CA: Type = Type::Native(CERTIFICATE);

/// What making an RSA key costs of a render's steps: a hundred of them are a second or more of work.
const RSA_STEPS: u64 = 250_000;

const SECONDS_PER_DAY: i64 = 86_400;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("genPrivateKey", &[Type::Str], |rt, args| {
        let kind = Args(args).text(0);
        Ok(Value::text(match kind.as_ref() {
            "" | "rsa" => rsa_key(rt, 4096)?.pem,
            "ecdsa" => ecdsa_key(rt)?.pem,
            "ed25519" => ed25519_key(rt).pem,
            "dsa" => "failed to generate private key: DSA is not supported".to_owned(),
            other => format!("Unknown type {other}"),
        }))
    }),
    Function::new("genCA", &[Type::Str, Type::Int], |rt, args| {
        let key = rsa_key(rt, 2048)?;
        authority(rt, args, key)
    }),
    Function::new("genCAWithKey", &[Type::Str, Type::Int, Type::Str], |rt, args| {
        let key = read_key(&Args(args).text(2)).map_err(|error| format!("parsing private key: {error}"))?;
        authority(rt, args, key)
    }),
    Function::new("genSelfSignedCert", &[Type::Str, Type::List, Type::List, Type::Int], |rt, args| {
        let key = rsa_key(rt, 2048)?;
        leaf(rt, args, key, None)
    }),
    Function::new(
        "genSelfSignedCertWithKey",
        &[Type::Str, Type::List, Type::List, Type::Int, Type::Str],
        |rt, args| {
            let key = read_key(&Args(args).text(4)).map_err(|error| format!("parsing private key: {error}"))?;
            leaf(rt, args, key, None)
        },
    ),
    Function::new("genSignedCert", &[Type::Str, Type::List, Type::List, Type::Int, CA], |rt, args| {
        let key = rsa_key(rt, 2048)?;
        leaf(rt, args, key, args.get(4))
    }),
    Function::new(
        "genSignedCertWithKey",
        &[Type::Str, Type::List, Type::List, Type::Int, CA, Type::Str],
        |rt, args| {
            let key = read_key(&Args(args).text(5)).map_err(|error| format!("parsing private key: {error}"))?;
            leaf(rt, args, key, args.get(4))
        },
    ),
    Function::new("buildCustomCert", &[Type::Str, Type::Str], |_, args| build_custom(args)),
];

/// A private key: as PEM in its usual form, and as PKCS #8 for signing.
struct Key {
    pem: String,
    pkcs8: Vec<u8>,
}

/// `sprig.certificate`
struct Certificate {
    cert: String,
    key: String,
}

impl Native for Certificate {
    fn type_name(&self) -> &'static str {
        CERTIFICATE
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::text(self.cert.as_str())),
            "Key" => Some(Value::text(self.key.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Cert", Value::text(self.cert.as_str())), ("Key", Value::text(self.key.as_str()))]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The host's randomness in the form that the key generators take.
struct Random<'a>(&'a dyn Entropy);

impl RngCore for Random<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for Random<'_> {}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

fn failed(what: &str) -> impl Fn(String) -> CallError {
    move |error| format!("{what}: {error}").into()
}

fn rsa_key(rt: &mut Runtime<'_>, bits: usize) -> Result<Key, CallError> {
    rt.budget.steps(RSA_STEPS)?;
    let key = RsaPrivateKey::new(&mut Random(rt.host.entropy.as_ref()), bits)
        .map_err(|error| failed("error generating rsa key")(error.to_string()))?;
    of_rsa(&key)
}

fn of_rsa(key: &RsaPrivateKey) -> Result<Key, CallError> {
    let fail = failed("error encoding rsa key");
    let pkcs1 = key.to_pkcs1_der().map_err(|error| fail(error.to_string()))?;
    let pkcs8 = key.to_pkcs8_der().map_err(|error| fail(error.to_string()))?;
    Ok(Key { pem: pem("RSA PRIVATE KEY", pkcs1.as_bytes()), pkcs8: pkcs8.as_bytes().to_vec() })
}

fn ecdsa_key(rt: &mut Runtime<'_>) -> Result<Key, CallError> {
    of_ecdsa(&p256::SecretKey::random(&mut Random(rt.host.entropy.as_ref())))
}

fn of_ecdsa(key: &p256::SecretKey) -> Result<Key, CallError> {
    // RFC 5915 with the curve named, without which Go does not read it: this, the key, the curve, the public key.
    const START: [u8; 7] = [0x30, 0x77, 2, 1, 1, 4, 0x20];
    const CURVE: [u8; 12] = [0xa0, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const PUBLIC: [u8; 5] = [0xa1, 0x44, 3, 0x42, 0];
    let public = key.public_key().to_encoded_point(false);
    let sec1 = [&START[..], &key.to_bytes(), &CURVE, &PUBLIC, public.as_bytes()].concat();
    let pkcs8 = key.to_pkcs8_der().map_err(|error| failed("error encoding ecdsa key")(error.to_string()))?;
    Ok(Key { pem: pem("EC PRIVATE KEY", &sec1), pkcs8: pkcs8.as_bytes().to_vec() })
}

fn ed25519_key(rt: &Runtime<'_>) -> Key {
    // PKCS #8 of an Ed25519 key is this, then the 32 bytes of the seed (RFC 8410).
    const PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let mut seed = [0; 32];
    rt.host.entropy.fill(&mut seed);
    let pkcs8 = [&PREFIX[..], &seed].concat();
    Key { pem: pem("PRIVATE KEY", &pkcs8), pkcs8 }
}

fn read_key(text: &str) -> Result<Key, CallError> {
    let (label, der) = read_pem(text).ok_or("no PEM data in input")?;
    let plain = |error: String| CallError::from(error);
    match label.as_str() {
        "RSA PRIVATE KEY" => of_rsa(
            &RsaPrivateKey::from_pkcs1_der(&der)
                .map_err(|error| plain(format!("parsing RSA private key from PEM: {error}")))?,
        ),
        "EC PRIVATE KEY" => of_ecdsa(
            &p256::SecretKey::from_sec1_der(&der)
                .map_err(|error| plain(format!("parsing EC private key from PEM: {error}")))?,
        ),
        "PRIVATE KEY" => {
            if let Ok(key) = RsaPrivateKey::from_pkcs8_der(&der) {
                return of_rsa(&key);
            }
            if let Ok(key) = p256::SecretKey::from_pkcs8_der(&der) {
                return of_ecdsa(&key);
            }
            KeyPair::try_from(der.as_slice()).map_err(|error| plain(format!("decoding PEM as PKCS#8: {error}")))?;
            Ok(Key { pem: pem("PRIVATE KEY", &der), pkcs8: der })
        }
        other if !other.ends_with(" PRIVATE KEY") => {
            Err(format!("no private key data in PEM block of type {other}").into())
        }
        other => Err(format!("invalid private key type {}", other.trim_end_matches(" PRIVATE KEY")).into()),
    }
}

/// Label and content of the first PEM block.
fn read_pem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label.to_owned(), STANDARD.decode(body).ok()?))
}

fn signer(key: &Key) -> Result<KeyPair, CallError> {
    KeyPair::try_from(key.pkcs8.as_slice()).map_err(|error| failed("error parsing private key")(error.to_string()))
}

/// What all certificates have: name, validity, serial number and what the key is for.
fn params(rt: &Runtime<'_>, name: &str, days: i64) -> Result<CertificateParams, CallError> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    let mut serial = [0; 16];
    rt.host.entropy.fill(&mut serial);
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    let start = rt.host.now.unix_seconds();
    let time = |seconds: i64| {
        time_crate::OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| CallError::from(error.to_string()))
    };
    params.not_before = time(start)?;
    params.not_after = time(start.saturating_add(days.saturating_mul(SECONDS_PER_DAY)))?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

fn authority(rt: &mut Runtime<'_>, args: &[Value], key: Key) -> Outcome {
    let args = Args(args);
    let mut params = params(rt, &args.text(0), args.int(1))?;
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    finish(params, key, None)
}

fn leaf(rt: &mut Runtime<'_>, args: &[Value], key: Key, ca: Option<&Value>) -> Outcome {
    let args = Args(args);
    let mut params = params(rt, &args.text(0), args.int(3))?;
    for address in texts(&args.any(1)) {
        let text = address.map_err(|shown| format!("error parsing ip: {shown} is not a string"))?;
        let address: IpAddr = text.parse().map_err(|_| format!("error parsing ip: {text}"))?;
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    for name in texts(&args.any(2)) {
        let text = name.map_err(|shown| format!("error processing alternate dns name: {shown} is not a string"))?;
        let name = text
            .as_str()
            .try_into()
            .map_err(|_| format!("error creating certificate: x509: {text:?} cannot be encoded as an IA5String"))?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    match ca.and_then(|ca| ca.downcast::<Certificate>()) {
        Some(ca) => finish(params, key, Some(ca)),
        None => finish(params, key, None),
    }
}

/// The texts in a list; what is none, as it prints.
fn texts(list: &Value) -> Vec<Result<String, String>> {
    let items = match list {
        Value::List(list) => List::items(list).to_vec(),
        _ => Vec::new(),
    };
    items
        .iter()
        .map(|item| match item {
            Value::Str(text) => Ok(text.to_str().into_owned()),
            other => Err(shown('v', other)),
        })
        .collect()
}

fn finish(params: CertificateParams, key: Key, ca: Option<&Certificate>) -> Outcome {
    let fail = failed("error creating certificate");
    let pair = signer(&key)?;
    let certificate = match ca {
        None => params.self_signed(&pair).map_err(|error| fail(error.to_string()))?,
        Some(ca) => {
            let (_, der) = read_pem(&ca.cert).ok_or("unable to decode certificate")?;
            let ca_key = signer(&read_key(&ca.key).map_err(|error| format!("error parsing private key: {error}"))?)?;
            let issuer = Issuer::from_ca_cert_der(&der.into(), ca_key)
                .map_err(|error| format!("error parsing certificate: decodedSignerCert.Bytes: {error}"))?;
            params.signed_by(&pair, &issuer).map_err(|error| fail(error.to_string()))?
        }
    };
    let cert = pem("CERTIFICATE", certificate.der());
    Ok(Value::Native(Rc::new(Certificate { cert, key: key.pem })))
}

/// A certificate and key that the chart's user gave, checked.
fn build_custom(args: &[Value]) -> Outcome {
    let decode = |index: usize| STANDARD.decode(Args(args).bytes(index)).ok().and_then(|b| String::from_utf8(b).ok());
    let cert = decode(0).ok_or("unable to decode base64 certificate")?;
    let key = decode(1).ok_or("unable to decode base64 private key")?;
    let (_, der) = read_pem(&cert).ok_or("unable to decode certificate")?;
    if der.first() != Some(&0x30) {
        return Err("error parsing certificate: decodedCert.Bytes: x509: malformed certificate".into());
    }
    read_key(&key).map_err(|error| format!("error parsing private key: {error}"))?;
    Ok(Value::Native(Rc::new(Certificate { cert, key })))
}
