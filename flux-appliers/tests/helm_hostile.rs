//! Charts and values that mean harm. The numbers are those of the list of hostile inputs that everything here is held
//! against.

#![cfg(feature = "helm")]

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use flux_appliers::helm::{
    Abort, Chart, ChartError, ChartFile, ChartLimits, HelmError, Limits, ReleaseInfo, RenderOptions, SetMode, Table,
    read_values, render, set,
};
use tar::{Builder, EntryType, Header};

const CHART: &str = "apiVersion: v2\nname: c\nversion: 0.1.0\n";

/// Long enough for any of these on a slow machine, and far too short for one that does not end.
const PATIENCE: Duration = Duration::from_secs(20);

fn chart(files: &[(&str, &str)]) -> Result<Arc<Chart>, ChartError> {
    let file = |(name, text): &(&str, &str)| ChartFile { name: (*name).to_owned(), data: (*text).to_owned().into() };
    let mut all: Vec<ChartFile> = files.iter().map(file).collect();
    if !files.iter().any(|(name, _)| *name == "Chart.yaml") {
        all.push(file(&("Chart.yaml", CHART)));
    }
    Chart::from_folder(all, &ChartLimits::default())
}

fn options() -> RenderOptions {
    let limits = Limits { steps: 2_000_000, bytes: 16 << 20, ..Limits::default() };
    RenderOptions { limits, ..RenderOptions::default() }
}

/// What a template ends with, under limits a tenth of the usual.
fn outcome(template: &str) -> Result<String, HelmError> {
    let start = Instant::now();
    let chart = chart(&[("templates/a.yaml", template), ("secret.txt", "s")]).unwrap();
    let rendered = render(&chart, &Table::new(), &ReleaseInfo::install("r", "n"), &options());
    assert!(start.elapsed() < PATIENCE, "{template}");
    rendered.map(|release| release.manifest()).map_err(|failure| failure.error)
}

#[track_caller]
fn stopped(template: &str) {
    let found = outcome(template);
    assert!(matches!(found, Err(HelmError::Limit { .. } | HelmError::Execution { .. })), "{template}: {found:?}");
}

fn header(path: &[u8], kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, kind, data) in entries {
        tar.append(&header(path.as_bytes(), *kind, data.len() as u64), *data).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn load(entries: &[(&str, EntryType, &[u8])]) -> Result<Arc<Chart>, ChartError> {
    let mut all = vec![("c/Chart.yaml", EntryType::Regular, CHART.as_bytes())];
    all.extend_from_slice(entries);
    Chart::from_archive(&archive(&all), &ChartLimits::default())
}

#[test]
fn h01_paths_out_of_an_archive() {
    for path in ["c/../../x", "c/..", "c//etc/passwd/../../../..", "c/C:/x", "c\\..\\..\\x", "c", "Chart.yaml"] {
        let found = load(&[(path, EntryType::Regular, b"x")]);
        assert!(matches!(found, Err(ChartError::Path { .. })), "{path}: {found:?}");
    }
    // The first folder goes, whatever its name; what stays within is only tidied.
    let chart = load(&[("c/./a/../b.txt", EntryType::Regular, b"x")]).unwrap();
    assert_eq!(chart.files()[0].name, "b.txt");
}

#[test]
fn h02_h03_links_in_an_archive() {
    for kind in [EntryType::Symlink, EntryType::Link] {
        let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut link = header(b"c/files", kind, 0);
        link.set_link_name("/etc").unwrap();
        link.set_cksum();
        tar.append(&header(b"c/Chart.yaml", EntryType::Regular, CHART.len() as u64), CHART.as_bytes()).unwrap();
        tar.append(&link, &b""[..]).unwrap();
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        let found = Chart::from_archive(&bytes, &ChartLimits::default());
        assert!(matches!(found, Err(ChartError::Path { what: "a link", .. })), "{found:?}");
    }
}

#[test]
fn h04_devices_in_an_archive() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let found = load(&[("c/dev", kind, b"")]);
        assert!(found.is_err(), "{kind:?}: {found:?}");
    }
}

#[test]
fn h05_archive_bombs() {
    let start = Instant::now();
    // 1 GiB of zeros in one file, as its header says.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(header(b"c/big", EntryType::Regular, 1 << 30).as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..64).for_each(|_| gzip.write_all(&zeros).unwrap());
    let bomb = gzip.finish().unwrap();
    assert!(matches!(Chart::from_archive(&bomb, &ChartLimits::default()), Err(ChartError::TooLarge { .. })));
    // Gzip within gzip is no archive, and is not unpacked twice.
    let mut outer = GzEncoder::new(Vec::new(), Compression::fast());
    outer.write_all(&archive(&[("c/Chart.yaml", EntryType::Regular, CHART.as_bytes())])).unwrap();
    assert!(Chart::from_archive(&outer.finish().unwrap(), &ChartLimits::default()).is_err());
    // Files that add up, and more of them than there may be.
    let small = ChartLimits { total: 1 << 20, file: 1 << 19 };
    let part = vec![b'x'; 1 << 18];
    let many: Vec<_> = (0..5).map(|_| ("c/part", EntryType::Regular, part.as_slice())).collect();
    assert!(matches!(Chart::from_archive(&archive(&many), &small), Err(ChartError::TooLarge { .. })));
    let empty: Vec<_> = (0..100_001).map(|_| ("c/e", EntryType::Regular, &b""[..])).collect();
    assert!(Chart::from_archive(&archive(&empty), &ChartLimits::default()).is_err());
    // A chart in a chart in a chart …
    let mut inner = archive(&[("c/Chart.yaml", EntryType::Regular, CHART.as_bytes())]);
    for _ in 0..60 {
        inner = archive(&[
            ("c/Chart.yaml", EntryType::Regular, CHART.as_bytes()),
            ("c/charts/c.tgz", EntryType::Regular, &inner),
        ]);
    }
    assert!(Chart::from_archive(&inner, &ChartLimits::default()).is_err());
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn h06_broken_and_lying_archives() {
    let good = archive(&[("c/Chart.yaml", EntryType::Regular, CHART.as_bytes())]);
    for length in 0..good.len() {
        let _ = Chart::from_archive(&good[..length], &ChartLimits::default());
    }
    let mut trailing = good.clone();
    trailing.extend_from_slice(b"garbage");
    let _ = Chart::from_archive(&trailing, &ChartLimits::default());
    // A PAX header that claims another size and another name.
    let record = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|n: &usize| n.to_string().len() + rest.len() == *n).unwrap();
        format!("{length}{rest}")
    };
    for pax in [record("size", "99999999999"), record("path", "../../x"), "9999 x=y\n".to_owned()] {
        let found = load(&[("c/pax", EntryType::XHeader, pax.as_bytes()), ("c/x", EntryType::Regular, b"x")]);
        assert!(found.is_err(), "{pax:?}");
    }
    let _ = load(&[("c/pax", EntryType::XHeader, record("size", "-1").as_bytes()), ("c/x", EntryType::Regular, b"x")]);
    // Of two files of one name the last counts, as in Helm; names that differ only in case are two.
    let chart = load(&[
        ("c/values.yaml", EntryType::Regular, b"a: 1\n"),
        ("c/values.yaml", EntryType::Regular, b"a: 2\n"),
        ("c/Values.yaml", EntryType::Regular, b"a: 3\n"),
    ])
    .unwrap();
    assert_eq!(chart.values()["a"], 2.0);
    // A name that is not UTF-8.
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append(&header(b"c/Chart.yaml", EntryType::Regular, CHART.len() as u64), CHART.as_bytes()).unwrap();
    tar.append(&header(b"c/\xff\xfe", EntryType::Regular, 0), &b""[..]).unwrap();
    let _ = Chart::from_archive(&tar.into_inner().unwrap().finish().unwrap(), &ChartLimits::default());
}

#[test]
fn h16_values_that_expand() {
    let mut laughs = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (above, name) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        laughs.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{above}"); 10].join(",")));
    }
    assert!(read_values(laughs.as_bytes()).is_err());
    let deep = format!("a: {}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(read_values(deep.as_bytes()).is_err());
}

#[test]
fn h20_templates_without_end() {
    stopped(r#"{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}"#);
    stopped(r#"{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}"#);
    stopped(
        r#"{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "a" . }}{{ end }}{{ include "a" . }}"#,
    );
    stopped(r#"{{ tpl "{{ tpl .t . }}" (dict "t" "{{ tpl .t . }}") }}"#);
    stopped(r#"{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}"#);
    stopped("{{ range until 1000000000 }}x{{ end }}");
    stopped("{{ range $i := 1000000000000 }}{{ end }}");
    stopped("{{ range untilStep 0 2000000000 1 }}{{ end }}");
    stopped("{{ seq 1 1000000000 }}");
    stopped(r#"{{ repeat 1000000000 "x" }}"#);
    stopped(r#"{{ repeat 1000000000 "" | len }}{{ repeat 100000 (repeat 100000 "x") }}"#);
    stopped(r#"{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}"#);
    stopped(r#"{{ $x := "x" }}{{ range until 100 }}{{ $x = print $x $x }}{{ end }}{{ $x }}"#);
    stopped(r#"{{ $x := list 1 }}{{ range until 100 }}{{ $x = concat $x $x }}{{ end }}"#);
    stopped(r#"{{ $x := "a" }}{{ range until 60 }}{{ $x = replace "a" "aa" $x }}{{ end }}"#);
    stopped(r#"{{ indent 1000000000 "x" }}"#);
    stopped(r#"{{ randAlphaNum 1000000000 }}"#);
    stopped(
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d }}{{ toJson $d | required "x" }}{{ fail "end" }}"#,
    );
    stopped(r#"{{ $d := dict "a" 1 }}{{ range until 40 }}{{ $d = dict "l" $d "r" $d }}{{ end }}{{ $d | mustToJson }}"#);
}

#[test]
fn h20_regular_expressions_that_explode() {
    let start = Instant::now();
    let text = "a".repeat(30_000);
    for pattern in ["(a*)*b", "(a|aa)+$", "(a+)+b", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let _ = outcome(&format!("{{{{ regexMatch \"{pattern}\" \"{text}\" }}}}"));
    }
    stopped(r#"{{ mustRegexMatch "((((a{1000}){1000}){1000}){1000})" "a" }}"#);
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn h20_deep_templates() {
    for deep in [
        format!("{}x{}", "{{ if true }}".repeat(20_000), "{{ end }}".repeat(20_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("{{{{ $x := 1 }}}}{{{{ $x{} }}}}", ".a".repeat(50_000)),
        format!("{{{{ 1{} }}}}", " | print".repeat(50_000)),
    ] {
        let _ = outcome(&deep);
    }
    stopped(&format!("{{{{ tpl {} . }}}}", serde_json::json!("{{ if true }}".repeat(20_000))));
}

#[test]
fn h20_a_render_can_be_cancelled() {
    let chart = chart(&[("templates/a.yaml", "{{ range $i := 1000000000 }}{{ end }}")]).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let limits = Limits { steps: u64::MAX, ..Limits::default() };
    let interrupt: flux_appliers::helm::Interrupt = Arc::new(move || asked.swap(true, Ordering::Relaxed));
    let options = RenderOptions { limits, interrupt: Some(interrupt), ..RenderOptions::default() };
    let failure = render(&chart, &Table::new(), &ReleaseInfo::install("r", "n"), &options).unwrap_err();
    assert!(matches!(failure.error, HelmError::Limit { limit: Abort::Cancelled, .. }), "{failure}");
    assert!(stop.load(Ordering::Relaxed));
}

#[test]
fn h21_nothing_outside_is_seen() {
    assert!(outcome(r#"{{ env "HOME" }}"#).is_err());
    assert!(outcome(r#"{{ expandenv "$HOME" }}"#).is_err());
    let text = outcome(r#"a: "{{ getHostByName "localhost" }}{{ lookup "v1" "Secret" "n" "s" | len }}""#).unwrap();
    assert!(text.ends_with("a: \"0\"\n"), "{text}");
}

#[test]
fn h22_files_are_those_of_the_chart() {
    for path in ["../secret.txt", "/etc/passwd", "templates/a.yaml", "Chart.yaml", "./secret.txt", "x/../secret.txt"] {
        let text = outcome(&format!("a: {{{{ .Files.Get \"{path}\" | quote }}}}")).unwrap();
        assert!(text.ends_with("a: \"\"\n"), "{path}: {text}");
    }
    let text = outcome(
        r#"a: {{ range $p, $_ := .Files.Glob "**" }}{{ $p }}{{ end }}{{ range $p, $_ := .Files.Glob "../*" }}{{ $p }}{{ end }}"#,
    );
    assert!(text.unwrap().ends_with("a: secret.txt\n"));
}

#[test]
fn h23_names_that_are_paths_or_more() {
    for name in [".", "..", "a/b", "../x", "/x", ""] {
        let metadata = format!("apiVersion: v2\nname: {name:?}\nversion: 0.1.0\n");
        let found = chart(&[("Chart.yaml", metadata.as_str())]);
        assert!(matches!(found, Err(ChartError::Invalid(_))), "{name}: {found:?}");
    }
    // What would steer a terminal does not print.
    let ansi = chart(&[("Chart.yaml", "apiVersion: v2\nname: \"\\e[31mred\"\nversion: 0.1.0\n")]).unwrap();
    assert_eq!(ansi.metadata().name, "[31mred");
    for alias in ["a/b", "..", "a b", "\\e[31m"] {
        let dependency = format!("dependencies: [{{name: x, version: 1.x, repository: '', alias: \"{alias}\"}}]\n");
        assert!(chart(&[("Chart.yaml", format!("{CHART}{dependency}").as_str())]).is_err(), "{alias}");
    }
    for name in ["..", "a/b", "A", "a_b", "-a", "", &"a".repeat(54), "a\u{1b}"] {
        let chart = chart(&[]).unwrap();
        let failure = render(&chart, &Table::new(), &ReleaseInfo::install(name, "n"), &options()).unwrap_err();
        assert!(matches!(failure.error, HelmError::Name(_)), "{name:?}: {failure}");
    }
}

#[test]
fn h24_schemas_that_fetch_or_recurse() {
    let with = |schema: &str| {
        let chart = chart(&[("values.schema.json", schema)]).unwrap();
        render(&chart, &Table::new(), &ReleaseInfo::install("r", "n"), &options())
    };
    for reference in
        ["http://169.254.169.254/latest", "https://example.invalid/s.json", "file:///etc/passwd", "other.json"]
    {
        let failure = with(&format!("{{\"$ref\": \"{reference}\"}}")).unwrap_err();
        assert!(failure.to_string().contains("failing loading"), "{failure}");
    }
    let _ = with(r##"{"$ref": "#"}"##);
    let _ = with(r##"{"properties": {"global": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}"##);
    let deep = format!("{}true{}", r#"{"not": "#.repeat(5_000), "}".repeat(5_000));
    let _ = with(&deep);
}

#[test]
fn h26_deep_values() {
    let mut values = Table::new();
    assert!(set(&mut values, &format!("{}=1", vec!["a"; 100].join(".")), SetMode::Typed).is_err());
    assert!(set(&mut values, "a[99999999]=1", SetMode::Typed).is_err());
    assert!(set(&mut values, &"a[0]".repeat(20_000), SetMode::Typed).is_err());
    let _ = set(&mut values, &format!("a{}=1", "[0]".repeat(20_000)), SetMode::Typed);
    assert!(set(&mut values, &format!("a={}", "[".repeat(50_000)), SetMode::Json).is_err());
    // Values as deep as YAML may be, merged at every level of a chart and its dependency.
    let deep = format!("sub: {}1{}", "{a: ".repeat(400), "}".repeat(400));
    let chart = chart(&[
        ("values.yaml", deep.as_str()),
        ("charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 0.1.0\n"),
        ("charts/sub/values.yaml", &deep["sub: ".len()..]),
        ("templates/a.yaml", "a: {{ toJson .Values | len }}"),
    ])
    .unwrap();
    let user = read_values(deep.as_bytes()).unwrap();
    render(&chart, &user, &ReleaseInfo::install("r", "n"), &options()).unwrap();
}

#[test]
fn h39_values_print_nowhere() {
    let chart = chart(&[
        ("values.yaml", "password: {x: 1}\n"),
        ("templates/a.yaml", "kind: Secret\nstringData: {p: '{{ .Values.password }}'}\n"),
    ])
    .unwrap();
    let user = read_values(b"password: CANARY\n").unwrap();
    let release = render(&chart, &user, &ReleaseInfo::install("r", "n"), &options()).unwrap();
    let shown = format!("{release:?} {chart:?} {:?}", options());
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(release.manifest().contains("CANARY"));
}
