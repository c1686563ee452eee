//! What a path means.

use std::sync::Arc;

use crate::apiserver::registry::Resource;
use crate::apiserver::verbs::Target;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/api/v1/...` or `/apis/{group}/{version}/...`.
    Resource(ResourcePath),
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    /// `/apis/{group}`.
    Group(String),
    /// `/api/v1` or `/apis/{group}/{version}`.
    Version(String, String),
    /// Anything else, with its parts.
    Other(Vec<String>),
}

/// The path of a collection, an object or a subresource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) plural: String,
    pub(super) name: String,
    pub(super) subresource: String,
    /// Below the old `watch/` prefix.
    pub(super) watch: bool,
}

impl ResourcePath {
    /// What the path is about, once the resource is known.
    pub(super) fn target(&self, resource: Arc<Resource>) -> Target {
        Target {
            resource,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            subresource: self.subresource.clone(),
        }
    }
}

/// Undoes percent encoding; `None` if it is broken.
pub(super) fn decode(text: &str, plus: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push((high * 16 + low) as u8);
            }
            b'+' if plus => out.push(b' '),
            b => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

pub(super) fn parse(path: &str) -> Route {
    let parts: Vec<String> =
        path.split('/').filter(|p| !p.is_empty()).map(|p| decode(p, false).unwrap_or_default()).collect();
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["api"] => Route::Core,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["api", version] => Route::Version(String::new(), (*version).to_owned()),
        ["apis", group, version] => Route::Version((*group).to_owned(), (*version).to_owned()),
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => Route::Other(parts),
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Route {
    let mut path = ResourcePath { group: group.to_owned(), version: version.to_owned(), ..ResourcePath::default() };
    let rest = match rest {
        ["watch", tail @ ..] if !tail.is_empty() => {
            path.watch = true;
            tail
        }
        rest => rest,
    };
    let own = |s: &&str| (*s).to_owned();
    let (plural, tail): (&str, &[&str]) = match rest {
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
            path.name = own(name);
            path.subresource = own(sub);
            ("namespaces", &[])
        }
        ["namespaces", namespace, plural, tail @ ..] => {
            path.namespace = own(namespace);
            (plural, tail)
        }
        [plural, tail @ ..] => (plural, tail),
        [] => ("", &[]),
    };
    path.plural = plural.to_owned();
    match tail {
        [] => {}
        [name] => path.name = own(name),
        [name, sub, ..] => {
            path.name = own(name);
            path.subresource = own(sub);
        }
    }
    Route::Resource(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let Route::Resource(p) = parse("/apis/apps/v1/namespaces/n/deployments/d/scale") else { panic!() };
        assert_eq!(
            (p.namespace.as_str(), p.plural.as_str(), p.name.as_str(), p.subresource.as_str()),
            ("n", "deployments", "d", "scale")
        );
        let Route::Resource(p) = parse("/api/v1/namespaces/n") else { panic!() };
        assert_eq!((p.plural.as_str(), p.name.as_str(), p.namespace.as_str()), ("namespaces", "n", ""));
        let Route::Resource(p) = parse("/api/v1/namespaces/n/status") else { panic!() };
        assert_eq!((p.plural.as_str(), p.name.as_str(), p.subresource.as_str()), ("namespaces", "n", "status"));
        assert_eq!(parse("/"), Route::Other(vec![]));
        assert_eq!(decode("a%20b%2Fc+d", true).as_deref(), Some("a b/c d"));
        assert_eq!(decode("%zz", true), None);
    }
}
