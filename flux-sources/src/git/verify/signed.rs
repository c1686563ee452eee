//! What is signed in a commit or a tag, and the signature, as Git takes them apart.

/// A signature and the bytes that it is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) payload: Vec<u8>,
    pub(super) signature: String,
}

/// What the first line of a signature looks like.
const OPENPGP: [&str; 2] = ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP MESSAGE-----"];
const SSH: &str = "-----BEGIN SSH SIGNATURE-----";
const X509: &str = "-----BEGIN SIGNED MESSAGE-----";

/// Who can check a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    OpenPgp,
    Ssh,
}

impl Signed {
    /// Takes a commit apart: its signature is a header, and what is signed is the commit without it.
    pub(super) fn commit(raw: &[u8], sha256: bool) -> Result<Self, &'static str> {
        let (header, others): (&[u8], &[u8]) =
            if sha256 { (b"gpgsig-sha256 ", b"gpgsig ") } else { (b"gpgsig ", b"gpgsig-sha256 ") };
        let (mut payload, mut signature, mut found) = (Vec::with_capacity(raw.len()), Vec::new(), 0);
        // Whether the header that goes on in this line is kept, is the signature, or is a signature for another hash.
        let mut current = Part::Payload;
        let mut rest = raw;
        while !rest.is_empty() && !rest.starts_with(b"\n") {
            let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            rest = after;
            let text = match line.strip_prefix(b" ") {
                Some(continued) => continued,
                None => {
                    current = Part::Payload;
                    if let Some(text) = line.strip_prefix(header) {
                        (current, found) = (Part::Signature, found + 1);
                        text
                    } else {
                        if line.starts_with(others) {
                            current = Part::Dropped;
                        }
                        line
                    }
                }
            };
            match current {
                Part::Payload => payload.extend_from_slice(line),
                Part::Signature => signature.extend_from_slice(text),
                Part::Dropped => {}
            }
        }
        payload.extend_from_slice(rest);
        match found {
            0 => Err("has no signature"),
            1 => Self::new(payload, signature),
            _ => Err("has more than one signature"),
        }
    }

    /// Takes a tag apart: its signature is at the end, and what is signed is what is before it.
    pub(super) fn tag(raw: &[u8]) -> Result<Self, &'static str> {
        let mut at = None;
        let mut line = 0;
        while line < raw.len() {
            let starts = |mark: &str| raw[line..].starts_with(mark.as_bytes());
            if OPENPGP.iter().any(|mark| starts(mark)) || starts(SSH) || starts(X509) {
                at = Some(line);
            }
            line = raw[line..].iter().position(|&byte| byte == b'\n').map_or(raw.len(), |end| line + end + 1);
        }
        let (payload, signature) = raw.split_at(at.ok_or("has no signature")?);
        Self::new(payload.to_vec(), signature.to_vec())
    }

    fn new(payload: Vec<u8>, signature: Vec<u8>) -> Result<Self, &'static str> {
        let signature = String::from_utf8(signature).map_err(|_| "has a signature that is not text")?;
        Ok(Self { payload, signature })
    }

    /// Who can check the signature.
    pub(super) fn kind(&self) -> Result<Kind, &'static str> {
        if OPENPGP.iter().any(|mark| self.signature.starts_with(mark)) {
            Ok(Kind::OpenPgp)
        } else if self.signature.starts_with(SSH) {
            Ok(Kind::Ssh)
        } else if self.signature.starts_with(X509) {
            Err("has an X.509 signature, which cannot be verified")
        } else {
            Err("has a signature of a kind that is not known")
        }
    }
}

enum Part {
    Payload,
    Signature,
    Dropped,
}

/// The value of a header of a tag or a commit.
pub(super) fn header<'a>(raw: &'a [u8], name: &str) -> Option<&'a str> {
    let head = raw.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty());
    let value = head.filter_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b" ")).next()?;
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_signed_without_its_signature() {
        let raw =
            b"tree 1\nauthor a\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n line\n -----END\nother x\n y\n\nmessage\n";
        let signed = Signed::commit(raw, false).unwrap();
        assert_eq!(signed.payload, b"tree 1\nauthor a\nother x\n y\n\nmessage\n");
        assert_eq!(signed.signature, "-----BEGIN PGP SIGNATURE-----\n\nline\n-----END\n");
        assert_eq!(signed.kind(), Ok(Kind::OpenPgp));
        let both = b"tree 1\ngpgsig a\ngpgsig-sha256 b\n c\n\ngpgsig d\n";
        assert_eq!(Signed::commit(both, false).unwrap().signature, "a\n");
        assert_eq!(Signed::commit(both, true).unwrap().signature, "b\nc\n");
        assert_eq!(Signed::commit(both, true).unwrap().payload, b"tree 1\n\ngpgsig d\n");
        assert_eq!(Signed::commit(b"tree 1\n\ngpgsig x\n", false), Err("has no signature"));
        assert_eq!(Signed::commit(b"gpgsig x\ngpgsig y\n\n", false), Err("has more than one signature"));
    }

    #[test]
    fn a_tag_is_signed_up_to_its_last_signature() {
        let raw = b"object 1\ntag v1\n\nsee -----BEGIN PGP SIGNATURE-----\n-----BEGIN SSH SIGNATURE-----\nx\n";
        let signed = Signed::tag(raw).unwrap();
        assert_eq!(signed.signature, "-----BEGIN SSH SIGNATURE-----\nx\n");
        assert_eq!(header(raw, "tag"), Some("v1"));
        assert_eq!(header(raw, "see"), None);
        assert_eq!(Signed::tag(b"object 1\n\nmessage"), Err("has no signature"));
        assert!(Signed::tag(b"-----BEGIN SIGNED MESSAGE-----\n").unwrap().kind().unwrap_err().contains("X.509"));
    }
}
