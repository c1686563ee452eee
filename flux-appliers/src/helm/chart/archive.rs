//! Chart archives, unpacked under limits.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::ChartFile;
use super::error::ChartError;

/// How large a chart may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartLimits {
    /// Bytes of all files, unpacked. Default: 100 MiB, as Helm has it.
    pub total: u64,
    /// Bytes of one file, unpacked. Default: 5 MiB, as Helm has it.
    pub file: u64,
}

impl Default for ChartLimits {
    fn default() -> Self {
        Self { total: 100 << 20, file: 5 << 20 }
    }
}

/// The most entries an archive may have.
const MAX_ENTRIES: usize = 100_000;

/// Unpacks a `.tgz`; the first folder of each path is dropped.
pub(super) fn unpack(archive: &[u8], limits: &ChartLimits) -> Result<Vec<ChartFile>, ChartError> {
    let broken = |error: std::io::Error| ChartError::Archive(error.to_string());
    // What lies between the files, such as headers and padding, counts as well.
    let unzipped = MultiGzDecoder::new(archive).take(limits.total.saturating_mul(2));
    let mut tar = tar::Archive::new(unzipped);
    let (mut files, mut left) = (Vec::new(), limits.total);
    for (count, entry) in tar.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if count >= MAX_ENTRIES {
            return Err(ChartError::TooLarge { what: "in number of files".to_owned(), limit: MAX_ENTRIES as u64 });
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(ChartError::Path { what: "a link", path });
        }
        if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
            return Err(ChartError::Path { what: "what is neither a file nor a folder", path });
        }
        let name = inner_name(&path)?;
        let size = entry.size();
        if size > left {
            return Err(ChartError::TooLarge { what: "as a whole".to_owned(), limit: limits.total });
        }
        if size > limits.file {
            return Err(ChartError::TooLarge { what: format!("file {path:?}"), limit: limits.file });
        }
        let mut data = Vec::new();
        let read = (&mut entry).take(limits.file + 1).read_to_end(&mut data).map_err(broken)? as u64;
        if read < size {
            return Err(ChartError::Archive(format!("{path:?} ends early")));
        }
        left = left.saturating_sub(read);
        if data.starts_with("\u{feff}".as_bytes()) {
            data.drain(..3);
        }
        files.push(ChartFile { name, data: data.into() });
    }
    if files.is_empty() {
        return Err(ChartError::Archive("no files in chart archive".to_owned()));
    }
    Ok(files)
}

/// The path within the chart, if it is one.
fn inner_name(path: &str) -> Result<String, ChartError> {
    let fault = |what: &'static str| Err(ChartError::Path { what, path: path.to_owned() });
    let slashed = if path.contains('\\') { path.replace('\\', "/") } else { path.to_owned() };
    if slashed == "Chart.yaml" || slashed.starts_with("Chart.yaml/") {
        return fault("its Chart.yaml outside the base directory");
    }
    let Some((_, inner)) = slashed.split_once('/') else {
        return fault("content outside the base directory");
    };
    if inner.starts_with('/') {
        return fault("absolute paths");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in inner.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return fault("references to the parent directory");
                }
            }
            part => parts.push(part),
        }
    }
    match parts.first() {
        None => fault("content outside the base directory"),
        Some(first) if first.len() == 2 && first.ends_with(':') && parts.len() > 1 => fault("illegally named files"),
        Some(_) => Ok(parts.join("/")),
    }
}
