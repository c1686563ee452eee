//! `metadata.managedFields`: who owns which fields.

use std::sync::Arc;

use serde_json::{Map as JsonMap, Value, json};

use super::encode;
use super::set::FieldSet;

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// Who a manager is. Appliers are the same whatever version they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManagerId {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

impl ManagerId {
    pub(crate) fn same(&self, other: &ManagerId) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As a conflict names it.
    pub(crate) fn describe(&self) -> String {
        let mut s = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            s.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            s.push_str(&format!(" using {}", self.api_version));
        }
        s
    }

    /// The order in which conflicts list managers.
    pub(crate) fn sort_key(&self) -> String {
        let version = if self.operation == Operation::Apply { "" } else { &self.api_version };
        let mut out = JsonMap::new();
        out.insert("manager".into(), json!(self.name));
        out.insert("operation".into(), json!(self.operation.as_str()));
        if !version.is_empty() {
            out.insert("apiVersion".into(), json!(version));
        }
        if !self.subresource.is_empty() {
            out.insert("subresource".into(), json!(self.subresource));
        }
        Value::Object(out).to_string()
    }
}

/// One entry of `managedFields`.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    pub(crate) id: ManagerId,
    /// RFC 3339, to the second.
    pub(crate) time: Option<Arc<str>>,
    pub(crate) fields: Arc<FieldSet>,
}

/// All entries of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Managers(pub(crate) Vec<Manager>);

impl Managers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn position(&self, id: &ManagerId) -> Option<usize> {
        self.0.iter().position(|m| m.id.same(id))
    }

    pub(crate) fn get(&self, id: &ManagerId) -> Option<&Manager> {
        self.0.iter().find(|m| m.id.same(id))
    }

    /// Sets what a manager owns; owning nothing removes it.
    pub(crate) fn set(&mut self, id: ManagerId, fields: Arc<FieldSet>) {
        match self.position(&id) {
            Some(i) if fields.is_empty() => {
                self.0.remove(i);
            }
            Some(i) => {
                if let Some(m) = self.0.get_mut(i) {
                    m.id = id;
                    m.fields = fields;
                }
            }
            None if fields.is_empty() => {}
            None => self.0.push(Manager { id, time: None, fields }),
        }
    }

    pub(crate) fn touch(&mut self, id: &ManagerId, now: &Arc<str>) {
        if let Some(m) = self.0.iter_mut().find(|m| m.id.same(id)) {
            m.time = Some(now.clone());
        }
    }

    /// Reads `metadata.managedFields`.
    ///
    /// # Errors
    /// An entry that is no managed fields entry.
    pub(crate) fn decode(entries: Option<&Value>) -> Result<Managers, String> {
        let mut out = Managers::default();
        let Some(Value::Array(entries)) = entries else { return Ok(out) };
        for entry in entries {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("");
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                other => return Err(format!("operation is `{other}`")),
            };
            if !matches!(text("fieldsType"), "FieldsV1") {
                return Err(format!("fieldsType is `{}`", text("fieldsType")));
            }
            let id = ManagerId {
                name: text("manager").to_owned(),
                operation,
                api_version: text("apiVersion").to_owned(),
                subresource: text("subresource").to_owned(),
            };
            let fields = entry.get("fieldsV1").map(encode::decode).unwrap_or_default();
            let time = entry.get("time").and_then(Value::as_str).map(Arc::from);
            out.0.push(Manager { id, time, fields: Arc::new(fields) });
        }
        Ok(out)
    }

    /// Writes `metadata.managedFields`, in the order of the real server. `old` lends what it has encoded already.
    pub(crate) fn encode(&mut self, old: Option<(&Managers, &Value)>) -> Option<Value> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_by(|a, b| {
            let key = |m: &Manager| (m.id.operation, m.time.clone(), m.id.name.clone());
            key(a)
                .cmp(&key(b))
                .then_with(|| (&a.id.api_version, &a.id.subresource).cmp(&(&b.id.api_version, &b.id.subresource)))
        });
        let known = |fields: &Arc<FieldSet>| {
            let (managers, encoded) = old?;
            let at = managers.0.iter().position(|m| Arc::ptr_eq(&m.fields, fields))?;
            encoded.as_array()?.get(at)?.get("fieldsV1").cloned()
        };
        let entries = self.0.iter().map(|m| {
            let mut e = JsonMap::with_capacity(7);
            e.insert("apiVersion".into(), m.id.api_version.clone().into());
            e.insert("fieldsType".into(), "FieldsV1".into());
            e.insert("fieldsV1".into(), known(&m.fields).unwrap_or_else(|| encode::encode(&m.fields)));
            e.insert("manager".into(), m.id.name.clone().into());
            e.insert("operation".into(), m.id.operation.as_str().into());
            if !m.id.subresource.is_empty() {
                e.insert("subresource".into(), m.id.subresource.clone().into());
            }
            if let Some(time) = &m.time {
                e.insert("time".into(), Value::from(&**time));
            }
            Value::Object(e)
        });
        Some(Value::Array(entries.collect()))
    }
}
