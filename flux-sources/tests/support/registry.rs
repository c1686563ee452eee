//! OCI registries for tests: the real `docker-registry` program, and one of our own that can misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use flux_core::Digest;

use super::archive::layer;
use super::{HttpServer, Request, respond};

pub(crate) const CONFIG: &[u8] = b"{}";
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A manifest with one layer.
pub(crate) fn manifest(layer: &[u8], media_type: &str) -> Vec<u8> {
    let descriptor = |media_type: &str, data: &[u8]| serde_json::json!({"mediaType": media_type, "digest": Digest::sha256(data).to_string(), "size": data.len()});
    serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor("application/vnd.cncf.flux.config.v1+json", CONFIG),
        "layers": [descriptor(media_type, layer)],
        "annotations": {"org.opencontainers.image.source": "https://example.com/app"},
    }))
    .unwrap()
}

pub(crate) const FLUX_LAYER: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

/// One request over a connection of its own: status, headers, body.
pub(crate) fn call(
    address: SocketAddr,
    method: &str,
    target: &str,
    content_type: &str,
    body: &[u8],
) -> (u16, HashMap<String, String>, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n").unwrap();
    write!(stream, "accept: {MANIFEST_TYPE}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    (status, headers, body)
}

/// The `docker-registry` program on a free port.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Program {
    /// None, said aloud, where the program is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with more lines at the end of its configuration, which is in the section `http`.
    pub(crate) fn start_with(more: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = dir.path().join("config.yml");
        let storage = dir.path().join("storage");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{more}",
            storage.display()
        );
        std::fs::write(&config, text).unwrap();
        let started = Command::new("docker-registry").arg("serve").arg(&config).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = started else {
            println!("skipped: no docker-registry");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("listening on")), "docker-registry starts");
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, address, _dir: dir })
    }

    /// Puts an artifact under a tag.
    pub(crate) fn push(&self, tag: &str, files: &[(&str, &str)]) {
        let layer = layer(files);
        self.blob(CONFIG);
        self.blob(&layer);
        self.manifest(tag, &manifest(&layer, FLUX_LAYER));
    }

    pub(crate) fn blob(&self, blob: &[u8]) {
        let (status, headers, _) = call(self.address, "POST", "/v2/org/app/blobs/uploads/", "", b"");
        assert_eq!(status, 202);
        let location = headers["location"].split_once("/v2/").unwrap().1.to_owned();
        let target = format!("/v2/{location}&digest={}", Digest::sha256(blob));
        assert_eq!(call(self.address, "PUT", &target, "application/octet-stream", blob).0, 201);
    }

    pub(crate) fn manifest(&self, tag: &str, manifest: &[u8]) {
        let target = format!("/v2/org/app/manifests/{tag}");
        assert_eq!(call(self.address, "PUT", &target, MANIFEST_TYPE, manifest).0, 201);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a registry of our own holds and how it behaves.
#[derive(Default)]
pub(crate) struct Content {
    /// Blobs and manifests by digest; a wrong digest here is what a lying registry has.
    pub(crate) objects: HashMap<String, Vec<u8>>,
    pub(crate) tags: HashMap<String, String>,
    /// The value of `Authorization` without which nothing is given, and the challenge.
    pub(crate) guard: Option<(String, String)>,
    /// Pages of tags, each with the target of its `Link`.
    pub(crate) pages: Vec<(Vec<String>, Option<String>)>,
    /// What the API for referrers says about a digest; there is none while this is empty.
    pub(crate) referrers: HashMap<String, Vec<u8>>,
}

/// A registry of our own.
pub(crate) struct Own {
    pub(crate) server: HttpServer,
    pub(crate) content: Arc<Mutex<Content>>,
}

impl Own {
    pub(crate) fn start() -> Self {
        let content = Arc::new(Mutex::new(Content::default()));
        let shared = content.clone();
        let server = HttpServer::start(move |request, stream| answer(&shared.lock().unwrap(), request, stream));
        Self { server, content }
    }

    pub(crate) fn push(&self, tag: &str, layer: &[u8], media_type: &str) -> String {
        let manifest = manifest(layer, media_type);
        let digest = Digest::sha256(&manifest).to_string();
        let mut content = self.content.lock().unwrap();
        content.objects.insert(Digest::sha256(layer).to_string(), layer.to_vec());
        content.objects.insert(digest.clone(), manifest);
        content.tags.insert(tag.to_owned(), digest.clone());
        digest
    }

    /// Makes these layers, each in a manifest of its own, all that refers to a digest.
    pub(crate) fn refer(&self, digest: &str, artifact_type: &str, layer_type: &str, layers: &[Vec<u8>]) {
        let mut content = self.content.lock().unwrap();
        let mut entries = Vec::new();
        for layer in layers {
            let manifest = manifest(layer, layer_type);
            let digest = Digest::sha256(&manifest).to_string();
            entries.push(serde_json::json!({
                "mediaType": MANIFEST_TYPE,
                "digest": digest,
                "size": manifest.len(),
                "artifactType": artifact_type,
            }));
            content.objects.insert(Digest::sha256(layer).to_string(), layer.clone());
            content.objects.insert(digest, manifest);
        }
        let index = serde_json::json!({"schemaVersion": 2, "manifests": entries});
        content.referrers.insert(digest.to_owned(), serde_json::to_vec(&index).unwrap());
    }

    pub(crate) fn url(&self) -> String {
        format!("oci://{}/org/app", self.server.address)
    }
}

fn answer(content: &Content, request: &Request, stream: &mut dyn Write) -> std::io::Result<()> {
    if let Some((wanted, challenge)) = &content.guard
        && request.header("authorization") != Some(wanted)
    {
        return respond(stream, "401 Unauthorized", &[("www-authenticate", challenge)], b"");
    }
    let path = request.target.strip_prefix("/v2/org/app/").unwrap_or_default();
    if let Some(page) = path.strip_prefix("tags/list") {
        let index = page.strip_prefix("?page=").map_or(0, |page| page.parse().unwrap());
        let (tags, next) = content.pages.get(index).cloned().unwrap_or_default();
        let body = serde_json::to_vec(&serde_json::json!({"name": "org/app", "tags": tags})).unwrap();
        let link = next.map(|next| format!("<{next}>; rel=\"next\""));
        let headers: Vec<(&str, &str)> = link.iter().map(|link| ("link", link.as_str())).collect();
        return respond(stream, "200 OK", &headers, &body);
    }
    if let Some(subject) = path.strip_prefix("referrers/") {
        let subject = subject.split('?').next().unwrap_or_default();
        return match content.referrers.get(subject) {
            Some(index) => respond(stream, "200 OK", &[], index),
            None => respond(stream, "404 Not Found", &[], b"404 page not found"),
        };
    }
    let name = path.split_once('/').map_or("", |(_, name)| name);
    let digest = content.tags.get(name).map_or(name, String::as_str);
    let Some(data) = content.objects.get(digest) else {
        return respond(stream, "404 Not Found", &[], b"{}");
    };
    let headers = [("docker-content-digest", digest), ("content-type", MANIFEST_TYPE)];
    if request.method == "HEAD" {
        respond(stream, "200 OK", &headers, b"")
    } else {
        respond(stream, "200 OK", &headers, data)
    }
}
