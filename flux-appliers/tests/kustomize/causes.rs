//! Whether an error says what the real program's error says: the same cause, and the same file, object and field. The
//! wording may differ, and where a build fails it may say more.

use flux_appliers::kustomize::BuildError;
use regex::{Captures, Regex};

/// A form of kustomize's errors, and what ours must then say.
type Rule = (&'static str, fn(&Captures<'_>) -> Vec<String>);

/// What a group holds.
fn part(captures: &Captures<'_>, group: usize) -> String {
    captures.get(group).map_or("", |found| found.as_str()).trim_end_matches(['"', '\'']).to_owned()
}

/// The last part of a path, since ours are relative to the tree.
fn base(captures: &Captures<'_>, group: usize) -> String {
    let path = part(captures, group);
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

fn whole(captures: &Captures<'_>) -> Vec<String> {
    vec![part(captures, 0)]
}

/// The first form that an error has counts.
const RULES: &[Rule] = &[
    (r"MalformedYAMLError: yaml: (?:line \d+: )?(.+?) in File: (\S+)", |c| vec![part(c, 1), base(c, 2)]),
    (r#"may not add resource with an already registered id: [^\s'"]+"#, whole),
    (r"unable to find one of .* in directory '([^']*)'", whole),
    (r"found multiple kustomization files under: (\S+)", |c| {
        vec![format!("multiple kustomization files under '{}'", part(c, 1))]
    }),
    (r"var '\w+' already encountered", whole),
    (r"var '\{(\S+) .*\}' cannot be mapped to a field", |c| {
        vec![format!("var '{}' cannot be mapped to a field", part(c, 1))]
    }),
    (r"(found \d+ resId matches for var )\{(\S+) .*\} (\(unable to disambiguate\))", |c| {
        vec![format!("{}{} {}", part(c, 1), part(c, 2), part(c, 3))]
    }),
    (r"kustomization.yaml is empty", whole),
    (r#"json: (unknown field "\w+)"#, |c| vec![part(c, 1)]),
    (r"json: cannot unmarshal (\w+) into Go struct field \S*?(\w+) of type", |c| {
        let found = match &*part(c, 1) {
            "bool" => "found a boolean".into(),
            "array" => "found a list".into(),
            "object" => "found an object".into(),
            other => format!("found a {other}"),
        };
        vec![part(c, 2), found]
    }),
    (r"kind should be Kustomization or Component", whole),
    (r"yaml: (?:line \d+: )?(found invalid Unicode character escape code)", |c| vec![part(c, 1)]),
    (r"unsupported type: map\[interface \{\}\]interface \{\}", |_| vec!["is not a string".into()]),
    (r"field specified in var '\{(\S+) .*\{(.*)\}\}' (not found in corresponding resource)", |c| {
        vec![part(c, 1), part(c, 2), part(c, 3)]
    }),
    (r"(expected kind != 'Component' for path) '([^']*)'", |c| vec![part(c, 1), base(c, 2)]),
    (r"(expected kind 'Component' for path) '([^']*)' (but got '\w+')", |c| vec![part(c, 1), base(c, 2), part(c, 3)]),
    (r"apiVersion for \w+ should be \S+", whole),
    (r#"Kind:"(\w*)".*Name:"([^"]*)".* exists; (can not use behavior: '\w+')"#, |c| {
        vec![part(c, 1), part(c, 2), part(c, 3)]
    }),
    (r#"Kind:"(\w*)".*Name:"([^"]*)".* (does not exist; cannot merge or replace)"#, |c| {
        vec![part(c, 1), part(c, 2), part(c, 3)]
    }),
    (r"literal sources .*: (invalid literal source .*)", |c| vec![part(c, 1)]),
    (r"configmap \S+ illegally repeats the key `\w+`", whole),
    (r"a configmap must have a name", whole),
    (r"cannot find resource with id \S+ to replace", whole),
    (r"validator shouldn't modify the resource map", whole),
    (r"Multiple Strategic-Merge Patches in one `patches` entry", whole),
    (r"(?:no|multiple) matches for Id \S+; failed to find unique target for patch \S+", whole),
    (r"security; file '([^']*)' (is not in or below '[^']*')", |c| vec![base(c, 1), part(c, 2)]),
    (r"plugin (\S+) fails configuration: .*evalsymlink failure on '([^']*)'", |c| {
        vec![part(c, 1), base(c, 2), "does not exist".into()]
    }),
    (r"evalsymlink failure on '([^']*)'", |c| vec![base(c, 1), "does not exist".into()]),
    (r"accumulating resources from '(\S+)': (missing (?:Resource metadata|kind|metadata.name))", |c| {
        vec![base(c, 1), part(c, 2)]
    }),
    (r"must build at directory: '([^']*)': file is not directory", |c| vec![base(c, 1), "must be a directory".into()]),
    (r"updating name reference in '([^']*)' field of [^:]*: .*(found multiple possible referrals).*?: (.*)", |c| {
        let ids = part(c, 3);
        [part(c, 1), part(c, 2)].into_iter().chain(ids.split(", ").map(str::to_owned)).collect()
    }),
    (r"plugin (\S+) fails configuration: (unable to parse SM or JSON patch)", |c| vec![part(c, 1), part(c, 2)]),
    (r"plugin (\S+) fails configuration: (must specify one of patch and path)", |c| vec![part(c, 1), part(c, 2)]),
    (r"plugin (\S+) fails configuration: (.*)", |c| vec![part(c, 1), part(c, 2)]),
    (r#"(namespace transformation produces ID conflict): .*"name":"(.*?)","namespace":"(.*?)""#, |c| {
        vec![part(c, 1), format!("{}.{}", part(c, 2), part(c, 3))]
    }),
    (r"considering (field '[^']*') of object (\S+): wrong node kind: expected ScalarNode but got SequenceNode", |c| {
        vec![part(c, 1), part(c, 2), "expected a scalar but got a sequence".into()]
    }),
    (r"must specify a target for JSON patch", whole),
    (r"(unable to find(?: or create)? field) ([^:]*?) in replacement target(: .*)?", |c| {
        // Go quotes the field, and so its backslashes.
        vec![part(c, 1), part(c, 2).trim_matches('"').replace(r"\\", r"\"), part(c, 3)]
    }),
    (r"testing value \S+ failed", whole),
    (r"(doc is missing path): (\S+?):? ", |c| vec![part(c, 1), part(c, 2)]),
    (r"unable to remove (nonexistent key: \S+):", |c| vec![part(c, 1)]),
    (r"error parsing regexp: .*`\^\(\?:(.*)\)\$`", |c| vec![format!("invalid selector '{}'", part(c, 1))]),
    (r"found '.*', expected: (',') or 'end of string'", |c| vec!["invalid selector".into(), part(c, 1)]),
    (r"cycle detected: candidate root '[^']*' contains visited root '[^']*", whole),
    (r"the specified OpenAPI version is not built in", whole),
    (r"builtin version and custom schema provided, cannot use both", whole),
    (r"must specify --enable-helm", whole),
    (r"chart name cannot be empty", whole),
    (r"no repo specified for pull, no chart found at", whole),
    (r"valuesMerge must be one of \[.*\]", whole),
    (r"execution error at \(.*\): .*", whole),
    (r"the field 'sortOptions\S* .*", whole),
    (r"external plugins disabled; unable to load external plugin '\w+'", whole),
    (r"unable to load builtin \S+", whole),
    (r"resource with name .*", whole),
    (r"delimiter option can only be used with scalar nodes", whole),
    (r"multiple matches for selector .*", whole),
    (r"nothing selected by .*", whole),
    (r"options.index .* is out of bounds for value .*", whole),
    (r"replacements must specify a source and at least one target", whole),
    (r"fieldPath `.*` is missing for replacement source .*", whole),
    (r"value and resource selectors are mutually exclusive", whole),
];

/// Holds an error against the text of the real one.
pub(crate) fn compare(expected: &str, error: &BuildError) -> Result<(), String> {
    let got = error.to_string();
    for (pattern, wanted) in RULES {
        let pattern = Regex::new(&format!("(?i){pattern}")).unwrap();
        let Some(captures) = pattern.captures(expected) else { continue };
        let missing = wanted(&captures).into_iter().find(|part| !got.contains(part.as_str()));
        return match missing {
            None => Ok(()),
            Some(part) => Err(format!("{part:?} is not in {got:?}, which stands for {expected:?}")),
        };
    }
    Err(format!("no rule says what {expected:?} means; got {got:?}"))
}
