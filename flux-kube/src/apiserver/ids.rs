//! Uids and generated names: random to look at, the same for the same seed.

/// A small generator (SplitMix64); nothing here is a secret.
#[derive(Debug, Clone)]
pub(crate) struct Ids(u64);

/// The characters of generated names: no vowels, so no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Ids(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A version 4 UUID.
    pub(crate) fn uid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            ((b >> 48) & 0x3fff) | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// `count` characters of a generated name.
    pub(crate) fn suffix(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(ALPHABET.get(self.next() as usize % ALPHABET.len()).copied().unwrap_or(b'x')))
            .collect()
    }
}
