//! A Helm repository of our own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use flux_core::Digest;

use super::archive::layer;
use super::{HttpServer, respond};

/// Charts by name, with their versions and whom they are for.
#[derive(Clone, Default)]
pub(crate) struct Charts {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    entries: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Charts {
    /// Serves at `/charts`; to whoever sends this `Authorization`, if one is given.
    pub(crate) fn serve(&self, guard: Option<&'static str>) -> HttpServer {
        let files = self.files.clone();
        HttpServer::start(move |request, stream| {
            if guard.is_some() && request.header("authorization") != guard {
                return respond(stream, "401 Unauthorized", &[], b"");
            }
            match request.target.strip_prefix("/charts/").and_then(|path| files.lock().unwrap().get(path).cloned()) {
                Some(data) => respond(stream, "200 OK", &[], &data),
                None => respond(stream, "404 Not Found", &[], b""),
            }
        })
    }

    /// Adds a version of a chart with these files.
    pub(crate) fn publish(&self, name: &str, version: &str, files: &[(&str, &str)]) {
        let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        let mut all = vec![(format!("{name}/Chart.yaml"), chart.as_str())];
        all.extend(files.iter().map(|(path, text)| (format!("{name}/{path}"), *text)));
        let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let data = layer(&all);
        let file = format!("{name}-{version}.tgz");
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.entry(name.to_owned()).or_insert_with(|| format!("  {name}:\n"));
        let digest = Digest::sha256(&data);
        write!(entry, "  - name: {name}\n    version: {version}\n    digest: {}\n    urls: [{file}]\n", digest.hex())
            .unwrap();
        let index: String = entries.values().map(String::as_str).collect();
        let mut files = self.files.lock().unwrap();
        files.insert(file, data);
        files.insert("index.yaml".into(), format!("apiVersion: v1\nentries:\n{index}").into_bytes());
    }
}
