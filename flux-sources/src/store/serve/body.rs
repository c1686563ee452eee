//! The body of an answer: a part of a file, read as it is sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// How much is read at once.
const PIECE: u64 = 256 << 10;

/// The body of an answer. It holds one piece of the file at a time.
pub struct Body {
    left: u64,
    state: State,
}

enum State {
    Text(Bytes),
    File(File),
    Reading(JoinHandle<io::Result<(Bytes, File)>>),
    Done,
}

impl Body {
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self { left: text.len() as u64, state: State::Text(text) }
    }

    /// As many bytes of a file, from where it stands.
    pub(super) fn file(file: File, bytes: u64) -> Self {
        Self { left: bytes, state: State::File(file) }
    }

    fn next(&mut self, piece: Bytes) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.left = self.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            self.state = State::Done;
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Text(text) => return self.next(text),
                State::File(file) => {
                    let count = self.left.min(PIECE);
                    self.state = State::Reading(tokio::task::spawn_blocking(move || piece(file, count)));
                }
                State::Reading(mut reading) => match Pin::new(&mut reading).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    }
                    ready => {
                        let (piece, file) = ready!(ready).map_err(io::Error::other)??;
                        self.state = State::File(file);
                        return self.next(piece);
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn piece(mut file: File, count: u64) -> io::Result<(Bytes, File)> {
    let mut data = Vec::new();
    (&mut file).take(count).read_to_end(&mut data)?;
    match data.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok((data.into(), file)),
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes left)", self.left)
    }
}
