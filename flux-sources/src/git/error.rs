//! What a failure of Git means for a source.

use std::error::Error;
use std::io;

use flux_core::error::chain;
use flux_core::source::SourceError;

use super::guard::Cut;

/// Turns a failure of talking to a remote into a source's error. `wanted` is what was asked for, in words.
pub(super) fn remote(url: &str, wanted: &str, error: gix::Error) -> SourceError {
    let url = url.to_owned();
    let text = chain(&error);
    let errors = || error.iter_errors().flat_map(causes);
    if let Some(cut) = errors().find_map(|error| error.downcast_ref::<Cut>()) {
        return match cut {
            Cut::Stopped => flux_core::Interrupted::Cancelled.into(),
            Cut::TooLarge { .. } => SourceError::Rejected { url, problem: cut.to_string() },
            Cut::Silent { .. } => SourceError::Unreachable { url, source: Box::new(cut.clone()) },
        };
    }
    if error.is_unauthenticated() || error.is_permission_denied() {
        return SourceError::Denied { url, reason: "authentication is required".into() };
    }
    // Servers say these in words only.
    if ["not our ref", "unadvertised object", "bad object"].iter().any(|refusal| text.contains(refusal)) {
        return SourceError::NotFound { url, what: wanted.to_owned() };
    }
    if ["not exported", "no such repository", "epository not found"].iter().any(|refusal| text.contains(refusal)) {
        return SourceError::NotFound { url, what: "repository".into() };
    }
    let unreachable = errors().any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            use io::ErrorKind as Kind;
            !matches!(error.kind(), Kind::InvalidData | Kind::InvalidInput | Kind::Other)
        })
    });
    if unreachable {
        return SourceError::Unreachable { url, source: text.into() };
    }
    SourceError::Rejected { url, problem: text }
}

/// Objects that cannot be read: a broken pack or repository.
pub(super) fn broken(url: &str, error: gix::Error) -> SourceError {
    SourceError::Rejected { url: url.to_owned(), problem: chain(&error) }
}

/// A temporary file or a local repository that cannot be used.
pub(super) fn local(url: &str, error: impl Error + Send + Sync + 'static) -> SourceError {
    SourceError::Unreachable { url: url.to_owned(), source: Box::new(error) }
}

/// An error and what it wraps: the error inside an I/O error is not its `source`, so the usual walk misses it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut found: Vec<&'a (dyn Error + 'static)> = vec![error];
    let mut next = 0;
    while let Some(&error) = found.get(next).filter(|_| next < 64) {
        next += 1;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        found.extend(wrapped.map(|inner| -> &(dyn Error + 'static) { inner }));
        found.extend(error.source());
    }
    found
}
