//! A program on an SSH server as something to read from and write to on a thread that may block.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use flux_core::source::SourceError;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use super::connect::Running;
use crate::git::session::Session;
use crate::http::SILENCE;

/// How much of what a program complains about is kept.
const COMPLAINT_BYTES: usize = 4096;

/// What a program says.
pub(super) struct Output<'a> {
    session: &'a Session<'a>,
    shown: &'a str,
    read: ChannelReadHalf,
    _connection: Box<dyn std::any::Any>,
    chunk: Bytes,
    left: u64,
    /// Whether anything was said yet.
    spoken: bool,
    ended: bool,
    complaint: Vec<u8>,
}

/// What a program is told.
pub(super) struct Input<'a> {
    session: &'a Session<'a>,
    shown: &'a str,
    write: ChannelWriteHalf<Msg>,
}

pub(super) fn pair<'a>(running: Running, shown: &'a str, session: &'a Session<'a>) -> (Output<'a>, Input<'a>) {
    let Running { read, write, _connection } = running;
    let output = Output {
        session,
        shown,
        read,
        _connection: Box::new(_connection),
        chunk: Bytes::new(),
        left: session.limit,
        spoken: false,
        ended: false,
        complaint: Vec::new(),
    };
    (output, Input { session, shown, write })
}

impl Output<'_> {
    /// The next piece; an empty one at the end.
    fn chunk(&mut self) -> Result<Bytes, SourceError> {
        while !self.ended {
            let message = tokio::time::timeout(SILENCE, self.read.wait());
            let message = self.session.wait(self.session.cx.run(message))?;
            let silent = || {
                let source = format!("the server sent nothing for {} seconds", SILENCE.as_secs()).into();
                SourceError::Unreachable { url: self.shown.to_owned(), source }
            };
            match message.map_err(|_| silent())? {
                Some(ChannelMsg::Data { data }) if data.is_empty() => {}
                Some(ChannelMsg::Data { data }) => {
                    self.spoken = true;
                    self.left = self.left.checked_sub(data.len() as u64).ok_or_else(|| SourceError::Rejected {
                        url: self.shown.to_owned(),
                        problem: format!("the server sent more than {} bytes", self.session.limit),
                    })?;
                    return Ok(data);
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = COMPLAINT_BYTES - self.complaint.len();
                    self.complaint.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => self.ended = true,
                Some(_) => {}
            }
        }
        if self.spoken { Ok(Bytes::new()) } else { Err(self.refused()) }
    }

    /// What it means that a program ended without a word: servers say why in words only.
    fn refused(&self) -> SourceError {
        let url = self.shown.to_owned();
        let said: String = String::from_utf8_lossy(&self.complaint).chars().filter(|c| !c.is_control()).collect();
        let lower = said.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if says(&["not found", "not appear to be a git repository", "does not exist", "no such"]) {
            return SourceError::NotFound { url, what: "repository".into() };
        }
        if says(&["denied", "not allowed", "unauthorized", "not authorized"]) {
            return SourceError::Denied { url, reason: said };
        }
        let problem =
            if said.is_empty() { "the server ended without a word".into() } else { format!("the server said: {said}") };
        SourceError::Rejected { url, problem }
    }
}

impl Read for Output<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            self.chunk = self.chunk().map_err(|error| self.session.fail(error))?;
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Write for Input<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = tokio::time::timeout(SILENCE, self.write.data_bytes(Bytes::copy_from_slice(bytes)));
        let sent = self.session.wait(self.session.cx.run(sent));
        let broken = |source: flux_core::error::BoxError| {
            self.session.fail(SourceError::Unreachable { url: self.shown.to_owned(), source })
        };
        match sent.map_err(|interrupted| self.session.fail(interrupted.into()))? {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(error)) => Err(broken(error.into())),
            Err(late) => Err(broken(late.into())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
