//! The commands of `fluxrs` as they are run: against `fluxrs apiserver`, which asks for a token, with a secret in every
//! input that must show in no output.

mod changes;
mod past;
mod reasons;
mod secrets;
mod stage;
