//! What was stored, beside the file that it is about.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{Stored, write_whole};

/// Bytes of a record at most.
const RECORD_BYTES: u64 = 64 << 10;

/// Where the record of a file is. Its name starts with a dot, which no stored file has.
fn place(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.json"))
}

pub(super) fn write(file: &Path, stored: &Stored) -> io::Result<()> {
    write_whole(&place(file), &serde_json::to_vec(stored)?)
}

/// None where there is no record, or one that cannot be read.
pub(super) fn read(file: &Path) -> io::Result<Option<Stored>> {
    let opened = match fs::File::open(place(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut text = Vec::new();
    opened.take(RECORD_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).ok())
}

pub(super) fn remove(file: &Path) -> io::Result<()> {
    super::remove(&place(file))
}
