//! A chart as one render sees it: its dependencies switched, renamed and with their values imported.

use std::sync::Arc;

use flux_core::semver::{Constraint, Version};

use crate::helm::chart::{Chart, Dependency, ImportValues};
use crate::helm::template::{Entries, Map, MapKind, Str, Value};
use crate::helm::values::{Mode, coalesce_tables, coalesce_values, deep_copy, path_value, table};

/// A chart within one render.
#[derive(Clone)]
pub(crate) struct Instance<'a> {
    pub(crate) chart: &'a Chart,
    /// The chart's name, or its alias.
    pub(crate) name: String,
    pub(crate) values: Map,
    /// The dependencies that are on.
    pub(crate) dependencies: Vec<Instance<'a>>,
    /// What is known of them, under the names they have here.
    pub(crate) requirements: Vec<Dependency>,
}

impl<'a> Instance<'a> {
    /// The chart as it was read, everything on.
    pub(crate) fn new(chart: &'a Chart) -> Self {
        let values = match Value::from_values(chart.values()) {
            Value::Map(map) => map,
            _ => Map::new(MapKind::Any, Entries::new()),
        };
        Self {
            chart,
            name: chart.metadata().name.clone(),
            values,
            dependencies: chart.dependencies().iter().map(|chart: &Arc<Chart>| Self::new(chart)).collect(),
            requirements: chart.metadata().dependencies.clone(),
        }
    }

    /// Switches dependencies by conditions and tags, and imports values (`ProcessDependencies`).
    ///
    /// # Errors
    /// If a dependency's values are not a table.
    pub(crate) fn process_dependencies(&mut self, user: &Map) -> Result<(), String> {
        self.switch(user, "")?;
        self.import_values()
    }

    fn switch(&mut self, user: &Map, path: &str) -> Result<(), String> {
        if self.requirements.is_empty() {
            return Ok(());
        }
        let is_named = |child: &Self, requirement: &Dependency| {
            child.name == requirement.name && is_compatible(&requirement.version, &child.chart.metadata().version)
        };
        let mut children: Vec<Self> = self
            .dependencies
            .iter()
            .filter(|child| !self.requirements.iter().any(|requirement| is_named(child, requirement)))
            .cloned()
            .collect();
        for requirement in &self.requirements {
            if let Some(child) = self.dependencies.iter().find(|child| is_named(child, requirement)) {
                let mut child = child.clone();
                requirement.key().clone_into(&mut child.name);
                children.push(child);
            }
        }
        for requirement in &mut self.requirements {
            if !requirement.alias.is_empty() {
                requirement.name.clone_from(&requirement.alias);
            }
        }
        self.dependencies = children;
        let values = coalesce_values(self, user, Mode::Coalesce)?;
        let off: Vec<String> = self
            .requirements
            .iter()
            .filter(|requirement| !is_on(requirement, &values, path))
            .map(|requirement| requirement.name.clone())
            .collect();
        self.dependencies.retain(|child| !off.contains(&child.name));
        self.requirements.retain(|requirement| !off.contains(&requirement.name));
        for child in &mut self.dependencies {
            let path = format!("{path}{}.", child.name);
            child.switch(&values, &path)?;
        }
        Ok(())
    }

    fn import_values(&mut self) -> Result<(), String> {
        for child in &mut self.dependencies {
            child.import_values()?;
        }
        if self.chart.metadata().dependencies.is_empty() {
            return Ok(());
        }
        let values = coalesce_values(self, &Map::new(MapKind::Any, Entries::new()), Mode::Merge)?;
        let imported = Map::new(MapKind::Any, Entries::new());
        for requirement in &self.requirements {
            for import in &requirement.import_values {
                let (child, parent) = match import {
                    ImportValues::Exports(name) => (format!("exports.{name}"), "."),
                    ImportValues::Path { child, parent } => (child.clone(), parent.as_str()),
                };
                let Some(mut found) = table(&values, &format!("{}.{child}", requirement.name)) else { continue };
                if parent != "." {
                    for key in parent.rsplit('.') {
                        found = Map::new(MapKind::Any, Entries::from([(Str::from(key), Value::Map(found))]));
                    }
                }
                coalesce_tables(&imported, &found, Mode::Merge);
            }
        }
        let own = deep_copy(&values);
        coalesce_tables(&own, &imported, Mode::Merge);
        self.values = own;
        Ok(())
    }
}

fn is_compatible(range: &str, version: &str) -> bool {
    match (Constraint::parse(range), Version::parse(version)) {
        (Ok(range), Ok(version)) => range.matches(&version),
        _ => false,
    }
}

/// Conditions win over tags; without either a dependency is on.
fn is_on(requirement: &Dependency, values: &Map, path: &str) -> bool {
    for condition in requirement.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
        if let Some(Value::Bool(on)) = path_value(values, &format!("{path}{condition}")) {
            return on;
        }
    }
    let Some(tags) = table(values, "tags") else { return true };
    let set: Vec<bool> = requirement
        .tags
        .iter()
        .filter_map(|tag| match tags.get(tag.as_bytes()) {
            Some(Value::Bool(on)) => Some(on),
            _ => None,
        })
        .collect();
    set.is_empty() || set.contains(&true)
}
