//! A reader that stops when it is told to, when it was sent too much, and when nothing comes.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a server may stay silent in the middle of an answer.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

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

    fn check(&self) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other(Cut::Stopped));
        }
        if self.left == 0 {
            return Err(io::Error::other(Cut::TooLarge { limit: self.limit }));
        }
        Ok(())
    }
}

impl<R: Read> Read for Guard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        loop {
            self.check()?;
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.left = self.left.saturating_sub(count as u64);
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

impl<R: BufRead> BufRead for Guard<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        self.inner.consume(count);
    }
}
