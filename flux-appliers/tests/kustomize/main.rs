//! Kustomize, held against recordings of the real program, the program itself, and hostile inputs.

#![allow(clippy::print_stdout, reason = "tests print counts")]
#![cfg(feature = "kustomize")]

mod cases;
mod causes;
mod corpus;
mod hostile;
mod oracle;
mod renderer;
mod support;
