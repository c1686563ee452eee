//! The recorded behaviour of structured-merge-diff: every row of `conformance/dialects/smd.jsonl`.
#![allow(clippy::print_stderr)] // what differs, and why nothing ran

use std::borrow::Cow;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::apiserver::schema::Type;

struct OneVersion<'a>(&'a Schema, TypeId, &'a str);

impl Versions for OneVersion<'_> {
    fn convert<'a>(&'a self, object: &'a Fields, version: &str) -> Option<Typed<'a>> {
        (version == self.2).then(|| Typed { schema: self.0, ty: self.1, value: Cow::Borrowed(object) })
    }
}

/// The rows of a recorded corpus; `None` if it is not there and need not be.
pub(crate) fn corpus(name: &str) -> Option<Vec<Value>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("FLUX_SHARED").map_or_else(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(root.join("conformance/dialects").join(name)) else {
        assert!(std::env::var_os("FLUX_REQUIRE_CORPUS").is_none(), "no corpus {name}");
        eprintln!("skipped: no corpus");
        return None;
    };
    Some(text.split('\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect())
}

/// The live object, its managers and the answer of one row's steps.
fn run(steps: &[Value], deduced: bool) -> Vec<Value> {
    let mut untyped = Schema::with_metadata();
    let mut live: Option<(Fields, Managers)> = None;
    let mut out = Vec::new();
    let root = untyped.add(Type::Deduced);
    for step in steps {
        let object = step["object"].as_object().unwrap();
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let group = match version {
            "v1" => "core.v1".to_owned(),
            "rbac.authorization.k8s.io/v1" => "rbac.v1".to_owned(),
            other => other.replace('/', "."),
        };
        let (schema, ty) = if deduced {
            (&untyped, root)
        } else {
            (Schema::built_in(), Schema::built_in().named(&format!("{group}.{kind}")).unwrap())
        };
        let versions = OneVersion(schema, ty, version);
        let empty = Fields::from_iter([("apiVersion".to_owned(), version.into()), ("kind".to_owned(), kind.into())]);
        let manager = FieldManager {
            versions: &versions,
            schema,
            ty,
            version,
            kind,
            subresource: "",
            reset: no_fields(),
            empty: &empty,
            now: Arc::from("2026-01-01T00:00:00Z"),
        };
        let by = step["manager"].as_str().unwrap();
        let result = if step["op"] == "apply" {
            let (object_live, managers) = live.as_ref().map_or((&empty, Managers::default()), |(o, m)| (o, m.clone()));
            let force = step["force"] == true;
            manager
                .apply(object_live, object, &managers, by, force)
                .map(|o| (o.object.unwrap_or_else(|| object_live.clone()), o.managers))
        } else {
            let managers = live.as_ref().map_or_else(Managers::default, |(_, m)| m.clone());
            // The recording's live object has no uid, so it is tracked like a create.
            let updated = manager.record(live.as_ref().map(|l| &l.0), object, managers, by);
            Ok((object.clone(), updated.unwrap()))
        };
        match result {
            Ok((mut object, mut managers)) => {
                // Where managedFields go, metadata is made.
                object.entry("metadata").or_insert_with(|| json!({}));
                let mut fields = managers.encode(None).unwrap_or_else(|| json!([]));
                for f in fields.as_array_mut().unwrap() {
                    let f = f.as_object_mut().unwrap();
                    f.shift_remove("time");
                    f.shift_remove("fieldsType");
                }
                let fields = fields.as_array_mut().unwrap();
                fields.sort_by_key(|f| (f["operation"].to_string(), f["manager"].to_string()));
                out.push(json!({"object": object, "managedFields": fields}));
                live = Some((object, managers));
            }
            Err(error) => {
                let mut answer = json!({"error": error.to_string()});
                if let ApplyError::Conflict(conflicts) = &error {
                    let mut causes: Vec<Value> = conflicts
                        .iter()
                        .map(|c| {
                            json!({"field": c.field(), "reason": "FieldManagerConflict",
                            "message": format!("conflict with {}", c.manager.describe())})
                        })
                        .collect();
                    causes.sort_by_key(|c| (c["field"].to_string(), c["message"].to_string()));
                    answer["conflicts"] = Value::Array(causes);
                }
                out.push(answer);
            }
        }
    }
    out
}

#[test]
fn every_row_of_smd() {
    let Some(rows) = corpus("smd.jsonl") else { return };
    let mut failed = 0;
    for (i, row) in rows.iter().enumerate() {
        let mut got = run(row["steps"].as_array().unwrap(), row["schema"] == "deduced");
        for (got, want) in got.iter_mut().zip(row["out"].as_array().unwrap()) {
            // The order of the managers in the message is not significant.
            if want["conflicts"].as_array().is_some_and(|c| c.len() > 1) && got.get("error").is_some() {
                got["error"] = want["error"].clone();
            }
        }
        if Value::Array(got.clone()) != row["out"] {
            failed += 1;
            if failed <= 5 {
                eprintln!("row {i}: {}\n want {}\n got  {}", row["steps"], row["out"], Value::Array(got));
            }
        }
    }
    assert_eq!((rows.len(), failed), (255, 0), "rows and failures");
}
