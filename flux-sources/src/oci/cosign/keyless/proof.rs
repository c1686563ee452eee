//! Proofs that a log holds an entry: hashes from the entry up to the root of the log's tree (RFC 9162, section 2.1.3), and
//! the log's signature over that root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

use super::root::Log;

/// How many hashes a tree of any size needs.
const HASHES: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) index: u64,
    pub(super) size: u64,
    pub(super) root: Vec<u8>,
    pub(super) hashes: Vec<Vec<u8>>,
    /// The signed root, as a note: lines, an empty one, and lines with signatures.
    pub(super) checkpoint: String,
}

impl Proof {
    /// Whether the log holds an entry.
    ///
    /// # Errors
    /// In words.
    pub(super) fn check(&self, entry: &[u8], log: &Log) -> Result<(), String> {
        let root = self.root_above(entry).ok_or("the proof that the log holds it is none")?;
        if root != self.root {
            return Err("the proof that the log holds it is for something else".into());
        }
        if self.is_signed(log) { Ok(()) } else { Err("the log has not signed the proof that it holds it".into()) }
    }

    /// The root that the hashes lead to; none if they are too few or too many.
    fn root_above(&self, entry: &[u8]) -> Option<Vec<u8>> {
        if self.index >= self.size || self.hashes.len() > HASHES {
            return None;
        }
        let (mut place, mut last) = (self.index, self.size - 1);
        let mut hash = digest(&[&[0], entry]);
        for other in &self.hashes {
            if last == 0 {
                return None;
            }
            if place & 1 == 1 || place == last {
                hash = digest(&[&[1], other, &hash]);
                // A subtree that is the last of its level and alone there has no hash of its own.
                while place & 1 == 0 && place != 0 {
                    place >>= 1;
                    last >>= 1;
                }
            } else {
                hash = digest(&[&[1], &hash, other]);
            }
            place >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(hash)
    }

    /// Whether the log signed a note whose second line is the size and whose third is the root.
    fn is_signed(&self, log: &Log) -> bool {
        let Some((text, signatures)) = self.checkpoint.rsplit_once("\n\n") else { return false };
        let mut lines = text.split('\n').skip(1);
        let size = lines.next().and_then(|size| size.parse::<u64>().ok());
        let root = lines.next().and_then(|root| STANDARD.decode(root).ok());
        if size != Some(self.size) || root.as_ref() != Some(&self.root) {
            return false;
        }
        let message = format!("{text}\n");
        signatures.lines().take(HASHES).any(|line| {
            let made = line.strip_prefix("\u{2014} ").and_then(|line| line.rsplit_once(' '));
            let made = made.and_then(|(_, made)| STANDARD.decode(made).ok()).unwrap_or_default();
            // What comes first is a hint at the key.
            made.split_at_checked(4)
                .is_some_and(|(hint, made)| log.id.starts_with(hint) && log.made(message.as_bytes(), made))
        })
    }
}

fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of a tree of entries, and the hashes from one of them to it, by the recursive definition.
    fn tree(entries: &[Vec<u8>], index: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
        if let [entry] = entries {
            return (digest(&[&[0], entry]), Vec::new());
        }
        let left = entries.len().next_power_of_two() / 2;
        let (below, above) = entries.split_at(left);
        let (at_left, at_right) = (tree(below, index.min(left - 1)), tree(above, index.saturating_sub(left)));
        let root = digest(&[&[1], &at_left.0, &at_right.0]);
        let (mut hashes, other) = if index < left { (at_left.1, at_right.0) } else { (at_right.1, at_left.0) };
        hashes.push(other);
        (root, hashes)
    }

    #[test]
    fn hashes_lead_to_the_root_from_their_entry_alone() {
        for size in 1..=17_u8 {
            let entries: Vec<Vec<u8>> = (0..size).map(|entry| vec![entry]).collect();
            for index in 0..usize::from(size) {
                let (root, hashes) = tree(&entries, index);
                let proof = |index: usize, hashes: Vec<Vec<u8>>| Proof {
                    index: index as u64,
                    size: size.into(),
                    root: Vec::new(),
                    hashes,
                    checkpoint: String::new(),
                };
                let above = proof(index, hashes.clone()).root_above(&entries[index]);
                assert_eq!(above.as_ref(), Some(&root), "{index} of {size}");
                assert_ne!(proof(index, hashes.clone()).root_above(b"other"), Some(root.clone()));
                assert_eq!(proof(size.into(), hashes.clone()).root_above(&entries[index]), None);
                let more = [hashes.clone(), vec![vec![0; 32]]].concat();
                assert_ne!(proof(index, more).root_above(&entries[index]), Some(root.clone()));
                if let [_, fewer @ ..] = &*hashes {
                    assert_ne!(proof(index, fewer.to_vec()).root_above(&entries[index]), Some(root.clone()));
                    assert_ne!(
                        proof((index + 1) % usize::from(size), hashes.clone()).root_above(&entries[index]),
                        Some(root)
                    );
                }
            }
        }
    }
}
