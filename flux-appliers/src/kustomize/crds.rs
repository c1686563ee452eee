//! Field specifications from OpenAPI definitions of custom resources (`crds`).

use flux_core::yaml::{self, Limits, ReadOptions};
use serde_json::Value;

use super::config::{Config, NameReference, merge_one};
use super::error::Cause;
use super::fieldspec::FieldSpec;
use super::id::Gvk;

/// Reads a file of definitions.
pub(super) fn read(text: &[u8], limits: Limits) -> Result<Config, Cause> {
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let value = yaml::read(text, &options)?;
    let mut config = Config::default();
    let Value::Object(definitions) = &value else { return Ok(config) };
    for (name, definition) in definitions {
        let Some(properties) = properties(definition) else { continue };
        if !["kind", "apiVersion", "metadata"].iter().all(|field| properties.contains_key(*field)) {
            continue;
        }
        let kind = name.rsplit('.').next().unwrap_or(name);
        let gvk = Gvk { kind: kind.into(), ..Gvk::default() };
        let mut reader = Reader { definitions, gvk, config: &mut config };
        reader.definition(definition, &mut Vec::new(), &mut vec![name.as_str()])?;
    }
    config.sort();
    Ok(config)
}

fn properties(definition: &Value) -> Option<&serde_json::Map<String, Value>> {
    let schema = definition.get("Schema").or_else(|| definition.get("schema"))?;
    schema.get("properties").and_then(Value::as_object)
}

struct Reader<'d> {
    definitions: &'d serde_json::Map<String, Value>,
    gvk: Gvk,
    config: &'d mut Config,
}

impl<'d> Reader<'d> {
    fn definition(
        &mut self,
        definition: &'d Value,
        path: &mut Vec<&'d str>,
        visited: &mut Vec<&'d str>,
    ) -> Result<(), Cause> {
        for (name, property) in properties(definition).into_iter().flatten() {
            path.push(name);
            self.property(property, path)?;
            let reference = property.get("$ref").and_then(Value::as_str);
            if let Some((reference, next)) = reference.and_then(|name| Some((name, self.definitions.get(name)?)))
                && !visited.contains(&reference)
            {
                visited.push(reference);
                self.definition(next, path, visited)?;
                visited.pop();
            }
            path.pop();
        }
        Ok(())
    }

    fn property(&mut self, property: &Value, path: &[&str]) -> Result<(), Cause> {
        let extension = |name: &str| {
            let found = property.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.as_str())
        };
        let spec = |more: Option<&str>| {
            let parts: Vec<&str> = path.iter().copied().chain(more).collect();
            FieldSpec::new(self.gvk.clone(), &parts.join("/"), false)
        };
        if extension("x-kubernetes-annotation").is_some() {
            merge_one(&mut self.config.common_annotations, &spec(None))?;
        }
        if extension("x-kubernetes-label-selector").is_some() {
            merge_one(&mut self.config.common_labels, &spec(None))?;
        }
        if extension("x-kubernetes-identity").is_some() {
            merge_one(&mut self.config.name_prefix, &spec(None))?;
        }
        let version = extension("x-kubernetes-object-ref-api-version");
        if let (Some(version), Some(kind)) = (version, extension("x-kubernetes-object-ref-kind")) {
            let name = extension("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let gvk = Gvk { group: "".into(), version: version.into(), kind: kind.into() };
            self.config.merge_reference(&NameReference { gvk, referrers: vec![spec(Some(name))] })?;
        }
        Ok(())
    }
}
