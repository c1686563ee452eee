//! The state at any time, from the journal alone.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Entry, Line, Tampered};
use crate::artifact::Revision;
use crate::object::ObjectId;
use crate::plan::Action;
use crate::time::Timestamp;

/// What the journal says of one object at some time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// The pipeline that wrote it last.
    pub subject: String,
    /// The field manager that wrote it last.
    pub by: String,
    /// The revision that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// When it was made, as far as the journal knows.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// The fields that the journal has seen change and their values then; those of secrets are masked, a field that went
    /// is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Option<Value>>,
}

/// Every object that pipelines had in the cluster at a time, as the journal tells it. The journal is to be
/// [verified](super::verify) first: this takes its lines as they are.
///
/// # Errors
/// A line that is not one of a journal.
///
/// ```
/// use flux_core::audit::{Head, state_at};
/// use flux_core::Timestamp;
/// assert!(state_at("", Timestamp::from_unix_seconds(0))?.is_empty());
/// # Ok::<(), flux_core::audit::Tampered>(())
/// ```
pub fn state_at(journal: &str, time: Timestamp) -> Result<BTreeMap<ObjectId, Recorded>, Tampered> {
    let mut state = BTreeMap::new();
    for (i, line) in journal.lines().enumerate() {
        let line: Line = serde_json::from_str(line)
            .map_err(|error| Tampered { line: i as u64 + 1, problem: format!("not a journal line: {error}") })?;
        if line.entry.time <= time {
            take(&mut state, line.entry);
        }
    }
    Ok(state)
}

fn take(state: &mut BTreeMap<ObjectId, Recorded>, entry: Entry) {
    if entry.action == Action::Delete {
        state.remove(&entry.object);
        return;
    }
    if matches!(entry.action, Action::Create | Action::Recreate) {
        state.remove(&entry.object);
    }
    let fresh = Recorded {
        subject: String::new(),
        by: String::new(),
        revision: None,
        created: entry.time,
        changed: entry.time,
        fields: BTreeMap::new(),
    };
    let recorded = state.entry(entry.object).or_insert(fresh);
    recorded.subject = entry.subject;
    recorded.by = entry.by;
    recorded.revision = entry.revision;
    recorded.changed = entry.time;
    recorded.fields.extend(entry.fields.into_iter().map(|field| (field.path, field.after)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::tests::entry;
    use crate::audit::{AuditSink as _, MemoryJournal};

    #[test]
    fn the_state_at_every_moment_comes_from_the_journal() {
        let journal = MemoryJournal::default();
        let at = Timestamp::from_unix_seconds;
        let record = |seconds, name, action| {
            journal.record(&Entry { time: at(seconds), action, ..entry(name) }).unwrap();
        };
        record(1, "a", Action::Create);
        record(2, "b", Action::Create);
        record(3, "a", Action::Update);
        record(4, "a", Action::Delete);
        let text: Vec<String> = journal.lines().iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        let names = |seconds| -> Vec<String> {
            state_at(&text.join("\n"), at(seconds)).unwrap().into_keys().map(|id| id.name).collect()
        };
        assert_eq!([names(0), names(1), names(3), names(4)], [vec![], vec!["a"], vec!["a", "b"], vec!["b"]]);
        let state = state_at(&text.join("\n"), at(3)).unwrap();
        let a = &state[&ObjectId::new("", "ConfigMap", "default", "a")];
        assert_eq!((a.created, a.changed), (at(1), at(3)));
        assert_eq!(a.fields["data.x"], None);
        assert_eq!(state_at("nonsense", at(1)).unwrap_err().line, 1);
    }
}
