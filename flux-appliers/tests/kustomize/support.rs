//! Trees from folders, and where two texts differ.

use std::fs;
use std::path::Path;

use flux_core::Tree;
use flux_core::tree::TreeBuilder;

/// Adds everything below a folder.
pub(crate) fn read_tree(dir: &Path, builder: &mut TreeBuilder) {
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap();
                builder.link(&path, target.to_str().unwrap()).unwrap();
            } else if kind.is_dir() {
                todo.push(entry.path());
            } else {
                builder.file(&path, fs::read(entry.path()).unwrap()).unwrap();
            }
        }
    }
}

/// The tree of these files.
pub(crate) fn tree<P: AsRef<str>, T: AsRef<[u8]>>(files: &[(P, T)]) -> Tree {
    Tree::from_files(files.iter().map(|(path, text)| (path.as_ref(), text.as_ref().to_vec()))).unwrap()
}

/// The first line in which two texts differ.
pub(crate) fn difference(expected: &str, got: &str) -> String {
    let (mut a, mut b) = (expected.lines(), got.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return "differs in line ends".into(),
            (a, b) => return format!("line {number}: expected {a:?}, got {b:?}"),
        }
    }
}
