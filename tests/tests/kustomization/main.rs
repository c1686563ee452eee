//! Every field of a Kustomization, carried out from a Git repository into the embedded API server, or refused by name.

mod elsewhere;
mod fields;
mod health;
mod ignore;
mod rollback;
mod secrets;
mod stage;
mod substitution;
mod tenancy;
