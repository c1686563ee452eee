//! Where the value of a field comes from.

use serde::Serialize;
use serde_json::Value;

use super::{Engine, Unit, pipeline};
use crate::artifact::{Artifact, Revision};
use crate::context::Context;
use crate::manifests::{Manifests, Origin};
use crate::object::{FieldPath, ObjectId};
use crate::reconcile::ReconcileError;
use crate::tree::Tree;

/// How many changes are tried before the lines found so far have to do.
const TRIALS: usize = 64;
/// Files above this size are not searched.
const LARGEST: usize = 1 << 20;

/// Where a pipeline has the value of a field from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The revision looked at.
    pub revision: Revision,
    /// Where the object stands.
    pub object: Origin,
    /// The value that the revision asks for; none where it does not set the field. Masked for the content of Secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The lines that decide on the value, each proven: another text there makes another value. None where the field is
    /// not set, is no single value, or comes from outside the files.
    pub lines: Vec<Origin>,
}

impl Engine {
    /// Where a pipeline has the value of a field of one of its objects from, in the newest revision of its source; none if
    /// it has no such object. Nothing is changed.
    ///
    /// Lines are not guessed from the look of a file: a copy of the files is changed at every place that could decide on
    /// the value and rendered again, and those places count that make a difference. So it tells the line of an overlay's
    /// patch, a value of a chart or an image transformer as well as one of a plain manifest.
    ///
    /// # Errors
    /// There is no such pipeline, its source cannot be asked, or what it has cannot be rendered.
    pub async fn trace(
        &self,
        cx: &Context,
        unit: &Unit,
        object: &ObjectId,
        path: &FieldPath,
    ) -> Result<Option<Trace>, ReconcileError> {
        let (entry, newest) = self.newest(cx, unit).await?;
        let artifact = entry.in_force(&*self.units.store, &newest).await;
        let cx = self.context(cx, unit, &artifact);
        let (tree, tracker) = artifact.tree.tracked();
        let tracked = Artifact { tree, ..artifact.clone() };
        let manifests = entry.pipeline.render(&cx, &tracked).await.map_err(pipeline::build_failed)?;
        let Some(manifest) = manifests.iter().find(|manifest| manifest.object.id() == *object) else { return Ok(None) };
        // The server moves the plain texts of a Secret into its data.
        let plain =
            plain_text(path).filter(|plain| manifest.object.is_secret() && plain.find_in(&manifest.object).is_some());
        let path = plain.unwrap_or_else(|| path.clone());
        let value = path.find_in(&manifest.object).cloned();
        let mut trace = Trace {
            revision: artifact.revision.clone(),
            object: manifest.origin.clone(),
            value: value.clone(),
            lines: Vec::new(),
        };
        let Some(value) = value else { return Ok(Some(trace)) };
        let reads = tracker.reads();
        let is_read = |file: &str| file == &*manifest.origin.file || reads.covers(file);
        let mut indirect = Vec::new();
        for candidate in candidates(&artifact.tree, &manifest.origin.file, is_read, &value).into_iter().take(TRIALS) {
            cx.check()?;
            let changed = artifact.tree.with_content(&candidate.file, candidate.content);
            let trial = Artifact { tree: changed, ..artifact.clone() };
            // What cannot be rendered any more proves nothing.
            let Ok(manifests) = entry.pipeline.render(&cx, &trial).await else { continue };
            let origin = Origin::new(candidate.file, candidate.line);
            let lines = match self::value(&manifests, object, &path) {
                Some(other) if other == candidate.value => &mut trace.lines,
                Some(other) if other != value => &mut indirect,
                _ => continue,
            };
            if !lines.contains(&origin) {
                lines.push(origin);
            }
        }
        // Where the value itself is written is told before what it takes for that to count.
        if trace.lines.is_empty() {
            trace.lines = indirect;
        }
        if manifest.object.is_secret()
            && matches!(path.steps().first(), Some(crate::object::Step::Field(field)) if field != "metadata")
        {
            trace.value = Some("***".into());
        }
        Ok(Some(trace))
    }
}

fn value(manifests: &Manifests, object: &ObjectId, path: &FieldPath) -> Option<Value> {
    let manifest = manifests.iter().find(|manifest| manifest.object.id() == *object)?;
    path.find_in(&manifest.object).cloned()
}

/// A file with another text at one place.
struct Candidate {
    file: String,
    line: usize,
    content: String,
    /// What the value becomes if it is written just there.
    value: Value,
}

/// The path among the plain texts of a Secret of what is asked for among its data.
fn plain_text(path: &FieldPath) -> Option<FieldPath> {
    path.to_string().strip_prefix("data").and_then(|rest| format!("stringData{rest}").parse().ok())
}

/// The places that could decide on a value: where it, or a part of it, is written. The file of the object comes first.
fn candidates(tree: &Tree, first: &str, is_read: impl Fn(&str) -> bool, value: &Value) -> Vec<Candidate> {
    let mut files: Vec<(&str, &str)> = tree
        .walk("")
        .filter(|(path, data)| data.len() <= LARGEST && is_read(path))
        .filter_map(|(path, data)| Some((path, std::str::from_utf8(data).ok()?)))
        .collect();
    files.sort_by_key(|(path, _)| *path != first);
    let mut candidates = Vec::new();
    for Needle { text: needle, other, value } in needles(value) {
        for (file, text) in &files {
            for (at, _) in text.match_indices(&needle) {
                let end = at + needle.len();
                let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                if inside(text[..at].chars().next_back()) || inside(text[end..].chars().next()) {
                    continue;
                }
                let line = text[..at].matches('\n').count() + 1;
                let content = format!("{}{other}{}", &text[..at], &text[end..]);
                candidates.push(Candidate { file: (*file).to_owned(), line, content, value: value.clone() });
            }
        }
    }
    candidates
}

/// A text that a value may be written as, another text of its kind, and what the value becomes with that.
struct Needle {
    text: String,
    other: String,
    value: Value,
}

/// The texts that a value may be written as, whole before parts.
fn needles(value: &Value) -> Vec<Needle> {
    match value {
        Value::Bool(flag) => vec![Needle { text: flag.to_string(), other: (!flag).to_string(), value: (!flag).into() }],
        Value::Number(number) => {
            let text = number.to_string();
            let other = number.as_i64().map_or_else(|| format!("1{number}"), |n| n.wrapping_add(1).to_string());
            let value = serde_json::from_str(&other).unwrap_or(Value::Null);
            vec![Needle { text, other, value }]
        }
        Value::String(text) => {
            // Of a text of several lines the first has to do; the parts are those of images and paths.
            let whole = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
            let parts = whole.split([':', '@', '/']).filter(|part| *part != whole);
            let all = std::iter::once(whole).chain(parts).filter(|part| !part.is_empty());
            let needle = |part: &str| {
                let other = another(part);
                Needle { text: part.to_owned(), value: text.replacen(part, &other, 1).into(), other }
            };
            all.map(needle).collect()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

/// Another text of the same kind.
fn another(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(number) => number.wrapping_add(1).to_string(),
        Err(_) if text == "true" => "false".to_owned(),
        Err(_) if text == "false" => "true".to_owned(),
        Err(_) => format!("{text}x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_looked_for_whole_and_in_parts() {
        let texts = |value: Value| needles(&value).into_iter().map(|needle| needle.text).collect::<Vec<_>>();
        assert_eq!(texts(json!(3)), ["3"]);
        assert_eq!(texts(json!("nginx:1.25")), ["nginx:1.25", "nginx", "1.25"]);
        assert!(texts(json!({"a": 1})).is_empty());
        assert_eq!(needles(&json!(true))[0].value, json!(false));
        assert_eq!(needles(&json!("nginx:1.25"))[2].value, json!("nginx:1.25x"));
    }

    #[test]
    fn a_value_inside_a_word_is_no_candidate() {
        let tree = Tree::from_files([("b.yaml", "a: 3"), ("a.yaml", "x: 33\ny: 3\nz: a3\n")]).unwrap();
        let found = candidates(&tree, "a.yaml", |_| true, &json!(3));
        let places: Vec<(&str, usize)> = found.iter().map(|c| (c.file.as_str(), c.line)).collect();
        assert_eq!(places, [("a.yaml", 2), ("b.yaml", 1)]);
        assert_eq!(found[0].content, "x: 33\ny: 4\nz: a3\n");
    }
}
