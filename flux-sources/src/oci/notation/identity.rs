//! Whose certificate it has to be: `x509.subject: C=US, ST=WA, O=example` of a trust policy.

use std::collections::BTreeMap;

use x509_parser::oid_registry as oid;
use x509_parser::x509::X509Name;

const PREFIX: &str = "x509.subject:";

/// Parts of a name, each once. A certificate is of the identity when its subject has them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(BTreeMap<&'static str, String>);

impl Identity {
    /// Reads an identity of a trust policy.
    ///
    /// # Errors
    /// In words: one of another kind, or a name with a part that is unknown, comes twice or is missing.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let refused = |problem: &str| format!("trusts the identity `{}`: {problem}", text.escape_debug());
        let name = text.strip_prefix(PREFIX).ok_or_else(|| refused("it does not start with `x509.subject:`"))?;
        let mut parts = BTreeMap::new();
        for part in split(name).ok_or_else(|| refused("an escape in it is none"))? {
            let (kind, value) = part;
            let kind = attribute(&kind.to_ascii_uppercase()).ok_or_else(|| refused("a part of it is unknown"))?;
            if value.is_empty() || value.starts_with('#') {
                return Err(refused("a part of it has no plain value"));
            }
            if parts.insert(kind, value).is_some() {
                return Err(refused("a part of it comes twice"));
            }
        }
        if ["C", "ST", "O"].iter().any(|kind| !parts.contains_key(kind)) {
            return Err(refused("`C`, `ST` and `O` have to be in it"));
        }
        Ok(Self(parts))
    }

    /// Whether a subject has all these parts, each once.
    pub(super) fn is_of(&self, subject: &X509Name<'_>) -> bool {
        let Some(found) = parts(subject) else { return false };
        self.0.iter().all(|(kind, value)| found.get(kind) == Some(value))
    }
}

/// The name under which a part is compared.
fn attribute(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "C" => "C",
        "ST" | "S" => "ST",
        "L" => "L",
        "O" => "O",
        "OU" => "OU",
        "CN" => "CN",
        "STREET" => "STREET",
        _ => return None,
    })
}

/// The parts of a subject that can be compared; none if one of them comes twice or is no text.
fn parts(subject: &X509Name<'_>) -> Option<BTreeMap<&'static str, String>> {
    let kinds = [
        (oid::OID_X509_COUNTRY_NAME, "C"),
        (oid::OID_X509_STATE_OR_PROVINCE_NAME, "ST"),
        (oid::OID_X509_LOCALITY_NAME, "L"),
        (oid::OID_X509_ORGANIZATION_NAME, "O"),
        (oid::OID_X509_ORGANIZATIONAL_UNIT, "OU"),
        (oid::OID_X509_COMMON_NAME, "CN"),
        (oid::OID_X509_STREET_ADDRESS, "STREET"),
    ];
    let mut found = BTreeMap::new();
    for part in subject.iter_attributes() {
        if let Some((_, kind)) = kinds.iter().find(|(known, _)| known == part.attr_type())
            && found.insert(*kind, part.as_str().ok()?.to_owned()).is_some()
        {
            return None;
        }
    }
    Some(found)
}

/// Takes a name apart at its commas (RFC 4514); none where an escape is none, or a part has no `=`.
fn split(name: &str) -> Option<Vec<(String, String)>> {
    let mut parts = Vec::new();
    let (mut kind, mut value) = (None::<String>, String::new());
    let mut characters = name.chars();
    let mut kept = 0;
    loop {
        match characters.next() {
            Some('\\') => {
                value.push(characters.next().filter(|escaped| r#" "+,;<=>#\"#.contains(*escaped))?);
                kept = value.len();
            }
            Some('=') if kind.is_none() => {
                kind = Some(std::mem::take(&mut value).trim().to_owned());
                kept = 0;
            }
            // Parts that are joined by `+` or set apart otherwise are not read by the Notary Project either.
            Some('+' | ';' | '"' | '<' | '>') => return None,
            Some(',') | None if characters.as_str().is_empty() && kind.is_none() && !parts.is_empty() => return None,
            end @ (Some(',') | None) => {
                let length = kept.max(value.trim_end().len());
                value.truncate(length);
                parts.push((kind.take()?, std::mem::take(&mut value)));
                kept = 0;
                if end.is_none() {
                    return Some(parts);
                }
            }
            // Blanks before a value are not of it.
            Some(' ') if value.is_empty() => {}
            Some(other) => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Result<Vec<(&'static str, String)>, String> {
        Identity::read(&format!("x509.subject:{name}")).map(|identity| identity.0.into_iter().collect())
    }

    #[test]
    fn names_are_taken_apart() {
        let of = |parts: &[(&'static str, &str)]| {
            Ok(parts.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(read("C=US,ST=WA,O=example"), of(&[("C", "US"), ("O", "example"), ("ST", "WA")]));
        assert_eq!(
            read(" c = US , s=WA, O=wabbit networks ,CN=a=b"),
            of(&[("C", "US"), ("CN", "a=b"), ("O", "wabbit networks"), ("ST", "WA")])
        );
        assert_eq!(read(r"C=US,ST=WA,O=a\, b\ "), of(&[("C", "US"), ("O", "a, b "), ("ST", "WA")]));
    }

    #[test]
    fn h33_a_name_that_says_less_than_it_seems_is_refused() {
        for (name, problem) in [
            ("", "an escape"),
            ("C=US", "have to be in it"),
            ("C=US,ST=WA,CN=a", "have to be in it"),
            ("C=US,ST=WA,O=a,O=b", "comes twice"),
            ("C=US,ST=WA,S=WA,O=b", "comes twice"),
            ("C=US,ST=WA,O=", "no plain value"),
            ("C=US,ST=WA,O=#0403", "no plain value"),
            ("C=US,ST=WA,O=a,DC=b", "is unknown"),
            ("C=US,ST=WA,O=a,b", "an escape"),
            ("C=US,ST=WA,O=a,", "an escape"),
            ("C=US,,ST=WA,O=a", "an escape"),
            ("C=US+ST=WA,O=a", "an escape"),
            (r"C=US,ST=WA,O=\q", "an escape"),
            (r"C=US,ST=WA,O=\", "an escape"),
        ] {
            let error = read(name).unwrap_err();
            assert!(error.contains(problem), "{name}: {error}");
        }
        assert!(Identity::read("x509.san:a").unwrap_err().contains("does not start"));
    }
}
