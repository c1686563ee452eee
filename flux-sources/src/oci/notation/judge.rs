//! Whether one signature is as good as a trust policy asks for.

use std::fmt;

use x509_parser::certificate::X509Certificate;

use super::chain;
use super::envelope::{Envelope, Target};
use super::policy::{Action, Enforcement, Statement};

/// What signatures are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    /// Certificates in DER. One of them has to be in the signer's chain.
    pub(super) trusted: &'a [Vec<u8>],
    pub(super) statement: &'a Statement,
    pub(super) enforcement: Enforcement,
    pub(super) target: &'a Target,
    /// In seconds.
    pub(super) now: i64,
}

/// A signature that is let pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// The subject of the certificate.
    pub(super) signer: String,
    /// What failed and is not enforced.
    pub(super) doubts: Vec<Doubt>,
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Whether it is one about who signed.
    pub(super) authenticity: bool,
    problem: &'static str,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem)
    }
}

impl Judge<'_> {
    /// Lets a signature pass, or says why not.
    pub(super) fn judge(&self, envelope: &Envelope) -> Result<Judgement, String> {
        let certificates = envelope.certificates()?;
        let about = envelope.is_whole(&certificates)?;
        if about != *self.target {
            return Err(format!("it is for `{}` of {} bytes", about.digest.escape_debug(), about.size));
        }
        let mut doubts = Vec::new();
        for (action, authenticity, problem) in [
            (self.enforcement.authenticity, true, self.authenticity(envelope, &certificates)),
            (self.enforcement.expiry, false, self.expiry(envelope)),
            (self.enforcement.timestamp, false, self.time(envelope, &certificates)),
            (self.enforcement.revocation, false, revocation(&certificates)),
        ] {
            match (action, problem) {
                (_, Ok(())) | (Action::Skip, _) => {}
                (Action::Log, Err(problem)) => doubts.push(Doubt { authenticity, problem }),
                (Action::Enforce, Err(problem)) => return Err(problem.to_owned()),
            }
        }
        let signer = certificates.first().map(|leaf| leaf.subject().to_string()).unwrap_or_default();
        let signer = signer.replace(char::is_control, "?");
        Ok(Judgement { signer, doubts })
    }

    /// Whether the signer is somebody who is trusted.
    fn authenticity(&self, envelope: &Envelope, chain: &[X509Certificate<'_>]) -> Result<(), &'static str> {
        if self.trusted.is_empty() {
            return Err("no certificate is trusted");
        }
        if !envelope.chain.iter().any(|certificate| self.trusted.contains(certificate)) {
            return Err("no certificate of its chain is trusted");
        }
        let Some(identities) = &self.statement.identities else { return Ok(()) };
        let signer = chain.first().is_some_and(|leaf| identities.iter().any(|identity| identity.is_of(leaf.subject())));
        if signer { Ok(()) } else { Err("the subject of its certificate is not a trusted identity") }
    }

    fn expiry(&self, envelope: &Envelope) -> Result<(), &'static str> {
        if envelope.expiry.is_some_and(|expiry| self.now >= expiry) { Err("it is expired") } else { Ok(()) }
    }

    /// Whether the certificates were good when it was made, as far as that can be known: without a time stamp, they have to
    /// be good still.
    fn time(&self, envelope: &Envelope, chain: &[X509Certificate<'_>]) -> Result<(), &'static str> {
        if !chain::is_valid(chain, envelope.made) {
            return Err("a certificate of its chain was not valid when it was made");
        }
        if chain::is_valid(chain, self.now) {
            Ok(())
        } else {
            Err("a certificate of its chain is not valid at this time")
        }
    }
}

/// Whether no certificate can be revoked, as nobody is asked.
fn revocation(chain: &[X509Certificate<'_>]) -> Result<(), &'static str> {
    if chain::is_revocable(chain) {
        return Err(
            "a certificate of its chain could be revoked, which is not asked; the policy must not enforce that",
        );
    }
    Ok(())
}
