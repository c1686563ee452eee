//! Values from files and flags.

use std::io::Read as _;

use clap::Args;
use flux_appliers::helm::{SetMode, Table, merge_maps, read_values, set};

use super::Failure;

/// Where values come from: files first, then the flags, kind by kind in Helm's order.
#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct Values {
    /// Values in a YAML file; - is standard input
    #[arg(short = 'f', long = "values", value_name = "FILE", value_delimiter = ',')]
    files: Vec<String>,
    /// Values: a.b=1,c={x,y}
    #[arg(long, value_name = "VALUES")]
    set: Vec<String>,
    /// Values that are all strings
    #[arg(long, value_name = "VALUES")]
    set_string: Vec<String>,
    /// Values in JSON: a={"b":1}, or a whole object
    #[arg(long, value_name = "VALUES")]
    set_json: Vec<String>,
    /// Values that are the contents of files: a=FILE
    #[arg(long, value_name = "VALUES")]
    set_file: Vec<String>,
    /// One value, taken as it stands
    #[arg(long, value_name = "VALUE")]
    set_literal: Vec<String>,
}

impl Values {
    pub(super) fn merge(&self) -> Result<Table, Failure> {
        let mut values = Table::new();
        for file in &self.files {
            let read = read_values(&read(file)?).map_err(|error| format!("failed to parse {file}: {error}"))?;
            merge_maps(&mut values, read);
        }
        for expression in &self.set_json {
            let trimmed = expression.trim();
            if !trimmed.starts_with('{') {
                set(&mut values, expression, SetMode::Json)
                    .map_err(|_| format!("failed parsing --set-json data {expression}"))?;
                continue;
            }
            // A whole object is merged rather than set key by key.
            serde_json::from_str::<serde::de::IgnoredAny>(trimmed)
                .map_err(|_| format!("failed parsing --set-json data JSON: {expression}"))?;
            merge_maps(&mut values, read_values(trimmed.as_bytes())?);
        }
        let open = |file: &str| {
            let bytes = read(file).map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let kinds = [
            ("set", &self.set, SetMode::Typed),
            ("set-string", &self.set_string, SetMode::Text),
            ("set-file", &self.set_file, SetMode::File(&open)),
            ("set-literal", &self.set_literal, SetMode::Literal),
        ];
        for (flag, expressions, mode) in kinds {
            for expression in expressions {
                set(&mut values, expression, mode).map_err(|error| format!("failed parsing --{flag} data: {error}"))?;
            }
        }
        Ok(values)
    }
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if file.trim() == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("open {file}: no such file or directory").into(),
        std::io::ErrorKind::IsADirectory => format!("read {file}: is a directory").into(),
        _ => format!("open {file}: {error}").into(),
    })
}
