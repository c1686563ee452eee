//! A bucket in memory, and servers that misbehave in what they list.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::listed::Odd;
use super::remote::Remote;
use super::*;
use crate::contract::{self, Fixture};

/// A bucket in memory whose listing can be changed, and which counts what is asked of it.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<State>);

#[derive(Debug, Default)]
struct State {
    store: InMemory,
    lists: AtomicUsize,
    gets: AtomicUsize,
    /// What the listing says beside what is there: key, size, ETag.
    lies: Mutex<Vec<(&'static str, u64, Option<&'static str>)>>,
    odd: Mutex<Odd>,
    /// A content that takes the place of an object once the bucket was listed.
    race: Mutex<Option<(&'static str, &'static str)>>,
}

#[async_trait]
impl Remote for Memory {
    async fn page(&self, prefix: &str, token: Option<String>) -> object_store::Result<Page> {
        self.0.lists.fetch_add(1, Ordering::Relaxed);
        let all: Vec<ObjectMeta> = self.0.store.list(None).try_collect().await?;
        let mut all: Vec<ObjectMeta> = all.into_iter().filter(|o| o.location.as_ref().starts_with(prefix)).collect();
        for (key, size, etag) in self.0.lies.lock().unwrap().iter() {
            let model = all.first().cloned().expect("an object to lie about");
            all.push(ObjectMeta { location: Path::parse(key)?, size: *size, e_tag: etag.map(str::to_owned), ..model });
        }
        let race = self.0.race.lock().unwrap().take();
        if let Some((key, text)) = race {
            self.0.store.put(&Path::from(key), text.into()).await?;
        }
        // Two on a page.
        let from: usize = token.map_or(0, |token| token.parse().unwrap());
        let next = (from + 2 < all.len()).then(|| (from + 2).to_string());
        let odd = if next.is_none() { self.0.odd.lock().unwrap().clone() } else { Odd::default() };
        Ok(Page { objects: all.into_iter().skip(from).take(2).collect(), next, odd })
    }

    async fn get(&self, key: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.0.gets.fetch_add(1, Ordering::Relaxed);
        self.0.store.get_opts(key, options).await
    }
}

impl Memory {
    async fn put(&self, key: &str, text: &str) {
        self.0.store.put(&Path::parse(key).unwrap(), text.to_owned().into()).await.unwrap();
    }

    async fn delete(&self, key: &str) {
        self.0.store.delete(&Path::parse(key).unwrap()).await.unwrap();
    }

    async fn with(files: &[(&str, &str)]) -> Self {
        let this = Self::default();
        for (key, text) in files {
            this.put(key, text).await;
        }
        this
    }

    fn source_with(&self, prefix: &str, ignore: Option<&str>, limits: TreeLimits) -> BucketSource {
        let server = Server { remote: Box::new(self.clone()), shown: "memory/b".into(), secrets: Vec::new() };
        BucketSource::new(server, prefix.into(), ignore.map(str::to_owned), limits)
    }

    fn source(&self) -> BucketSource {
        self.source_with("", None, TreeLimits::default())
    }

    /// How many listings and reads there were since the last call.
    fn asked(&self) -> (usize, usize) {
        (self.0.lists.swap(0, Ordering::Relaxed), self.0.gets.swap(0, Ordering::Relaxed))
    }

    fn lie(&self, key: &'static str, size: u64, etag: Option<&'static str>) {
        self.0.lies.lock().unwrap().push((key, size, etag));
    }
}

async fn fetch(source: &BucketSource) -> Result<Vec<String>, String> {
    let cx = Context::background();
    let revision = source.resolve(&cx).await.map_err(|error| error.to_string())?;
    let artifact = source.fetch(&cx, &revision).await.map_err(|error| error.to_string())?;
    Ok(artifact.tree.walk("").map(|(path, _)| path.to_owned()).collect())
}

struct Bucket(Memory);

#[async_trait]
impl Fixture for Bucket {
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(self.0.source())
    }

    async fn publish(&mut self, files: &[(&str, &str)]) {
        let all: Vec<ObjectMeta> = self.0.0.store.list(None).try_collect().await.unwrap();
        for object in all {
            self.0.0.store.delete(&object.location).await.unwrap();
        }
        for (key, text) in files {
            self.0.put(key, text).await;
        }
    }

    fn unknown_revision(&self) -> Revision {
        Revision::new("sha256:00")
    }
}

#[tokio::test]
async fn a_bucket_in_memory_keeps_the_contract() {
    contract::check(&mut Bucket(Memory::default())).await;
}

#[tokio::test]
async fn an_unchanged_bucket_costs_its_listing_and_a_changed_one_what_changed() {
    let memory = Memory::with(&[(".sourceignore", "*.md"), ("a", "1"), ("x.md", "2")]).await;
    let source = memory.source();
    assert_eq!(fetch(&source).await.unwrap(), ["a"]);
    memory.asked();
    let cx = Context::background();
    let first = source.resolve(&cx).await.unwrap();
    assert_eq!(memory.asked(), (2, 0), "two pages and no object");
    source.fetch(&cx, &first).await.unwrap();
    assert_eq!(memory.asked(), (2, 0), "what was downloaded is kept");
    memory.put("b", "3").await;
    let second = source.resolve(&cx).await.unwrap();
    assert_ne!(first, second);
    source.fetch(&cx, &second).await.unwrap();
    assert_eq!(memory.asked(), (4, 1));
    let error = source.fetch(&cx, &first).await.unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn the_ignore_file_is_followed_when_it_changes() {
    let memory = Memory::with(&[("a.md", "1"), ("b", "2"), ("sub/.sourceignore", "*"), ("sub/logo.png", "3")]).await;
    let source = memory.source();
    let all = ["a.md", "b", "sub/.sourceignore", "sub/logo.png"];
    assert_eq!(fetch(&source).await.unwrap(), all, "only the file at the root counts, and there are no defaults");
    memory.put(".sourceignore", "*.md\n").await;
    assert_eq!(fetch(&source).await.unwrap(), all[1..]);
    memory.put(".sourceignore", "b\n").await;
    assert_eq!(fetch(&source).await.unwrap(), [all[0], all[2], all[3]]);
    memory.delete(".sourceignore").await;
    assert_eq!(fetch(&source).await.unwrap(), all);
    let spec = memory.source_with("", Some("/*\n!/b\n"), TreeLimits::default());
    assert_eq!(fetch(&spec).await.unwrap(), ["b"]);
}

#[tokio::test]
async fn a_prefix_is_any_start_of_a_key_and_stays_in_the_path() {
    let memory = Memory::with(&[(".sourceignore", "*.md"), ("ap", ""), ("app/x.md", ""), ("apple", "")]).await;
    assert_eq!(fetch(&memory.source_with("app", None, TreeLimits::default())).await.unwrap(), ["apple"]);
    let source = memory.source_with("app/", None, TreeLimits::default());
    assert_eq!(fetch(&source).await.unwrap(), [""; 0]);
    // The listing does not have the ignore file, so it is asked for each time; what is unchanged is not sent.
    memory.put(".sourceignore", "").await;
    assert_eq!(fetch(&source).await.unwrap(), ["app/x.md"]);
}

#[tokio::test]
async fn what_changes_while_it_is_read_is_never_mixed_in() {
    let memory = Memory::with(&[("a", "old"), ("b", "old")]).await;
    let source = memory.source();
    let cx = Context::background();
    let revision = source.resolve(&cx).await.unwrap();
    *memory.0.race.lock().unwrap() = Some(("b", "new"));
    let error = source.fetch(&cx, &revision).await.unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
    let revision = source.resolve(&cx).await.unwrap();
    assert_eq!(source.fetch(&cx, &revision).await.unwrap().tree.read("b").unwrap().as_ref(), b"new");
}

#[tokio::test]
async fn folders_are_left_out_and_files_of_their_name_are_not() {
    let memory = Memory::with(&[("dir/x", "1")]).await;
    memory.lie("dir", 0, Some("folder"));
    memory.0.odd.lock().unwrap().folders = vec!["dir".into()];
    assert_eq!(fetch(&memory.source()).await.unwrap(), ["dir/x"]);

    // As servers list them: a file, then the folder of the same name.
    let memory = Memory::with(&[("dir", "1")]).await;
    memory.lie("dir", 0, Some("folder"));
    memory.0.odd.lock().unwrap().folders = vec!["dir".into()];
    assert_eq!(fetch(&memory.source()).await.unwrap(), ["dir"]);
}

#[tokio::test]
async fn h01_hostile_listings_are_refused() {
    let memory = Memory::with(&[("a", "1"), ("A", "1")]).await;
    assert_eq!(fetch(&memory.source()).await.unwrap(), ["A", "a"], "case tells files apart");
    for (key, size, etag, problem) in [
        ("a", 1, Some("0"), "the key `a` is listed twice"),
        ("a/b", 1, Some("0"), "`a` is a file and a directory"),
        ("new", 1, None, "`new`: the listing has no ETag"),
        ("huge", 51 << 20, Some("0"), "`huge`: more than 52428800 bytes in one file"),
        ("huge", u64::MAX, Some("0"), "`huge`: more than"),
        ("x/../../y", 1, Some("0"), "a key is refused: "),
        ("x//y", 1, Some("0"), "a key is refused: "),
        ("gone", 1, Some("0"), "changed while it was read"),
    ] {
        let memory = Memory::with(&[("a", "1")]).await;
        memory.lie(key, size, etag);
        let error = fetch(&memory.source()).await.unwrap_err();
        assert!(error.starts_with("memory/b: ") && error.contains(problem), "{problem}: {error}");
    }
    let memory = Memory::with(&[("a", "1")]).await;
    memory.0.odd.lock().unwrap().absolute = Some("/etc/passwd".into());
    assert_eq!(fetch(&memory.source()).await.unwrap_err(), "memory/b: the key `/etc/passwd` is absolute");
}

#[tokio::test]
async fn limits_hold_before_anything_is_read() {
    let memory = Memory::with(&[("a", "12345"), ("b", "123"), ("c", "")]).await;
    let limits = TreeLimits::default();
    for (limits, problem) in [
        (TreeLimits { file_bytes: 4, ..limits }, "`a`: more than 4 bytes in one file"),
        (TreeLimits { total_bytes: 7, ..limits }, "more than 7 bytes in all files"),
        (TreeLimits { entries: 2, ..limits }, "more than 2 objects"),
        (TreeLimits { path_bytes: 0, ..limits }, "more than 0 bytes in a path"),
    ] {
        memory.asked();
        let error = fetch(&memory.source_with("", None, limits)).await.unwrap_err();
        assert!(error.ends_with(problem), "{problem}: {error}");
        assert_eq!(memory.asked().1, 0, "nothing is read");
    }
}

#[tokio::test]
async fn limits_are_for_what_is_kept() {
    // `!early` is listed before the ignore file, and `big` after it, on the same page.
    let files =
        [("!early", "12345"), ("!other", ""), (".sourceignore", "big\n/!early\n"), ("big", "12345"), ("c", "1")];
    let memory = Memory::with(&files).await;
    let limits = TreeLimits { file_bytes: 4, total_bytes: 4, ..TreeLimits::default() };
    assert_eq!(fetch(&memory.source_with("", None, limits)).await.unwrap(), ["!other", "c"]);
}

#[test]
fn descriptions_are_checked() {
    let build = |provider, bucket: &str, credentials| {
        let built = BucketSource::builder(provider, "server", bucket).credentials(credentials).build();
        built.map(|source| format!("{source:?}")).map_err(|error| error.to_string())
    };
    for bucket in ["", "..", "a/b", "a?b", "a b"] {
        let error = build(BucketProvider::Generic, bucket, BucketCredentials::Anonymous).unwrap_err();
        assert!(error.starts_with("spec.bucketName: "), "{bucket}: {error}");
    }
    let secret = |key: &str| key.to_owned();
    let bad = build(BucketProvider::Azure, "b", BucketCredentials::AccountKey { key: secret("hunter2!") }).unwrap_err();
    assert_eq!(bad, "spec.secretRef: the credentials cannot be used");
    let bad = build(BucketProvider::Gcp, "b", BucketCredentials::ServiceAccount { key: secret("{}") }).unwrap_err();
    assert_eq!(bad, "spec.secretRef: the credentials cannot be used");
    for provider in [BucketProvider::Generic, BucketProvider::Aws, BucketProvider::Gcp, BucketProvider::Azure] {
        let shown = build(provider, "b", BucketCredentials::Anonymous).unwrap();
        assert!(shown.starts_with("BucketSource { bucket: \"https://server/b\", prefix: \"\""), "{shown}");
    }
}
