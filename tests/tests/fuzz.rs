//! Every fuzz target over its seeds and over seeded mutations of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flux_tests::fuzz::{Mutator, TARGETS, Target};

/// How long the mutations of one target may take in a test run; a search for faults is the fuzzer's work.
const BUDGET: Duration = Duration::from_secs(4);
/// How long any one input may take, in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target.name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}; a target needs seeds", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn feed(target: &Target, input: &[u8]) {
    let start = Instant::now();
    (target.run)(input);
    let took = start.elapsed();
    assert!(took < PATIENCE, "{} took {took:?} for {:?}", target.name, String::from_utf8_lossy(input));
}

#[test]
fn every_target_survives_its_seeds_and_mutations_of_them() {
    for target in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        seeds.iter().for_each(|seed| feed(target, seed));
        let (start, mut fed) = (Instant::now(), 0_u64);
        while fed < 2_000 && start.elapsed() < BUDGET {
            let input = Mutator::new(fed).mutate(&seeds[fed as usize % seeds.len()]);
            feed(target, &input);
            fed += 1;
        }
        println!("{}: {} seeds, {fed} mutations", target.name, seeds.len());
    }
}
