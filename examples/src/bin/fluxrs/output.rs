//! How results are shown.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::Failure;

/// `-o text` or `-o json`.
#[derive(Args)]
pub(crate) struct Show {
    /// How to show it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Show {
    pub(crate) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Prints a value as JSON, or what it says as text.
    pub(crate) fn print<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.is_json() {
            println!("{}", serde_json::to_string_pretty(value)?);
        } else {
            println!("{}", text(value).trim_end());
        }
        Ok(())
    }
}

/// A value as people read it: texts without quotes.
pub(crate) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
