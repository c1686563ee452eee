//! The S3 server of moto, a Python program, on a free port.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::registry::call;

/// Where `moto_server` is; says so when it is not here.
fn program() -> Option<PathBuf> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/oracles/moto/bin/moto_server"));
    let given = std::env::var_os("FLUX_MOTO").map(PathBuf::from);
    let found = given.into_iter().chain([own]).find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: no moto_server");
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no moto_server");
    }
    found
}

pub(crate) struct Moto {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Moto {
    /// A server with one bucket, `bucket`. None, said aloud, where the program is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, address };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "moto_server starts");
            std::thread::sleep(Duration::from_millis(50));
        }
        let (status, ..) = call(address, "PUT", "/bucket", "", b"");
        assert_eq!(status, 200);
        Some(this)
    }

    /// Puts an object under a key, which goes into the URL as it is.
    pub(crate) fn put(&self, key: &str, data: &[u8]) {
        let encoded: String = key
            .bytes()
            .map(|b| match b {
                b if b.is_ascii_alphanumeric() || b"/.-_".contains(&b) => char::from(b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect();
        let (status, _, body) = call(self.address, "PUT", &format!("/bucket/{encoded}"), "text/plain", data);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// Empties the bucket.
    pub(crate) fn clear(&self) {
        assert_eq!(call(self.address, "POST", "/moto-api/reset", "", b"").0, 200);
        assert_eq!(call(self.address, "PUT", "/bucket", "", b"").0, 200);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
