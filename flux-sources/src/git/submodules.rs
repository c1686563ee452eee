//! What `.gitmodules` says about submodules.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice as _;

/// The most submodules that a file may describe.
const SUBMODULES: usize = 1000;

/// The URL of each submodule by its path. What it is called does not matter: no file is ever written under its name.
pub(super) fn read(text: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let file = gix::submodule::File::from_bytes(text, None, &gix::config::File::default())
        .map_err(|error| flux_core::error::chain(&error))?;
    let mut urls = BTreeMap::new();
    for name in file.names() {
        if urls.len() >= SUBMODULES {
            return Err(format!("more than {SUBMODULES} submodules"));
        }
        // A section without a path or a URL describes nothing.
        let Some(path) = file.config().string_by("submodule", Some(name), "path") else { continue };
        let Some(url) = file.config().string_by("submodule", Some(name), "url") else { continue };
        let text = |value: &[u8], what: &str| {
            let text =
                std::str::from_utf8(value).map_err(|_| format!("`{}`: the {what} is not UTF-8", name.as_bstr()))?;
            Ok::<_, String>(text.to_owned())
        };
        let path = text(&path, "path")?;
        let path = flux_core::tree::normalize(&path).map_err(|error| error.to_string())?;
        if urls.insert(path.clone(), text(&url, "URL")?).is_some() {
            return Err(format!("`{path}` is described twice"));
        }
    }
    Ok(urls)
}

/// The URL of a submodule that is given relative to the repository it is in: `./` and `../` are parts of a path.
pub(super) fn relative(base: &str, url: &str) -> Result<String, String> {
    let (origin, path) = match base.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            (format!("{scheme}://{host}"), path)
        }
        None => (String::new(), base.trim_start_matches('/')),
    };
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for part in url.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("the URL leads above its server")?;
            }
            part => parts.push(part),
        }
    }
    Ok(format!("{origin}/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_by_path() {
        let text = b"[submodule \"a\"]\n\tpath = lib/a\n\turl = ../a.git\n[submodule \"x/../../y\"]\n\tpath = ./b\n\turl = https://h/b\n\
            [submodule \"half\"]\n\tpath = c\n[core]\n\tfsmonitor = touch x\n";
        let urls = read(text).unwrap();
        let found: Vec<(&str, &str)> = urls.iter().map(|(path, url)| (path.as_str(), url.as_str())).collect();
        assert_eq!(found, [("b", "https://h/b"), ("lib/a", "../a.git")]);
    }

    #[test]
    fn h28_paths_that_lead_outside_and_files_that_cannot_be_read_are_refused() {
        for (text, problem) in [
            ("[submodule \"a\"]\npath = ../x\nurl = u\n", "leads outside"),
            ("[submodule \"a\"]\npath = /etc\nurl = u\n", "absolute"),
            ("[submodule \"a\"]\npath = p\nurl = u\n[submodule \"b\"]\npath = p\nurl = v\n", "twice"),
            ("[submodule \"a\npath", ""),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let many: String = (0..1001).map(|i| format!("[submodule \"{i}\"]\npath = {i}\nurl = u\n")).collect();
        assert!(read(many.as_bytes()).unwrap_err().contains("more than 1000"));
    }

    #[test]
    fn relative_urls_are_seen_from_the_repository() {
        for (base, url, full) in [
            ("https://h/org/app.git", "../lib.git", "https://h/org/lib.git"),
            ("https://h/org/app", "./sub", "https://h/org/app/sub"),
            ("ssh://git@h:22/org/app", "../../x/y", "ssh://git@h:22/x/y"),
            ("/srv/app", "../lib", "/srv/lib"),
            ("file:///srv/app/", "../lib", "file:///srv/lib"),
        ] {
            assert_eq!(relative(base, url).as_deref(), Ok(full));
        }
        assert!(relative("https://h/app", "../../x").is_err());
    }
}
