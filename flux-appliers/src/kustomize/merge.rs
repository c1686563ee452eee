//! Strategic merge patches, as kustomize applies them.
//!
//! This is not the API server's algorithm: new list items go first, `$patch` is the only directive, and a list is
//! merged only where a schema says so.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use flux_core::yaml::{Content, Node};

use super::error::Cause;
use super::node::{self, field, field_text, is_null, text};
use super::schema::{NodeSchema, Schema};
use super::share;

/// Lists longer than this are merged only where every item has all keys, which takes linear time.
const LONGEST_ODD_LIST: usize = 5_000;

/// Merges a patch into an object; `None` where the patch deletes it.
pub(super) fn merge(object: Node, patch: Node, schema: &Schema) -> Result<Option<Node>, Cause> {
    let walker = Walker { schema };
    Ok(walker.walk(Some(object), Some(patch), None)?.into_node().filter(|node| !is_null(node)))
}

/// What came of one place.
enum Merged {
    /// Nothing: it goes.
    Cleared,
    /// The node that was there, changed.
    Kept(Node),
    /// The patch's node.
    Taken(Node),
    /// A null that stays although nulls are removed.
    KeptNull(Node),
}

impl Merged {
    fn into_node(self) -> Option<Node> {
        match self {
            Merged::Cleared => None,
            Merged::Kept(node) | Merged::Taken(node) | Merged::KeptNull(node) => Some(node),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

struct Walker<'s> {
    schema: &'s Schema,
}

fn missing(node: Option<&Node>) -> bool {
    node.is_none_or(is_null)
}

impl<'s> Walker<'s> {
    fn walk(&self, dest: Option<Node>, patch: Option<Node>, schema: Option<&NodeSchema<'s>>) -> Result<Merged, Cause> {
        let own;
        let schema = match schema {
            Some(schema) => Some(schema),
            None => {
                own = self.kind_schema(dest.as_ref()).or_else(|| self.kind_schema(patch.as_ref()));
                own.as_ref()
            }
        };
        let first = [dest.as_ref(), patch.as_ref()].into_iter().find(|node| !missing(*node)).flatten();
        match first.map(|node| &node.content) {
            None | Some(Content::Mapping(_)) => {
                for node in [&dest, &patch].into_iter().flatten() {
                    node::expect_mapping(node)?;
                }
                self.map(dest, patch, schema)
            }
            Some(Content::Sequence(_)) => {
                for node in [&dest, &patch].into_iter().flatten() {
                    node::expect_sequence(node)?;
                }
                match schema.and_then(NodeSchema::merge_keys) {
                    Some(keys) => self.merged_list(dest, patch, &keys, schema),
                    None => Ok(replaced(dest, patch)),
                }
            }
            Some(Content::Scalar(_)) => {
                for node in [&dest, &patch].into_iter().flatten() {
                    node::expect_scalar(node)?;
                }
                Ok(replaced(dest, patch))
            }
        }
    }

    /// The schema of an object inside another.
    fn kind_schema(&self, node: Option<&Node>) -> Option<NodeSchema<'s>> {
        let node = node?;
        let (api_version, kind) = (field_text(node, "apiVersion"), field_text(node, "kind"));
        if api_version.is_empty() || kind.is_empty() { None } else { self.schema.of_kind(api_version, kind) }
    }

    fn map(&self, dest: Option<Node>, patch: Option<Node>, schema: Option<&NodeSchema<'s>>) -> Result<Merged, Cause> {
        let Some(dest) = dest.filter(|dest| !is_null(dest) || patch.is_none()) else {
            let Some(mut patch) = patch else { return Ok(Merged::Cleared) };
            if is_null(&patch) {
                return Ok(Merged::Cleared);
            }
            // A directive that is not known goes unnoticed here.
            if matches!(directive(&mut patch), Ok(Directive::Delete)) {
                return Ok(Merged::Cleared);
            }
            return Ok(Merged::Taken(self.with_itself(patch, schema)?));
        };
        let Some(mut patch) = patch else {
            if is_null(&dest) {
                return Ok(if text(&dest).is_empty() { Merged::Cleared } else { Merged::KeptNull(dest) });
            }
            return Ok(Merged::Kept(self.fields(dest, None, schema)?));
        };
        if is_null(&patch) {
            return Ok(Merged::Cleared);
        }
        match directive(&mut patch)? {
            Directive::Delete => Ok(Merged::Cleared),
            Directive::Replace => Ok(Merged::Taken(self.with_itself(patch, schema)?)),
            Directive::Merge => Ok(Merged::Kept(self.fields(dest, Some(patch), schema)?)),
        }
    }

    /// Merges the fields of two mappings.
    fn fields(&self, mut dest: Node, patch: Option<Node>, schema: Option<&NodeSchema<'s>>) -> Result<Node, Cause> {
        let mut patches: Vec<(Node, Option<Node>)> = match patch.map(|patch| patch.content) {
            Some(Content::Mapping(entries)) => entries.into_iter().map(|(key, value)| (key, Some(value))).collect(),
            _ => Vec::new(),
        };
        let places: HashMap<String, usize> =
            patches.iter().enumerate().rev().map(|(i, (key, _))| (text(key).to_owned(), i)).collect();
        let Content::Mapping(entries) = &mut dest.content else { return Ok(dest) };
        let mut merged = Vec::with_capacity(entries.len() + patches.len());
        let mut seen: HashSet<String> = HashSet::with_capacity(entries.len());
        for (key, value) in std::mem::take(entries) {
            if !seen.insert(text(&key).to_owned()) {
                merged.push((key, value));
                continue;
            }
            let other = places.get(text(&key)).and_then(|i| patches.get_mut(*i)).and_then(|(_, value)| value.take());
            let schema = schema.and_then(|schema| schema.field(text(&key)));
            let (style_of, place) = (node::style_only(&value), (value.line, value.column));
            match self.walk(Some(value), other, schema.as_ref())? {
                Merged::Cleared => {}
                Merged::KeptNull(node) => merged.push((key, node)),
                // What stays is set onto itself, and keeps the quotes that it gets by that.
                Merged::Kept(node) => merged.extend(settled(node, None).map(|node| (key, node))),
                Merged::Taken(node) => merged.extend(settled(node, Some(style_of)).map(|mut node| {
                    share::keep_group(&mut node, place);
                    (key, node)
                })),
            }
        }
        for (key, value) in patches {
            let Some(value) = value else { continue };
            if !seen.insert(text(&key).to_owned()) {
                continue;
            }
            let schema = schema.and_then(|schema| schema.field(text(&key)));
            if let Some(node) = self.walk(None, Some(value), schema.as_ref())?.into_node()
                && let Some(node) = settled(node, None)
            {
                merged.push((key, node));
            }
        }
        *entries = merged;
        Ok(dest)
    }

    /// What is taken from a patch whole is still cleared of directives and nulls, and its lists of repeated items.
    fn with_itself(&self, node: Node, schema: Option<&NodeSchema<'s>>) -> Result<Node, Cause> {
        let Content::Mapping(entries) = node.content else { return Ok(node) };
        let mut kept = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let own;
            let mut schema = schema.and_then(|schema| schema.field(text(&key)));
            if schema.is_none() {
                own = self.kind_schema(Some(&value));
                schema = own;
            }
            if let Some(value) = self.itself(value, schema.as_ref())?
                && let Some(value) = settled(value, None)
            {
                kept.push((key, value));
            }
        }
        Ok(Node { content: Content::Mapping(kept), ..node })
    }

    fn itself(&self, mut node: Node, schema: Option<&NodeSchema<'s>>) -> Result<Option<Node>, Cause> {
        match &node.content {
            _ if is_null(&node) => Ok(None),
            Content::Scalar(_) => Ok(Some(node)),
            Content::Mapping(_) => match directive(&mut node)? {
                Directive::Delete => Ok(None),
                Directive::Merge | Directive::Replace => self.with_itself(node, schema).map(Some),
            },
            Content::Sequence(_) => match schema.and_then(NodeSchema::merge_keys) {
                None => Ok(Some(node)),
                Some(keys) => match directive(&mut node)? {
                    Directive::Delete => Ok(None),
                    Directive::Merge | Directive::Replace => self.list(node, None, true, &keys, schema),
                },
            },
        }
    }

    fn merged_list(
        &self,
        dest: Option<Node>,
        patch: Option<Node>,
        keys: &[Cow<'_, str>],
        schema: Option<&NodeSchema<'s>>,
    ) -> Result<Merged, Cause> {
        let Some(dest) = dest.filter(|dest| !is_null(dest)) else {
            let Some(patch) = patch else { return Ok(Merged::Cleared) };
            return Ok(self.list(patch, None, true, keys, schema)?.map_or(Merged::Cleared, Merged::Taken));
        };
        let Some(mut patch) = patch else {
            return Ok(self.list(dest, None, false, keys, schema)?.map_or(Merged::Cleared, Merged::Kept));
        };
        if is_null(&patch) {
            return Ok(Merged::Cleared);
        }
        let list = match directive(&mut patch)? {
            Directive::Delete => None,
            Directive::Replace => self.list(patch, None, true, keys, schema)?.map(Merged::Taken),
            Directive::Merge => self.list(dest, Some(patch), false, keys, schema)?.map(Merged::Kept),
        };
        Ok(list.unwrap_or(Merged::Cleared))
    }

    /// Merges the items of lists. `own` says that the list is merged with itself.
    fn list(
        &self,
        dest: Node,
        patch: Option<Node>,
        own: bool,
        keys: &[Cow<'_, str>],
        schema: Option<&NodeSchema<'s>>,
    ) -> Result<Option<Node>, Cause> {
        let item_schema = schema.and_then(NodeSchema::items);
        let (line, column) = (dest.line, dest.column);
        let take = |node: Node| match node.content {
            Content::Sequence(items) => items,
            _ => Vec::new(),
        };
        let dest = take(dest);
        let patch = patch.map(take);
        let merge = Lists { walker: self, keys, schema: item_schema.as_ref(), own };
        let items = merge.items(dest, patch.unwrap_or_default())?;
        Ok(Some(Node { content: Content::Sequence(items), line, column, flow: false }))
    }
}

/// The later of two nodes; a null of the patch clears.
fn replaced(dest: Option<Node>, patch: Option<Node>) -> Merged {
    match (dest, patch) {
        (_, Some(patch)) => Merged::Taken(patch),
        (Some(dest), None) => Merged::Kept(dest),
        (None, None) => Merged::Cleared,
    }
}

/// A node as it is when set as a field: nulls go, ambiguous strings are quoted, the style of what was there stays.
fn settled(node: Node, style: Option<flux_core::yaml::Style>) -> Option<Node> {
    if is_null(&node) {
        return None;
    }
    Some(node::with_style(node, style))
}

/// Reads and removes a patch's directive.
fn directive(patch: &mut Node) -> Result<Directive, Cause> {
    const KEY: &str = "$patch";
    let read = |value: &str| match value {
        "delete" => Ok(Directive::Delete),
        "replace" => Ok(Directive::Replace),
        "merge" => Ok(Directive::Merge),
        other => Err(Cause::transform(format!("unknown patch strategy '{other}'"))),
    };
    match &mut patch.content {
        Content::Mapping(entries) => {
            let Some((_, value)) = entries.iter().find(|(key, _)| text(key) == KEY) else {
                return Ok(Directive::Merge);
            };
            let directive = read(text(value))?;
            entries.retain(|(key, _)| text(key) != KEY);
            Ok(directive)
        }
        Content::Sequence(list) => {
            let Some(item) = list.iter().find(|item| field(item, KEY).is_some()) else { return Ok(Directive::Merge) };
            if node::entries(item).len() > 1 {
                return Ok(Directive::Merge);
            }
            let value = field_text(item, KEY).to_owned();
            let directive = read(&value)?;
            list.retain(|item| !node::is_empty_mapping(item) && field_text(item, KEY) != value);
            Ok(directive)
        }
        Content::Scalar(_) => Err(Cause::transform("no strategic merge patch strategy for a scalar")),
    }
}

/// The merge of two lists of one field.
struct Lists<'w, 's> {
    walker: &'w Walker<'s>,
    keys: &'w [Cow<'w, str>],
    schema: Option<&'w NodeSchema<'s>>,
    own: bool,
}

type Values = Vec<String>;

impl Lists<'_, '_> {
    fn items(&self, dest: Vec<Node>, patch: Vec<Node>) -> Result<Vec<Node>, Cause> {
        if self.keys.is_empty() {
            return self.scalars(dest, patch);
        }
        let keyed = dest.iter().chain(&patch).all(|item| self.values(item).iter().all(|value| !value.is_empty()));
        if keyed {
            return self.keyed(dest, patch);
        }
        if dest.len() + patch.len() > LONGEST_ODD_LIST {
            return Err(Cause::Limit { what: "items in a merged list whose items lack keys", limit: LONGEST_ODD_LIST });
        }
        self.odd(dest, patch)
    }

    /// The values of an item's keys; empty where it has none.
    fn values(&self, item: &Node) -> Values {
        self.keys.iter().map(|key| key_text(item, key).to_owned()).collect()
    }

    fn walk(&self, dest: Option<Node>, patch: Option<Node>) -> Result<Merged, Cause> {
        match (self.own, dest) {
            (true, Some(dest)) => {
                let merged = self.walker.itself(dest, self.schema)?;
                Ok(merged.map_or(Merged::Cleared, Merged::Kept))
            }
            (_, dest) => self.walker.walk(dest, patch, self.schema),
        }
    }

    /// Every item has every key: items are found by their keys.
    fn keyed(&self, dest: Vec<Node>, patch: Vec<Node>) -> Result<Vec<Node>, Cause> {
        let mut order: Vec<Values> = Vec::new();
        let mut seen: HashSet<Values> = HashSet::new();
        let mut places: HashMap<Values, Vec<usize>> = HashMap::new();
        let mut patches: HashMap<Values, Node> = HashMap::new();
        for item in patch {
            let values = self.values(&item);
            if seen.insert(values.clone()) {
                order.push(values.clone());
                patches.insert(values, item);
            }
        }
        let mut dest: Vec<Option<Node>> = dest.into_iter().map(Some).collect();
        for (i, item) in dest.iter().enumerate() {
            let Some(item) = item else { continue };
            let values = self.values(item);
            if seen.insert(values.clone()) {
                order.push(values.clone());
            }
            places.entry(values).or_default().push(i);
        }
        let mut taken: Vec<(Values, Option<Node>)> = Vec::with_capacity(order.len());
        for values in order {
            let found = places.get(&values).map(Vec::as_slice).unwrap_or_default();
            let first = found.first().and_then(|i| dest.get_mut(*i)).and_then(Option::take);
            let original = first.clone();
            let merged = self.walk(first, patches.remove(&values))?;
            let mut put = |node: Option<Node>| {
                if let Some(slot) = found.first().and_then(|i| dest.get_mut(*i)) {
                    *slot = node;
                }
            };
            match merged {
                Merged::Kept(node) if !node::is_empty_mapping(&node) => {
                    put(Some(node));
                    taken.push((values, None));
                }
                // The list still holds the item that was to be replaced, and it comes last.
                Merged::Taken(node) if !node::is_empty_mapping(&node) && !is_null(&node) => {
                    let is_new = found.is_empty();
                    put(original);
                    taken.push((values, is_new.then_some(node)));
                }
                _ => found.iter().for_each(|i| {
                    if let Some(slot) = dest.get_mut(*i) {
                        *slot = None;
                    }
                }),
            }
        }
        Ok(self.ordered(taken, dest, &places))
    }

    /// Lists with one key take the patch's order first; with several, the items that were there come after new ones.
    fn ordered(
        &self,
        taken: Vec<(Values, Option<Node>)>,
        mut dest: Vec<Option<Node>>,
        places: &HashMap<Values, Vec<usize>>,
    ) -> Vec<Node> {
        let mut result = Vec::with_capacity(taken.len());
        if self.keys.len() > 1 {
            result.extend(taken.into_iter().filter_map(|(_, node)| node));
            let mut last: BTreeMap<usize, Node> = BTreeMap::new();
            for found in places.values() {
                // Of repeated items the last one stays.
                let at = found.iter().rev().find(|i| dest.get(**i).is_some_and(Option::is_some));
                if let Some(node) = at.and_then(|i| dest.get_mut(*i)).and_then(Option::take)
                    && let Some(at) = at
                {
                    last.insert(*at, node);
                }
            }
            result.extend(last.into_values());
            return result;
        }
        for (values, node) in taken {
            let found = places.get(&values).map(Vec::as_slice).unwrap_or_default();
            let kept = found.iter().rev().find_map(|i| dest.get_mut(*i).and_then(Option::take));
            result.extend(kept.or(node));
        }
        result
    }

    /// Lists of scalars: the patch's first, then what it does not name.
    fn scalars(&self, dest: Vec<Node>, patch: Vec<Node>) -> Result<Vec<Node>, Cause> {
        let mut seen = HashSet::new();
        let mut result = Vec::with_capacity(dest.len() + patch.len());
        for item in patch.into_iter().chain(dest) {
            node::expect_scalar(&item)?;
            if !is_null(&item) && seen.insert(text(&item).to_owned()) {
                result.push(item);
            }
        }
        Ok(result)
    }

    /// Some item lacks a key: the slow way, step by step as kustomize does it.
    fn odd(&self, mut dest: Vec<Node>, mut patch: Vec<Node>) -> Result<Vec<Node>, Cause> {
        let mut all: Vec<Values> = Vec::new();
        for item in patch.iter().chain(&dest) {
            let values = self.values(item);
            if !all.contains(&values) {
                all.push(values);
            }
        }
        if self.keys.len() > 1 {
            unify(&mut all);
        }
        let mut added: Vec<Node> = Vec::new();
        let mut valid = Vec::new();
        for values in all.clone() {
            let (keys, wanted) = valid_keys(&all, &values, self.keys);
            let (own_keys, own_values) = valid_keys(std::slice::from_ref(&wanted), &wanted, &keys);
            let dest_at = position(&dest, &own_keys, &own_values);
            let patch_at = position(&patch, &own_keys, &own_values);
            let before = dest_at.and_then(|i| dest.get(i)).cloned();
            let other = patch_at.and_then(|i| patch.get_mut(i)).cloned();
            let merged = self.walk(before, other)?;
            let kept = matches!(merged, Merged::Kept(_));
            valid.clone_from(&keys);
            match merged.into_node().filter(|node| !is_null(node) && !node::is_empty_mapping(node)) {
                None => dest = set_item(dest, None, &keys, &wanted),
                Some(mut node) => {
                    for (key, value) in keys.iter().zip(&wanted) {
                        if field(&node, key).is_none() && !value.is_empty() {
                            node::set_field(&mut node, key, node::untagged(value.as_str()))?;
                        }
                    }
                    if kept && let Some(slot) = dest_at.and_then(|i| dest.get_mut(i)) {
                        slot.clone_from(&node);
                    }
                    added = set_item(added, Some(node), &keys, &wanted);
                }
            }
        }
        for item in dest {
            let mut values = Values::new();
            for key in &valid {
                node::expect_mapping(&item)?;
                match field(&item, key) {
                    None => added.push(item.clone()),
                    Some(value) => values.push(text(value).to_owned()),
                }
            }
            if valid.len() > 1 {
                added = set_item(added, None, &valid, &values);
            }
            added = set_item(added, Some(item), &valid, &values);
        }
        Ok(added)
    }
}

fn key_text<'n>(item: &'n Node, key: &str) -> &'n str {
    field(item, key).filter(|value| !node::is_empty(value)).map_or("", text)
}

/// Items that have one key in common and do not differ in another are the same.
fn unify(all: &mut [Values]) {
    for i in 0..all.len() {
        let Some(first) = all.get(i).cloned() else { return };
        for j in 0..all.len() {
            let Some(second) = all.get(j) else { return };
            if let Some(both) = unified(&first, second) {
                if let Some(slot) = all.get_mut(i) {
                    slot.clone_from(&both);
                }
                if let Some(slot) = all.get_mut(j) {
                    *slot = both;
                }
            }
        }
    }
}

fn unified(a: &Values, b: &Values) -> Option<Values> {
    if a.len() != b.len() {
        return None;
    }
    let mut common = false;
    let mut both = Values::with_capacity(a.len());
    for (a, b) in a.iter().zip(b) {
        if a == b {
            common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        both.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(both)
}

/// The keys that any item has a value for, all of them where none has, with the values of one item.
fn valid_keys<K: AsRef<str>>(all: &[Values], values: &Values, keys: &[K]) -> (Vec<String>, Values) {
    let has = |i: usize| all.iter().any(|values| values.get(i).is_some_and(|value| !value.is_empty()));
    let own = |key: &K| key.as_ref().to_owned();
    if !(0..keys.len()).any(has) {
        return (keys.iter().map(own).collect(), values.clone());
    }
    let valid: Vec<usize> = (0..keys.len()).filter(|i| has(*i)).collect();
    (
        valid.iter().filter_map(|i| keys.get(*i)).map(own).collect(),
        valid.iter().filter_map(|i| values.get(*i)).cloned().collect(),
    )
}

/// The first item that has all values.
fn position(items: &[Node], keys: &[String], values: &Values) -> Option<usize> {
    items.iter().position(|item| {
        matches!(item.content, Content::Mapping(_))
            && keys.iter().zip(values).all(|(key, value)| field(item, key).is_some_and(|found| text(found) == value))
    })
}

/// Puts an item in the place of those with the same values, or at the end; without one, removes them.
fn set_item(items: Vec<Node>, item: Option<Node>, keys: &[String], values: &Values) -> Vec<Node> {
    let mut result = Vec::with_capacity(items.len() + 1);
    let mut placed = false;
    let setter = keys.first().is_some_and(|key| !key.is_empty()) && values.first().is_some_and(|v| !v.is_empty());
    for old in items {
        if is_null(&old) || node::is_empty_mapping(&old) {
            continue;
        }
        if !matches!(old.content, Content::Mapping(_)) && setter {
            result.push(old);
            continue;
        }
        let mut last = false;
        let found = keys.iter().enumerate().all(|(i, key)| {
            if let Some(value) = values.get(i) {
                // An empty value matches whatever the field holds.
                last = field(&old, key).is_some_and(|found| value.is_empty() || text(found) == value);
            }
            last
        });
        if !found {
            if !values.is_empty() {
                result.push(old);
            }
            continue;
        }
        placed = true;
        result.extend(item.clone());
    }
    if !placed {
        result.extend(item);
    }
    result
}
