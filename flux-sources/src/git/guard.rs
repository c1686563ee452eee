//! A reader that stops when it is told to, when it was sent too much, and when nothing comes.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::http::SILENCE;

/// Why a reader stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    Stopped,
    TooLarge { limit: u64 },
    Silent { seconds: u64 },
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::TooLarge { limit } => write!(f, "the server sent more than {limit} bytes"),
            Self::Silent { seconds } => write!(f, "the server sent nothing for {seconds} seconds"),
        }
    }
}

impl std::error::Error for Cut {}

/// Reads from a server, under guard.
pub(super) struct Guard<'a, R> {
    inner: R,
    stop: &'a AtomicBool,
    limit: u64,
    left: u64,
}

impl<'a, R> Guard<'a, R> {
    pub(super) fn new(inner: R, stop: &'a AtomicBool, limit: u64) -> Self {
        Self { inner, stop, limit, left: limit }
    }

    fn go_on(&self) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(io::Error::other(Cut::Stopped)) } else { Ok(()) }
    }
}

impl<R: Read> Read for Guard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        loop {
            self.go_on()?;
            match self.inner.read(buffer) {
                Ok(count) => {
                    let too_large = || io::Error::other(Cut::TooLarge { limit: self.limit });
                    self.left = self.left.checked_sub(count as u64).ok_or_else(too_large)?;
                    return Ok(count);
                }
                // A socket with a read time-out gives us the chance to look at the flag.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if start.elapsed() >= SILENCE {
                        return Err(io::Error::other(Cut::Silent { seconds: SILENCE.as_secs() }));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_allowed_passes_and_more_does_not() {
        let stop = AtomicBool::new(false);
        let mut text = String::new();
        Guard::new(&b"12345"[..], &stop, 5).read_to_string(&mut text).unwrap();
        assert!(Guard::new(&b"12345"[..], &stop, 4).read_to_string(&mut text).is_err());
        stop.store(true, Ordering::Relaxed);
        assert!(Guard::new(&b"1"[..], &stop, 5).read_to_string(&mut text).is_err());
    }
}
