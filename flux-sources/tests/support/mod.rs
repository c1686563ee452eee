//! Repositories made with the git program, and servers for them that a test starts and stops.
#![allow(clippy::print_stdout, reason = "a test says when it is skipped")]
#![allow(dead_code, unused_imports, reason = "every test program uses its own part of this")]

pub(crate) mod archive;
#[cfg(feature = "helm")]
pub(crate) mod charts;
#[cfg(any(feature = "provenance", feature = "verify"))]
pub(crate) mod gpg;
pub(crate) mod http;
#[cfg(all(feature = "bucket", feature = "oci"))]
pub(crate) mod moto;
#[cfg(feature = "oci")]
pub(crate) mod registry;
#[cfg(feature = "ssh")]
pub(crate) mod sshd;
#[cfg(feature = "http")]
pub(crate) mod tls;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) use http::{HttpServer, Request, respond};

/// Whether the git program and these of its parts are here; says so when they are not.
pub(crate) fn have_git(parts: &[&str]) -> bool {
    let missing = match exec_path() {
        None => Some("git".to_owned()),
        Some(dir) => parts.iter().find(|part| !dir.join(part).is_file()).map(|part| (*part).to_owned()),
    };
    if let Some(missing) = &missing {
        println!("skipped: no {missing}");
    }
    missing.is_none()
}

pub(crate) fn exec_path() -> Option<PathBuf> {
    let output = Command::new("git").arg("--exec-path").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// A directory to serve with one repository, `app`, in it.
pub(crate) struct Repository {
    root: tempfile::TempDir,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("app")).unwrap();
        let repository = Self { root };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("app")
    }

    /// Runs git in the repository and returns what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_with(&[], arguments)
    }

    /// The same with more of an environment.
    pub(crate) fn git_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(self.work())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits everything that is there; the id of the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Stores an object as it is, however odd, and returns its id.
    pub(crate) fn store(&self, kind: &str, data: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(["hash-object", "-w", "--literally", "-t", kind, "--stdin"])
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(data).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git hash-object");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes these files all there is, in a commit.
    pub(crate) fn replace(&self, files: &[(&str, &str)]) -> String {
        for entry in fs::read_dir(self.work()).unwrap().map(Result::unwrap) {
            if entry.file_name() != ".git" {
                let path = entry.path();
                if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
            }
        }
        for (path, text) in files {
            self.write(path, text);
        }
        self.commit("replace")
    }
}

/// `git daemon` on a free port.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Daemon {
    pub(crate) fn start(root: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new(exec_path().unwrap().join("git-daemon"))
            .args(["--verbose", "--reuseaddr", "--export-all", "--listen=127.0.0.1"])
            .arg(format!("--port={}", address.port()))
            .arg(format!("--base-path={}", root.display()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Ready to rumble")), "git daemon starts");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("git://{}/app/.git", self.address)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers one request with the CGI program `git http-backend`.
pub(crate) fn serve_git(root: &Path, request: &Request, stream: &mut dyn Write) -> std::io::Result<()> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut child = Command::new(exec_path().unwrap().join("git-http-backend"))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or_default())
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().unwrap().write_all(&request.body)?;
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output)?;
    child.wait()?;
    let split = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let length = output.len() - split - 4;
    write!(stream, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(&output[split + 4..])
}
