//! Where a URL leads, and how one gets there.

use std::path::PathBuf;

use flux_core::source::SourceError;
use reqwest::Url;

use super::http::{HttpRemote, Login};
use super::remote::Server;
#[cfg(feature = "ssh")]
use super::ssh::{SshIdentity, SshServer};
use super::submodules;
use crate::http::{Credentials, Http};

/// Where a repository is.
pub(super) enum Place {
    Remote(Box<Server>),
    Local(PathBuf),
}

/// How servers are reached, and who we are to them.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) http: Http,
    pub(super) login: Login,
    #[cfg(feature = "ssh")]
    pub(super) identity: Option<SshIdentity>,
    /// The server that the login is for: that of the source itself, over HTTP.
    pub(super) owner: Option<Url>,
}

impl Access {
    /// Where the URL of a source leads, and how it may be shown. Credentials in it are used unless others are given.
    pub(super) fn source(&mut self, url: &str) -> Result<(Place, String), SourceError> {
        let parsed = parse(url)?;
        if parsed.scheme == gix::url::Scheme::Ssh && !url.contains("://") {
            return Err(invalid("is in the short form `user@host:path`; write `ssh://user@host/path`"));
        }
        if matches!(parsed.scheme, gix::url::Scheme::Http | gix::url::Scheme::Https) {
            let mut url = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
            let in_url = Credentials::Anonymous.or_from(&mut url);
            if let Login::Fixed(Credentials::Anonymous) = &self.login {
                self.login = Login::Fixed(in_url);
            }
            self.owner = Some(url);
        }
        self.place(url, parsed)
    }

    /// Where the URL of a submodule leads. A relative one is seen from the repository it is in, and only a repository on this
    /// machine can lead to another one on this machine.
    ///
    /// Credentials and certificates are for the source's own server and are sent to no other.
    pub(super) fn submodule(&self, parent: &Place, parent_url: &str, url: &str) -> Result<(Place, String), String> {
        if url.starts_with('-') || url.chars().any(char::is_control) {
            return Err(format!("the URL `{}` is none", url.escape_debug()));
        }
        let is_relative = url.starts_with("./") || url.starts_with("../");
        let full = if is_relative { submodules::relative(parent_url, url)? } else { url.to_owned() };
        let problem = |error: SourceError| match error {
            SourceError::Invalid { problem, .. } => format!("the URL {problem}"),
            other => other.to_string(),
        };
        let parsed = parse(&full).map_err(problem)?;
        if parsed.scheme == gix::url::Scheme::File && !(is_relative && matches!(parent, Place::Local(_))) {
            return Err("the URL leads to this machine".into());
        }
        self.place(&full, parsed).map_err(problem)
    }

    fn place(&self, url: &str, mut parsed: gix::Url) -> Result<(Place, String), SourceError> {
        if parsed.scheme == gix::url::Scheme::File {
            let path = String::from_utf8(parsed.path.to_vec()).map_err(|_| invalid("the path is not UTF-8"))?;
            return Ok((Place::Local(path.into()), url.to_owned()));
        }
        if parsed.host().is_none_or(str::is_empty) {
            return Err(invalid("names no host"));
        }
        let server = match &parsed.scheme {
            gix::url::Scheme::Http | gix::url::Scheme::Https => {
                let mut url = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
                let _ = Credentials::Anonymous.or_from(&mut url);
                let owner = self.owner.clone().unwrap_or_else(|| url.clone());
                let login = if self.owner.is_some() { self.login.clone() } else { Login::default() };
                Server::Http(HttpRemote::new(self.http.clone(), login, url, owner))
            }
            gix::url::Scheme::Git => Server::Daemon(parsed.clone()),
            #[cfg(feature = "ssh")]
            gix::url::Scheme::Ssh => Server::Ssh(SshServer::new(&parsed, self.identity.as_ref())?),
            scheme => {
                return Err(invalid(format!(
                    "has the scheme `{scheme}`; https, http, ssh, git and file are supported"
                )));
            }
        };
        parsed.set_password(None);
        if parsed.scheme != gix::url::Scheme::Ssh {
            parsed.set_user(None);
        }
        Ok((Place::Remote(Box::new(server)), parsed.to_bstring().to_string()))
    }
}

fn parse(url: &str) -> Result<gix::Url, SourceError> {
    gix::url::parse(url).map_err(|_| invalid("is not the URL of a Git repository"))
}

fn invalid(problem: impl Into<String>) -> SourceError {
    SourceError::Invalid { field: "spec.url".into(), problem: problem.into() }
}
