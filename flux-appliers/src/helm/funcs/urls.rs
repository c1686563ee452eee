//! URLs, taken apart and put together as Go's `net/url` does.

use super::args::{Args, Outcome};
use crate::helm::template::exec::Runtime;
use crate::helm::template::{Entries, Function, Map, Str, Type, Value};

pub(super) static FUNCTIONS: &[Function] =
    &[Function::new("urlParse", &[Type::Str], url_parse), Function::new("urlJoin", &[Type::Map], url_join)];

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<String>,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

fn url_parse(_: &mut Runtime<'_>, args: &[Value]) -> Outcome {
    let text = Args(args).text(0);
    let url = parse(&text).map_err(|reason| {
        let shown = crate::helm::template::gofmt::quote(text.as_bytes());
        format!("unable to parse url: parse {shown}: {reason}")
    })?;
    let hostname = hostname(&url.host).to_owned();
    let fields = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", url.user.unwrap_or_default()),
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
    url.fragment = unescape(fragment)?;
    let mut rest = rest;
    if let Some(colon) = rest.find(':') {
        let scheme = rest.get(..colon).unwrap_or("");
        let valid = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if scheme.is_empty() {
            return Err("missing protocol scheme".to_owned());
        }
        if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(valid) {
            url.scheme = scheme.to_ascii_lowercase();
            rest = rest.get(colon + 1..).unwrap_or("");
        } else if !scheme.contains('/') && scheme.chars().all(valid) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    url.query = query.to_owned();
    if !rest.starts_with('/') && !url.scheme.is_empty() {
        url.opaque = rest.to_owned();
        return Ok(url);
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///")) {
        let slash = after.find('/').unwrap_or(after.len());
        let (authority, tail) = after.split_at(slash);
        path = tail;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        if let Some((_, port)) = host.rsplit_once(':').filter(|(name, _)| !name.contains('[') || name.contains(']'))
            && !port.bytes().all(|b| b.is_ascii_digit())
        {
            let port = crate::helm::template::gofmt::quote(format!(":{port}").as_bytes());
            return Err(format!("invalid port {port} after host"));
        }
        url.user = user;
        url.host = unescape(host)?;
    }
    url.path = unescape(path)?;
    Ok(url)
}

fn unescape(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        if *byte != b'%' {
            out.push(*byte);
            i += 1;
            continue;
        }
        let digits = bytes.get(i + 1..i + 3).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => out.push(byte),
            None => {
                let shown = String::from_utf8_lossy(bytes.get(i..(i + 3).min(bytes.len())).unwrap_or_default());
                return Err(format!("invalid URL escape \"{shown}\""));
            }
        }
        i += 3;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Escapes what may not stand in a path, user or fragment.
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
    let part = |key: &str| -> Result<String, String> {
        match map.and_then(|map: &Map| map.get(key.as_bytes())) {
            None => Ok(String::new()),
            Some(Value::Str(text)) => Ok(text.to_str().into_owned()),
            Some(other) => {
                let kind = other.kind();
                Err(format!("unable to parse {key} key, must be of type string, but {kind} found"))
            }
        }
    };
    let (scheme, host, path) = (part("scheme")?, part("host")?, part("path")?);
    let (query, opaque, fragment, user) = (part("query")?, part("opaque")?, part("fragment")?, part("userinfo")?);
    let mut out = String::new();
    if !scheme.is_empty() {
        out = format!("{scheme}:");
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !user.is_empty() {
            if !host.is_empty() || !path.is_empty() || !user.is_empty() {
                out.push_str("//");
            }
            if !user.is_empty() {
                out.push_str(&user);
                out.push('@');
            }
            out.push_str(&escape(&host, "-_.~!$&'()*+,;=:[]<>\""));
        }
        let path = escape(&path, "-_.~$&+,/:;=@!'()*");
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
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
        out.push_str(&escape(&fragment, "-_.~$&+,/:;=?@!()*"));
    }
    Ok(Value::text(out))
}
