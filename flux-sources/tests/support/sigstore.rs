//! An instance of Sigstore of our own: an authority, a log of signatures and a log of certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::Digest;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType, SerialNumber, SigningKey as _,
};
use serde_json::{Value, json};

use super::party::Party;

/// 2020-06-01T12:00:00Z, while the certificates are valid.
pub(crate) const NOON: i64 = 1_591_012_800;
const TIMESTAMPS: &[u64] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

pub(crate) struct Sigstore {
    root: Party,
    pub(crate) fulcio: Party,
    pub(crate) rekor: KeyPair,
    pub(crate) certificate_log: KeyPair,
}

fn der_string(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head, content].concat()
}

fn id(key: &KeyPair) -> Vec<u8> {
    hash(&key.subject_public_key_info())
}

fn hash(data: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, data).as_ref().to_vec()
}

/// The issuer of a token, as Fulcio writes it into a certificate.
pub(crate) fn issuer_extension(issuer: &str) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], der_string(0x0c, issuer.as_bytes()))
}

impl Sigstore {
    pub(crate) fn new() -> Self {
        let root = Party::root("root");
        let fulcio = root.authority("fulcio");
        let key = || KeyPair::generate().unwrap();
        Self { root, fulcio, rekor: key(), certificate_log: key() }
    }

    /// Gives the authority another certificate.
    pub(crate) fn change_fulcio(&mut self, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = self.fulcio.params.clone();
        change(&mut params);
        self.fulcio = self.root.issue(params, KeyPair::generate().unwrap());
    }

    /// The `trusted_root.json` of this instance.
    pub(crate) fn trusted_root(&self) -> Value {
        let valid = json!({"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00.5Z"});
        let log = |key: &KeyPair| {
            let raw = STANDARD.encode(key.subject_public_key_info());
            let public_key = json!({"rawBytes": raw, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid});
            json!([{"baseUrl": "https://log", "hashAlgorithm": "SHA2_256", "publicKey": public_key,
                "logId": {"keyId": STANDARD.encode(id(key))}}])
        };
        let certificates = [&self.fulcio, &self.root].map(|party| json!({"rawBytes": STANDARD.encode(&party.der)}));
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": log(&self.rekor),
            "certificateAuthorities": [{"uri": "https://fulcio", "certChain": {"certificates": certificates}, "validFor": valid}],
            "ctlogs": log(&self.certificate_log),
        })
    }

    /// What the certificate of a signer says.
    pub(crate) fn params(subject: SanType, issuer: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.not_before = rcgen::date_time_ymd(2020, 6, 1);
        params.not_after = rcgen::date_time_ymd(2020, 6, 2);
        params.serial_number = Some(SerialNumber::from(7_u64));
        params.subject_alt_names = vec![subject];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.custom_extensions = vec![issuer_extension(issuer)];
        params
    }

    /// A signer with a certificate that the log of certificates knows.
    pub(crate) fn certify(&self, params: CertificateParams) -> Party {
        let key = KeyPair::generate().unwrap();
        let promise = self.promise(&params, &key, &self.certificate_log);
        self.issue(params, key, &promise)
    }

    /// A certificate with a promise of a log in it.
    pub(crate) fn issue(&self, mut params: CertificateParams, key: KeyPair, promise: &[u8]) -> Party {
        let length = |data: &[u8]| u16::try_from(data.len()).unwrap().to_be_bytes();
        let list = [&length(promise)[..], promise].concat();
        let list = [&length(&list)[..], &list].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(TIMESTAMPS, der_string(0x04, &list)));
        self.fulcio.issue(params, key)
    }

    /// The promise of a log to log a certificate (RFC 6962, section 3.2), made about it without the promise.
    pub(crate) fn promise(&self, params: &CertificateParams, key: &KeyPair, log: &KeyPair) -> Vec<u8> {
        let key = KeyPair::try_from(key.serialize_der()).unwrap();
        let without = self.fulcio.issue(params.clone(), key).der;
        let (_, without) = x509_parser::parse_x509_certificate(&without).unwrap();
        let without = without.tbs_certificate.as_ref();
        let time = u64::try_from(NOON * 1000).unwrap().to_be_bytes();
        let issuer = hash(&self.fulcio.key.subject_public_key_info());
        let size = u32::try_from(without.len()).unwrap().to_be_bytes();
        let message = [&[0, 0][..], &time, &[0, 1], &issuer, &size[1..], without, &[0, 0]].concat();
        let signature = log.sign(&message).unwrap();
        let size = u16::try_from(signature.len()).unwrap().to_be_bytes();
        [&[0][..], &id(log), &time, &[0, 0], &[4, 3], &size, &signature].concat()
    }

    /// What the log signs about an entry.
    fn entry_timestamp(&self, body: &str, time: i64, index: i64) -> String {
        let id: String = id(&self.rekor).iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = json!({"body": body, "integratedTime": time, "logID": id, "logIndex": index});
        // The fields stand in the order of their names, as the canonical form of JSON has it.
        STANDARD.encode(self.rekor.sign(entry.to_string().as_bytes()).unwrap())
    }

    /// An entry in an annotation.
    pub(crate) fn annotated(&self, body: &Value, time: i64) -> Value {
        let body = STANDARD.encode(body.to_string());
        let timestamp = self.entry_timestamp(&body, time, 5);
        let id: String = id(&self.rekor).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "SignedEntryTimestamp": timestamp,
            "Payload": {"body": body, "integratedTime": time, "logIndex": 5, "logID": id},
        })
    }

    /// An entry in a bundle, the second of two in its tree.
    pub(crate) fn bundled(&self, body: &Value, time: i64) -> Value {
        let text = body.to_string();
        let body = STANDARD.encode(&text);
        let timestamp = self.entry_timestamp(&body, time, 105);
        let other = hash(b"\0other");
        let root = hash(&[&[1][..], &other, &hash(&[&[0][..], text.as_bytes()].concat())].concat());
        json!({
            "logIndex": "105",
            "logId": {"keyId": STANDARD.encode(id(&self.rekor))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": time.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": timestamp},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": STANDARD.encode(&root),
                "treeSize": "2",
                "hashes": [STANDARD.encode(other)],
                "checkpoint": {"envelope": self.checkpoint(&self.rekor, 2, &root)},
            },
            "canonicalizedBody": body,
        })
    }

    pub(crate) fn checkpoint(&self, key: &KeyPair, size: u64, root: &[u8]) -> String {
        let text = format!("log.example - 1\n{size}\n{}\n", STANDARD.encode(root));
        let signature = [&id(key)[..4], &key.sign(text.as_bytes()).unwrap()].concat();
        format!("{text}\n\u{2014} log.example {}\n", STANDARD.encode(signature))
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}

/// A signature over a text.
pub(crate) struct Made {
    pub(crate) text: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) certificate: String,
}

impl Made {
    pub(crate) fn new(signer: &Party, text: Vec<u8>, message: &[u8]) -> Self {
        Self { text, signature: signer.key.sign(message).unwrap(), certificate: pem(&signer.der) }
    }

    /// What a log says about a signature that stands by itself.
    pub(crate) fn hashedrekord(&self) -> Value {
        let hash = json!({"algorithm": "sha256", "value": Digest::sha256(&self.text).hex()});
        let signature = json!({
            "content": STANDARD.encode(&self.signature),
            "publicKey": {"content": STANDARD.encode(&self.certificate)},
        });
        json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {"data": {"hash": hash}, "signature": signature}})
    }

    /// What a log says about an envelope.
    pub(crate) fn dsse(&self) -> Value {
        let hash = json!({"algorithm": "sha256", "value": Digest::sha256(&self.text).hex()});
        let signature = json!({
            "signature": STANDARD.encode(&self.signature),
            "verifier": STANDARD.encode(&self.certificate),
        });
        let spec = json!({"envelopeHash": hash, "payloadHash": hash, "signatures": [signature]});
        json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
    }
}
