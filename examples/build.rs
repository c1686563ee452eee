//! Links `fluxrs` to a fixed address. A command that lives a millisecond spends most of it on relocating itself otherwise:
//! its sixty thousand pointers to tables are written, and their pages copied, before `main` runs.

fn main() {
    let target = |name: &str| std::env::var(name).unwrap_or_default();
    if target("CARGO_CFG_TARGET_OS") == "linux" && target("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bin=fluxrs=-no-pie");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
