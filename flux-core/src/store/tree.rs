//! A tree as one file: a line that says what is in it, then every content in that order.

use serde::{Deserialize, Serialize};

use crate::tree::{Entry, Tree, TreeBuilder, TreeLimits};

/// One entry of the first line.
#[derive(Serialize, Deserialize)]
struct Item {
    path: String,
    kind: Kind,
    /// Bytes of content.
    size: usize,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
    Exec,
    Link,
    Dir,
}

/// Writes a tree.
pub(super) fn encode(tree: &Tree) -> serde_json::Result<Vec<u8>> {
    let parts = |entry: &'_ Entry| -> (Kind, Vec<u8>) {
        match entry {
            Entry::File { data, executable } => (if *executable { Kind::Exec } else { Kind::File }, data.to_vec()),
            Entry::Link { target } => (Kind::Link, target.as_bytes().to_vec()),
            Entry::Directory => (Kind::Dir, Vec::new()),
        }
    };
    let mut items = Vec::new();
    let mut contents = Vec::new();
    for (path, entry) in tree.entries() {
        let (kind, content) = parts(entry);
        items.push(Item { path: path.to_owned(), kind, size: content.len() });
        contents.extend(content);
    }
    let mut text = serde_json::to_vec(&items)?;
    text.push(b'\n');
    text.extend(contents);
    Ok(text)
}

/// Reads what [`encode`] wrote. The caller compares the digest: here only what would not be a tree is refused.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Tree, String> {
    let bytes = bytes::Bytes::from(bytes);
    let end = bytes.iter().position(|&b| b == b'\n').ok_or("it has no first line")?;
    let items: Vec<Item> = serde_json::from_slice(&bytes[..end]).map_err(|error| error.to_string())?;
    // What was kept once was within the limits of its source; the file bounds it now.
    let most = bytes.len() as u64;
    let limits = TreeLimits { total_bytes: most, file_bytes: most, entries: items.len(), path_bytes: bytes.len() };
    let mut builder = TreeBuilder::with_limits(limits);
    let mut at = end + 1;
    for Item { path, kind, size } in items {
        let content = at.checked_add(size).filter(|end| *end <= bytes.len()).map(|end| bytes.slice(at..end));
        let data = content.ok_or("it ends too early")?;
        at += size;
        let entry = match kind {
            Kind::File => Entry::File { data, executable: false },
            Kind::Exec => Entry::File { data, executable: true },
            Kind::Link => Entry::Link { target: String::from_utf8(data.to_vec()).map_err(|error| error.to_string())? },
            Kind::Dir => Entry::Directory,
        };
        builder.entry(&path, entry).map_err(|error| error.to_string())?;
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_entry_comes_back() {
        let mut builder = Tree::builder();
        builder.file("a/one.yaml", "x\ny").unwrap();
        builder.entry("run.sh", Entry::File { data: "#!".into(), executable: true }).unwrap();
        builder.link("l", "a").unwrap();
        builder.directory("empty").unwrap();
        let tree = builder.build();
        let text = encode(&tree).unwrap();
        assert_eq!(decode(text.clone()).unwrap(), tree);
        for length in 0..text.len() {
            assert!(decode(text[..length].to_vec()).is_err(), "{length}");
        }
    }
}
