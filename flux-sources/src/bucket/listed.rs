//! The keys of a listing as the server sent them.
//!
//! The client library reads `dir/` and `/dir` as `dir`. The first is how a bucket shows an empty folder and is left out;
//! the second is another object than the one that would be fetched. Both are told apart by the listing's own text.

/// Keys in a listing that the client library does not keep as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// Keys that end in `/`, without it.
    pub(super) folders: Vec<String>,
    /// The first key that starts with `/`.
    pub(super) absolute: Option<String>,
}

impl Odd {
    /// Looks through a page of a listing in XML; keys are in `<Key>`, or for Azure in `<Name>`.
    pub(super) fn find(page: &str) -> Self {
        let mut odd = Self::default();
        for name in ["Key", "Name"] {
            let (open, close) = (format!("<{name}>"), format!("</{name}>"));
            let mut rest = page;
            while let Some((_, after)) = rest.split_once(&open) {
                let Some((key, after)) = after.split_once(&close) else { break };
                rest = after;
                let key = unescape(key);
                if key.starts_with('/') {
                    odd.absolute.get_or_insert(key);
                } else if let Some(folder) = key.strip_suffix('/') {
                    odd.folders.push(folder.to_owned());
                }
            }
        }
        odd
    }
}

/// The text behind XML's references.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((reference, after)) = after.split_once(';') else {
            out.push('&');
            rest = after;
            continue;
        };
        rest = after;
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let found = match reference {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match reference.strip_prefix("#x") {
                Some(digits) => number(digits, 16),
                None => reference.strip_prefix('#').and_then(|digits| number(digits, 10)),
            },
        };
        out.extend(found);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_absolute_keys_are_found() {
        let page = "<L><Name>bucket</Name><Contents><Key>a/</Key></Contents><Contents><Key>a&amp;b&#x2F;</Key></Contents>\
                    <Contents><Key>c</Key></Contents><Contents><Key>/etc/passwd</Key></Contents></L>";
        let odd = Odd::find(page);
        assert_eq!(odd.folders, ["a", "a&b"]);
        assert_eq!(odd.absolute.as_deref(), Some("/etc/passwd"));
        assert_eq!(Odd::find("<Blob><Name>x/</Name></Blob><Key>unclosed/").folders, ["x"]);
        assert_eq!(unescape("&lt;&gt;&quot;&apos;&#47;&#xD800;&x;&"), "<>\"'/&");
    }
}
