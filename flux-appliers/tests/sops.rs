//! Files that the real `sops` encrypted, and what must be refused.
#![cfg(all(feature = "sops", feature = "sops-pgp"))]

use std::path::PathBuf;
use std::sync::Arc;

use flux_appliers::kustomize::KustomizeRenderer;
use flux_appliers::sops::{AgeKeys, DecryptingRenderer, Decryptor, Format, KeyService, PgpKeys};
use flux_core::yaml::{self, Dialect, ReadOptions};
use flux_core::{Artifact, Context, Manifests, RenderError, Renderer, Revision, Tree};
use serde_json::{Value, json};

fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/sops").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(name: &str) -> String {
    String::from_utf8(data(name)).unwrap()
}

fn age(files: &[&str]) -> Arc<dyn KeyService> {
    let mut keys = AgeKeys::new();
    files.iter().for_each(|file| keys.add(&data(file)).unwrap());
    Arc::new(keys)
}

fn pgp(files: &[&str]) -> Arc<dyn KeyService> {
    let mut keys = PgpKeys::new();
    files.iter().for_each(|file| keys.add(&data(file)).unwrap());
    Arc::new(keys)
}

fn decryptor() -> Decryptor {
    Decryptor::new([age(&["one.agekey"]), pgp(&["rsa.asc", "curve.asc"])])
}

async fn decrypt(decryptor: &Decryptor, text: &[u8], format: Format) -> Result<Vec<u8>, String> {
    let plain = decryptor.decrypt(&Context::background(), text, format, format).await;
    plain.map(|plain| plain.to_vec()).map_err(|error| error.to_string())
}

fn documents(text: &[u8]) -> Vec<Value> {
    let read = yaml::read_documents(text, &ReadOptions::new(Dialect::V3)).unwrap();
    read.into_iter().map(|document| document.value).collect()
}

#[tokio::test]
async fn every_yaml_file_decrypts_to_what_was_encrypted() {
    for name in
        ["secret", "regex", "unregex", "suffix", "unsuffix", "comment", "uncomment", "maconly", "pgp-rsa", "pgp-curve"]
    {
        let plain = decrypt(&decryptor(), &data(&format!("enc/{name}.yaml")), Format::Yaml).await;
        let plain = plain.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(documents(&plain), documents(&data("plain/secret.yaml")), "{name}");
    }
    for name in ["values.yaml", "multi.yaml"] {
        let plain = decrypt(&decryptor(), &data(&format!("enc/{name}")), Format::Yaml).await.unwrap();
        assert_eq!(documents(&plain), documents(&data(&format!("dec/{name}"))), "{name}");
    }
}

#[tokio::test]
async fn other_formats_are_written_as_sops_writes_them() {
    for (name, format) in [
        ("app.env", Format::Dotenv),
        ("app.ini", Format::Ini),
        ("secret.json", Format::Json),
        ("blob.bin", Format::Binary),
    ] {
        let plain = decrypt(&decryptor(), &data(&format!("enc/{name}")), format).await;
        let plain = plain.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = data(&format!("dec/{name}"));
        assert_eq!(String::from_utf8_lossy(&plain), String::from_utf8_lossy(&expected), "{name}");
        assert_eq!(plain, expected, "{name}");
    }
}

#[tokio::test]
async fn of_three_groups_of_keys_any_two_suffice() {
    let file = data("enc/groups.yaml");
    let groups = [age(&["one.agekey"]), age(&["two.agekey"]), pgp(&["rsa.asc"])];
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let decryptor = Decryptor::new([groups[a].clone(), groups[b].clone()]);
        let plain = decrypt(&decryptor, &file, Format::Yaml).await.unwrap_or_else(|error| panic!("{a} {b}: {error}"));
        assert_eq!(documents(&plain), documents(&data("plain/secret.yaml")));
    }
    for one in groups {
        let error = decrypt(&Decryptor::new([one]), &file, Format::Yaml).await.unwrap_err();
        assert!(error.starts_with("cannot get the data key: 1 of 2 groups of keys were opened"), "{error}");
    }
}

#[tokio::test]
async fn the_wrong_key_and_no_key_are_named() {
    let file = data("enc/secret.yaml");
    let error = decrypt(&Decryptor::new([age(&["other.agekey"])]), &file, Format::Yaml).await.unwrap_err();
    assert!(
        error.starts_with("cannot get the data key: age age1") && error.ends_with("no identity fits it"),
        "{error}"
    );
    let error = decrypt(&Decryptor::default(), &file, Format::Yaml).await.unwrap_err();
    assert!(error.ends_with("there is no key for it"), "{error}");
    let error = decrypt(&Decryptor::new([pgp(&["curve.asc"])]), &data("enc/pgp-rsa.yaml"), Format::Yaml).await;
    assert!(error.unwrap_err().ends_with("no secret key fits it"));
}

/// A change to a file, and what is said of it.
async fn refused(name: &str, change: impl Fn(&str) -> String) -> String {
    let before = text(name);
    let after = change(&before);
    assert_ne!(before, after, "{name}: nothing was changed");
    decrypt(&decryptor(), after.as_bytes(), Format::of_path(name)).await.expect_err("it was taken")
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.trim_start().starts_with(start)).unwrap()
}

#[tokio::test]
async fn what_was_changed_after_it_was_encrypted_is_refused() {
    const MAC: &str = "the message authentication code does not match";
    // Values that were changed, moved, or put in place of encrypted ones.
    let error = refused("enc/regex.yaml", |text| {
        let (password, port) = (line(text, "password:"), line(text, "port:"));
        let (sealed, other) = (password.split_once(": ").unwrap().1, port.split_once(": ").unwrap().1);
        text.replace(sealed, "MOVED").replace(other, sealed).replace("MOVED", other)
    });
    assert!(error.await.starts_with("`stringData.password`: the value cannot be decrypted"));
    let error = refused("enc/regex.yaml", |text| text.replace(line(text, "password:"), "    password: mine")).await;
    assert!(error.starts_with("`stringData.password`: the value is not encrypted"), "{error}");
    // Values that were never encrypted, added or removed.
    for (name, from, to) in [
        ("enc/regex.yaml", "name: database", "name: other"),
        ("enc/regex.yaml", "type: Opaque", "type: Opaque\nimmutable: true"),
        ("enc/regex.yaml", "type: Opaque\n", ""),
        ("enc/comment.yaml", "port: \"5432\"", "port: \"5433\""),
    ] {
        let error = refused(name, |text| text.replace(from, to)).await;
        assert!(error.starts_with(MAC), "{name} {to}: {error}");
    }
    let error = refused("enc/regex.yaml", |text| text.replace(&format!("{}\n", line(text, "port:")), "")).await;
    assert!(error.starts_with(MAC), "{error}");
    // The code itself, and what it is bound to.
    let error =
        refused("enc/regex.yaml", |text| text.replace(line(text, "mac:"), "    mac: ENC[AES256_GCM,data:AA==]"));
    assert!(error.await.starts_with(MAC));
    let error = refused("enc/regex.yaml", |text| text.replace("    lastmodified: \"2026", "    lastmodified: \"2025"));
    assert!(error.await.starts_with(MAC));
    let error = refused("enc/regex.yaml", |text| text.replace(&format!("{}\n", line(text, "mac:")), "")).await;
    assert_eq!(error, "sops.mac: is missing");
    // A file whose code covers encrypted values only lets the others change, and no encrypted one.
    let free = text("enc/maconly.yaml").replace("name: database", "name: other");
    assert!(decrypt(&decryptor(), free.as_bytes(), Format::Yaml).await.is_ok());
    let error = refused("enc/maconly.yaml", |text| text.replace(&format!("{}\n", line(text, "port:")), "")).await;
    assert!(error.starts_with(MAC), "{error}");
    let error = refused("enc/maconly.yaml", |text| text.replace("    mac_only_encrypted: true\n", "")).await;
    assert!(error.starts_with(MAC), "{error}");
    // The other formats.
    let error = refused("enc/app.env", |text| text.replace(&format!("{}\n", line(text, "SPACES=")), "")).await;
    assert!(error.starts_with(MAC), "{error}");
    let error = refused("enc/app.env", |text| format!("ADDED=plain\n{text}")).await;
    assert!(error.starts_with("`ADDED`: the value is not encrypted"), "{error}");
    let error = refused("enc/app.ini", |text| text.replace(line(text, "user"), "")).await;
    assert!(error.starts_with(MAC), "{error}");
    let error = refused("enc/secret.json", |text| text.replace(&format!("{}\n", line(text, "\"kind\":")), "")).await;
    assert!(error.starts_with(MAC), "{error}");
}

async fn render(files: &[(&str, String)], decryptor: Decryptor) -> Result<Manifests, RenderError> {
    let tree = Tree::from_files(files.iter().map(|(path, text)| (*path, text.clone()))).unwrap();
    let renderer = DecryptingRenderer::new(KustomizeRenderer::new("app"), decryptor);
    renderer.render(&Context::background(), &Artifact::new(Revision::new("main@sha1:1"), tree)).await
}

fn source() -> Vec<(&'static str, String)> {
    vec![
        (
            "app/kustomization.yaml",
            "resources: [secret.yaml, plain.yaml]\nnamespace: other\n\
             secretGenerator:\n- name: files\n  files: [app.ini, renamed.json=secret.json, raw=blob]\n  envs: [app.env]\n\
             \x20 options: {disableNameSuffixHash: true}\n\
             configMapGenerator:\n- name: public\n  files: [app.ini]\n  options: {disableNameSuffixHash: true}\n\
             patches:\n- path: patch.yaml\n"
                .into(),
        ),
        ("app/secret.yaml", text("enc/regex.yaml")),
        ("app/patch.yaml", text("enc/multi.yaml").split("---\n").next().unwrap().replace("sops:", "sops:")),
        ("app/plain.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: one}\nstringData: {c: plain}\n".into()),
        ("app/app.ini", text("enc/app.ini")),
        ("app/secret.json", text("enc/secret.json")),
        ("app/app.env", text("enc/app.env")),
        ("app/blob", text("enc/secret.json")),
    ]
}

#[tokio::test]
async fn a_build_reads_what_is_encrypted_and_leaves_config_maps_alone() {
    let mut files = source();
    // One document of a file of two cannot be cut out: its code covers both.
    files.retain(|(path, _)| *path != "app/patch.yaml");
    files[0].1 = files[0].1.replace("patches:\n- path: patch.yaml\n", "");
    let manifests = render(&files, decryptor()).await.unwrap();
    let find = |kind: &str, name: &str| {
        let found = manifests.iter().find(|m| m.object.kind() == kind && m.object.name() == name);
        found.unwrap_or_else(|| panic!("{kind} {name}")).object.clone()
    };
    let secret = find("Secret", "database");
    assert_eq!(secret.pointer("/stringData/password"), Some(&json!("hunter2-canary")));
    assert_eq!(secret.namespace(), Some("other"));
    assert!(secret.as_map().get("sops").is_none());
    let entry = |object: &flux_core::Object, key: &str| {
        use base64::Engine as _;
        let text = object.pointer(&format!("/data/{key}")).and_then(Value::as_str).unwrap().replace('\n', "");
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
    };
    let made = find("Secret", "files");
    assert_eq!(entry(&made, "app.ini"), text("dec/app.ini"));
    assert_eq!(entry(&made, "renamed.json"), text("dec/secret.json"));
    assert_eq!(entry(&made, "raw"), text("dec/secret.json"));
    assert_eq!(entry(&made, "PASSWORD"), "env-canary=with=equals");
    let public = find("ConfigMap", "public");
    let text = public.pointer("/data/app.ini").and_then(Value::as_str).unwrap();
    assert!(text.contains("ENC[AES256_GCM") && !text.contains("ini-canary"));
}

#[tokio::test]
async fn whatever_is_wrong_names_the_file() {
    let without = |change: &dyn Fn(&mut Vec<(&str, String)>)| {
        let mut files = source();
        files.retain(|(path, _)| *path != "app/patch.yaml");
        files[0].1 = files[0].1.replace("patches:\n- path: patch.yaml\n", "");
        change(&mut files);
        files
    };
    let error = render(&without(&|_| ()), Decryptor::default()).await.unwrap_err().to_string();
    assert!(error.contains("app/secret.yaml") && error.contains("there is no key for it"), "{error}");
    let tampered = without(&|files| files[1].1 = files[1].1.replace("name: database", "name: other"));
    let error = render(&tampered, decryptor()).await.unwrap_err().to_string();
    assert!(error.contains("app/secret.yaml") && error.contains("authentication code"), "{error}");
    let tampered = without(&|files| {
        let ini = files.iter_mut().find(|(path, _)| *path == "app/app.ini").unwrap();
        ini.1 = ini.1.replace("[other]", "[another]");
    });
    let error = render(&tampered, decryptor()).await.unwrap_err().to_string();
    assert!(error.contains("app/app.ini"), "{error}");
    let error = render(&source(), decryptor()).await.unwrap_err().to_string();
    assert!(error.contains("app/patch.yaml"), "{error}");
}

#[tokio::test]
async fn entries_of_secrets_that_are_encrypted_by_themselves_are_decrypted() {
    use base64::Engine as _;
    let sealed = base64::engine::general_purpose::STANDARD.encode(data("enc/app.env"));
    let secret = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{app.env: {sealed}, x: eA==}}\n");
    let files = [("app/secret.yaml", secret)];
    let manifests = render(&files, decryptor()).await.unwrap();
    let object = &manifests.iter().next().unwrap().object;
    let plain = base64::engine::general_purpose::STANDARD.encode(data("dec/app.env"));
    assert_eq!(object.pointer("/data/app.env"), Some(&json!(plain)));
    let error = render(&files, Decryptor::default()).await.unwrap_err().to_string();
    assert!(error.contains("app/secret.yaml") && error.contains("data.app.env"), "{error}");
}

#[tokio::test]
async fn an_object_that_says_so_stays_encrypted() {
    let plain = text("enc/regex.yaml");
    let marked = plain.replace(
        "    namespace: apps\n",
        "    namespace: apps\n    annotations:\n        kustomize.toolkit.fluxcd.io/decrypt: disabled\n",
    );
    let manifests = render(&[("app/secret.yaml", marked)], decryptor()).await.unwrap();
    assert!(manifests.iter().next().unwrap().object.as_map().contains_key("sops"));
}

#[tokio::test]
async fn h39_no_error_quotes_a_secret() {
    let mut errors = Vec::new();
    for name in ["enc/secret.yaml", "enc/uncomment.yaml", "enc/app.env", "enc/app.ini", "enc/secret.json"] {
        let before = text(name);
        // Every line broken in turn, with a canary in it.
        for (at, _) in before.match_indices('\n').step_by(3) {
            let mut broken = before.clone();
            broken.insert_str(at, " \"hunter2-canary: {[");
            errors.extend(decrypt(&decryptor(), broken.as_bytes(), Format::of_path(name)).await.err());
        }
    }
    assert!(errors.len() > 20);
    for error in errors {
        assert!(!error.contains("canary"), "{error}");
    }
}
