//! Servers and repositories that mean harm: each ends in a named error, in bounded memory and time.
#![cfg(feature = "git")]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flux_core::engine::{Engine, Unit};
use flux_core::reconcile::{Phase, Schedule};
use flux_core::tree::TreeLimits;
use flux_core::{Artifact, Context, Source, SourceError};
use flux_sources::git::{GitLimits, GitSource, GitSourceBuilder, Reference};
use futures::StreamExt as _;
use support::{HttpServer, Repository, have_git, respond, serve_git};

async fn get(builder: GitSourceBuilder) -> Result<Artifact, SourceError> {
    let (source, cx) = (builder.build()?, Context::background());
    let revision = source.resolve(&cx).await?;
    source.fetch(&cx, &revision).await
}

fn builder(url: impl Into<String>) -> GitSourceBuilder {
    GitSource::builder(url).reference(Reference::branch("main"))
}

/// An entry of a tree, as it is stored.
fn entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    let id = (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap());
    [mode.as_bytes(), b" ", name, b"\0"].concat().into_iter().chain(id).collect()
}

/// Makes a stored tree the only content of the branch.
fn commit_tree(repository: &Repository, tree: &str) {
    let commit = format!("tree {tree}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx\n");
    let commit = repository.store("commit", commit.as_bytes());
    repository.git(&["update-ref", "refs/heads/main", &commit]);
}

#[tokio::test]
async fn h28_names_that_are_none_are_refused_and_those_that_collide_elsewhere_stay_apart() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    let server = HttpServer::git(repository.root());
    let urls = [format!("file://{}", repository.work().display()), server.url()];
    let blob = repository.store("blob", b"x");
    let other = repository.store("blob", b"y");
    let empty = repository.store("tree", &entry("100644", b"x", &blob));
    let file = |name: &[u8]| entry("100644", name, &blob);
    for (tree, problem) in [
        (file(b"../x"), "is not a name for a file"),
        (file(b".."), "is not a name for a file"),
        (file(b"."), "is not a name for a file"),
        (file(b"a/b"), "is not a name for a file"),
        (file(b".git"), "is not a name for a file"),
        (file(b".GIT"), "is not a name for a file"),
        (file(b"git~1"), "is not a name for a file"),
        (file(".g\u{200c}it".as_bytes()), "is not a name for a file"),
        (entry("40000", b".git", &empty), "is not a name for a file"),
        (entry("120000", b".gitmodules", &blob), "is not a name for a file"),
        (file(b"\xff"), "is not UTF-8"),
        ([file(b"a"), entry("100644", b"a", &other)].concat(), "comes twice or out of order"),
        ([entry("40000", b"a", &empty), entry("40000", b"a", &empty)].concat(), "comes twice or out of order"),
        ([file(b"b"), file(b"a")].concat(), "comes twice or out of order"),
        ([file(b"a"), file(b"a-b"), entry("40000", b"a", &empty)].concat(), "is a file and a directory"),
        (entry("100644", b"a", &empty), ""),
        (entry("40000", b"a", &blob), ""),
        (entry("100644", b"a", &"1".repeat(40)), ""),
        (b"100644 a".to_vec(), ""),
    ] {
        commit_tree(&repository, &repository.store("tree", &tree));
        for url in &urls {
            let error = get(builder(url)).await.unwrap_err();
            let shown = String::from_utf8_lossy(&tree).into_owned();
            assert!(error.to_string().contains(problem), "{shown:?} {problem}: {error}");
        }
    }
    let tree = [entry("100644", b"A", &blob), entry("100644", b"a", &other), entry("100644", b"-x", &blob)];
    let tree = [tree[2].clone(), tree[0].clone(), tree[1].clone()].concat();
    commit_tree(&repository, &repository.store("tree", &tree));
    for url in &urls {
        let artifact = get(builder(url)).await.unwrap();
        assert_eq!(artifact.tree.read("A").unwrap().as_ref(), b"x");
        assert_eq!(artifact.tree.read("a").unwrap().as_ref(), b"y");
        assert_eq!(artifact.tree.file_count(), 3);
    }
}

#[tokio::test]
async fn h05_trees_without_end_are_cut_off() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    let server = HttpServer::git(repository.root());
    let blob = repository.store("blob", b"");
    let many: Vec<u8> = (0..250_000).flat_map(|i| entry("100644", format!("f{i:07}").as_bytes(), &blob)).collect();
    commit_tree(&repository, &repository.store("tree", &many));
    let start = Instant::now();
    let error = get(builder(server.url())).await.unwrap_err();
    assert!(error.to_string().ends_with("more than 200000 entries"), "{error}");
    // Ten trees, each ten times in the one above: ten thousand million files.
    let mut tree = repository.store("tree", &entry("100644", b"f", &blob));
    for _ in 0..10 {
        let wide: Vec<u8> = (0..10).flat_map(|i| entry("40000", format!("d{i}").as_bytes(), &tree)).collect();
        tree = repository.store("tree", &wide);
    }
    commit_tree(&repository, &tree);
    let error = get(builder(server.url())).await.unwrap_err();
    assert!(error.to_string().ends_with("more than 200000 entries"), "{error}");
    // One below the other.
    for _ in 0..600 {
        tree = repository_deeper(&repository, &tree);
    }
    commit_tree(&repository, &tree);
    let error = get(builder(server.url()).tree_limits(TreeLimits { path_bytes: 1000, ..TreeLimits::default() })).await;
    assert!(error.unwrap_err().to_string().ends_with("more than 1000 bytes in a path"));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// The tree one deeper, written as a loose object without running a program for each.
fn repository_deeper(repository: &Repository, tree: &str) -> String {
    let data = entry("40000", b"d", tree);
    let stored = [format!("tree {}\0", data.len()).as_bytes(), &data].concat();
    let id = hex(ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &stored).as_ref());
    let dir = repository.work().join(".git/objects").join(&id[..2]);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(&id[2..]), deflate(&stored)).unwrap();
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

const COMMIT: u8 = 1;
const BLOB: u8 = 3;
const OFFSET_DELTA: u8 = 6;
const REFERENCE_DELTA: u8 = 7;

/// An object in a pack: its kind, the size it claims, what goes before its data, and its data.
struct Packed(u8, u64, Vec<u8>, Vec<u8>);

/// A pack with these objects, which claims to have `count`.
fn pack(count: u32, objects: &[Packed]) -> Vec<u8> {
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes()].concat();
    for Packed(kind, size, before, data) in objects {
        let mut rest = size >> 4;
        pack.push((kind << 4) | (size & 15) as u8 | if rest > 0 { 0x80 } else { 0 });
        while rest > 0 {
            pack.push((rest & 127) as u8 | if rest > 127 { 0x80 } else { 0 });
            rest >>= 7;
        }
        pack.extend_from_slice(before);
        pack.extend(deflate(data));
    }
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &pack);
    [pack.as_slice(), digest.as_ref()].concat()
}

fn blob(data: &[u8]) -> Packed {
    Packed(BLOB, data.len() as u64, Vec::new(), data.to_vec())
}

/// A number as deltas write it.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push((number & 127) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A delta that copies the first 64 KiB of its base this often.
fn copies(base: u64, times: u64) -> Vec<u8> {
    let mut delta = [varint(base), varint(times << 16)].concat();
    // A copy from offset 0 of the size that is meant when none is said: 0x10000.
    delta.extend(std::iter::repeat_n(0x80, usize::try_from(times).unwrap()));
    delta
}

fn line(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

/// A server of protocol version 2 with one branch, whatever it is asked for, and this to say when it is fetched.
fn server(fetched: impl Fn(&mut dyn Write) -> std::io::Result<()> + Send + Sync + 'static) -> HttpServer {
    let id = "1".repeat(40);
    HttpServer::start(move |request, stream| {
        if request.method == "GET" {
            let said = ["version 2\n", "ls-refs\n", "fetch=shallow\n", "object-format=sha1\n"];
            let body = [said.map(|text| line(text.as_bytes())).concat(), b"0000".to_vec()].concat();
            let kind = [("content-type", "application/x-git-upload-pack-advertisement")];
            return respond(stream, "200 OK", &kind, &body);
        }
        let kind = [("content-type", "application/x-git-upload-pack-result")];
        if String::from_utf8_lossy(&request.body).contains("command=ls-refs") {
            let body = [line(format!("{id} refs/heads/main\n").as_bytes()), b"0000".to_vec()].concat();
            return respond(stream, "200 OK", &kind, &body);
        }
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n", kind[0].1)?;
        stream.write_all(&line(b"packfile\n"))?;
        fetched(stream)
    })
}

fn band(stream: &mut dyn Write, data: &[u8]) -> std::io::Result<()> {
    data.chunks(65_000).try_for_each(|chunk| stream.write_all(&line(&[b"\x01", chunk].concat())))
}

fn serve_pack(pack: Vec<u8>) -> HttpServer {
    server(move |stream| {
        band(stream, &pack)?;
        stream.write_all(b"0000")
    })
}

/// The most memory that this process has had so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}

#[tokio::test]
async fn h29_packs_that_unpack_to_too_much_or_to_nothing_are_refused() {
    let (base, before) = (vec![0; 1 << 16], peak_mib());
    // 64 KiB, of which a delta of 20,000 bytes makes 1.2 GiB, and forty deltas forty times as much.
    let bomb = copies(1 << 16, 20_000);
    let base_size = pack(1, &[blob(&base)]).len() as u64 - 12 - 20;
    let offset = |distance: u64| {
        let mut bytes = vec![(distance & 127) as u8];
        let mut rest = distance >> 7;
        while rest > 0 {
            rest -= 1;
            bytes.insert(0, 0x80 | (rest & 127) as u8);
            rest >>= 7;
        }
        bytes
    };
    let delta = |before: Vec<u8>| Packed(OFFSET_DELTA, bomb.len() as u64, before, bomb.clone());
    let first = pack(2, &[blob(&base), delta(offset(base_size))]);
    let absent = vec![0x22; 20];
    let cycle = |a: u8, b: u8| {
        let delta = copies(1 << 16, 1);
        [a, b].map(|id| Packed(REFERENCE_DELTA, delta.len() as u64, vec![id; 20], delta.clone()))
    };
    let mut wrong_sum = pack(1, &[blob(b"x")]);
    *wrong_sum.last_mut().unwrap() ^= 1;
    for (what, pack) in [
        ("a delta bomb", first.clone()),
        ("an object that claims 1 TiB", pack(1, &[Packed(BLOB, 1 << 40, Vec::new(), vec![0; 1 << 20])])),
        ("an object with more data than it claims", pack(1, &[Packed(BLOB, 10, Vec::new(), vec![0; 1 << 20])])),
        ("a delta of nothing", pack(1, &[delta(offset(1 << 40))])),
        ("a delta of itself", pack(1, &[delta(vec![0])])),
        ("a thin pack", pack(1, &[Packed(REFERENCE_DELTA, bomb.len() as u64, absent, bomb.clone())])),
        ("deltas of each other", pack(2, &cycle(0x22, 0x33))),
        ("a delta of the wrong size", {
            let lie = copies(1 << 20, 1);
            pack(2, &[blob(&base), Packed(OFFSET_DELTA, lie.len() as u64, offset(base_size), lie.clone())])
        }),
        ("a count that is a lie", pack(u32::MAX, &[blob(b"x")])),
        ("a checksum that is a lie", wrong_sum),
        ("a pack that breaks off", first[..first.len() / 2].to_vec()),
        ("no pack at all", b"hello".to_vec()),
        ("an empty answer", Vec::new()),
        ("another commit", pack(1, &[Packed(COMMIT, 5, Vec::new(), b"tree ".to_vec())])),
    ] {
        let server = serve_pack(pack);
        let limits = GitLimits { object_bytes: 32 << 20, ..GitLimits::default() };
        let (start, url) = (Instant::now(), server.url());
        let error = get(builder(&url).limits(limits)).await.expect_err(what);
        assert!(!matches!(error, SourceError::Interrupted(_)), "{what}: {error:?}");
        assert!(error.to_string().starts_with(&url), "{what}: {error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: {:?}", start.elapsed());
        println!("{what}: {error}");
    }
    assert!(peak_mib() < before + 400, "{} MiB before, {} MiB now", before, peak_mib());
}

#[tokio::test]
async fn h29_answers_without_end_and_slow_ones_are_cut_off() {
    let endless = server(|stream| {
        band(stream, b"PACK\0\0\0\x02\xff\xff\xff\xff")?;
        loop {
            band(stream, &[0x30; 65_000])?;
        }
    });
    let limits = GitLimits { pack_bytes: 1 << 20, ..GitLimits::default() };
    let error = get(builder(endless.url()).limits(limits)).await.unwrap_err();
    assert!(matches!(error, SourceError::Rejected { .. }), "{error:?}");
    let progress = server(|stream| {
        loop {
            stream.write_all(&line(b"\x02still counting\n"))?;
        }
    });
    let error = get(builder(progress.url()).limits(limits)).await.unwrap_err();
    assert!(error.to_string().ends_with("the server sent more than 1048576 bytes"), "{error}");
    let slow = server(|stream| {
        loop {
            stream.write_all(&line(b"\x02still counting\n"))?;
            stream.flush()?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let source = builder(slow.url()).build().unwrap();
    let start = Instant::now();
    let cx = Context::background().with_timeout(Duration::from_millis(500));
    let revision = source.resolve(&cx).await.unwrap();
    let error = source.fetch(&cx, &revision).await.unwrap_err();
    assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn h28_lists_of_references_are_matched_by_whole_name_and_broken_ones_refused() {
    let list = |lines: Vec<Vec<u8>>| {
        HttpServer::start(move |request, stream| {
            let (kind, body) = match request.method.as_str() {
                "GET" => {
                    let said = ["version 2\n", "ls-refs\n", "fetch=shallow\n"].map(|text| line(text.as_bytes()));
                    ("application/x-git-upload-pack-advertisement", [said.concat(), b"0000".to_vec()].concat())
                }
                _ => ("application/x-git-upload-pack-result", lines.concat()),
            };
            respond(stream, "200 OK", &[("content-type", kind)], &body)
        })
    };
    let id = "1".repeat(40);
    let reference = |name: &str| line(format!("{id} {name}\n").as_bytes());
    for (lines, problem) in [
        (vec![reference("--upload-pack=touch x"), b"0000".to_vec()], ""),
        (vec![reference("refs/heads/../main"), b"0000".to_vec()], ""),
        (vec![reference("refs/heads/main2"), b"0000".to_vec()], "branch `main`"),
        (vec![line(b"nonsense\n"), b"0000".to_vec()], ""),
        (vec![line(format!("{} refs/heads/main\n", "x".repeat(40)).as_bytes()), b"0000".to_vec()], ""),
        (vec![b"ffff".to_vec(), b"x".to_vec()], ""),
        (vec![b"zzzz".to_vec()], ""),
        (vec![b"0003".to_vec()], ""),
        (vec![line(b"ERR go away\n")], ""),
        (vec![], ""),
    ] {
        let server = list(lines);
        let error = get(builder(server.url())).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{problem}: {error}");
    }
}

#[tokio::test]
async fn h28_what_the_library_panics_over_is_an_error() {
    let id = "1".repeat(40);
    let server = HttpServer::start(move |_, stream| {
        let said = format!("{id} refs/heads/main\0symref=HEAD:refs/heads/gone symref=A:B agent=git/2\n");
        let body = [line(b"# service=git-upload-pack\n"), b"0000".to_vec(), line(said.as_bytes()), b"0000".to_vec()];
        respond(stream, "200 OK", &[("content-type", "application/x-git-upload-pack-advertisement")], &body.concat())
    });
    let error = get(builder(server.url())).await.unwrap_err();
    assert!(error.to_string().contains("makes no sense to the Git library"), "{error}");
}

#[tokio::test]
async fn the_last_good_artifact_stays_when_a_server_turns() {
    if !have_git(&["git-http-backend"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("v", "1");
    let good = repository.commit("first");
    let (root, turned) = (repository.root().to_owned(), Arc::new(AtomicBool::new(false)));
    let hostile = turned.clone();
    let server = HttpServer::start(move |request, stream| {
        let fetched = String::from_utf8_lossy(&request.body).contains("command=fetch");
        if !(fetched && hostile.load(Ordering::SeqCst)) {
            return serve_git(&root, request, stream);
        }
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-result\r\n\r\n")?;
        stream.write_all(&line(b"packfile\n"))?;
        loop {
            band(stream, b"PACK\0\0\0\x02\xff\xff\xff\xff")?;
        }
    });
    let limits = GitLimits { pack_bytes: 1 << 20, ..GitLimits::default() };
    let source = builder(server.url()).limits(limits).build().unwrap();
    let (engine, unit) = (Engine::in_memory(), Unit::new("GitRepository", "", "app"));
    let mut statuses = engine.watch();
    engine.add_source(unit.clone(), source, Schedule::every(Duration::from_secs(3600)));
    let runner = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run(&Context::background()).await }
    });
    while statuses.next().await.unwrap().phase != Phase::Ready {}
    assert_eq!(engine.artifact(&unit).unwrap().revision.hash(), Some(good.as_str()));
    repository.write("v", "2");
    repository.commit("second");
    turned.store(true, Ordering::SeqCst);
    engine.handle().trigger(unit.clone());
    while statuses.next().await.unwrap().phase != Phase::Retrying {}
    assert_eq!(engine.artifact(&unit).unwrap().revision.hash(), Some(good.as_str()));
    runner.abort();
}
