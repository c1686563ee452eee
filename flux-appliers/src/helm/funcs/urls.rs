//! URLs, taken apart and put together as Go's `net/url` does.

use super::args::{Args, Outcome};
use crate::helm::template::error::CallError;
use crate::helm::template::exec::Runtime;
use crate::helm::template::gofmt::quote;
use crate::helm::template::{Entries, Function, Map, Str, Type, Value};

pub(super) static FUNCTIONS: &[Function] =
    &[Function::new("urlParse", &[Type::Str], url_parse), Function::new("urlJoin", &[Type::Map], url_join)];

/// The characters, besides letters and digits, that stand as themselves in each part.
const IN_PATH: &str = "-_.~$&+,/:;=@";
const IN_USER: &str = "-_.~$&+,;=";
const IN_FRAGMENT: &str = "-_.~$&+,/:;=?@!()*";
const IN_HOST: &str = "-_.~!$&'()*+,;=:[]<>\"";

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<User>,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

struct User {
    name: String,
    password: Option<String>,
}

impl User {
    /// Escaped, as in a URL.
    fn text(&self) -> String {
        let name = escape(&self.name, IN_USER);
        match &self.password {
            Some(password) => format!("{name}:{}", escape(password, IN_USER)),
            None => name,
        }
    }
}

fn url_parse(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let text = Args(args).text(0);
    let url =
        parse(&text).map_err(|reason| format!("unable to parse url: parse {}: {reason}", quote(text.as_bytes())))?;
    let hostname = hostname(&url.host).to_owned();
    let fields = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", url.user.map_or_else(String::new, |user| user.text())),
    ];
    Ok(Value::map(fields.into_iter().map(|(k, v)| (Str::from(k), Value::text(v))).collect::<Entries>()))
}

/// The host without its port or the brackets of an IPv6 address.
fn hostname(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn parse(text: &str) -> Result<Url, String> {
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = split_scheme(rest)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    query.clone_into(&mut url.query);
    let mut path = rest;
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            url.fragment = unescape(fragment, Place::Elsewhere)?;
            return Ok(url);
        }
        // `a:b` looks like a scheme, so a first segment may not.
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if let Some(after) = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///")) {
        let (authority, tail) = after.split_at(after.find('/').unwrap_or(after.len()));
        path = tail;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        url.host = read_host(host, &url.scheme)?;
        url.user = user.map(read_user).transpose()?;
    }
    url.path = unescape(path, Place::Elsewhere)?;
    url.fragment = unescape(fragment, Place::Elsewhere)?;
    Ok(url)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((text.get(..at).unwrap_or(""), text.get(at + 1..).unwrap_or(""))),
            _ => break,
        }
    }
    Ok(("", text))
}

fn read_user(text: &str) -> Result<User, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !text.chars().all(plain) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(unescape(password, Place::Elsewhere)?)),
        None => (text, None),
    };
    Ok(User { name: unescape(name, Place::Elsewhere)?, password })
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn read_host(host: &str, scheme: &str) -> Result<String, String> {
    let bad_port = |port: &str| format!("invalid port {} after host", quote(port.as_bytes()));
    if host.starts_with('[') {
        let Some(end) = host.rfind(']') else {
            return Err("missing ']' in host".to_owned());
        };
        let (address, port) = host.split_at(end + 1);
        if !is_port(port) {
            return Err(bad_port(port));
        }
        // Only a zone may hold escapes of any kind.
        if let Some(zone) = address.find("%25") {
            let (before, zone) = address.split_at(zone);
            return Ok(unescape(before, Place::Host)? + &unescape(zone, Place::Zone)? + port);
        }
    } else {
        // Databases are given lists of hosts and ports.
        let colon = if matches!(scheme, "http" | "https") { host.find(':') } else { host.rfind(':') };
        let port = colon.and_then(|colon| host.get(colon..)).unwrap_or("");
        if !is_port(port) {
            return Err(bad_port(port));
        }
    }
    unescape(host, Place::Host)
}

/// Where escapes stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    /// The zone of an IPv6 address.
    Zone,
    Elsewhere,
}

fn unescape(text: &str, place: Place) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        if *byte != b'%' {
            let reserved = byte.is_ascii() && !byte.is_ascii_alphanumeric() && !IN_HOST.as_bytes().contains(byte);
            if place != Place::Elsewhere && reserved {
                let shown = quote(&[*byte]);
                return Err(format!("invalid character {shown} in host name"));
            }
            out.push(*byte);
            i += 1;
            continue;
        }
        let digits = bytes.get(i + 1..i + 3).and_then(|d| std::str::from_utf8(d).ok());
        let code = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|d| u8::from_str_radix(d, 16).ok());
        let allowed = match (place, code) {
            // A host may only have escapes of what is not ASCII, and of the percent sign before a zone.
            (Place::Host, Some(code)) => code >= 0x80 || code == b'%',
            (Place::Zone, Some(code)) => code != b' ' || code >= 0x80,
            _ => true,
        };
        match code.filter(|_| allowed) {
            Some(code) => out.push(code),
            None => {
                let shown = bytes.get(i..(i + 3).min(bytes.len())).unwrap_or_default();
                return Err(format!("invalid URL escape {}", quote(shown)));
            }
        }
        i += 3;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Escapes what may not stand in a part of a URL.
fn escape(text: &str, plain: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn url_join(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let map = Args(args).map(0);
    let part = |key: &str| -> Result<String, CallError> {
        match map.and_then(|map: &Map| map.get(key.as_bytes())) {
            None => Ok(String::new()),
            Some(Value::Str(text)) => Ok(text.to_str().into_owned()),
            Some(Value::Nil | Value::Invalid) => Err(CallError::nil_pointer()),
            Some(other) => {
                let kind = other.kind();
                Err(format!("unable to parse {key} key, must be of type string, but {kind} found").into())
            }
        }
    };
    let (scheme, host, path) = (part("scheme")?, part("host")?, part("path")?);
    let (query, opaque, fragment, user) = (part("query")?, part("opaque")?, part("fragment")?, part("userinfo")?);
    let user = if user.is_empty() {
        None
    } else {
        let text = format!("proto://{user}@host");
        let parsed = parse(&text).map_err(|reason| {
            format!("unable to parse userinfo in dict: parse {}: {reason}", quote(text.as_bytes()))
        })?;
        parsed.user
    };
    let mut out = String::new();
    if !scheme.is_empty() {
        out = format!("{scheme}:");
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || user.is_some() {
            if !host.is_empty() || !path.is_empty() || user.is_some() {
                out.push_str("//");
            }
            if let Some(user) = &user {
                out.push_str(&user.text());
                out.push('@');
            }
            out.push_str(&escape(&host, IN_HOST));
        }
        let path = if path == "*" { path } else { escape(&path, IN_PATH) };
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        // Without this the first segment would be read as a scheme.
        if out.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
            out.push_str("./");
        }
        out.push_str(&path);
    } else {
        out.push_str(&opaque);
    }
    if !query.is_empty() {
        out.push('?');
        out.push_str(&query);
    }
    if !fragment.is_empty() {
        out.push('#');
        out.push_str(&escape(&fragment, IN_FRAGMENT));
    }
    Ok(Value::text(out))
}
