//! Whose certificate it is: `spec.verify.matchOIDCIdentity`.

use flux_core::re2::Pattern;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::der;

/// Where Fulcio keeps the issuer of the token that it was shown (1.3.6.1.4.1.57264.1.8, and .1 for what it kept of old).
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
const OLD_ISSUER: &str = "1.3.6.1.4.1.57264.1.1";
/// A subject that is neither an address nor a URI.
const OTHER_NAME: &str = "1.3.6.1.4.1.57264.1.7";
const UTF8_STRING: u8 = 0x0c;

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) issuer: String,
    pub(super) subjects: Vec<String>,
}

/// Whom signatures may be of.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) issuer: Pattern,
    pub(super) subject: Pattern,
}

impl Rule {
    /// The subject that a rule lets pass.
    pub(super) fn admits<'a>(&self, identity: &'a Identity) -> Option<&'a str> {
        let subject = identity.subjects.iter().find(|subject| self.subject.is_match(subject));
        subject.filter(|_| self.issuer.is_match(&identity.issuer)).map(String::as_str)
    }
}

impl Identity {
    /// Whom a certificate is for, by its extensions.
    ///
    /// # Errors
    /// In words: a certificate that does not say so.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Result<Self, &'static str> {
        let extension =
            |oid: &str| certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == oid);
        let issuer = match (extension(ISSUER), extension(OLD_ISSUER)) {
            (Some(issuer), _) => {
                der::only(issuer.value).filter(|item| item.tag == UTF8_STRING).map(|item| item.content)
            }
            (None, Some(issuer)) => Some(issuer.value),
            (None, None) => None,
        };
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(str::to_owned);
        let issuer = issuer.and_then(text).ok_or("its certificate does not say who knows the signer")?;
        let names = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        let subject = |name: &GeneralName<'_>| match name {
            GeneralName::RFC822Name(name) | GeneralName::DNSName(name) | GeneralName::URI(name) => {
                text(name.as_bytes())
            }
            GeneralName::OtherName(kind, value) if kind.to_id_string() == OTHER_NAME => {
                let inner = der::only(value).and_then(|explicit| der::only(explicit.content));
                inner.filter(|item| item.tag == UTF8_STRING).and_then(|item| text(item.content))
            }
            _ => None,
        };
        let subjects: Vec<String> = names.into_iter().flatten().filter_map(subject).collect();
        if subjects.is_empty() {
            Err("its certificate does not say who the signer is")
        } else {
            Ok(Self { issuer, subjects })
        }
    }
}
