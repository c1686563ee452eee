//! The order in which objects are written.

use std::cmp::Ordering;

use crate::kustomize::config::sort_text;
use crate::kustomize::error::Cause;
use crate::kustomize::id::{Gvk, Id};
use crate::kustomize::kinds::{FIRST, LAST, order};
use crate::kustomize::kustomization::SortOptions;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::schema::Schema;

/// Sorts as a kustomization says.
pub(in crate::kustomize) fn sort(list: &mut ResMap, options: &SortOptions, schema: &Schema) -> Result<(), Cause> {
    match (options.order.as_str(), &options.legacy_sort_options) {
        ("fifo", None) => Ok(()),
        ("fifo", Some(_)) => Err(Cause::transform(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
        )),
        ("legacy", None) => {
            legacy(list, schema);
            Ok(())
        }
        ("legacy", Some(kinds)) => {
            by_kinds(list, &kinds.order_first, &kinds.order_last, schema);
            Ok(())
        }
        _ => Err(Cause::transform("the field 'sortOptions.order' must be one of [fifo, legacy]")),
    }
}

/// Sorts by kustomize's own order.
pub(in crate::kustomize) fn legacy(list: &mut ResMap, schema: &Schema) {
    by_kinds(list, FIRST, LAST, schema);
}

fn by_kinds<S: AsRef<str>>(list: &mut ResMap, first: &[S], last: &[S], schema: &Schema) {
    list.list_mut().sort_by_cached_key(|resource| {
        let id = resource.current_id(schema);
        Place { kind: order(&id.gvk.kind, first, last), gvk: sort_text(&id.gvk), id: id_text(&id), of: id.gvk }
    });
}

/// What objects are sorted by.
#[derive(PartialEq, Eq)]
struct Place {
    kind: i64,
    gvk: String,
    id: String,
    of: Gvk,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.of == other.of {
            return self.id.cmp(&other.id);
        }
        let by_gvk = || {
            let namespaces = self.of.kind == "Namespace" && other.of.kind == "Namespace";
            // Namespaces of the core group come before those of other groups.
            if namespaces && (self.of.group.is_empty() || other.of.group.is_empty()) {
                other.gvk.cmp(&self.gvk)
            } else {
                self.gvk.cmp(&other.gvk)
            }
        };
        self.kind.cmp(&other.kind).then_with(by_gvk)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn id_text(id: &Id) -> String {
    let namespace = if id.namespace.is_empty() { "~X" } else { &id.namespace };
    let name = if id.name.is_empty() { "~N" } else { &id.name };
    format!("{}|{namespace}|{name}", id.gvk)
}
