//! Which keys a server may have: `known_hosts`, as OpenSSH writes it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The port that a line means when it names none.
const DEFAULT_PORT: u16 = 22;

/// Which keys servers may have, from a `known_hosts` file: plain and hashed names, `*`, `?` and `!` in names,
/// `[host]:port`, several keys a server, and `@revoked`. Authorities (`@cert-authority`) are read and vouch for nothing.
///
/// ```
/// use flux_sources::git::KnownHosts;
/// let text = "git.example.com,[git.example.com]:2222 ssh-ed25519 \
///     AAAAC3NzaC1lZDI1NTE5AAAAIH3yXrj5IsJt58I/BJxA27bbgk+bTfo8clTV5oX1ZvGx\n";
/// let known: KnownHosts = text.parse()?;
/// assert_eq!(known.algorithms("git.example.com", 2222), ["ssh-ed25519"]);
/// assert!(known.algorithms("example.com", 22).is_empty());
/// # Ok::<(), flux_sources::git::InvalidKnownHosts>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownHosts {
    lines: Vec<Line>,
}

/// A line that cannot be read. A file with such a line is not used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct InvalidKnownHosts {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Why a server's key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyProblem {
    /// No line names the server.
    UnknownHost,
    /// Lines name the server, and none has this key.
    OtherKey,
    /// A line revokes this key.
    Revoked,
}

impl fmt::Display for HostKeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownHost => "known_hosts does not name the server",
            Self::OtherKey => "known_hosts has other keys for the server",
            Self::Revoked => "known_hosts revokes the key of the server",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    marker: Marker,
    hosts: Hosts,
    /// The key as it is sent over the wire.
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Trusted,
    Revoked,
    Authority,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Patterns(Vec<Pattern>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    negated: bool,
    host: String,
    port: u16,
}

impl KnownHosts {
    /// The kinds of keys that are trusted for a server, such as `ssh-ed25519`, in the order of their lines.
    pub fn algorithms(&self, host: &str, port: u16) -> Vec<&str> {
        let mut found = Vec::new();
        for line in self.trusted(host, port) {
            let algorithm = key_type(&line.key).unwrap_or_default();
            if !found.contains(&algorithm) {
                found.push(algorithm);
            }
        }
        found
    }

    /// Whether a server may have this key, given as it is sent over the wire.
    ///
    /// # Errors
    /// It may not. A revoked key is refused for every server.
    pub fn check(&self, host: &str, port: u16, key: &[u8]) -> Result<(), HostKeyProblem> {
        if self.lines.iter().any(|line| line.marker == Marker::Revoked && line.key == key) {
            return Err(HostKeyProblem::Revoked);
        }
        let mut known = self.trusted(host, port).peekable();
        if known.peek().is_none() {
            return Err(HostKeyProblem::UnknownHost);
        }
        if known.any(|line| line.key == key) { Ok(()) } else { Err(HostKeyProblem::OtherKey) }
    }

    fn trusted<'a>(&'a self, host: &str, port: u16) -> impl Iterator<Item = &'a Line> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        self.lines.iter().filter(move |line| line.marker == Marker::Trusted && line.hosts.name(&host, port))
    }
}

impl std::str::FromStr for KnownHosts {
    type Err = InvalidKnownHosts;

    fn from_str(text: &str) -> Result<Self, InvalidKnownHosts> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                lines.push(Line::parse(line).map_err(|problem| InvalidKnownHosts { line: index + 1, problem })?);
            }
        }
        Ok(Self { lines })
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty()).peekable();
        let marker = match fields.next_if(|field| field.starts_with('@')) {
            None => Marker::Trusted,
            Some("@revoked") => Marker::Revoked,
            Some("@cert-authority") => Marker::Authority,
            Some(_) => return Err("the marker is not known"),
        };
        let (Some(hosts), Some(kind), Some(key)) = (fields.next(), fields.next(), fields.next()) else {
            return Err("should be names, the kind of the key and the key");
        };
        let key = STANDARD.decode(key).or_else(|_| STANDARD_NO_PAD.decode(key)).map_err(|_| "the key is not base64")?;
        if key_type(&key) != Some(kind) {
            return Err("the key is not of the kind that is said");
        }
        Ok(Self { marker, hosts: Hosts::parse(hosts)?, key })
    }
}

impl Hosts {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(hashed) = text.strip_prefix("|1|") {
            let (salt, hash) = hashed.split_once('|').ok_or("the hashed name is broken")?;
            let decode = |text| STANDARD.decode(text).map_err(|_| "the hashed name is broken");
            return Ok(Self::Hashed { salt: decode(salt)?, hash: decode(hash)? });
        }
        if text.starts_with('|') {
            return Err("the name is hashed in a way that is not known");
        }
        text.split(',').map(Pattern::parse).collect::<Result<_, _>>().map(Self::Patterns)
    }

    fn name(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Patterns(patterns) => {
                let mut matching = patterns.iter().filter(|pattern| pattern.matches(host, port)).peekable();
                matching.peek().is_some() && matching.all(|pattern| !pattern.negated)
            }
            Self::Hashed { salt, hash } => {
                let name = if port == DEFAULT_PORT { host.to_owned() } else { format!("[{host}]:{port}") };
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                ring::hmac::verify(&key, name.as_bytes(), hash).is_ok()
            }
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (host, port) = match text.strip_prefix('[') {
            None => (text, DEFAULT_PORT),
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("a name has no closing bracket")?;
                match rest.strip_prefix(':') {
                    None if rest.is_empty() => (host, DEFAULT_PORT),
                    None => return Err("a name goes on after its bracket"),
                    Some(port) => (host, port.parse().map_err(|_| "the port of a name is no number")?),
                }
            }
        };
        if host.is_empty() {
            return Err("a name is empty");
        }
        Ok(Self { negated, host: host.to_ascii_lowercase(), port })
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        self.port == port && wildcard(self.host.as_bytes(), host.as_bytes())
    }
}

/// `*` is any text and `?` any byte. A star that fails is stretched by one, and only the last one is, so the time is the
/// product of the lengths at worst.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The kind that a key in wire format says it is of: its first string.
pub(super) fn key_type(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// The fingerprint of a key, as `ssh-keygen -l` shows it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, key);
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIH3yXrj5IsJt58I/BJxA27bbgk+bTfo8clTV5oX1ZvGx";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOsFPUwFbAscJOBwMtwviwOJAgg8mb7E3yRqcZk/0jEe";

    fn check(text: &str, host: &str, port: u16, key: &str) -> Result<(), HostKeyProblem> {
        text.parse::<KnownHosts>().unwrap().check(host, port, &STANDARD.decode(key).unwrap())
    }

    fn knows(hosts: &str, host: &str, port: u16) -> bool {
        check(&format!("{hosts} ssh-ed25519 {A} a comment\n"), host, port, A).is_ok()
    }

    #[test]
    fn names_are_plain_patterns_or_hashed() {
        for (hosts, host, port) in [
            ("git.example.com", "git.example.com", 22),
            ("Git.Example.com", "git.example.COM", 22),
            ("other,git.example.com", "git.example.com", 22),
            ("[git.example.com]:2222", "git.example.com", 2222),
            ("[git.example.com]:22", "git.example.com", 22),
            ("::1", "[::1]", 22),
            ("[::1]:2222", "::1", 2222),
            ("*.example.com", "git.example.com", 22),
            ("g?t.*", "git.example.com", 22),
            ("*,!bad.example.com", "git.example.com", 22),
            // `ssh-keygen -H` of `git.example.com` and of `[git.example.com]:2222`.
            ("|1|AAECAwQFBgcICQoLDA0ODxAREhM=|5DHGyoq+K/vX4lJK0U2p7IteoFw=", "git.example.com", 22),
            ("|1|AAECAwQFBgcICQoLDA0ODxAREhM=|iB8ji+G7JiWchxZqOjryGAnIiTo=", "git.example.com", 2222),
        ] {
            assert!(knows(hosts, host, port), "{hosts} {host} {port}");
        }
        for (hosts, host, port) in [
            ("git.example.com", "example.com", 22),
            ("git.example.com", "git.example.com", 2222),
            ("[git.example.com]:2222", "git.example.com", 22),
            ("*.example.com", "example.com", 22),
            ("*,!git.example.com", "git.example.com", 22),
            ("!git.example.com", "other", 22),
            ("|1|AAECAwQFBgcICQoLDA0ODxAREhM=|5DHGyoq+K/vX4lJK0U2p7IteoFw=", "git.example.com", 2222),
        ] {
            assert!(!knows(hosts, host, port), "{hosts} {host} {port}");
        }
    }

    #[test]
    fn keys_are_compared_and_revoked_ones_are_refused_everywhere() {
        let two = format!("# a comment\n\nh ssh-ed25519 {A}\nh ssh-ed25519 {B}\n");
        assert_eq!(check(&two, "h", 22, A), Ok(()));
        assert_eq!(check(&two, "h", 22, B), Ok(()));
        assert_eq!(check(&format!("h ssh-ed25519 {A}"), "h", 22, B), Err(HostKeyProblem::OtherKey));
        assert_eq!(check(&two, "i", 22, A), Err(HostKeyProblem::UnknownHost));
        assert_eq!(check("", "h", 22, A), Err(HostKeyProblem::UnknownHost));
        let revoked = format!("{two}@revoked other ssh-ed25519 {A}\n");
        assert_eq!(check(&revoked, "h", 22, A), Err(HostKeyProblem::Revoked));
        assert_eq!(check(&revoked, "h", 22, B), Ok(()));
        let authority = format!("@cert-authority * ssh-ed25519 {A}");
        assert_eq!(check(&authority, "h", 22, A), Err(HostKeyProblem::UnknownHost));
    }

    #[test]
    fn a_line_that_cannot_be_read_spoils_the_file() {
        for (line, problem) in [
            ("h", "should be names"),
            ("h ssh-ed25519", "should be names"),
            (&format!("@trusted h ssh-ed25519 {A}"), "marker"),
            (&format!("h ssh-rsa {A}"), "not of the kind"),
            ("h ssh-ed25519 ????", "not base64"),
            ("h ssh-ed25519 AAAA", "not of the kind"),
            (&format!("|1|AAAA ssh-ed25519 {A}"), "hashed name is broken"),
            (&format!("|2|a|b ssh-ed25519 {A}"), "in a way"),
            (&format!("[h ssh-ed25519 {A}"), "no closing bracket"),
            (&format!("[h]:x ssh-ed25519 {A}"), "no number"),
            (&format!("[h]x ssh-ed25519 {A}"), "goes on"),
            (&format!("h, ssh-ed25519 {A}"), "is empty"),
        ] {
            let error = format!("# first\n{line}\n").parse::<KnownHosts>().unwrap_err();
            assert!(error.line == 2 && error.problem.contains(problem), "{line}: {error}");
        }
    }
}
