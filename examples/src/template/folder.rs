//! Charts in folders of the disk.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flux_appliers::helm::{ChartFile, ChartLimits, Warning};

use super::Failure;

/// How deep folders may lie, links included, which could otherwise lead back to where they are.
const MAX_DEPTH: usize = 64;

/// The files of a folder. As in Helm, links are followed, and remarked on.
pub(super) fn read(root: &Path, limits: &ChartLimits, warnings: &mut Vec<Warning>) -> Result<Vec<ChartFile>, Failure> {
    let mut reader = Reader { left: limits.total, limits, files: Vec::new(), warnings };
    reader.folder(root, "", 0)?;
    Ok(reader.files)
}

struct Reader<'a> {
    left: u64,
    limits: &'a ChartLimits,
    files: Vec<ChartFile>,
    warnings: &'a mut Vec<Warning>,
}

impl Reader<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            return Err(format!("{}: folders are nested too deeply", folder.display()).into());
        }
        let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_symlink() {
                let resolved = path.canonicalize();
                let resolved =
                    resolved.map_err(|error| format!("error evaluating symlink {}: {error}", path.display()))?;
                self.warnings
                    .push(Warning::symbolic_link(&path.display().to_string(), &resolved.display().to_string()));
            }
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                self.folder(&path, &format!("{name}/"), depth + 1)?;
            } else if metadata.is_file() {
                self.file(&path, name, metadata.len())?;
            } else {
                let path = path.display();
                return Err(format!("cannot load irregular file {path} as it has file mode type bits set").into());
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: String, size: u64) -> Result<(), Failure> {
        // Too large a file may be one that .helmignore leaves out: the loader, which knows, refuses it.
        let size = size.min(self.limits.file + 1);
        self.left = self.left.checked_sub(size).ok_or("the folder is larger than a chart may be")?;
        let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        std::io::Read::read_to_end(&mut std::io::Read::take(fs::File::open(path)?, size), &mut data)?;
        self.files.push(ChartFile { name, data: data.into() });
        Ok(())
    }
}

/// Writes a file of `--output-dir`.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create(path)?.write_all(text.as_bytes())?;
    Ok(())
}
