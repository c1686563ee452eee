//! The values of a chart: the values file and `valuesInline` made into one.

use bytes::Bytes;
use flux_core::yaml::{self, Layout, Node};
use serde_json::Value;

use super::{Found, Inflation, ValuesMerge};
use crate::kustomize::error::Cause;
use crate::kustomize::{json, load, merge};

/// The first values file that Helm gets.
pub(super) fn first(inflation: &Inflation<'_>, found: &Found, mode: ValuesMerge) -> Result<Bytes, Cause> {
    let inline = inflation.chart.values_inline.as_ref().filter(|values| !values.is_empty());
    let Some(inline) = inline else { return file(inflation, found) };
    let inline = Value::Object(inline.clone());
    let values = match mode {
        ValuesMerge::Replace => inline,
        ValuesMerge::Override => merged(inflation, from_file(inflation, found)?, json::from_value(inline))?,
        ValuesMerge::Merge => merged(inflation, json::from_value(inline), from_file(inflation, found)?)?,
    };
    Ok(Bytes::from(yaml::write(&values, Layout::Sigs)))
}

/// The values file as it is. The chart's own is read past the kustomization's bounds only where the chart lies there.
fn file(inflation: &Inflation<'_>, found: &Found) -> Result<Bytes, Cause> {
    let named = &inflation.chart.values_file;
    if !named.is_empty() {
        return inflation.loader.load(named);
    }
    let path = format!("{}/values.yaml", found.dir);
    if inflation.loader.holds(&found.tree) {
        return inflation.loader.load(&format!("/{path}"));
    }
    found.tree.read(&path).map_err(|_| Cause::NotFound { path })
}

fn from_file(inflation: &Inflation<'_>, found: &Found) -> Result<Node, Cause> {
    let text = file(inflation, found)?;
    let node = yaml::read_first_node(&text, inflation.options.limits.yaml)?;
    let mut node = node.ok_or_else(|| inflation.fail("the values file is empty"))?;
    load::settle(&mut node, 0)?;
    Ok(node)
}

/// Two sets of values, the second over the first.
fn merged(inflation: &Inflation<'_>, under: Node, over: Node) -> Result<Value, Cause> {
    match merge::merge(under, over, inflation.schema)? {
        Some(node) => json::to_value(&node),
        None => Ok(Value::Null),
    }
}
