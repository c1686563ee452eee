//! `sshd` on loopback with a host key of its own, for the user that runs the test.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where `sshd` is; says so when it is not here. It has to be started by its full path.
pub(crate) fn have_sshd() -> Option<PathBuf> {
    let found = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].iter().map(PathBuf::from).find(|path| path.is_file());
    let keygen = Command::new("ssh-keygen").arg("-?").stderr(Stdio::null()).status().is_ok();
    if found.is_none() || !keygen {
        println!("skipped: no sshd");
    }
    found.filter(|_| keygen)
}

/// Makes a key with `ssh-keygen`: the private key, and the public one beside it in `.pub`.
pub(crate) fn keygen(path: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-C", "test", "-f"])
        .arg(path)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "ssh-keygen {arguments:?}");
}

/// The user that runs the test.
pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) struct Sshd {
    child: Child,
    dir: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Sshd {
    /// Starts a server with a host key of this kind.
    pub(crate) fn start(sshd: &Path, kind: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host_key = dir.path().join("host");
        keygen(&host_key, &["-N", "", "-t", kind]);
        fs::write(dir.path().join("authorized_keys"), "").unwrap();
        // As root it wants a directory to hide in.
        let _ = fs::create_dir_all("/run/sshd");
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_PROTOCOL\nLogLevel ERROR\n",
            host_key.display(),
            dir.path().join("authorized_keys").display(),
        );
        fs::write(dir.path().join("config"), config).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(dir.path().join("config")).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let server = Self { child, dir, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "sshd starts");
            std::thread::yield_now();
        }
        server
    }

    /// Lets in whoever holds this private key.
    pub(crate) fn allow(&self, private_key: &Path) {
        let public = fs::read(private_key.with_extension("pub")).unwrap();
        fs::write(self.dir.path().join("authorized_keys"), public).unwrap();
    }

    /// The kind and the key of the host, as `known_hosts` has them.
    pub(crate) fn host_key(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("host.pub")).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A `known_hosts` file for this server.
    pub(crate) fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}\n", self.address.port(), self.host_key())
    }

    pub(crate) fn url(&self, path: &Path) -> String {
        format!("ssh://{}@{}{}", user(), self.address, path.display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
