//! Templates parsed together, ready to be shared between renders.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::ast::Template;
use super::error::ParseError;
use super::function::Functions;
use super::parse::parse;
use super::text::Str;

/// A set of named templates. Immutable once built, so renders share it.
#[derive(Debug, Default)]
pub(crate) struct TemplateSet {
    templates: HashMap<Str, Arc<Template>>,
}

impl TemplateSet {
    /// Parses a text and adds what it defines. A later definition replaces an earlier one, unless it is blank.
    pub(crate) fn add(&mut self, name: &str, text: &str, functions: &dyn Functions) -> Result<(), ParseError> {
        for template in parse(name, &Bytes::copy_from_slice(text.as_bytes()), functions)? {
            if template.is_blank() && self.templates.contains_key(&template.name) {
                continue;
            }
            self.templates.insert(template.name.clone(), Arc::new(template));
        }
        Ok(())
    }

    pub(crate) fn get(&self, name: &Str) -> Option<Arc<Template>> {
        self.templates.get(name).cloned()
    }
}

/// One text's templates, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Parsed(Arc<Vec<Arc<Template>>>);

impl Parsed {
    pub(crate) fn new(templates: Vec<Template>) -> Self {
        Self(Arc::new(templates.into_iter().map(Arc::new).collect()))
    }
}

impl TemplateSet {
    /// Adds templates that are parsed already.
    pub(crate) fn add_parsed(&mut self, parsed: &Parsed) {
        for template in parsed.0.iter() {
            if !template.is_blank() || !self.templates.contains_key(&template.name) {
                self.templates.insert(template.name.clone(), Arc::clone(template));
            }
        }
    }
}
