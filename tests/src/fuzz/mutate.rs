//! Seeded mutations of an input, for runs that must be the same every time.

use crate::random::Random;

/// Makes mutated inputs; the same seed makes the same ones.
#[derive(Clone, Debug)]
pub struct Mutator(Random);

/// What hostile texts are made of.
const FRAGMENTS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n---\n",
    b"\t",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"<<: ",
    b"{{",
    b"}}",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"\\",
    b"|\n",
    b">-\n",
    b"!!binary ",
    b"~",
    b"../",
    b"/",
    b"$",
    b"${",
    b"%",
    b"#",
    b"?",
    b"@",
    b"`",
    b",",
    b"9223372036854775808",
    b"-1",
    b"1e999",
    b"0x",
    b".nan",
    b"null",
    "\u{2028}".as_bytes(),
    "é\u{1F600}".as_bytes(),
];

impl Mutator {
    /// Mutations of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// `input` with one to eight changes.
    pub fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut output = input.to_vec();
        for _ in 0..=self.below(8) {
            self.change(&mut output);
        }
        output
    }

    fn change(&mut self, text: &mut Vec<u8>) {
        let at = self.below(text.len() + 1);
        match self.below(6) {
            0 if at < text.len() => text[at] ^= 1 << self.below(8),
            1 if at < text.len() => drop(text.remove(at)),
            2 => text.truncate(at),
            3 => {
                let (from, length) = (self.below(text.len() + 1), self.below(64));
                let part = text[from..(from + length).min(text.len())].to_vec();
                drop(text.splice(at..at, part));
            }
            4 => {
                let end = (at + self.below(16)).min(text.len());
                drop(text.drain(at..end));
            }
            _ => {
                let fragment = FRAGMENTS[self.below(FRAGMENTS.len())];
                drop(text.splice(at..at, fragment.iter().copied()));
            }
        }
    }
}
