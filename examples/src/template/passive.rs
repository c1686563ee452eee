//! Flags that `helm template` takes and that change nothing of what it prints, and those that need what is not here.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::Failure;

/// Flags without a value that change nothing.
const SWITCHES: &[&str] = &[
    "atomic",
    "create-namespace",
    "devel",
    "disable-openapi-validation",
    "force",
    "force-conflicts",
    "force-replace",
    "hide-notes",
    "insecure-skip-tls-verify",
    "pass-credentials",
    "plain-http",
    "replace",
    "rollback-on-failure",
    "server-side",
    "skip-crds",
    "take-ownership",
    "wait",
    "wait-for-jobs",
];
/// Flags with a value that change nothing.
const OPTIONS: &[&str] = &[
    "burst-limit",
    "ca-file",
    "cert-file",
    "color",
    "colour",
    "content-cache",
    "description",
    "key-file",
    "keyring",
    "kube-context",
    "kubeconfig",
    "labels",
    "password",
    "qps",
    "registry-config",
    "repository-cache",
    "repository-config",
    "timeout",
    "username",
];
/// Flags that need something that is not here, and what.
const REFUSED: &[(&str, &str)] = &[
    ("validate", "a cluster; a pipeline's plan checks against one"),
    ("dependency-update", "chart repositories; put the dependencies into charts/ first"),
    ("repo", "chart repositories; download the chart first"),
    ("version", "chart repositories; download the chart first"),
    ("verify", "a keyring; sources verify charts"),
    ("post-renderer", "a plugin; post-renderers of HelmReleases run in process"),
];

/// The flags of this file, as they were given.
#[derive(Debug)]
pub(super) struct Passive {
    refused: Option<&'static (&'static str, &'static str)>,
    server: bool,
}

impl Passive {
    /// # Errors
    /// If a flag was given that cannot be carried out.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.server {
            return Err("--dry-run=server needs a cluster; a pipeline's plan checks against one".into());
        }
        match self.refused {
            Some((flag, needs)) => Err(format!("--{flag} needs {needs}").into()),
            None => Ok(()),
        }
    }
}

impl Args for Passive {
    fn augment_args(command: Command) -> Command {
        let optional = |name: &'static str| {
            Arg::new(name).long(name).hide(true).num_args(0..=1).require_equals(true).action(ArgAction::Append)
        };
        let valued = |name: &'static str| Arg::new(name).long(name).hide(true).action(ArgAction::Append);
        let command = command.args(SWITCHES.iter().map(|name| optional(name)));
        let command = command.arg(optional("dry-run")).args(OPTIONS.iter().map(|name| valued(name)));
        command.args(REFUSED.iter().map(|(name, _)| match *name {
            "repo" | "version" | "post-renderer" => valued(name),
            name => optional(name),
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Passive {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &str| matches.value_source(name).is_some();
        let value = |name: &str| matches.get_many::<String>(name).and_then(|mut all| all.next_back().cloned());
        Ok(Self {
            refused: REFUSED.iter().find(|(name, _)| given(name) && value(name).as_deref() != Some("false")),
            server: value("dry-run").is_some_and(|mode| mode == "server"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
