//! Every template function against what helm v4.3.1 makes of it: the rows of `data/helm-functions`.

#![cfg(feature = "helm")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use flux_appliers::helm::{
    Chart, ChartFile, ChartLimits, Host, Interrupt, Limits, ReleaseInfo, RenderOptions, Seeded, SetMode, Table,
    read_values, render, set,
};
use serde_json::Value;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/helm-functions")
}

/// The chart and values that `record.py` gives to helm.
struct Fixture {
    files: Vec<ChartFile>,
    values: Table,
}

impl Fixture {
    fn read() -> Self {
        let mut files = Vec::new();
        let names = ["Chart.yaml", "files/a.txt", "files/b.yaml", "files/raw.bin", "templates/_h.tpl"];
        for name in names {
            let data = std::fs::read(data().join("chart").join(name)).unwrap().into();
            files.push(ChartFile { name: name.to_owned(), data });
        }
        let mut values = read_values(&std::fs::read(data().join("values.yaml")).unwrap()).unwrap();
        set(&mut values, "i64=42,setlist={a,b}", SetMode::Typed).unwrap();
        Self { files, values }
    }

    /// The notes that `template` makes, or the error.
    fn render(&self, template: &str, zone: &str) -> Result<String, String> {
        let host = Host { zone: zone.to_owned(), ..Host::default() };
        self.render_with(template, RenderOptions { host, ..RenderOptions::default() })
    }

    /// As [`Fixture::render`], but the host asks to stop after some time.
    fn render_within(&self, template: &str, time: std::time::Duration) -> Result<String, String> {
        let start = std::time::Instant::now();
        let interrupt: Interrupt = Arc::new(move || start.elapsed() > time);
        self.render_with(template, RenderOptions { interrupt: Some(interrupt), ..RenderOptions::default() })
    }

    fn render_with(&self, template: &str, options: RenderOptions) -> Result<String, String> {
        let mut files = self.files.clone();
        files.push(ChartFile { name: "templates/NOTES.txt".to_owned(), data: template.as_bytes().to_vec().into() });
        let chart = Chart::from_folder(files, &ChartLimits::default()).unwrap();
        render(&chart, &self.values, &ReleaseInfo::install("c", "default"), &options)
            .map(|release| release.notes)
            .map_err(|error| error.to_string())
    }
}

fn rows() -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let texts = files.iter().map(|path| std::fs::read_to_string(path).unwrap());
    // Not `lines`: some rows hold U+2028.
    let rows = texts.flat_map(|text| text.split('\n').map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|row| !row.is_empty()).map(|row| serde_json::from_str(&row).unwrap()).collect()
}

/// Whether a row came out as recorded; if not, what came instead. A row with `differs` only has to fail, or succeed, as
/// helm does: the reason is in the row.
fn check(fixture: &Fixture, row: &Value) -> Result<(), String> {
    let outcome = fixture.render(row["t"].as_str().unwrap(), row["zone"].as_str().unwrap_or("UTC"));
    let lenient = row.get("differs").is_some();
    match (&outcome, row["out"].as_str(), row["err"].as_str()) {
        (Ok(out), Some(wanted), _) if out == wanted || lenient => Ok(()),
        (Err(error), _, Some(wanted)) if error == wanted || lenient => Ok(()),
        _ => Err(format!("{}\n  got  {outcome:?}\n  want {:?}", row["t"], row.get("out").or_else(|| row.get("err")))),
    }
}

#[test]
fn every_recorded_row_of_every_function() {
    let (fixture, rows) = (Arc::new(Fixture::read()), rows());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = check(&fixture, row) {
                        failed.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *counts.entry(row["f"].as_str().unwrap()).or_default() += 1;
    }
    let failed = failed.into_inner().unwrap();
    let list: Vec<_> = counts.iter().map(|(function, count)| format!("{function} {count}")).collect();
    println!("rows by function: {}", list.join(", "));
    let lenient = rows.iter().filter(|row| row.get("differs").is_some()).count();
    println!(
        "helm functions: {} of {} rows of {} functions; {lenient} by outcome only",
        rows.len() - failed.len(),
        rows.len(),
        counts.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What one template makes, which must not fail.
fn notes(template: &str) -> String {
    Fixture::read().render(template, "UTC").unwrap()
}

#[test]
fn every_function_has_rows() {
    let rows = rows();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *counts.entry(row["f"].as_str().unwrap()).or_default() += 1;
    }
    let list = std::env::var_os("FLUX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let Ok(list) = std::fs::read_to_string(list.join("conformance/helm/functions.tsv")) else {
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus");
        println!("skipped: no corpus");
        return;
    };
    let names: Vec<_> = list.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let few: Vec<_> = names.iter().filter(|name| counts.get(*name).is_none_or(|count| *count < 3)).collect();
    println!("{} functions, the fewest rows {:?}", names.len(), names.iter().filter_map(|name| counts.get(name)).min());
    assert!(few.is_empty(), "{few:?}");
}

#[test]
fn random_text_is_of_its_alphabet_and_never_the_same() {
    for (function, alphabet) in [
        ("randAlphaNum", "^[0-9a-zA-Z]{200}$"),
        ("randAlpha", "^[a-zA-Z]{200}$"),
        ("randNumeric", "^[0-9]{200}$"),
        ("randAscii", "^[ -~]{200}$"),
    ] {
        let (a, b) = (notes(&format!("{{{{ {function} 200 }}}}")), notes(&format!("{{{{ {function} 200 }}}}")));
        assert!(a != b && regex_of(alphabet, &a), "{function}: {a}");
    }
    assert_eq!(notes("{{ shuffle \"abc\" | splitList \"\" | sortAlpha | join \"\" }}"), "abc");
    assert_eq!(notes("{{ randBytes 10 | b64dec | len }}"), "10");
    for _ in 0..50 {
        assert!(["-2", "-1", "0", "1"].contains(&notes("{{ randInt -2 2 }}").as_str()));
    }
}

fn regex_of(pattern: &str, text: &str) -> bool {
    let fixture = Fixture::read();
    let pattern = serde_json::to_string(pattern).unwrap();
    let text = serde_json::to_string(text).unwrap();
    fixture.render(&format!("{{{{ regexMatch {pattern} {text} }}}}"), "UTC").unwrap() == "true"
}

#[test]
fn a_host_without_surprises_makes_the_same_again() {
    let fixture = Fixture::read();
    let render = || {
        let mut files = fixture.files.clone();
        let template =
            b"{{ uuidv4 }} {{ randAlphaNum 9 }} {{ now }} {{ bcrypt \"x\" }} {{ (genCA \"c\" 9).Cert | sha256sum }}";
        files.push(ChartFile { name: "templates/NOTES.txt".to_owned(), data: template.to_vec().into() });
        let chart = Chart::from_folder(files, &ChartLimits::default()).unwrap();
        let host = Host { entropy: Arc::new(Seeded::new(7)), ..Host::default() };
        let options = RenderOptions { host, ..RenderOptions::default() };
        render(&chart, &fixture.values, &ReleaseInfo::install("c", "default"), &options).unwrap().notes
    };
    assert_eq!(render(), render());
}

/// The label and bytes of the blocks of a PEM text.
fn pem(text: &str) -> Vec<(String, Vec<u8>)> {
    use base64::Engine as _;
    text.split("-----BEGIN ")
        .skip(1)
        .map(|block| {
            let (label, rest) = block.split_once("-----\n").unwrap();
            let body = rest.split("-----END").next().unwrap().replace('\n', "");
            (label.to_owned(), base64::engine::general_purpose::STANDARD.decode(body).unwrap())
        })
        .collect()
}

#[test]
fn certificates_have_the_fields_that_sprig_gives_them() {
    use x509_parser::prelude::*;
    let template = "{{ $ca := genCA \"my-ca\" 365 }}{{ $c := genSignedCert \"app\" (list \"10.0.0.1\" \"::1\") (list \"a.b\" \"*.c\") 30 $ca }}{{ $ca.Cert }}{{ $c.Cert }}{{ $c.Key }}";
    let blocks = pem(&notes(template));
    let labels: Vec<_> = blocks.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["CERTIFICATE", "CERTIFICATE", "RSA PRIVATE KEY"]);
    let (_, ca) = X509Certificate::from_der(&blocks[0].1).unwrap();
    let (_, leaf) = X509Certificate::from_der(&blocks[1].1).unwrap();
    assert_eq!(ca.subject().to_string(), "CN=my-ca");
    assert_eq!(leaf.issuer().to_string(), "CN=my-ca");
    assert_eq!(leaf.subject().to_string(), "CN=app");
    assert!(ca.is_ca() && !leaf.is_ca());
    let days =
        |c: &X509Certificate<'_>| (c.validity().not_after.timestamp() - c.validity().not_before.timestamp()) / 86_400;
    assert_eq!((days(&ca), days(&leaf)), (365, 30));
    ca.verify_signature(None).unwrap();
    leaf.verify_signature(Some(ca.public_key())).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(names.general_names.len(), 4);
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth);
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    assert!(ca.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert_eq!(leaf.public_key().parsed().unwrap().key_size(), 2048);
}

/// What helm makes of a template, where `FLUX_HELM` names a helm v4.3.1.
fn real_helm(template: &str) -> Option<String> {
    let Some(helm) = std::env::var_os("FLUX_HELM") else {
        println!("skipped: no FLUX_HELM");
        return None;
    };
    let work = tempfile::tempdir().unwrap();
    std::fs::create_dir(work.path().join("templates")).unwrap();
    std::fs::copy(data().join("chart/Chart.yaml"), work.path().join("Chart.yaml")).unwrap();
    std::fs::write(work.path().join("templates/NOTES.txt"), template).unwrap();
    let done = std::process::Command::new(helm)
        .args(["install", "c", work.path().to_str().unwrap(), "--dry-run=client", "-o", "json"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let release: Value = serde_json::from_slice(&done.stdout).unwrap();
    Some(release["info"]["notes"].as_str().unwrap().to_owned())
}

#[test]
fn helm_takes_what_we_make() {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let secret = notes("{{ encryptAES \"key\" \"żółć\" }}");
    let Some(text) = real_helm(&format!("{{{{ decryptAES \"key\" {} }}}}", quoted(&secret))) else { return };
    assert_eq!(text, "żółć");
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let key = notes(&format!("{{{{ genPrivateKey \"{kind}\" }}}}"));
        let made =
            format!("{{{{ $c := genCAWithKey \"ca\" 9 {} }}}}{{{{ $c.Cert }}}}\u{1e}{{{{ $c.Key }}}}", quoted(&key));
        // Ours from our key, checked and used by helm; helm's from our key, checked and used by us.
        let (ours, theirs) = (notes(&made), real_helm(&made).unwrap());
        for (certificate, check) in [(ours, real_helm as fn(&str) -> Option<String>), (theirs, |t| Some(notes(t)))] {
            let (cert, key) = certificate.split_once('\u{1e}').unwrap();
            let template = format!(
                "{{{{ $ca := buildCustomCert (b64enc {}) (b64enc {}) }}}}{{{{ (genSignedCert \"x\" nil nil 1 $ca).Cert }}}}",
                quoted(cert),
                quoted(key)
            );
            assert!(check(&template).unwrap().starts_with("-----BEGIN CERTIFICATE-----"), "{kind}");
        }
    }
}

/// The error of a template that is a bomb, and how long it took to be found out.
fn bomb(template: &str) -> String {
    let start = std::time::Instant::now();
    // Less than by default, as the bytes take their time in a debug build.
    let limits = Limits { bytes: 64 << 20, ..Limits::default() };
    let error =
        Fixture::read().render_with(template, RenderOptions { limits, ..RenderOptions::default() }).unwrap_err();
    assert!(start.elapsed().as_secs() < 20, "{template}: {:?}", start.elapsed());
    error
}

#[test]
fn h20_one_function_cannot_take_all_memory() {
    for template in [
        "{{ repeat 1000000000 \"abcdefghij\" }}",
        "{{ until 1000000000 }}",
        "{{ untilStep 0 9223372036854775807 1 }}",
        "{{ seq 1 1000000000 }}",
        "{{ indent 2000000000 \"x\" }}",
        "{{ nindent 2000000000 \"x\" }}",
        "{{ randAlphaNum 2000000000 }}",
        "{{ randBytes 2000000000 }}",
        "{{ $s := repeat 100000 \"a\" }}{{ replace \"a\" $s $s }}",
        "{{ $s := repeat 100000 \"a\" }}{{ regexReplaceAll \"a\" $s $s }}",
        "{{ $s := repeat 100000 \"a\" }}{{ regexReplaceAll \"(a+)\" $s (repeat 20000 \"$1\") }}",
        "{{ $s := repeat 100000 \"a\" }}{{ wrapWith 1 $s $s }}",
        "{{ $s := repeat 100000 \"a\" }}{{ join $s (until 100000) }}",
        "{{ printf (repeat 200 \"%9999999[1]d\") 1 }}",
        "{{ $l := until 100000 }}{{ range until 10000 }}{{ $l = concat $l $l }}{{ end }}",
        "{{ $s := \"aaaaaaaaaa\" }}{{ range until 100 }}{{ $s = print $s $s }}{{ end }}",
        "{{ $s := \"aaaaaaaaaa\" }}{{ range until 100 }}{{ $s = cat $s $s }}{{ end }}",
        "{{ $s := \"aaaaaaaaaa\" }}{{ range until 100 }}{{ $s = quote $s $s }}{{ end }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ toJson $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ toYaml $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ toToml $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ print $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ printf \"%v\" $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ deepCopy $d }}",
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ deepEqual $d (deepCopy $d) }}",
    ] {
        let error = bomb(template);
        assert!(error.contains("limit"), "{template}: {}", error.get(..300).unwrap_or(&error));
    }
}

#[test]
fn h20_one_function_cannot_take_all_time() {
    for template in [
        "{{ range until 1000000 }}{{ bcrypt \"x\" }}{{ end }}",
        "{{ range until 1000000 }}{{ derivePassword 1 \"long\" \"p\" \"u\" \"s\" }}{{ end }}",
        "{{ range until 1000000 }}{{ $c := genCA \"x\" 1 }}{{ end }}",
        "{{ range $i, $_ := until 1000000 }}{{ $_ := regexMatch (printf \"(a|b|%d){500}\" $i) \"x\" }}{{ end }}",
        "{{ $s := repeat 1000000 \"ab\" }}{{ range until 1000000 }}{{ $_ := regexMatch \"(a*)*c\" $s }}{{ end }}",
        "{{ $l := until 100000 }}{{ uniq $l }}",
        "{{ $s := repeat 10000000 \"ab\" }}{{ range until 1000000 }}{{ $_ := sha512sum $s }}{{ end }}",
        "{{ $s := repeat 10000000 \"ab\" }}{{ range until 1000000 }}{{ $_ := contains \"c\" $s }}{{ end }}",
        "{{ $s := repeat 20000 \"- [b]\\n\" }}{{ range until 1000000 }}{{ $_ := fromYaml $s }}{{ end }}",
    ] {
        let start = std::time::Instant::now();
        let fixture = Fixture::read();
        let outcome = fixture.render_within(template, std::time::Duration::from_secs(1));
        assert!(outcome.is_err(), "{template}");
        println!("{:?} {template}", start.elapsed());
        assert!(start.elapsed().as_secs() < 10, "{template}: {:?}", start.elapsed());
    }
}
