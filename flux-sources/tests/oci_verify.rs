//! Signatures as Cosign makes them with a key, made here: what is trusted, and everything that is not.
#![cfg(feature = "oci")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::{Context, Digest, Revision, Source, SourceError};
use flux_sources::Secret;
use flux_sources::oci::{CosignKeys, OciReference, OciSource};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use support::archive::layer;
use support::registry::{FLUX_LAYER, MANIFEST_TYPE, Own, Program, call};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn payload(digest: &str, kind: &str) -> Vec<u8> {
    let identity = json!({"docker-reference": "example.com/org/app"});
    let critical = json!({"identity": identity, "image": {"docker-manifest-digest": digest}, "type": kind});
    serde_json::to_vec(&json!({"critical": critical, "optional": null})).unwrap()
}

/// What a key signs about a digest: the text, and the signature in base64.
fn signed(key: &KeyPair, digest: &str) -> (Vec<u8>, String) {
    let payload = payload(digest, "cosign container image signature");
    let signature = STANDARD.encode(key.sign(&payload).unwrap());
    (payload, signature)
}

fn signatures(signed: &[(Vec<u8>, String)]) -> Vec<u8> {
    let layers = signed.iter().map(|(payload, signature)| {
        json!({
            "mediaType": PAYLOAD,
            "size": payload.len(),
            "digest": Digest::sha256(payload),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        })
    });
    let config =
        json!({"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": Digest::sha256(b"{}")});
    let layers: Vec<Value> = layers.collect();
    serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}))
        .unwrap()
}

fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// Puts signatures beside an artifact.
fn attach(registry: &Own, digest: &str, signed: &[(Vec<u8>, String)]) {
    let document = signatures(signed);
    let mut content = registry.content.lock().unwrap();
    for (payload, _) in signed {
        content.objects.insert(Digest::sha256(payload).to_string(), payload.clone());
    }
    let found = Digest::sha256(&document).to_string();
    content.objects.insert(found.clone(), document);
    content.tags.insert(tag(digest), found);
}

fn trusting(keys: &[&KeyPair]) -> CosignKeys {
    let add = |keys: CosignKeys, key: &&KeyPair| keys.with_key("cosign.pub", key.public_key_pem().as_bytes()).unwrap();
    keys.iter().fold(CosignKeys::default(), add)
}

async fn get(url: &str, reference: OciReference, keys: CosignKeys) -> Result<Revision, SourceError> {
    let source = OciSource::builder(url).reference(reference).insecure(true).verify(keys).build()?;
    let cx = Context::background();
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await.map(|artifact| artifact.revision)
}

#[tokio::test]
async fn a_signature_of_any_trusted_key_is_enough() {
    let registry = Own::start();
    let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let other = KeyPair::generate().unwrap();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        attach(&registry, &digest, &[signed(&other, &digest), signed(&key, &digest)]);
        for reference in [OciReference::default(), OciReference::digest(&digest)] {
            get(&registry.url(), reference.clone(), trusting(&[&key])).await.unwrap();
            let stranger = KeyPair::generate_for(algorithm).unwrap();
            get(&registry.url(), reference, trusting(&[&stranger, &key])).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_signature_in_a_real_registry_holds_for_its_artifact_alone() {
    let Some(program) = Program::start() else { return };
    program.push("signed", &[("a", "1")]);
    program.push("unsigned", &[("a", "2")]);
    let (_, headers, _) = call(program.address, "GET", "/v2/org/app/manifests/signed", "", b"");
    let digest = headers.get("docker-content-digest").unwrap();
    let key = KeyPair::generate().unwrap();
    let made = signed(&key, digest);
    program.blob(&made.0);
    program.manifest(&tag(digest), &signatures(&[made]));
    let url = format!("oci://{}/org/app", program.address);
    get(&url, OciReference::tag("signed"), trusting(&[&key])).await.unwrap();
    let error = get(&url, OciReference::tag("unsigned"), trusting(&[&key])).await.unwrap_err();
    assert!(error.to_string().ends_with("has no signature"), "{error}");
}

#[tokio::test]
async fn h33_what_no_trusted_key_signed_is_refused() {
    let key = KeyPair::generate().unwrap();
    let wrong = KeyPair::generate().unwrap();
    let registry = Own::start();
    let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let other = Digest::sha256(b"another").to_string();
    let (text, signature) = signed(&key, &digest);
    let attestation = payload(&digest, "atomic container signature");
    let attested = STANDARD.encode(key.sign(&attestation).unwrap());
    let noise = b"not json".to_vec();
    let signed_noise = STANDARD.encode(key.sign(&noise).unwrap());
    let refused = async |keys: CosignKeys, problem: &str| {
        let error = get(&registry.url(), OciReference::default(), keys).await.unwrap_err();
        assert!(matches!(error, SourceError::Unverified { .. }), "{problem}: {error:?}");
        assert!(error.to_string().contains(problem), "{problem}: {error}");
    };
    refused(trusting(&[&key]), "has no signature").await;
    for (signed, problem) in [
        (vec![], "has no signature"),
        (vec![signed(&wrong, &digest)], "none of the keys"),
        (vec![signed(&key, &other)], "it is for `sha256:"),
        (vec![(text.clone(), String::new())], "none of the keys"),
        (vec![(text.clone(), "?".into())], "not base64"),
        (vec![(payload(&digest, "something else"), signature.clone())], "none of the keys"),
        (vec![(attestation, attested)], "it signs a `atomic container signature`"),
        (vec![(noise, signed_noise)], "the signed text cannot be read"),
        (vec![(text.clone(), signature.clone()); 101], "more than 100 signatures"),
    ] {
        attach(&registry, &digest, &signed);
        refused(trusting(&[&key]), problem).await;
    }
    attach(&registry, &digest, &[(text.clone(), signature)]);
    get(&registry.url(), OciReference::default(), trusting(&[&key])).await.unwrap();
    refused(CosignKeys::default(), "no key is trusted").await;
    refused(trusting(&[&wrong]), "none of the keys").await;
    // A text that is not the one its digest names, one that is gone, and signatures that are no manifest.
    let name = Digest::sha256(&text).to_string();
    registry.content.lock().unwrap().objects.insert(name.clone(), b"{}".to_vec());
    refused(trusting(&[&key]), "the registry sent content of digest").await;
    registry.content.lock().unwrap().objects.remove(&name);
    refused(trusting(&[&key]), "is not there").await;
    registry.content.lock().unwrap().tags.insert(tag(&digest), name.clone());
    registry.content.lock().unwrap().objects.insert(name, b"[]".to_vec());
    refused(trusting(&[&key]), "the manifest is broken").await;
}

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "application/vnd.in-toto+json";

/// A bundle as Cosign makes it since version 3, around what is given.
fn bundle(key: &KeyPair, payload_type: &str, payload: &Value) -> Vec<u8> {
    let payload = serde_json::to_vec(payload).unwrap();
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(&payload);
    let signature = json!({"sig": STANDARD.encode(key.sign(&message).unwrap())});
    serde_json::to_vec(&json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": payload_type,
            "signatures": [signature],
        },
    }))
    .unwrap()
}

fn statement(digest: &str, predicate: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
        "predicateType": predicate,
        "predicate": {},
    })
}

const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// Puts bundles beside an artifact and returns the index that refers to them.
fn refer(registry: &Own, bundles: &[Vec<u8>]) -> Vec<u8> {
    let mut content = registry.content.lock().unwrap();
    let manifests = bundles.iter().map(|bundle| {
        let manifest = support::registry::manifest(bundle, BUNDLE);
        let digest = Digest::sha256(&manifest).to_string();
        let entry =
            json!({"mediaType": MANIFEST_TYPE, "digest": digest, "size": manifest.len(), "artifactType": BUNDLE});
        content.objects.insert(Digest::sha256(bundle).to_string(), bundle.clone());
        content.objects.insert(digest, manifest);
        entry
    });
    let manifests: Vec<Value> = manifests.collect();
    serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": manifests})).unwrap()
}

#[tokio::test]
async fn a_bundle_counts_by_the_api_for_referrers_and_by_the_tag_that_stands_in() {
    let registry = Own::start();
    let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let (key, stranger) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let made = [&stranger, &key].map(|key| bundle(key, STATEMENT, &statement(&digest, SIGN)));
    let index = refer(&registry, &made);
    registry.content.lock().unwrap().referrers.insert(digest.clone(), index.clone());
    get(&registry.url(), OciReference::default(), trusting(&[&key])).await.unwrap();
    {
        let mut content = registry.content.lock().unwrap();
        content.referrers.clear();
        let name = Digest::sha256(&index).to_string();
        content.objects.insert(name.clone(), index);
        content.tags.insert(digest.replace(':', "-"), name);
    }
    get(&registry.url(), OciReference::default(), trusting(&[&key])).await.unwrap();
}

#[tokio::test]
async fn h33_bundles_that_prove_nothing_are_refused() {
    let registry = Own::start();
    let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let (key, stranger) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let other = Digest::sha256(b"another").to_string();
    let mut altered: Value = serde_json::from_slice(&bundle(&key, STATEMENT, &statement(&other, SIGN))).unwrap();
    altered["dsseEnvelope"]["payload"] = STANDARD.encode(statement(&digest, SIGN).to_string()).into();
    let mut older = statement(&digest, SIGN);
    older["_type"] = "https://in-toto.io/Statement/v0.1".into();
    for (bundle, problem) in [
        (bundle(&stranger, STATEMENT, &statement(&digest, SIGN)), "none of the keys"),
        (bundle(&key, STATEMENT, &statement(&other, SIGN)), "it is for another digest"),
        (
            bundle(&key, STATEMENT, &statement(&digest, "https://slsa.dev/provenance/v1")),
            "it signs a `https://slsa.dev",
        ),
        (bundle(&key, STATEMENT, &older), "it signs a `https://in-toto.io/Statement/v0.1`"),
        (bundle(&key, "text/plain", &statement(&digest, SIGN)), "it signs a `text/plain`"),
        (bundle(&key, STATEMENT, &json!({"_type": 1})), "the signed text cannot be read"),
        (serde_json::to_vec(&altered).unwrap(), "none of the keys"),
        (b"{}".to_vec(), "a bundle cannot be read"),
    ] {
        let index = refer(&registry, &[bundle]);
        registry.content.lock().unwrap().referrers.insert(digest.clone(), index);
        let error = get(&registry.url(), OciReference::default(), trusting(&[&key])).await.unwrap_err();
        assert!(matches!(error, SourceError::Unverified { .. }), "{problem}: {error:?}");
        assert!(error.to_string().contains(problem), "{problem}: {error}");
    }
}

#[tokio::test]
async fn h33_a_registry_in_trouble_is_no_proof() {
    let registry = Own::start();
    let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
    let key = KeyPair::generate().unwrap();
    attach(&registry, &digest, &[signed(&key, &digest)]);
    registry.content.lock().unwrap().guard = Some(("Bearer never".into(), "Negotiate".into()));
    let error = get(&registry.url(), OciReference::digest(&digest), trusting(&[&key])).await.unwrap_err();
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
}

#[test]
fn keys_are_read_from_a_secret() {
    let pem = KeyPair::generate().unwrap().public_key_pem();
    let read = |data: &[(&str, &str)]| CosignKeys::from_secret(&Secret::new("ns/s", data.iter().copied()));
    assert_eq!(
        format!("{:?}", read(&[("b.pub", &pem), ("a.pub", &pem), ("x", "y")]).unwrap()),
        r#"["a.pub", "b.pub"]"#
    );
    for (data, problem) in [
        (&[][..], "Secret `ns/s`: data.*.pub: is missing; no key would be trusted"),
        (&[("x", pem.as_str())], "Secret `ns/s`: data.*.pub: is missing; no key would be trusted"),
        (&[("a.pub", "x")], "Secret `ns/s`: data.a.pub: holds no public key in PEM"),
        (&[("a.pub", "")], "Secret `ns/s`: data.a.pub: holds no public key in PEM"),
        (&[("a.pub", pem.as_str()), ("b.pub", "x")], "Secret `ns/s`: data.b.pub: holds no public key in PEM"),
    ] {
        assert_eq!(read(data).unwrap_err().to_string(), problem);
    }
}
