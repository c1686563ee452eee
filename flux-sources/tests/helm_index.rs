//! An index of 40 MB: how long it takes to find a chart in it, and how much memory.
//!
//! The time is held against its limit where the code is optimised: `cargo test --release -p flux-sources --all-features
//! --test helm_index -- --nocapture`.
#![cfg(feature = "helm")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use flux_core::{Context, Source as _};
use flux_sources::helm::HelmChartSource;

const BYTES: u64 = 40_000_000;
const VERSIONS: usize = 40;
/// From asking for the index to knowing the version.
const TIME: Duration = Duration::from_millis(250);

/// Writes an index of this size and says how many charts are in it.
fn index(path: &Path, json: bool) -> std::io::Result<usize> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut charts) = (0, 0);
    let mut put = |text: String| {
        written += text.len() as u64;
        file.write_all(text.as_bytes()).map(|()| written)
    };
    put(if json { "{\"apiVersion\":\"v1\",\"entries\":{".into() } else { "apiVersion: v1\nentries:\n".into() })?;
    loop {
        let comma = if charts == 0 { "" } else { "," };
        put(if json { format!("{comma}\"chart-{charts}\":[") } else { format!("  chart-{charts}:\n") })?;
        let mut done = false;
        for version in 0..VERSIONS {
            let digest = format!("{:064x}", charts * VERSIONS + version);
            let comma = if version == 0 { "" } else { "," };
            let text = match json {
                true => format!(
                    "{comma}{{\"apiVersion\":\"v2\",\"appVersion\":\"{version}.0\",\"created\":\"2026-01-01T00:00:00Z\",\
                     \"description\":\"A chart that is described in some words, as charts are\",\"digest\":\"{digest}\",\
                     \"maintainers\":[{{\"email\":\"ada@example.com\",\"name\":\"Ada\"}}],\"name\":\"chart-{charts}\",\
                     \"urls\":[\"https://example.com/charts/chart-{charts}-1.{version}.0.tgz\"],\"version\":\"1.{version}.0\"}}"
                ),
                false => format!(
                    "  - apiVersion: v2\n    appVersion: \"{version}.0\"\n    created: \"2026-01-01T00:00:00Z\"\n    \
                     description: A chart that is described in some words, as charts are\n    digest: {digest}\n    \
                     maintainers:\n    - email: ada@example.com\n      name: Ada\n    name: chart-{charts}\n    urls:\n    \
                     - https://example.com/charts/chart-{charts}-1.{version}.0.tgz\n    version: 1.{version}.0\n"
                ),
            };
            done = put(text)? >= BYTES;
        }
        put(if json { "]".into() } else { String::new() })?;
        charts += 1;
        if done {
            break;
        }
    }
    put(if json { "}}".into() } else { "generated: \"2026-01-01T00:00:00Z\"\n".into() })?;
    file.flush()?;
    Ok(charts)
}

/// Sends the file piece by piece to whoever asks, so that it takes no memory here.
fn serve(path: &Path) -> SocketAddr {
    let (path, listener) = (path.to_owned(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                line.clear();
            }
            let mut file = File::open(&path).unwrap();
            let length = file.metadata().unwrap().len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").unwrap();
            let _ = std::io::copy(&mut file, &mut stream);
        }
    });
    address
}

/// A figure about the memory of this process, in bytes; none where that cannot be told.
fn memory(what: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

async fn measure(json: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.yaml");
    let charts = index(&path, json).unwrap();
    let chart = format!("chart-{}", charts - 1);
    let cx = Context::background();
    let source = HelmChartSource::builder(format!("http://{}", serve(&path)), &chart).version("<1.30").build().unwrap();
    // The peak so far is forgotten, where that can be done.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (before, start) = (memory("VmRSS:"), Instant::now());
    let version = source.resolve(&cx).await.unwrap();
    let took = start.elapsed();
    assert_eq!(version.as_str(), "1.29.0");
    let format = if json { "JSON" } else { "YAML" };
    let peak = before.zip(memory("VmHWM:")).map(|(before, peak)| peak.saturating_sub(before));
    println!("{format}: {charts} charts in {took:.0?}, at its peak {} MB", peak.unwrap_or_default() / 1_000_000);
    let slack = if cfg!(debug_assertions) { 20 } else { 1 };
    assert!(took < TIME * slack, "{format}: {took:?}");
    assert!(peak.is_none_or(|peak| peak < 2 * BYTES), "{format}: {peak:?} bytes");
}

#[tokio::test]
async fn a_large_index_takes_little_time_and_no_more_memory_than_twice_its_size() {
    // One after the other, for both are measured by the memory of the process.
    measure(false).await;
    measure(true).await;
}
