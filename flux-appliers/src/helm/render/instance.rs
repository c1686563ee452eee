//! A chart as one render sees it: its dependencies switched, renamed and with their values imported.

use std::sync::Arc;

use flux_core::semver::{Constraint, Version};

use crate::helm::chart::{Chart, Dependency, ImportValues};
use crate::helm::template::gofmt::quote;
use crate::helm::template::{Entries, Map, MapKind, Str, Value};
use crate::helm::values::{Mode, coalesce_tables, coalesce_values, deep_copy, path_value, table};
use crate::helm::warning::{Level, Warning};

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
    pub(crate) fn process_dependencies(&mut self, user: &Map, warnings: &mut Vec<Warning>) -> Result<(), String> {
        self.switch(user, "", warnings)?;
        self.import_values(warnings)
    }

    fn switch(&mut self, user: &Map, path: &str, warnings: &mut Vec<Warning>) -> Result<(), String> {
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
        let values = coalesce_values(self, user, Mode::Coalesce, warnings)?;
        let by_tags: Vec<bool> =
            self.requirements.iter().map(|requirement| tagged(requirement, &values, warnings)).collect();
        let off: Vec<String> = self
            .requirements
            .iter()
            .zip(by_tags)
            .filter(|(requirement, by_tags)| !conditional(requirement, &values, path, warnings).unwrap_or(*by_tags))
            .map(|(requirement, _)| requirement.name.clone())
            .collect();
        self.dependencies.retain(|child| !off.contains(&child.name));
        self.requirements.retain(|requirement| !off.contains(&requirement.name));
        for child in &mut self.dependencies {
            let path = format!("{path}{}.", child.name);
            child.switch(&values, &path, warnings)?;
        }
        Ok(())
    }

    fn import_values(&mut self, warnings: &mut Vec<Warning>) -> Result<(), String> {
        for child in &mut self.dependencies {
            child.import_values(warnings)?;
        }
        if self.requirements.is_empty() {
            return Ok(());
        }
        let values = coalesce_values(self, &Map::new(MapKind::Any, Entries::new()), Mode::Merge, warnings)?;
        let imported = Map::new(MapKind::Any, Entries::new());
        for requirement in &self.requirements {
            for import in &requirement.import_values {
                let (child, parent) = match import {
                    ImportValues::Exports(name) => (format!("exports.{name}"), "."),
                    ImportValues::Path { child, parent } => (child.clone(), parent.as_str()),
                };
                let found = table(&values, &format!("{}.{child}", requirement.name));
                let mut found = match (found, import) {
                    (Ok(found), _) => found,
                    (Err(missing), ImportValues::Exports(_)) => {
                        let warning = Warning::new(Level::Warn, "ImportValues missing table");
                        warnings.push(warning.with("error", no_table(&missing)));
                        continue;
                    }
                    (Err(missing), ImportValues::Path { .. }) => {
                        let warning = Warning::new(Level::Warn, "ImportValues missing table from chart");
                        let warning = warning.with("chart", requirement.name.as_str());
                        warnings.push(warning.with("error", no_table(&missing)));
                        continue;
                    }
                };
                if parent != "." {
                    for key in parent.rsplit('.') {
                        found = Map::new(MapKind::Any, Entries::from([(Str::from(key), Value::Map(found))]));
                    }
                }
                coalesce_tables(&imported, &found, Mode::Merge, warnings);
            }
        }
        let own = deep_copy(&values);
        coalesce_tables(&own, &imported, Mode::Merge, warnings);
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

fn no_table(name: &str) -> String {
    format!("{} is not a table", quote(name.as_bytes()))
}

/// What the first condition that is a boolean says.
fn conditional(requirement: &Dependency, values: &Map, path: &str, warnings: &mut Vec<Warning>) -> Option<bool> {
    for condition in requirement.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
        match path_value(values, &format!("{path}{condition}")) {
            Some(Value::Bool(on)) => return Some(on),
            Some(_) => warnings.push(not_a_bool("path", condition, requirement)),
            None => {}
        }
    }
    None
}

/// What the tags say: on, unless some are false and none is true.
fn tagged(requirement: &Dependency, values: &Map, warnings: &mut Vec<Warning>) -> bool {
    let Ok(tags) = table(values, "tags") else { return true };
    let mut set = Vec::new();
    for tag in &requirement.tags {
        match tags.get(tag.as_bytes()) {
            Some(Value::Bool(on)) => set.push(on),
            Some(_) => warnings.push(not_a_bool("tag", tag, requirement)),
            None => {}
        }
    }
    set.is_empty() || set.contains(&true)
}

fn not_a_bool(what: &'static str, name: &str, requirement: &Dependency) -> Warning {
    Warning::new(Level::Warn, "returned non-bool value").with(what, name).with("chart", requirement.name.as_str())
}
