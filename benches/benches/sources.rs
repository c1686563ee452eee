//! Git sources against a git daemon on this machine: an unchanged remote, and a repository fetched into a tree.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use flux_core::{Context, Source as _};
use flux_sources::git::{GitSource, Reference};

const FILES: usize = 10_000;

/// `git daemon` with one repository of this many files.
struct Daemon {
    child: Child,
    address: SocketAddr,
    _root: tempfile::TempDir,
}

impl Daemon {
    fn start(files: usize) -> std::io::Result<Self> {
        let root = tempfile::tempdir()?;
        repository(&root.path().join("app"), files)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // The daemon itself and not `git daemon`, which would leave it behind when it is ended.
        let parts = Command::new("git").arg("--exec-path").output()?;
        let parts = String::from_utf8_lossy(&parts.stdout).trim().to_owned();
        let mut child = Command::new(Path::new(&parts).join("git-daemon"))
            .args(["--verbose", "--reuseaddr", "--export-all", "--listen=127.0.0.1"])
            .arg(format!("--port={}", address.port()))
            .arg(format!("--base-path={}", root.path().display()))
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.contains("Ready to rumble"))) {}
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, _root: root })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository(work: &Path, files: usize) -> std::io::Result<()> {
    Command::new("git").args(["init", "--quiet", "--initial-branch=main"]).arg(work).status()?;
    let mut import =
        Command::new("git").args(["fast-import", "--quiet"]).current_dir(work).stdin(Stdio::piped()).spawn()?;
    let mut stream = import.stdin.take().expect("a pipe");
    stream.write_all(b"commit refs/heads/main\ncommitter A <a@b> 0 +0000\ndata 1\nx\n")?;
    for i in 0..files {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{i}\n{}", "# filler\n".repeat(100));
        writeln!(stream, "M 644 inline apps/{:02}/app-{i:05}.yaml\ndata {}\n{text}", i % 100, text.len())?;
    }
    drop(stream);
    import.wait()?;
    Command::new("git").args(["repack", "-adq"]).current_dir(work).status()?;
    Ok(())
}

fn git(criterion: &mut Criterion) {
    let Ok(daemon) = Daemon::start(FILES) else {
        println!("skipped: no git");
        return;
    };
    let url = format!("git://{}/app/.git", daemon.address);
    let source = GitSource::builder(url).reference(Reference::branch("main")).build().expect("a source");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let cx = Context::background();
    let revision = runtime.block_on(source.resolve(&cx)).expect("resolve");
    let mut group = criterion.benchmark_group("git");
    group.sample_size(10);
    group.bench_function("an unchanged remote", |bencher| {
        bencher.iter(|| runtime.block_on(source.resolve(&cx)).expect("resolve"));
    });
    group.bench_function("10,000 files into a tree", |bencher| {
        bencher.iter(|| runtime.block_on(source.fetch(&cx, &revision)).expect("fetch").tree.file_count());
    });
    group.finish();
}

criterion_group!(benches, git);
criterion_main!(benches);
