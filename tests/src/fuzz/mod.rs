//! What the fuzzers feed: one function for each surface that reads hostile input.
//!
//! A target takes any bytes and must come back: no panic, no hang, no unbounded memory. It may also hold what it read
//! against an invariant, and panic where that does not hold. Each is run in two ways: `cargo fuzz run TARGET` in
//! `tests/fuzz` searches for hours, guided by coverage; the test `fuzz` replays the committed seeds and seeded mutations of
//! them in every test run.

mod apiserver;
mod cel;
mod git;
mod helm;
mod helm_functions;
mod kustomize;
mod mutate;
mod signed;
mod sops;
mod substitute;
mod yaml;

pub use mutate::Mutator;

/// A surface and the function that feeds it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the fuzz target and of its folder of seeds.
    pub name: &'static str,
    /// Feeds one input.
    pub run: fn(&[u8]),
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "apiserver", run: apiserver::requests },
    Target { name: "cel", run: cel::evaluate },
    Target { name: "cosign", run: signed::cosign },
    Target { name: "git_references", run: git::references },
    Target { name: "git_signature", run: git::signature },
    Target { name: "gitmodules", run: git::gitmodules },
    Target { name: "helm-chart", run: helm::chart },
    Target { name: "helm-set", run: helm::set_flags },
    Target { name: "helm-template", run: helm::template },
    Target { name: "helm_archive", run: signed::archive },
    Target { name: "helm_dates", run: helm_functions::dates },
    Target { name: "helm_index", run: signed::index },
    Target { name: "helm_printf", run: helm_functions::printf },
    Target { name: "helm_regex", run: helm_functions::regex },
    Target { name: "ignore", run: git::ignore },
    Target { name: "known_hosts", run: git::known_hosts },
    Target { name: "kustomize", run: kustomize::build_tree },
    Target { name: "notation", run: signed::notation },
    Target { name: "oci_manifest", run: signed::manifest },
    Target { name: "patches", run: kustomize::patch },
    Target { name: "provenance", run: signed::provenance },
    Target { name: "sops", run: sops::read },
    Target { name: "strvals", run: helm_functions::set_values },
    Target { name: "substitute", run: substitute::expand },
    Target { name: "yaml", run: yaml::read_and_write },
    Target { name: "yaml_repeat", run: yaml::repeat },
];

/// Feeds one input to the target of this name.
///
/// # Panics
/// There is no such target, or the target found a fault.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(data);
}
