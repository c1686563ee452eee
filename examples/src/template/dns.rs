//! Names as the system resolves them.

use std::net::ToSocketAddrs as _;

use flux_appliers::helm::Resolver;

/// The system's resolver.
pub(super) struct SystemDns;

impl Resolver for SystemDns {
    fn address(&self, name: &str) -> Option<String> {
        (name, 0).to_socket_addrs().ok()?.next().map(|address| address.ip().to_string())
    }
}
