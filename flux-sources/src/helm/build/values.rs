//! `spec.valuesFiles`: several files that take the place of a chart's own values.

use flux_core::Tree;
use flux_core::tree::normalize;
use flux_core::yaml::{self, Dialect, Layout, ReadOptions};
use serde_json::{Map, Value};

use crate::values::lay_over;

/// What the files come to, and which of them were there. No text when none was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) text: Option<String>,
    pub(super) found: Vec<String>,
}

/// Merges files of a tree in order: maps deeply, all else whole.
///
/// # Errors
/// In words: a file that is missing, unless that is fine, or that holds no map.
pub(super) fn merge(tree: &Tree, files: &[String], ignore_missing: bool) -> Result<Merged, String> {
    let mut merged = Map::new();
    let mut found = Vec::new();
    for file in files {
        let path = normalize(file).map_err(|error| format!("values file: {error}"))?;
        if !tree.is_file(&path) {
            if ignore_missing {
                continue;
            }
            return Err(format!("no values file `{file}`"));
        }
        let text = tree.read(&path).map_err(|error| format!("values file `{file}`: {error}"))?;
        match yaml::read(&text, &ReadOptions::new(Dialect::Lax)) {
            Ok(Value::Object(values)) => lay_over(&mut merged, values),
            Ok(Value::Null) => {}
            Ok(_) => return Err(format!("values file `{file}` holds no map")),
            Err(error) => return Err(format!("values file `{file}`: {error}")),
        }
        found.push(file.clone());
    }
    let text = (!found.is_empty()).then(|| yaml::write(&Value::Object(merged), Layout::Sigs));
    Ok(Merged { text, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(files: &[&str], ignore_missing: bool) -> Result<Merged, String> {
        let tree = Tree::from_files([
            ("a.yaml", "x: {b: 1, c: [1, 2]}\nz: 1\n"),
            ("b.yaml", "x: {c: [3], d: null}\nz: {w: 1}\n"),
            ("empty.yaml", ""),
            ("list.yaml", "[1]"),
        ]);
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        merge(&tree.unwrap(), &files, ignore_missing)
    }

    #[test]
    fn maps_are_merged_and_all_else_is_replaced() {
        let both = merged(&["a.yaml", "empty.yaml", "./b.yaml"], false).unwrap();
        assert_eq!(both.text.unwrap(), "x:\n  b: 1\n  c:\n  - 3\n  d: null\nz:\n  w: 1\n");
        assert_eq!(both.found, ["a.yaml", "empty.yaml", "./b.yaml"]);
    }

    #[test]
    fn missing_files_are_named_or_passed_over() {
        assert_eq!(merged(&["a.yaml", "no.yaml"], false).unwrap_err(), "no values file `no.yaml`");
        assert_eq!(merged(&["no.yaml", "empty.yaml"], true).unwrap().found, ["empty.yaml"]);
        assert_eq!(merged(&["no.yaml"], true).unwrap(), Merged::default());
        assert_eq!(merged(&["list.yaml"], false).unwrap_err(), "values file `list.yaml` holds no map");
        assert!(merged(&["../a.yaml"], true).unwrap_err().contains("leads outside the tree"));
    }
}
