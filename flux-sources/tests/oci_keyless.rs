//! Signatures as Cosign makes them without a key of the signer, made here with an instance of Sigstore of our own: whose
//! count, and everything that does not.
#![cfg(feature = "oci-verify")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux_core::{Artifact, Class, Context, Digest, Source, SourceError};
use flux_sources::Secret;
use flux_sources::oci::{CosignIdentities, OciSource};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, NameConstraints,
    SanType,
};
use serde_json::{Value, json};
use support::archive::layer;
use support::party::Party;
use support::registry::{FLUX_LAYER, MANIFEST_TYPE, Own};
use support::sigstore::{Made, NOON, Sigstore};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "application/vnd.in-toto+json";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "https://github.com/org/app/.github/workflows/release.yml@refs/tags/v1";

/// A registry with one artifact.
struct Place {
    registry: Own,
    digest: String,
}

/// How a signature lies beside the artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Tag,
    Bundle,
}

const FORMS: [Form; 2] = [Form::Tag, Form::Bundle];

impl Place {
    fn new() -> Self {
        let registry = Own::start();
        let digest = registry.push("latest", &layer(&[("a", "1")]), FLUX_LAYER);
        Self { registry, digest }
    }

    fn clear(&self) {
        let mut content = self.registry.content.lock().unwrap();
        content.referrers.clear();
        content.tags.retain(|tag, _| tag == "latest");
    }

    /// A signature about a digest.
    fn made(form: Form, signer: &Party, digest: &str) -> Made {
        match form {
            Form::Tag => {
                let image = json!({"docker-manifest-digest": digest});
                let critical = json!({"identity": {}, "image": image, "type": "cosign container image signature"});
                let text = json!({"critical": critical, "optional": null}).to_string().into_bytes();
                let message = text.clone();
                Made::new(signer, text, &message)
            }
            Form::Bundle => {
                let subject = json!({"digest": {"sha256": digest.trim_start_matches("sha256:")}});
                let text = json!({
                    "_type": "https://in-toto.io/Statement/v1",
                    "subject": [subject],
                    "predicateType": "https://sigstore.dev/cosign/sign/v1",
                    "predicate": {},
                });
                let text = text.to_string().into_bytes();
                let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), text.len());
                let message = [head.as_bytes(), &text].concat();
                Made::new(signer, text, &message)
            }
        }
    }

    fn body(form: Form, made: &Made) -> Value {
        if form == Form::Tag { made.hashedrekord() } else { made.dsse() }
    }

    fn entry(form: Form, sigstore: &Sigstore, body: &Value, time: i64) -> Value {
        if form == Form::Tag { sigstore.annotated(body, time) } else { sigstore.bundled(body, time) }
    }

    /// Puts a signature beside the artifact, as the only one.
    fn attach(&self, form: Form, made: &Made, entry: &Value) {
        self.clear();
        let signature = STANDARD.encode(&made.signature);
        match form {
            Form::Tag => self.tag(
                made,
                json!({
                    "dev.cosignproject.cosign/signature": signature,
                    "dev.sigstore.cosign/certificate": made.certificate,
                    "dev.sigstore.cosign/chain": made.certificate,
                    "dev.sigstore.cosign/bundle": entry.to_string(),
                }),
            ),
            Form::Bundle => {
                let der = made.certificate.lines().filter(|line| !line.starts_with('-')).collect::<String>();
                self.bundle(made, json!({"certificate": {"rawBytes": der}, "tlogEntries": [entry]}));
            }
        }
    }

    fn tag(&self, made: &Made, annotations: Value) {
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": Digest::sha256(b"{}")});
        let text = Digest::sha256(&made.text).to_string();
        let layer = json!({"mediaType": PAYLOAD, "size": made.text.len(), "digest": text, "annotations": annotations});
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer]});
        let document = document.to_string().into_bytes();
        let name = Digest::sha256(&document).to_string();
        let mut content = self.registry.content.lock().unwrap();
        content.objects.insert(text, made.text.clone());
        content.objects.insert(name.clone(), document);
        content.tags.insert(format!("{}.sig", self.digest.replace(':', "-")), name);
    }

    fn bundle(&self, made: &Made, material: Value) {
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": STANDARD.encode(&made.text),
                "payloadType": STATEMENT,
                "signatures": [{"sig": STANDARD.encode(&made.signature)}],
            },
        });
        self.registry.refer(&self.digest, BUNDLE, BUNDLE, &[bundle.to_string().into_bytes()]);
    }

    /// Signs the artifact as Cosign does.
    fn sign(&self, form: Form, sigstore: &Sigstore, signer: &Party) {
        let made = Self::made(form, signer, &self.digest);
        let entry = Self::entry(form, sigstore, &Self::body(form, &made), NOON);
        self.attach(form, &made, &entry);
    }

    async fn get(&self, identities: &CosignIdentities) -> Result<Artifact, SourceError> {
        let source = OciSource::builder(self.registry.url()).insecure(true).verify(identities.clone()).build()?;
        let cx = Context::background();
        let revision = source.resolve(&cx).await?;
        source.fetch(&cx, &revision).await
    }
}

fn rooted(root: &Value) -> CosignIdentities {
    CosignIdentities::new(root.to_string().as_bytes()).unwrap()
}

fn trusting(sigstore: &Sigstore) -> CosignIdentities {
    rooted(&sigstore.trusted_root()).with_identity(&format!("^{ISSUER}$"), "^https://github.com/org/").unwrap()
}

fn params() -> CertificateParams {
    Sigstore::params(SanType::URI(SUBJECT.try_into().unwrap()), ISSUER)
}

#[track_caller]
fn refused(form: Form, outcome: Result<Artifact, SourceError>, problem: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("{form:?}: {problem}"));
    assert!(matches!(error, SourceError::Unverified { .. }), "{form:?}: {problem}: {error:?}");
    assert!(error.to_string().contains(problem), "{form:?}: {problem}: {error}");
    assert_eq!(error.class(), Class::Denied);
}

#[tokio::test]
async fn a_logged_signature_of_a_wanted_identity_is_enough() {
    let (place, sigstore) = (Place::new(), Sigstore::new());
    let signer = sigstore.certify(params());
    let mail = SanType::Rfc822Name("ada@example.com".try_into().unwrap());
    let ada = sigstore.certify(Sigstore::params(mail, "https://accounts.example.com"));
    for form in FORMS {
        place.sign(form, &sigstore, &signer);
        let artifact = place.get(&trusting(&sigstore)).await.unwrap();
        assert_eq!(artifact.metadata["verified"], format!("{SUBJECT}, known to {ISSUER}"));
        place.sign(form, &sigstore, &ada);
        let several = trusting(&sigstore).with_identity("accounts", "^ada@").unwrap();
        assert!(place.get(&several).await.unwrap().metadata["verified"].starts_with("ada@example.com, "));
        place.get(&rooted(&sigstore.trusted_root()).with_any_identity()).await.unwrap();
    }
    // An authority and a log that came before, and are trusted still, change nothing.
    let (mut root, older) = (sigstore.trusted_root(), Sigstore::new().trusted_root());
    for field in ["tlogs", "certificateAuthorities", "ctlogs"] {
        root[field].as_array_mut().unwrap().insert(0, older[field][0].clone());
    }
    place.sign(Form::Bundle, &sigstore, &signer);
    place.get(&rooted(&root).with_any_identity()).await.unwrap();
}

#[tokio::test]
async fn h33_identities_that_were_not_asked_for_are_refused() {
    let (place, sigstore) = (Place::new(), Sigstore::new());
    let signer = sigstore.certify(params());
    let root = rooted(&sigstore.trusted_root());
    for form in FORMS {
        place.clear();
        refused(form, place.get(&trusting(&sigstore)).await, "has no signature");
        place.sign(form, &sigstore, &signer);
        refused(form, place.get(&root).await, "no identity is trusted");
        for (issuer, subject) in [
            ("^https://github.com$", "."),
            (".", "^https://github.com/other/"),
            ("^https://token$", "^https://github.com/org/"),
        ] {
            let identities = root.clone().with_identity(issuer, subject).unwrap();
            refused(form, place.get(&identities).await, &format!("it is of `{SUBJECT}`, known to `{ISSUER}`"));
        }
        // The issuer of one rule with the subject of another.
        let crossed =
            root.clone().with_identity("^https://token", "^x").unwrap().with_identity("^x", "^https").unwrap();
        refused(form, place.get(&crossed).await, "it is of");
        let mut nobody = params();
        nobody.custom_extensions.clear();
        place.sign(form, &sigstore, &sigstore.certify(nobody));
        refused(form, place.get(&root.clone().with_any_identity()).await, "does not say who knows the signer");
        let mut nobody = params();
        nobody.subject_alt_names.clear();
        place.sign(form, &sigstore, &sigstore.certify(nobody));
        refused(form, place.get(&root.clone().with_any_identity()).await, "does not say who the signer is");
    }
}

#[tokio::test]
async fn h33_certificates_of_others_are_refused() {
    let (place, sigstore, other) = (Place::new(), Sigstore::new(), Sigstore::new());
    let trust = trusting(&sigstore);
    let key = || KeyPair::generate().unwrap();
    let strange_authority = {
        let key = key();
        let promise = other.promise(&params(), &key, &sigstore.certificate_log);
        other.issue(params(), key, &promise)
    };
    let (mut for_servers, mut for_some) = (Sigstore::new(), Sigstore::new());
    for_servers.change_fulcio(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    for_some.change_fulcio(|params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.com".into())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
    });
    for (sigstore, problem) in
        [(&for_servers, "not issued by a trusted authority"), (&for_some, "holds only for some names")]
    {
        place.sign(Form::Tag, sigstore, &sigstore.certify(params()));
        refused(Form::Tag, place.get(&trusting(sigstore)).await, problem);
    }
    let unlogged = sigstore.fulcio.issue(params(), key());
    let logged_elsewhere = {
        let key = key();
        let promise = sigstore.promise(&params(), &key, &other.certificate_log);
        sigstore.issue(params(), key, &promise)
    };
    let promise_of_another = {
        let promise = sigstore.promise(&params(), &key(), &sigstore.certificate_log);
        sigstore.issue(params(), key(), &promise)
    };
    let mut server = params();
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut purposeless = params();
    purposeless.extended_key_usages.clear();
    let mut authority = params();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut early = params();
    early.not_after = rcgen::date_time_ymd(2020, 6, 1);
    let mut late = params();
    late.not_before = rcgen::date_time_ymd(2020, 6, 2);
    late.not_after = rcgen::date_time_ymd(2120, 6, 2);
    for form in FORMS {
        for (signer, problem) in [
            (&strange_authority, "not issued by a trusted authority"),
            (&unlogged, "no trusted log knows its certificate"),
            (&logged_elsewhere, "no trusted log knows its certificate"),
            (&promise_of_another, "no trusted log knows its certificate"),
            (&sigstore.certify(server.clone()), "is not for signing code"),
            (&sigstore.certify(purposeless.clone()), "is not for signing code"),
            (&sigstore.certify(authority.clone()), "is not for signing code"),
            (&sigstore.certify(early.clone()), "when its certificate was not valid"),
            (&sigstore.certify(late.clone()), "when its certificate was not valid"),
        ] {
            place.sign(form, &sigstore, signer);
            refused(form, place.get(&trust).await, problem);
        }
        // What is trusted was not yet, is not any more, or is missing.
        place.sign(form, &sigstore, &sigstore.certify(params()));
        place.get(&trust).await.unwrap();
        type Change = fn(&mut Value);
        for (change, problem) in [
            ((|r| r["certificateAuthorities"] = json!([])) as Change, "not issued by a trusted authority"),
            (
                |r| r["certificateAuthorities"][0]["validFor"]["end"] = "2020-05-31T00:00:00Z".into(),
                "not issued by a trusted authority",
            ),
            (
                |r| r["certificateAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap().rotate_left(1),
                "not issued by a trusted authority",
            ),
            (|r| r["ctlogs"] = json!([]), "no trusted log knows its certificate"),
            (
                |r| r["ctlogs"][0]["publicKey"]["validFor"] = json!({"start": "2020-06-02T00:00:00Z"}),
                "no trusted log knows its certificate",
            ),
            (|r| r["tlogs"] = json!([]), "no trusted log vouches for its entry"),
            (
                |r| r["tlogs"][0]["publicKey"]["validFor"]["end"] = "2020-05-31T00:00:00Z".into(),
                "no trusted log vouches for its entry",
            ),
            (|r| r["tlogs"] = r["ctlogs"].clone(), "no trusted log vouches for its entry"),
        ] {
            let mut root = sigstore.trusted_root();
            change(&mut root);
            refused(form, place.get(&rooted(&root).with_any_identity()).await, problem);
        }
        refused(form, place.get(&trusting(&other)).await, "no trusted log vouches for its entry");
    }
}

#[tokio::test]
async fn h33_signatures_that_no_log_vouches_for_are_refused() {
    let (place, sigstore, other) = (Place::new(), Sigstore::new(), Sigstore::new());
    let trust = trusting(&sigstore);
    let signer = sigstore.certify(params());
    for form in FORMS {
        let made = Place::made(form, &signer, &place.digest);
        let again = Place::made(form, &signer, &place.digest);
        let elsewhere = Place::made(form, &signer, &Digest::sha256(b"x").to_string());
        let body = Place::body(form, &made);
        let entry = |body: &Value, time| Place::entry(form, &sigstore, body, time);
        let good = entry(&body, NOON);
        place.attach(form, &made, &good);
        place.get(&trust).await.unwrap();

        place.attach(form, &made, &Place::entry(form, &other, &body, NOON));
        refused(form, place.get(&trust).await, "no trusted log vouches for its entry");
        // The entry of another log under the name of ours, and a time that the log did not say.
        let (id, promise, time) = match form {
            Form::Tag => ("/Payload/logID", "/SignedEntryTimestamp", "/Payload/integratedTime"),
            Form::Bundle => ("/logId", "/inclusionPromise", "/integratedTime"),
        };
        let mut forged = Place::entry(form, &other, &body, NOON);
        *forged.pointer_mut(id).unwrap() = good.pointer(id).unwrap().clone();
        place.attach(form, &made, &forged);
        refused(form, place.get(&trust).await, "no trusted log vouches for its entry");
        let mut moved = entry(&body, NOON + 10 * 24 * 3600);
        *moved.pointer_mut(time).unwrap() = good.pointer(time).unwrap().clone();
        place.attach(form, &made, &moved);
        refused(form, place.get(&trust).await, "no trusted log vouches for its entry");
        let mut unpromised = good.clone();
        *unpromised.pointer_mut(promise).unwrap() = Value::Null;
        place.attach(form, &made, &unpromised);
        let problem = if form == Form::Tag { "cannot be read" } else { "does not say when it was logged" };
        refused(form, place.get(&trust).await, problem);

        for late in [NOON - 24 * 3600, NOON + 24 * 3600] {
            place.attach(form, &made, &entry(&body, late));
            refused(form, place.get(&trust).await, "it was logged when its certificate was not valid");
        }
        // Entries that are good, and of something else.
        let mut of_other_hash = body.clone();
        let (hash, certificate) = match form {
            Form::Tag => ("/spec/data/hash/value", "/spec/signature/publicKey/content"),
            Form::Bundle => ("/spec/payloadHash/value", "/spec/signatures/0/verifier"),
        };
        *of_other_hash.pointer_mut(hash).unwrap() = Digest::sha256(b"x").hex().into();
        let mut of_other_signer = body.clone();
        let stranger = Place::made(form, &sigstore.certify(params()), &place.digest);
        *of_other_signer.pointer_mut(certificate).unwrap() =
            Place::body(form, &stranger).pointer(certificate).unwrap().clone();
        let mut of_other_version = body.clone();
        of_other_version["apiVersion"] = "0.0.2".into();
        for body in [&Place::body(form, &again), &of_other_hash, &of_other_signer, &of_other_version] {
            place.attach(form, &made, &entry(body, NOON));
            refused(form, place.get(&trust).await, "its entry in the log is for another signature");
        }
        for body in [json!({}), json!({"kind": "intoto", "apiVersion": "0.0.2", "spec": {}}), json!([])] {
            place.attach(form, &made, &entry(&body, NOON));
            refused(form, place.get(&trust).await, "what is logged cannot be read");
        }
        // A signature by another key than the certificate's, and one about another artifact.
        let mut swapped = Place::made(form, &sigstore.certify(params()), &place.digest);
        swapped.certificate.clone_from(&made.certificate);
        place.attach(form, &swapped, &entry(&Place::body(form, &swapped), NOON));
        refused(form, place.get(&trust).await, "the key of its certificate did not make it");
        place.attach(form, &elsewhere, &entry(&Place::body(form, &elsewhere), NOON));
        refused(form, place.get(&trust).await, "it is for ");
    }
}

#[tokio::test]
async fn h33_what_lies_with_a_signature_has_to_be_all_there() {
    let (place, sigstore, other) = (Place::new(), Sigstore::new(), Sigstore::new());
    let trust = trusting(&sigstore);
    let signer = sigstore.certify(params());
    let made = Place::made(Form::Tag, &signer, &place.digest);
    let entry = sigstore.annotated(&made.hashedrekord(), NOON).to_string();
    let signature = STANDARD.encode(&made.signature);
    for (certificate, entry, problem) in [
        (None, Some(&*entry), "there is no certificate with it"),
        (Some("x"), Some(&entry), "the certificate with it cannot be read"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), Some(&entry), "cannot be read"),
        (Some(&*made.certificate), None, "it is not logged"),
        (Some(&made.certificate), Some("{}"), "its entry in the log cannot be read"),
        (Some(&made.certificate), Some(""), "its entry in the log cannot be read"),
    ] {
        place.clear();
        let mut annotations = json!({"dev.cosignproject.cosign/signature": signature});
        if let Some(certificate) = certificate {
            annotations["dev.sigstore.cosign/certificate"] = certificate.into();
        }
        if let Some(entry) = entry {
            annotations["dev.sigstore.cosign/bundle"] = entry.into();
        }
        place.tag(&made, annotations);
        refused(Form::Tag, place.get(&trust).await, problem);
    }

    let made = Place::made(Form::Bundle, &signer, &place.digest);
    let good = sigstore.bundled(&made.dsse(), NOON);
    let root = STANDARD.decode(good["inclusionProof"]["rootHash"].as_str().unwrap()).unwrap();
    let der = made.certificate.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut material = json!({"certificate": {"rawBytes": der}, "tlogEntries": [good]});
        change(&mut material);
        place.clear();
        place.bundle(&made, material);
    };
    with(&|_| {});
    place.get(&trust).await.unwrap();
    let none = "the proof that the log holds it is none";
    let unsigned = "the log has not signed the proof";
    let checkpoint = |key: &KeyPair, size: u64, root: &[u8]| Value::from(sigstore.checkpoint(key, size, root));
    let by_another = checkpoint(&other.rekor, 2, &root);
    let of_another_size = checkpoint(&sigstore.rekor, 3, &root);
    let misleading = {
        let text = sigstore.checkpoint(&sigstore.rekor, 2, &root);
        let (head, signed) = text.trim_end().rsplit_once(' ').unwrap();
        let mut signed = STANDARD.decode(signed).unwrap();
        signed[0] ^= 1;
        Value::from(format!("{head} {}\n", STANDARD.encode(signed)))
    };
    let of_another_root = checkpoint(&sigstore.rekor, 2, &[7; 32]);
    for (path, value, problem) in [
        ("", Value::Null, "what a bundle is verified with cannot be read"),
        ("/certificate", Value::Null, "there is no certificate with it"),
        ("/certificate/rawBytes", "?".into(), "the certificate with it cannot be read"),
        ("/certificate/rawBytes", "AAAA".into(), "a certificate cannot be read"),
        ("/tlogEntries", json!([]), "it is not logged once"),
        ("/tlogEntries", json!([good, good]), "it is not logged once"),
        ("/tlogEntries/0/inclusionProof", Value::Null, "no proof that the log holds it"),
        ("/tlogEntries/0/inclusionProof/hashes", json!([]), none),
        ("/tlogEntries/0/inclusionProof/treeSize", "1".into(), none),
        ("/tlogEntries/0/inclusionProof/logIndex", "-1".into(), "its entry in the log cannot be read"),
        ("/tlogEntries/0/inclusionProof/logIndex", "0".into(), "is for something else"),
        ("/tlogEntries/0/inclusionProof/rootHash", STANDARD.encode([7; 32]).into(), "is for something else"),
        ("/tlogEntries/0/inclusionProof/checkpoint/envelope", "".into(), unsigned),
        ("/tlogEntries/0/inclusionProof/checkpoint/envelope", by_another, unsigned),
        ("/tlogEntries/0/inclusionProof/checkpoint/envelope", misleading, unsigned),
        ("/tlogEntries/0/inclusionProof/checkpoint/envelope", of_another_size, unsigned),
        ("/tlogEntries/0/inclusionProof/checkpoint/envelope", of_another_root, unsigned),
        ("/tlogEntries/0/logIndex", "106".into(), "no trusted log vouches for its entry"),
        ("/tlogEntries/0/integratedTime", Value::Null, "the log does not say when it was logged"),
        ("/tlogEntries/0/integratedTime", "".into(), "its entry in the log cannot be read"),
    ] {
        with(&|material| *material.pointer_mut(path).unwrap() = value.clone());
        refused(Form::Bundle, place.get(&trust).await, problem);
    }
}

#[test]
fn trust_is_read_from_a_secret_and_says_whom() {
    let root = Sigstore::new().trusted_root();
    let read = |text: &str| CosignIdentities::from_secret(&Secret::new("ns/s", [("trusted_root.json", text)]));
    let identities = read(&root.to_string()).unwrap();
    for (issuer, subject, problem) in [
        ("", "a", "spec.verify.matchOIDCIdentity.issuer: is empty"),
        ("a", "", "spec.verify.matchOIDCIdentity.subject: is empty"),
        ("(", "a", "spec.verify.matchOIDCIdentity.issuer: "),
        ("a", "[", "spec.verify.matchOIDCIdentity.subject: "),
    ] {
        let error = identities.clone().with_identity(issuer, subject).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
    let broken = |change: fn(&mut Value)| {
        let mut root = root.clone();
        change(&mut root);
        root.to_string()
    };
    for (text, problem) in [
        (String::new(), "is missing"),
        ("{}".into(), "missing field"),
        (broken(|root| root["mediaType"] = "text/plain".into()), "is a `text/plain`"),
        (broken(|root| root["tlogs"][0]["publicKey"]["rawBytes"] = "?".into()), "bytes that cannot be read"),
        (broken(|root| root["tlogs"][0]["publicKey"]["validFor"]["start"] = "soon".into()), "a broken time"),
        (broken(|root| root["tlogs"][0]["publicKey"]["validFor"]["start"] = Value::Null), "from when on"),
        (broken(|root| root["certificateAuthorities"][0]["validFor"] = json!({})), "from when on"),
        (
            broken(|root| root["certificateAuthorities"][0]["certChain"]["certificates"] = json!([])),
            "an authority without a certificate",
        ),
        (
            broken(|root| {
                root["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = "AAAA".into()
            }),
            "a certificate cannot be read",
        ),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.starts_with("Secret `ns/s`: data.trusted_root.json: ") && error.contains(problem), "{error}");
    }
}
