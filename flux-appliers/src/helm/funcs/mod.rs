//! The functions Helm adds to Go's template language: Sprig's and its own.
//!
//! Every function keeps the name, argument order, types and quirks of Sprig v3 and Helm v4, as `functions.tsv` of the
//! conformance data lists them.

mod args;
mod base;
mod case;
mod cast;
mod certs;
mod crypto;
mod dates;
mod dicts;
mod durations;
mod encoding;
mod flow;
mod json;
mod lists;
mod math;
mod merge;
mod paths;
mod random;
mod reflect;
mod regex;
mod semver;
mod strings;
mod time;
mod toml;
mod urls;
mod words;
mod yaml_pretty;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::template::function::Functions;
use super::template::{Builtins, Function};

pub(crate) use args::{Args, Outcome};
pub(crate) use encoding::json_kind;
pub(crate) use flow::{WARNING_END, WARNING_START, without_no_value};
pub(crate) use json::{read as parse_json, read_first, to_json_value};

/// Helm's functions, over Go's.
pub(crate) struct HelmFunctions;

static TABLE: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    [
        certs::FUNCTIONS,
        crypto::FUNCTIONS,
        dates::FUNCTIONS,
        dicts::FUNCTIONS,
        durations::FUNCTIONS,
        encoding::FUNCTIONS,
        flow::FUNCTIONS,
        lists::FUNCTIONS,
        math::FUNCTIONS,
        paths::FUNCTIONS,
        random::FUNCTIONS,
        reflect::FUNCTIONS,
        regex::FUNCTIONS,
        semver::FUNCTIONS,
        strings::FUNCTIONS,
        urls::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
    .map(|function| (function.name, function))
    .collect()
});

impl Functions for HelmFunctions {
    fn find(&self, name: &str) -> Option<&'static Function> {
        TABLE.get(name).copied().or_else(|| Builtins.find(name))
    }
}
