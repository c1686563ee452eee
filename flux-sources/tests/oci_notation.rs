//! Signatures of the Notary Project, made here: what a trust policy lets pass, and everything that it does not.
#![cfg(feature = "oci-verify")]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flux_core::time::Clock;
use flux_core::{Artifact, Class, Context, Digest, Source, SourceError};
use flux_sources::Secret;
use flux_sources::oci::{NotationTrust, OciSource};
use rcgen::{BasicConstraints, CrlDistributionPoint, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rsa::pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};
use support::archive::layer;
use support::cbor;
use support::party::{Party, signer_params};
use support::registry::{FLUX_LAYER, MANIFEST_TYPE, Own};

const SIGNATURE: &str = "application/vnd.cncf.notary.signature";
const JWS: &str = "application/jose+json";
const COSE: &str = "application/cose";
const SCHEME: &str = "io.cncf.notary.signingScheme";
const TIME: &str = "io.cncf.notary.signingTime";
const EXPIRY: &str = "io.cncf.notary.expiry";
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// A registry with one artifact.
struct Place {
    registry: Own,
    digest: String,
    target: Value,
}

impl Place {
    fn new() -> Self {
        let registry = Own::start();
        let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
        let size = registry.content.lock().unwrap().objects[&digest].len();
        let target = json!({"mediaType": MANIFEST_TYPE, "digest": digest, "size": size});
        Self { registry, digest, target }
    }

    /// Makes these envelopes all signatures of the artifact.
    fn attach(&self, envelopes: &[Vec<u8>]) {
        self.registry.refer(&self.digest, SIGNATURE, JWS, envelopes);
    }

    fn signed(&self, chain: &[&Party]) -> Vec<u8> {
        self.changed(chain, |_, _| {})
    }

    /// A signature by the first of the chain, with its payload and its attributes changed before it is made.
    fn changed(&self, chain: &[&Party], change: impl FnOnce(&mut Value, &mut Value)) -> Vec<u8> {
        let signer = chain[0];
        let mut payload = json!({"targetArtifact": self.target});
        let mut protected = json!({
            "alg": signer.sign_jose(b"").0,
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": [SCHEME],
            SCHEME: "notary.x509",
            TIME: "2020-01-02T03:04:05Z",
        });
        change(&mut payload, &mut protected);
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        let protected = URL_SAFE_NO_PAD.encode(protected.to_string());
        let (_, signature) = signer.sign_jose(format!("{protected}.{payload}").as_bytes());
        let chain: Vec<String> = chain.iter().map(|party| STANDARD.encode(&party.der)).collect();
        let envelope = json!({
            "payload": payload,
            "protected": protected,
            "header": {"x5c": chain, "io.cncf.notary.signingAgent": "test"},
            "signature": URL_SAFE_NO_PAD.encode(signature),
        });
        serde_json::to_vec(&envelope).unwrap()
    }

    /// The same in CBOR; the attributes are in the order in which they are written.
    fn cose(&self, chain: &[&Party], change: impl FnOnce(&mut Vec<(Vec<u8>, Vec<u8>)>)) -> Vec<u8> {
        let algorithm = match chain[0].sign_jose(b"").0 {
            "ES256" => -7,
            "ES384" => -35,
            _ => -37,
        };
        let mut header = vec![
            (cbor::integer(1), cbor::integer(algorithm)),
            (cbor::integer(2), cbor::array(&[cbor::text(SCHEME)])),
            (cbor::integer(3), cbor::text("application/vnd.cncf.notary.payload.v1+json")),
            (cbor::text(TIME), cbor::time(1_591_012_800)),
            (cbor::text(SCHEME), cbor::text("notary.x509")),
            (cbor::text("other"), cbor::text("is not critical")),
        ];
        change(&mut header);
        let protected = cbor::bytes(&cbor::map(&header));
        let payload = cbor::bytes(json!({"targetArtifact": self.target}).to_string().as_bytes());
        let message = [cbor::text("Signature1"), protected.clone(), cbor::bytes(b""), payload.clone()];
        let (_, signature) = chain[0].sign_jose(&cbor::array(&message));
        let certificates: Vec<Vec<u8>> = chain.iter().map(|party| cbor::bytes(&party.der)).collect();
        let unprotected = cbor::map(&[
            (cbor::text("io.cncf.notary.signingAgent"), cbor::text("test")),
            (cbor::integer(33), cbor::array(&certificates)),
        ]);
        cbor::tagged(18, &cbor::array(&[protected, unprotected, payload, cbor::bytes(&signature)]))
    }

    async fn get(&self, trust: &NotationTrust) -> Result<Artifact, SourceError> {
        self.get_at(trust, &Context::background()).await
    }

    async fn get_at(&self, trust: &NotationTrust, cx: &Context) -> Result<Artifact, SourceError> {
        let source = OciSource::builder(self.registry.url()).insecure(true).verify(trust.clone()).build()?;
        let revision = source.resolve(cx).await?;
        source.fetch(cx, &revision).await
    }
}

fn policy(change: impl FnOnce(&mut Value)) -> Value {
    let mut statement = json!({
        "name": "a",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:store"],
        "trustedIdentities": ["*"],
    });
    change(&mut statement);
    json!({"version": "1.0", "trustPolicies": [statement]})
}

fn trusting_by(policy: &Value, parties: &[&Party]) -> NotationTrust {
    let trust = NotationTrust::new(policy.to_string().as_bytes()).unwrap();
    parties.iter().fold(trust, |trust, party| trust.with_certificates("ca.crt", &party.der).unwrap())
}

fn trusting(parties: &[&Party]) -> NotationTrust {
    trusting_by(&policy(|_| {}), parties)
}

fn at_level(level: &str, parties: &[&Party]) -> NotationTrust {
    trusting_by(&policy(|statement| statement["signatureVerification"]["level"] = level.into()), parties)
}

#[track_caller]
fn refused(outcome: Result<Artifact, SourceError>, problem: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("{problem}"));
    assert!(matches!(error, SourceError::Unverified { .. }), "{problem}: {error:?}");
    assert!(error.to_string().contains(problem), "{problem}: {error}");
    assert_eq!(error.class(), Class::Denied);
}

#[tokio::test]
async fn a_signature_below_a_trusted_certificate_is_enough() {
    let place = Place::new();
    let root = Party::root("root");
    let middle = root.authority("middle");
    let below = middle.signer(|_| {});
    let p384 = root.issue(signer_params("p384"), KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap());
    let rsa = rsa::RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
    let rsa = KeyPair::try_from(rsa.to_pkcs8_der().unwrap().as_bytes()).unwrap();
    let rsa = root.issue(signer_params("rsa"), rsa);
    let without_purpose = root.signer(|params| params.extended_key_usages.clear());
    let alone = Party::alone(signer_params("alone"), KeyPair::generate().unwrap());
    let stranger = Party::root("stranger");
    for (chain, trusted) in [
        (&[&below, &middle, &root][..], &[&root][..]),
        (&[&below, &middle, &root], &[&middle]),
        (&[&below, &middle, &root], &[&stranger, &below]),
        (&[&p384, &root], &[&root]),
        (&[&rsa, &root], &[&root]),
        (&[&without_purpose, &root], &[&root]),
        (&[&alone], &[&alone]),
    ] {
        let other = stranger.signer(|_| {});
        place.attach(&[b"{}".to_vec(), place.signed(&[&other, &stranger]), place.signed(chain)]);
        let artifact = place.get(&trusting(trusted)).await.unwrap();
        assert!(artifact.metadata["verified"].contains("O=example"), "{:?}", artifact.metadata);
        place.registry.refer(&place.digest, SIGNATURE, COSE, &[place.cose(chain, |_| {})]);
        let artifact = place.get(&trusting(trusted)).await.unwrap();
        assert!(artifact.metadata["verified"].contains("O=example"), "{:?}", artifact.metadata);
    }
    let later = |_: &mut Value, protected: &mut Value| {
        protected["crit"] = json!([SCHEME, EXPIRY]);
        protected[EXPIRY] = "2999-01-02T03:04:05+02:00".into();
        protected["other"] = "is not critical".into();
    };
    place.attach(&[place.changed(&[&below, &middle, &root], later)]);
    place.get(&trusting(&[&root])).await.unwrap();
}

#[tokio::test]
async fn h33_signatures_that_prove_nothing_are_refused() {
    let place = Place::new();
    let (root, stranger) = (Party::root("root"), Party::root("root"));
    let signer = root.signer(|_| {});
    let other = stranger.signer(|_| {});
    let trust = trusting(&[&root]);
    let chain = [&signer, &root];
    refused(place.get(&trust).await, "has no signature");
    place.attach(&[place.signed(&chain)]);
    place.get(&trust).await.unwrap();
    refused(place.get(&trusting(&[])).await, "no certificate is trusted");
    refused(place.get(&trusting(&[&stranger])).await, "no certificate of its chain is trusted");

    type Change = fn(&mut Value, &mut Value);
    for (change, problem) in [
        (
            (|p, _| p["targetArtifact"]["digest"] = Digest::sha256(b"x").to_string().into()) as Change,
            "it is for `sha256:",
        ),
        (|p, _| p["targetArtifact"]["size"] = 1.into(), "of 1 bytes"),
        (|p, _| p["targetArtifact"]["mediaType"] = "text/plain".into(), "it is for `sha256:"),
        (|p, _| *p = json!({}), "what is signed cannot be read"),
        (|_, h| h["crit"] = json!([SCHEME, "org.example.x"]), r#"its attribute "org.example.x" must be understood"#),
        (
            |_, h| {
                h["crit"] = json!([SCHEME, "org.example.x"]);
                h["org.example.x"] = "y".into();
            },
            r#"its attribute "org.example.x" must be understood"#,
        ),
        (|_, h| h["crit"] = json!([SCHEME, EXPIRY]), "must be understood"),
        (|_, h| h["crit"] = json!([SCHEME, 1]), "must be understood"),
        (|_, h| h["crit"] = json!([]), "is not marked as critical"),
        (|_, h| h["crit"] = Value::Null, "is not marked as critical"),
        (|_, h| h[EXPIRY] = "2999-01-02T03:04:05Z".into(), "is not marked as critical"),
        (
            |_, h| {
                h["crit"] = json!([SCHEME, EXPIRY]);
                h[EXPIRY] = "2020-01-03T00:00:00Z".into();
            },
            "it is expired",
        ),
        (
            |_, h| {
                h["crit"] = json!([SCHEME, EXPIRY]);
                h[EXPIRY] = "never".into();
            },
            "is not a time",
        ),
        (|_, h| h[TIME] = Value::Null, "is not a time"),
        (|_, h| h[TIME] = "1970-01-01T00:00:00Z".into(), "was not valid when it was made"),
        (|_, h| h[SCHEME] = "notary.x509.signingAuthority".into(), "and not `notary.x509`"),
        (|_, h| h["cty"] = "text/plain".into(), "its `cty` is `text/plain`"),
        (|_, h| h["alg"] = "none".into(), "its algorithm `none` is not read"),
        (|_, h| h["alg"] = "HS256".into(), "its algorithm `HS256` is not read"),
        (|_, h| h["alg"] = "ES384".into(), "not the one for the key"),
        (|_, h| h["io.cncf.notary.verificationPlugin"] = "p".into(), "by a plugin"),
    ] {
        place.attach(&[place.changed(&chain, change)]);
        refused(place.get(&trust).await, problem);
    }

    // A signature by another key, and one over something else.
    let mut envelope: Value = serde_json::from_slice(&place.signed(&chain)).unwrap();
    let foreign: Value = serde_json::from_slice(&place.signed(&[&other, &stranger])).unwrap();
    let mut altered = envelope.clone();
    altered["payload"] = foreign["protected"].clone();
    let mut twisted = foreign.clone();
    twisted["header"] = envelope["header"].clone();
    envelope["signature"] = "".into();
    for envelope in [altered, twisted, envelope] {
        place.attach(&[envelope.to_string().into_bytes()]);
        refused(place.get(&trust).await, "the key of its certificate did not make it");
    }
    for broken in [&b"{}"[..], b"", b"[]", br#"{"payload":"?","protected":"e30","header":{"x5c":[]},"signature":""}"#] {
        place.attach(&[broken.to_vec()]);
        assert!(matches!(place.get(&trust).await, Err(SourceError::Unverified { .. })));
    }
    place.attach(&vec![b"{}".to_vec(); 101]);
    refused(place.get(&trust).await, "there are more than 100");
    place.registry.refer(&place.digest, SIGNATURE, "text/plain", &[place.signed(&chain)]);
    refused(place.get(&trust).await, "does not hold one layer of application/jose+json or application/cose");
    place.registry.refer(&place.digest, "text/plain", JWS, &[place.signed(&chain)]);
    refused(place.get(&trust).await, "has no signature");
}

#[tokio::test]
async fn h33_envelopes_in_cbor_that_prove_nothing_are_refused() {
    let place = Place::new();
    let (root, stranger) = (Party::root("root"), Party::root("root"));
    let (signer, other) = (root.signer(|_| {}), stranger.signer(|_| {}));
    let trust = trusting(&[&root]);
    let chain = [&signer, &root];
    let attach = |envelope: Vec<u8>| place.registry.refer(&place.digest, SIGNATURE, COSE, &[envelope]);
    attach(place.cose(&chain, |_| {}));
    place.get(&trust).await.unwrap();
    refused(place.get(&trusting(&[&stranger])).await, "no certificate of its chain is trusted");
    let expiring = |seconds| {
        move |h: &mut Vec<(Vec<u8>, Vec<u8>)>| {
            h[1].1 = cbor::array(&[cbor::text(SCHEME), cbor::text(EXPIRY), cbor::integer(1), cbor::integer(3)]);
            h.push((cbor::text(EXPIRY), cbor::time(seconds)));
        }
    };
    attach(place.cose(&chain, expiring(u32::MAX)));
    place.get(&trust).await.unwrap();
    attach(place.cose(&chain, expiring(1_600_000_000)));
    refused(place.get(&trust).await, "it is expired");

    type Change = fn(&mut Vec<(Vec<u8>, Vec<u8>)>);
    for (change, problem) in [
        ((|h| h[0].1 = cbor::integer(-35)) as Change, "not the one for the key"),
        (|h| h[0].1 = cbor::integer(5), "its algorithm is not read"),
        (|h| h[0].1 = cbor::text("ES256"), "its algorithm is not read"),
        (|h| h[1].1 = cbor::array(&[]), "is not marked as critical"),
        (|h| h[1].1 = cbor::text(SCHEME), "is not marked as critical"),
        (|h| h[1].1 = cbor::array(&[cbor::text(SCHEME), cbor::text("x")]), r#"its attribute "x" must be understood"#),
        (|h| h[1].1 = cbor::array(&[cbor::text(SCHEME), cbor::text("other")]), "must be understood"),
        (|h| h[1].1 = cbor::array(&[cbor::text(SCHEME), cbor::integer(4)]), "must be understood"),
        (|h| h[1].1 = cbor::array(&[cbor::text(SCHEME), cbor::text(EXPIRY)]), "must be understood"),
        (|h| h.push((cbor::text(EXPIRY), cbor::time(u32::MAX))), "is not marked as critical"),
        (|h| h.push((cbor::text("io.cncf.notary.verificationPlugin"), cbor::text("p"))), "by a plugin"),
        (|h| h[2].1 = cbor::text("text/plain"), "its `cty` is `text/plain`"),
        (|h| h[3].1 = cbor::integer(5), "is not a time"),
        (|h| h[3].1 = cbor::time(0), "was not valid when it was made"),
        (|h| h[4].1 = cbor::text("notary.x509.signingAuthority"), "and not `notary.x509`"),
        (|h| h.push((cbor::text(SCHEME), cbor::text("other"))), "its header cannot be read"),
    ] {
        attach(place.cose(&chain, change));
        refused(place.get(&trust).await, problem);
    }
    // The certificate of one signer with the signature of another, and bytes that are changed or missing.
    let forged = place.cose(&[&other, &root], |_| {});
    let at = forged.windows(other.der.len()).position(|part| part == other.der).unwrap();
    let head = 3;
    let forged = [&forged[..at - head], &cbor::bytes(&signer.der), &forged[at + other.der.len()..]].concat();
    attach(forged);
    refused(place.get(&trust).await, "the key of its certificate did not make it");
    let good = place.cose(&chain, |_| {});
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    attach(changed);
    refused(place.get(&trust).await, "the key of its certificate did not make it");
    for broken in [&good[..good.len() - 1], &good[1..], &[], b"{}"] {
        attach(broken.to_vec());
        refused(place.get(&trust).await, "it cannot be read");
    }
    // The type of the layer says what it is.
    attach(place.signed(&chain));
    refused(place.get(&trust).await, "it cannot be read");
}

#[tokio::test]
async fn h33_certificates_that_may_not_sign_are_refused() {
    let place = Place::new();
    let root = Party::root("root");
    let signer = root.signer(|_| {});
    let trust = trusting(&[&root, &signer]);
    let middle = root.authority("middle");
    let below = middle.signer(|_| {});
    let server = root.signer(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth));
    let client = root.signer(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let any = root.signer(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    let authority = root.signer(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let idle = root.signer(|params| params.key_usages.clear());
    let busy = root.signer(|params| params.key_usages.push(KeyUsagePurpose::KeyEncipherment));
    let ed25519 = root.issue(signer_params("ed25519"), KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let odd = root.signer(|params| {
        let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    let under_signer = signer.signer(|_| {});
    let short = Party::alone(
        {
            let mut params = root.params.clone();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params
        },
        KeyPair::generate().unwrap(),
    );
    let middle_of_short = short.authority("middle");
    let below_short = middle_of_short.signer(|_| {});
    let impostor = Party::root("root");
    for (chain, problem) in [
        (&[&below, &root][..], "is not issued by the next"),
        (&[&below, &middle], "does not end in a certificate issued by itself"),
        (&[&signer], "does not end in a certificate issued by itself"),
        (&[&signer, &impostor], "is not issued by the next"),
        (&[&signer, &root, &root], "is issued by itself"),
        (&[&server, &root], "not for signing code alone"),
        (&[&client, &root], "not for signing code alone"),
        (&[&any, &root], "not for signing code alone"),
        (&[&authority, &root], "one of an authority"),
        (&[&root], "one of an authority"),
        (&[&idle, &root], "does not say critically"),
        (&[&busy, &root], "not for signatures alone"),
        (&[&odd, &root], "must be understood"),
        (&[&under_signer, &signer, &root], "is not one of an authority"),
        (&[&below_short, &middle_of_short, &short], "longer than a certificate of it allows"),
        (&[&signer, &root, &root, &root, &root, &root, &root, &root, &root, &root, &root], "more than 10 certificates"),
    ] {
        place.attach(&[place.signed(chain)]);
        refused(place.get(&trust).await, problem);
    }
    let no_certificate: Value = serde_json::from_slice(&place.signed(&[&signer, &root])).unwrap();
    for (x5c, problem) in [(json!([]), "there is no certificate"), (json!(["AAAA"]), "a certificate cannot be read")] {
        let mut envelope = no_certificate.clone();
        envelope["header"]["x5c"] = x5c;
        place.attach(&[envelope.to_string().into_bytes()]);
        refused(place.get(&trust).await, problem);
    }
    // A key of a kind that the Notary Project does not sign with, whatever algorithm is claimed for it.
    let claimed: Value = serde_json::from_slice(&place.signed(&[&signer, &root])).unwrap();
    let mut envelope = claimed;
    envelope["header"]["x5c"] = json!([STANDARD.encode(&ed25519.der), STANDARD.encode(&root.der)]);
    place.attach(&[envelope.to_string().into_bytes()]);
    refused(place.get(&trust).await, "not the one for the key of its certificate");
}

#[tokio::test]
async fn h33_the_trust_policy_says_who_counts_and_when() {
    let place = Place::new();
    let root = Party::root("root");
    let short_lived = root.signer(|params| params.not_after = rcgen::date_time_ymd(2100, 1, 1));
    place.attach(&[place.signed(&[&short_lived, &root])]);
    let identity = |identities: Value| trusting_by(&policy(|s| s["trustedIdentities"] = identities), &[&root]);
    for trusted in [
        json!(["x509.subject: C=US, ST=WA, O=example"]),
        json!(["x509.subject: C=US, ST=WA, O=other", "x509.subject: CN=signer, O=example, ST=WA, C=US"]),
    ] {
        place.get(&identity(trusted)).await.unwrap();
    }
    for strange in [
        "x509.subject: C=US, ST=WA, O=other",
        "x509.subject: C=US, ST=WA, O=example, CN=root",
        "x509.subject: C=US, ST=WA, O=example, OU=more",
    ] {
        refused(place.get(&identity(json!([strange]))).await, "is not a trusted identity");
    }
    let host = place.registry.server.address;
    let scope = |scopes: Value| trusting_by(&policy(|s| s["registryScopes"] = scopes), &[&root]);
    place.get(&scope(json!([format!("{host}/org/app")]))).await.unwrap();
    refused(place.get(&scope(json!([format!("{host}/org/other")]))).await, "the trust policy says nothing about");

    let late = Context::background().with_clock(Clock::starting_at(Clock::system().now().plus(100 * YEAR)));
    refused(place.get_at(&trusting(&[&root]), &late).await, "is not valid at this time");
    let artifact = place.get_at(&at_level("permissive", &[&root]), &late).await.unwrap();
    assert!(artifact.metadata.contains_key("verified"));

    // What is not enforced is let pass, and is no proof.
    let stranger = Party::root("stranger");
    let artifact = place.get(&at_level("audit", &[&stranger])).await.unwrap();
    assert!(!artifact.metadata.contains_key("verified"));
    refused(place.get(&at_level("permissive", &[&stranger])).await, "no certificate of its chain is trusted");
    let mut envelope: Value = serde_json::from_slice(&place.signed(&[&short_lived, &root])).unwrap();
    envelope["signature"] = "".into();
    place.attach(&[envelope.to_string().into_bytes()]);
    refused(place.get(&at_level("audit", &[&root])).await, "did not make it");
    place.attach(&[]);
    refused(place.get(&at_level("audit", &[&root])).await, "has no signature");
    let artifact = place.get(&at_level("skip", &[])).await.unwrap();
    assert!(!artifact.metadata.contains_key("verified"));

    // Nobody is asked about revocation.
    let revocable = root.signer(|params| {
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec!["http://127.0.0.1/crl".into()] }];
    });
    place.attach(&[place.signed(&[&revocable, &root])]);
    refused(place.get(&trusting(&[&root])).await, "could be revoked");
    place.get(&at_level("permissive", &[&root])).await.unwrap();
    let skipping = policy(|s| s["signatureVerification"]["override"] = json!({"revocation": "skip"}));
    place.get(&trusting_by(&skipping, &[&root])).await.unwrap();
}

#[test]
fn trust_is_read_from_a_secret() {
    let root = Party::root("root");
    let text = policy(|_| {}).to_string();
    let pem = |label: &str| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(&root.der)).into_bytes()
    };
    let certificate = pem("CERTIFICATE");
    let read = |data: &[(&str, &[u8])]| NotationTrust::from_secret(&Secret::new("ns/s", data.iter().copied()));
    for data in [
        &[("trustpolicy.json", text.as_bytes()), ("ca.crt", &certificate)][..],
        &[("trustpolicy.json", text.as_bytes()), ("ca.pem", &root.der), ("other", b"x")],
    ] {
        assert!(format!("{:?}", read(data).unwrap()).ends_with("certificates: 1 }"));
    }
    let twice = [certificate.clone(), certificate.clone()].concat();
    let trust = read(&[("trustpolicy.json", text.as_bytes()), ("ca.crt", &twice)]).unwrap();
    assert!(format!("{trust:?}").ends_with("certificates: 2 }"));
    let skip = policy(|s| s["signatureVerification"]["level"] = "skip".into()).to_string();
    read(&[("trustpolicy.json", skip.as_bytes())]).unwrap();
    for (data, problem) in [
        (&[("ca.crt", &certificate[..])][..], "data.trustpolicy.json: is missing"),
        (&[("trustpolicy.json", text.as_bytes())], "data.*.crt: is missing; no certificate would be trusted"),
        (&[("trustpolicy.json", text.as_bytes()), ("ca.cer", &certificate)], "data.*.crt: is missing"),
        (&[("trustpolicy.json", b"{}"), ("ca.crt", &certificate)], "data.trustpolicy.json: missing field"),
        (&[("trustpolicy.json", text.as_bytes()), ("ca.crt", b"x")], "data.ca.crt: holds no certificate"),
        (&[("trustpolicy.json", text.as_bytes()), ("ca.crt", b"")], "data.ca.crt: holds no certificate"),
        (&[("trustpolicy.json", text.as_bytes()), ("ca.crt", &pem("PUBLIC KEY"))], "data.ca.crt: holds no certificate"),
    ] {
        let error = read(data).unwrap_err().to_string();
        assert!(error.starts_with("Secret `ns/s`: ") && error.contains(problem), "{problem}: {error}");
    }
}
