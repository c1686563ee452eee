//! The benches of the GitOps toolkit: `cargo bench -p flux-benches`. Figures and how to repeat them are in `README.md`.
