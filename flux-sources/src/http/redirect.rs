//! Where a redirect may lead, and with what.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};

/// How often an answer may lead elsewhere.
pub(super) const REDIRECTS: usize = 10;

/// Where an answer leads; none if it leads nowhere, an error in words if we do not go there.
pub(super) fn next(
    from: &Url,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, String> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let location = location.to_str().ok().and_then(|text| from.join(text).ok());
    let mut to = location.ok_or("it redirects to something that is no URL")?;
    // A user and a password given by a server are none of ours.
    let _ = to.set_username("").and_then(|()| to.set_password(None));
    to.set_fragment(None);
    if !matches!(to.scheme(), "http" | "https") || to.host().is_none() {
        return Err(format!("a redirect to `{}:` is refused", to.scheme()));
    }
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err("a redirect from https to http is refused".into());
    }
    let reading = *method == Method::GET || *method == Method::HEAD;
    if !reading && !matches!(status.as_u16(), 307 | 308) {
        return Err(format!("a redirect of a {method} with status {} is refused", status.as_u16()));
    }
    Ok(Some(to))
}

/// Refuses to be sent by one server to another that is at an address of the machine itself.
pub(super) fn check(from: &Url, to: &Url) -> Result<(), String> {
    if literal(to).is_some_and(|to| !may_lead(literal(from), to)) {
        return Err(format!("it leads to `{}`, an address of the machine itself", to.host_str().unwrap_or_default()));
    }
    Ok(())
}

/// Whether credentials for `ours` may be sent to `url`: the same origin, or the same host once it speaks TLS.
pub(super) fn same_server(ours: &Url, url: &Url) -> bool {
    let upgraded = || {
        let default_ports = ours.port().is_none() && url.port().is_none();
        ours.scheme() == "http" && url.scheme() == "https" && default_ports && ours.host() == url.host()
    };
    ours.origin() == url.origin() || upgraded()
}

fn literal(url: &Url) -> Option<IpAddr> {
    let address: IpAddr = url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(address.to_canonical())
}

/// Whether a server at one address may send us to another: nobody may send us to the machine we run on or to the services
/// that the machine's own network answers for (169.254.169.254), unless they are there themselves.
fn may_lead(from: Option<IpAddr>, to: IpAddr) -> bool {
    if is_link_local(to) {
        return from == Some(to);
    }
    !(to.is_loopback() || to.is_unspecified()) || from.is_some_and(|from| from.is_loopback())
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Finds the addresses of names that a redirect leads to, and leaves out those that it may not lead to.
pub(super) struct Outside {
    /// Whether the server that redirects is on this machine itself.
    pub(super) from_loopback: bool,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let from = self.from_loopback.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| may_lead(from, address.ip().to_canonical())).collect();
            if allowed.is_empty() {
                return Err("it has no address that a redirect may lead to".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether a server is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    literal(url).is_some_and(|address| address.is_loopback()) || url.host_str() == Some("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(from: &str, method: Method, status: u16, to: &str) -> Result<Option<String>, String> {
        let headers = HeaderMap::from_iter([(LOCATION, to.parse().unwrap())]);
        let status = StatusCode::from_u16(status).unwrap();
        next(&Url::parse(from).unwrap(), &method, status, &headers).map(|url| url.map(String::from))
    }

    #[test]
    fn redirects_lead_where_they_may() {
        for (from, status, to, target) in [
            ("https://a/x", 302, "/y", "https://a/y"),
            ("https://a/x/y", 301, "z", "https://a/x/z"),
            ("http://a/x", 307, "https://b/y#f", "https://b/y"),
            ("http://a/", 302, "http://user:password@b/", "http://b/"),
        ] {
            assert_eq!(leads(from, Method::GET, status, to), Ok(Some(target.to_owned())), "{from} {to}");
        }
        for (from, to) in [("http://a/", "http://10.0.0.1/"), ("http://127.0.0.1:1/", "http://127.0.0.1:2/")] {
            check(&Url::parse(from).unwrap(), &Url::parse(to).unwrap()).unwrap();
        }
        assert_eq!(leads("https://a/", Method::GET, 304, "/y"), Ok(None));
        assert_eq!(leads("https://a/", Method::POST, 307, "/y"), Ok(Some("https://a/y".into())));
    }

    #[test]
    fn h31_redirects_lead_nowhere_else() {
        for (from, to, problem) in [
            ("https://a/", "http://a/", "from https to http"),
            ("https://a/", "file:///etc/passwd", "to `file:`"),
            ("https://a/", "http://", "no URL"),
        ] {
            let error = leads(from, Method::GET, 302, to).unwrap_err();
            assert!(error.contains(problem), "{from} {to}: {error}");
        }
        for (from, to) in [
            ("http://a/", "http://127.0.0.1/"),
            ("http://a/", "http://[::1]/"),
            ("http://a/", "http://0.0.0.0/"),
            ("http://a/", "http://169.254.169.254/latest/meta-data"),
            ("http://127.0.0.1/", "http://169.254.169.254/"),
            ("http://a/", "http://[fe80::1]/"),
            ("http://a/", "http://[::ffff:169.254.169.254]/"),
        ] {
            let error = check(&Url::parse(from).unwrap(), &Url::parse(to).unwrap()).unwrap_err();
            assert!(error.contains("machine itself"), "{from} {to}: {error}");
        }
        assert!(leads("https://a/", Method::POST, 302, "/y").unwrap_err().contains("of a POST"));
    }

    #[test]
    fn credentials_are_for_one_server() {
        let same = |ours: &str, url: &str| same_server(&Url::parse(ours).unwrap(), &Url::parse(url).unwrap());
        assert!(same("https://a/x", "https://a:443/y") && same("http://a/", "https://a/"));
        for (ours, url) in [
            ("https://a/", "https://b/"),
            ("https://a/", "https://a:444/"),
            ("https://a/", "http://a/"),
            ("https://a/", "https://a.b/"),
            ("http://a:1/", "https://a/"),
            ("http://a:1/", "https://a:1/"),
        ] {
            assert!(!same(ours, url), "{ours} {url}");
        }
    }
}
