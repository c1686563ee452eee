//! Which objects a patch or a replacement is for.

use flux_core::re2::Pattern;

use super::error::{BuildError, Cause};
use super::id::{Gvk, Id, split_api_version};
use super::kustomization::Selector;
use super::resmap::ResMap;
use super::resource::Resource;
use super::schema::Schema;

/// A compiled selector: every part that is given must match as a whole.
#[derive(Debug)]
pub(super) struct Matcher {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
    labels: LabelSelector,
    annotations: LabelSelector,
}

fn anchored(pattern: &str) -> Result<Option<Pattern>, Cause> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let compiled = Pattern::compile(format!("^(?:{pattern})$"));
    compiled.map(Some).map_err(|error| Cause::Selector { selector: pattern.to_owned(), message: error.to_string() })
}

fn matches(regex: &Option<Pattern>, text: &str) -> bool {
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}

impl Matcher {
    pub(super) fn new(selector: &Selector) -> Result<Self, Cause> {
        Ok(Self {
            group: anchored(&selector.group)?,
            version: anchored(&selector.version)?,
            kind: anchored(&selector.kind)?,
            name: anchored(&selector.name)?,
            namespace: anchored(&selector.namespace)?,
            labels: LabelSelector::parse(&selector.label_selector)?,
            annotations: LabelSelector::parse(&selector.annotation_selector)?,
        })
    }

    pub(super) fn matches_gvk(&self, gvk: &Gvk) -> bool {
        matches(&self.kind, &gvk.kind) && matches(&self.group, &gvk.group) && matches(&self.version, &gvk.version)
    }

    /// Matches one identity; the namespace as it is written.
    pub(super) fn matches_id(&self, id: &Id) -> bool {
        self.matches_gvk(&id.gvk) && matches(&self.name, &id.name) && matches(&self.namespace, &id.namespace)
    }

    pub(super) fn matches_labels(&self, resource: &Resource) -> bool {
        self.annotations.matches(|key| resource.annotation(key))
            && (self.labels.is_empty() || {
                let labels = resource.labels();
                self.labels.matches(|key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
            })
    }

    /// True where labels or annotations are selected by.
    pub(super) fn has_labels(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    /// Matches an object by its present and its original name and namespace.
    fn matches(&self, resource: &Resource, schema: &Schema) -> bool {
        let (group, version) = split_api_version(resource.api_version());
        if !matches(&self.kind, resource.kind()) || !matches(&self.group, group) || !matches(&self.version, version) {
            return false;
        }
        let (now, before) = (resource.current_id(schema), resource.original_id(schema));
        let by = |regex: &Option<Pattern>, text: fn(&Id) -> &str| {
            matches(regex, text(&before)) || matches(regex, text(&now))
        };
        by(&self.namespace, Id::effective_namespace) && by(&self.name, |id| &id.name) && self.matches_labels(resource)
    }
}

/// Selects objects as the targets of patches do: what is given must match as a whole, labels and annotations by their own
/// language.
#[derive(Debug)]
pub struct ObjectSelector(Matcher);

impl ObjectSelector {
    /// A compiled selector.
    ///
    /// # Errors
    /// An expression that cannot be read.
    pub fn new(selector: &super::FluxSelector) -> Result<Self, BuildError> {
        let selector = selector.clone();
        Ok(Self(Matcher::new(&Selector {
            group: selector.group,
            version: selector.version,
            kind: selector.kind,
            name: selector.name,
            namespace: selector.namespace,
            label_selector: selector.label_selector,
            annotation_selector: selector.annotation_selector,
        })?))
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &flux_core::Object) -> bool {
        let (group, version) = split_api_version(object.api_version());
        let Self(matcher) = self;
        matches(&matcher.kind, object.kind())
            && matches(&matcher.group, group)
            && matches(&matcher.version, version)
            && matches(&matcher.name, object.name())
            && matches(&matcher.namespace, object.namespace().unwrap_or_default())
            && matcher.labels.matches(|key| object.label(key))
            && matcher.annotations.matches(|key| object.annotation(key))
    }
}

/// The places of the objects that a selector selects.
pub(super) fn select(list: &ResMap, selector: &Selector, schema: &Schema) -> Result<Vec<usize>, BuildError> {
    let matcher = Matcher::new(selector)?;
    let all = list.iter().enumerate();
    Ok(all.filter(|(_, resource)| matcher.matches(resource, schema)).map(|(i, _)| i).collect())
}

/// A label selector in its text form: `a=b,c in (d,e),!f`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LabelSelector(Vec<(String, Requirement)>);

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn parse(text: &str) -> Result<Self, Cause> {
        let fail = |message: &str| Cause::Selector { selector: text.to_owned(), message: message.to_owned() };
        let mut requirements = Vec::new();
        let mut tokens = Tokens { rest: text };
        if tokens.peek().is_empty() {
            return Ok(Self(requirements));
        }
        loop {
            let absent = tokens.take("!");
            let key = tokens.word();
            if !is_key(key) {
                return Err(fail(&format!("'{key}' is not a valid label key")));
            }
            let requirement = match tokens.peek() {
                "" | "," if absent => Requirement::Absent,
                "" | "," => Requirement::Exists,
                _ if absent => return Err(fail("expected ',' or the end after '!key'")),
                _ => tokens.requirement().map_err(|message| fail(&message))?,
            };
            requirements.push((key.to_owned(), requirement));
            if tokens.peek().is_empty() {
                return Ok(Self(requirements));
            }
            if !tokens.take(",") {
                return Err(fail(&format!("expected ',' before '{}'", tokens.rest.trim())));
            }
        }
    }

    pub(super) fn matches<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.0.iter().all(|(key, requirement)| {
            let value = value(key);
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match requirement {
                Requirement::In(list) => value.is_some_and(|value| list.iter().any(|one| one == value)),
                Requirement::NotIn(list) => value.is_none_or(|value| list.iter().all(|one| one != value)),
                Requirement::Exists => value.is_some(),
                Requirement::Absent => value.is_none(),
                Requirement::Greater(than) => number().is_some_and(|number| number > *than),
                Requirement::Less(than) => number().is_some_and(|number| number < *than),
            }
        })
    }
}

struct Tokens<'t> {
    rest: &'t str,
}

impl<'t> Tokens<'t> {
    /// The next token, without taking it: an operator or a word.
    fn peek(&self) -> &'t str {
        let rest = self.rest.trim_start();
        for operator in ["==", "!=", "=", ",", "(", ")", ">", "<", "!"] {
            if rest.starts_with(operator) {
                return rest.get(..operator.len()).unwrap_or_default();
            }
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn advance(&mut self, token: &str) {
        self.rest = self.rest.trim_start().get(token.len()..).unwrap_or_default();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance(token);
        }
        found
    }

    /// The next word; empty where an operator follows.
    fn word(&mut self) -> &'t str {
        let token = self.peek();
        if token.starts_with(|c: char| "=!,()<>".contains(c)) {
            return "";
        }
        self.advance(token);
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let operator = self.peek();
        self.advance(operator);
        match operator {
            "=" | "==" => Ok(Requirement::In(vec![self.value()?])),
            "!=" => Ok(Requirement::NotIn(vec![self.value()?])),
            "in" => self.list().map(Requirement::In),
            "notin" => self.list().map(Requirement::NotIn),
            ">" | "<" => {
                let value = self.value()?;
                let number = value.parse().map_err(|_| format!("'{value}' is not an integer"))?;
                Ok(if operator == ">" { Requirement::Greater(number) } else { Requirement::Less(number) })
            }
            other => Err(format!("unknown operator '{other}'")),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        let value = self.word();
        if is_value(value) { Ok(value.to_owned()) } else { Err(format!("'{value}' is not a valid label value")) }
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        if !self.take("(") {
            return Err("expected '('".into());
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err("expected ',' or ')'".into());
            }
        }
    }
}

/// A qualified name: `prefix/name`, the name of at most 63 characters.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    let name_fits = !name.is_empty() && is_value(name);
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    name_fits && prefix.chars().all(part) && !(key.contains('/') && prefix.is_empty())
}

fn is_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    value.len() <= 63
        && value.chars().all(inner)
        && value.chars().next().is_none_or(|c| c.is_ascii_alphanumeric())
        && value.chars().last().is_none_or(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector = LabelSelector::parse(selector).unwrap();
        selector.matches(|key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    #[test]
    fn label_selectors() {
        let labels = [("app", "web"), ("tier", "3")];
        for selector in ["app=web", "app==web, tier in (2,3)", "!gone", "app,tier>2", "x notin (y)", "x!=y", ""] {
            assert!(matches(selector, &labels), "{selector}");
        }
        for selector in ["app=x", "gone", "!app", "tier<3", "app notin (web)"] {
            assert!(!matches(selector, &labels), "{selector}");
        }
        for selector in ["=x", "a in b", "a=b c", "a=b,", "a/b/=c"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }
}
