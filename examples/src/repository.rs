//! A Git repository to play with, made with the `git` program.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Git repository with a work tree.
#[derive(Debug)]
pub struct Repository(PathBuf);

impl Repository {
    /// Makes an empty repository with the branch `main`.
    ///
    /// # Errors
    /// The directory cannot be written, or there is no `git` program.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let this = Self(path.into());
        std::fs::create_dir_all(&this.0)?;
        this.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(this)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its `file://` URL.
    pub fn url(&self) -> String {
        format!("file://{}", self.0.display())
    }

    /// Writes a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &str, content: &str) -> io::Result<()> {
        let path = self.0.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)
    }

    /// Replaces a text in a file; it must be there.
    ///
    /// # Errors
    /// The file cannot be read or written, or does not hold the text.
    pub fn replace(&self, path: &str, from: &str, to: &str) -> io::Result<()> {
        let content = std::fs::read_to_string(self.0.join(path))?;
        if !content.contains(from) {
            return Err(io::Error::other(format!("{path} does not hold {from:?}")));
        }
        self.write(path, &content.replace(from, to))
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// The file is not there.
    pub fn delete(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(path))
    }

    /// Commits everything as it is now.
    ///
    /// # Errors
    /// `git` fails.
    pub fn commit(&self, message: &str) -> io::Result<()> {
        self.git(&["add", "--all"])?;
        let author = ["-c", "user.name=Quickstart", "-c", "user.email=quickstart@example.com"];
        let commit = ["-c", "commit.gpgsign=false", "commit", "--quiet", "--allow-empty", "-m", message];
        self.git(&[&author[..], &commit[..]].concat())
    }

    fn git(&self, arguments: &[&str]) -> io::Result<()> {
        let output = Command::new("git").arg("-C").arg(&self.0).args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("git {} failed: {}", arguments.join(" "), said.trim())))
    }
}
