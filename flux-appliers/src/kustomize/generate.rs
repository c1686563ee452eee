//! Config maps and secrets made from literals, files and environment files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flux_core::yaml::{Content, Node, Scalar, Style, Tag};

use super::error::Cause;
use super::kustomization::{GeneratorArgs, GeneratorOptions, PluginConfig, StringMap};
use super::loader::{Loader, Purpose};
use super::node;
use super::resource::{Behavior, Resource};

/// What a generator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generated {
    ConfigMap,
    Secret,
}

impl Generated {
    fn kind(self) -> &'static str {
        match self {
            Generated::ConfigMap => "ConfigMap",
            Generated::Secret => "Secret",
        }
    }
}

/// Options for all generators; those of one come first.
pub(super) fn with_defaults(args: &GeneratorArgs, defaults: Option<&GeneratorOptions>) -> GeneratorArgs {
    let mut args = args.clone();
    let Some(defaults) = defaults else { return args };
    let options = args.options.get_or_insert_default();
    let fill = |own: &mut StringMap, defaults: &StringMap| {
        for (key, value) in defaults {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    fill(&mut options.labels, &defaults.labels);
    fill(&mut options.annotations, &defaults.annotations);
    options.disable_name_suffix_hash |= defaults.disable_name_suffix_hash;
    options.immutable |= defaults.immutable;
    args
}

/// Makes one config map or secret.
pub(super) fn generate(what: Generated, args: &GeneratorArgs, loader: &Loader) -> Result<Resource, Cause> {
    let fail = |message: String| Cause::Generator { generator: format!("{} {}", what.kind(), args.name), message };
    if args.name.is_empty() {
        return Err(fail("a configmap must have a name".into()));
    }
    let mut object = node::mapping();
    node::put_field(&mut object, "apiVersion", Node::string("v1"));
    node::put_field(&mut object, "kind", Node::string(what.kind()));
    let mut metadata = node::mapping();
    node::put_field(&mut metadata, "name", Node::string(&args.name));
    if !args.namespace.is_empty() {
        node::put_field(&mut metadata, "namespace", Node::string(&args.namespace));
    }
    let options = args.options.as_ref();
    for (name, map) in [("labels", options.map(|o| &o.labels)), ("annotations", options.map(|o| &o.annotations))] {
        if let Some(map) = map.filter(|map| !map.is_empty()) {
            let entries = map.iter().map(|(key, value)| (Node::string(key), Node::string(value))).collect();
            node::put_field(&mut metadata, name, Node::new(Content::Mapping(entries)));
        }
    }
    node::put_field(&mut object, "metadata", metadata);
    let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
    for (key, value) in sources(what, args, loader, &fail)? {
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(fail(format!("configmap {} illegally repeats the key `{key}`", args.name)));
        }
        pairs.push((key, value));
    }
    pairs.sort();
    match what {
        Generated::ConfigMap => {
            for (key, value) in pairs {
                let (name, value) = match String::from_utf8(value) {
                    Ok(text) => ("data", text),
                    Err(bytes) => ("binaryData", encode(bytes.as_bytes())),
                };
                put(&mut object, name, key, value)?;
            }
        }
        Generated::Secret => {
            let secret_type = if args.secret_type.is_empty() { "Opaque" } else { &args.secret_type };
            node::put_field(&mut object, "type", Node::string(secret_type));
            node::put_field(&mut object, "data", node::mapping());
            for (key, value) in pairs {
                put(&mut object, "data", key, encode(&value))?;
            }
        }
    }
    if options.is_some_and(|options| options.immutable) {
        node::put_field(&mut object, "immutable", node::tagged("true", Tag::Bool));
    }
    let mut resource = Resource::new(object);
    resource.memory.needs_hash = options.is_none_or(|options| !options.disable_name_suffix_hash);
    resource.memory.behavior = match args.behavior.as_str() {
        "create" => Behavior::Create,
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => Behavior::Unspecified,
    };
    resource.annotate();
    Ok(resource)
}

fn put(object: &mut Node, map: &str, key: String, value: String) -> Result<(), Cause> {
    if let Some(map) = node::field_or_insert(object, map, node::mapping)?
        && let Content::Mapping(entries) = &mut map.content
    {
        entries.push((node::untagged(key), data_value(value)));
    }
    Ok(())
}

fn data_value(text: String) -> Node {
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    Node::new(Content::Scalar(Scalar { text: text.into(), tag: Some(Tag::Str), style }))
}

/// Replaces a map of data; an empty one is removed.
pub(super) fn set_data(object: &mut Node, name: &str, map: Vec<(String, String)>) -> Result<(), Cause> {
    node::clear(object, name);
    map.into_iter().try_for_each(|(key, value)| put(object, name, key, value))
}

/// Base64 in lines of 70 characters where it does not fit one.
fn encode(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for (i, c) in text.chars().enumerate() {
        if i > 0 && i % LINE == 0 {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines.push('\n');
    lines
}

type Pairs = Vec<(String, Vec<u8>)>;

fn sources(
    what: Generated,
    args: &GeneratorArgs,
    loader: &Loader,
    fail: &dyn Fn(String) -> Cause,
) -> Result<Pairs, Cause> {
    let mut pairs = Vec::new();
    let is_for = |secret| if what == Generated::Secret { secret } else { Purpose::Other };
    for path in &args.envs {
        env_file(&loader.load_for(path, is_for(Purpose::SecretEnv))?, &mut pairs)
            .map_err(|why| fail(format!("env file '{path}': {why}")))?;
    }
    for literal in &args.literals {
        match literal.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                pairs.push((key.to_owned(), unquoted(value).as_bytes().to_vec()));
            }
            // What should be in a Secret is not shown.
            _ if what == Generated::Secret => {
                return Err(fail("invalid literal source, expected key=value".into()));
            }
            _ => return Err(fail(format!("invalid literal source {literal}, expected key=value"))),
        }
    }
    for source in &args.files {
        let (key, path) = file_source(source).map_err(fail)?;
        let content = loader.load_for(path, is_for(Purpose::SecretFile { key }))?;
        pairs.push((key.to_owned(), content.to_vec()));
    }
    Ok(pairs)
}

/// Removes the quotes around a whole value.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if value.len() >= 2
            && let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    value
}

/// `path`, under its last part, or `key=path`.
fn file_source(source: &str) -> Result<(&str, &str), String> {
    match source.matches('=').count() {
        0 => Ok((source.trim_end_matches('/').rsplit('/').next().unwrap_or(source), source)),
        1 => match source.split_once('=') {
            Some(("", path)) => Err(format!("missing key name for file path \"{path}\" in source \"{source}\"")),
            Some((key, "")) => Err(format!("missing file path for key name \"{key}\" in source \"{source}\"")),
            Some(found) => Ok(found),
            None => Err(format!("source \"{source}\" has no '='")),
        },
        _ => Err(format!("source \"{source}\" key name or file path contains '='")),
    }
}

/// Lines of `key=value`; comments and empty lines are passed over.
fn env_file(content: &[u8], pairs: &mut Pairs) -> Result<(), String> {
    /// The longest line that Go's scanner takes; it stops there without a word.
    const LONGEST_LINE: usize = 64 * 1024;
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if line.len() >= LONGEST_LINE {
            return Ok(());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| format!("line {} is not UTF-8", number + 1))?;
        let text = if number == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            pairs.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}

/// The service account that gives a workload a cloud identity.
pub(super) fn iam_policy(config: &PluginConfig) -> Result<Resource, Cause> {
    if config.cloud != "gke" {
        return Err(Cause::Generator {
            generator: "IAMPolicyGenerator".into(),
            message: format!("cloud provider {} not supported yet", config.cloud),
        });
    }
    let account =
        format!("{}@{}.iam.gserviceaccount.com", config.service_account.name, config.service_account.project_id);
    let annotations = vec![(Node::string("iam.gke.io/gcp-service-account"), Node::string(account))];
    let mut metadata = node::mapping();
    node::put_field(&mut metadata, "annotations", Node::new(Content::Mapping(annotations)));
    node::put_field(&mut metadata, "name", Node::string(&config.kubernetes_service.name));
    if !config.kubernetes_service.namespace.is_empty() {
        node::put_field(&mut metadata, "namespace", Node::string(&config.kubernetes_service.namespace));
    }
    let mut object = node::mapping();
    node::put_field(&mut object, "apiVersion", Node::string("v1"));
    node::put_field(&mut object, "kind", Node::string("ServiceAccount"));
    node::put_field(&mut object, "metadata", metadata);
    Ok(Resource::new(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_sources() {
        assert_eq!(unquoted("\"a b\""), "a b");
        assert_eq!(unquoted("\"a'"), "\"a'");
        assert_eq!(unquoted("\""), "\"");
        assert_eq!(file_source("k=d/f"), Ok(("k", "d/f")));
        assert_eq!(file_source("d/f.txt"), Ok(("f.txt", "d/f.txt")));
        assert!(file_source("=f").is_err() && file_source("k=").is_err() && file_source("a=b=c").is_err());
    }

    #[test]
    fn env_files() {
        let mut pairs = Vec::new();
        env_file("\u{feff}A=1\n# c\n\n  B = x \nC\r\n".as_bytes(), &mut pairs).unwrap();
        assert_eq!(pairs, [("A".into(), b"1".to_vec()), ("B ".into(), b" x ".to_vec()), ("C".into(), Vec::new())]);
    }
}
