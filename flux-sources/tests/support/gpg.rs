//! The real gpg, with keys of its own.

use std::process::Command;

/// A home of gpg, ended with its agent.
pub(crate) struct Gpg(tempfile::TempDir);

impl Gpg {
    /// None, said aloud, where the program is not installed and need not be.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no gpg");
            println!("skipped: no gpg");
            return None;
        }
        // The sockets of its agent need a short path.
        let dir = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        Some(Self(dir))
    }

    pub(crate) fn home(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .env("GNUPGHOME", self.home())
            .output()
            .unwrap();
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key and returns its fingerprint.
    pub(crate) fn key(&self, user: &str, algorithm: &str, usage: &str, expires: &str) -> String {
        self.run(&["--quick-gen-key", user, algorithm, usage, expires]);
        let listed = self.run(&["--list-keys", "--with-colons", user]);
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    pub(crate) fn export(&self, key: &str) -> String {
        self.run(&["--armor", "--export", key])
    }

    /// The same as packets.
    pub(crate) fn export_packets(&self, key: &str) -> Vec<u8> {
        self.packets(&["--export", key])
    }

    /// The secret key as packets, which nothing protects.
    pub(crate) fn export_secret(&self, key: &str) -> Vec<u8> {
        self.packets(&["--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--export-secret-keys", key])
    }

    fn packets(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg").args(arguments).env("GNUPGHOME", self.home()).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty());
        output.stdout
    }

    /// Signs a text that stays readable.
    pub(crate) fn clearsign(&self, key: &str, text: &str) -> String {
        let file = self.0.path().join("text");
        std::fs::write(&file, text).unwrap();
        self.run(&["--local-user", key, "--output", "-", "--clearsign", file.to_str().unwrap()])
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.home()).status();
    }
}
