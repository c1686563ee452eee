//! Templates, chart archives and `--set`.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use flux_appliers::helm::{
    Chart, ChartFile, ChartLimits, Host, Limits, ReleaseInfo, RenderOptions, Seeded, SetMode, Table, read_values,
    render, set,
};

fn render_all(chart: &Chart) {
    let limits = Limits { steps: 20_000, bytes: 1 << 20, depth: 100 };
    let host = Host { entropy: Arc::new(Seeded::new(1)), ..Host::default() };
    let options = RenderOptions { limits, host, ..RenderOptions::default() };
    if let Ok(release) = render(chart, &Table::new(), &ReleaseInfo::install("r", "n"), &options) {
        let _ = release.print(&Default::default());
    }
}

/// Renders the input as a template, twice, which must give the same.
pub(super) fn template(data: &[u8]) {
    let file = |name: &str, data: &[u8]| ChartFile { name: name.to_owned(), data: data.to_vec().into() };
    let files = vec![
        file("Chart.yaml", b"apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        file("values.yaml", b"s: text\nn: 3\nf: 1.5\nl: [1, two, {x: y}]\nm: {a: {b: c}}\nt: true\nz: null\n"),
        file("conf/a.txt", b"a\nb\n"),
        file("templates/_h.tpl", b"{{ define \"h\" }}{{ . }}{{ end }}"),
        file("templates/a.yaml", data),
    ];
    if let Ok(chart) = Chart::from_folder(files, &ChartLimits::default()) {
        render_all(&chart);
    }
}

/// Reads the input as a chart archive, and as what is within the gzip of one.
pub(super) fn chart(data: &[u8]) {
    let limits = ChartLimits { total: 1 << 20, file: 1 << 18 };
    let _ = Chart::from_archive(data, &limits);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    if gzip.write_all(data).is_ok()
        && let Ok(bytes) = gzip.finish()
        && let Ok(chart) = Chart::from_archive(&bytes, &limits)
    {
        render_all(&chart);
    }
}

/// Reads the input as `--set` expressions of every kind, over values that are there.
pub(super) fn set_flags(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = |name: &str| Ok(name.to_owned());
    for mode in [SetMode::Typed, SetMode::Text, SetMode::Json, SetMode::Literal, SetMode::File(&file)] {
        let Ok(mut values) = read_values(b"a: {b: [1, {c: d}]}\nl: [x]\n") else { continue };
        let _ = set(&mut values, &text, mode);
    }
    let _ = read_values(data);
}
