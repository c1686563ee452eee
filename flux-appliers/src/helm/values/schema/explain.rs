//! Finding what does not fit, in the order and the tree of Helm's validator.

use serde_json::{Map, Value as Json, json};

use super::fault::{Fault, all_quoted, count, english, quoted};
use super::{format, kind_of};

/// Schemas within schemas and references to references end here.
const MAX_DEPTH: usize = 200;

/// A version of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    D4,
    D6,
    D7,
    D2019,
    D2020,
}

impl Draft {
    /// The draft that a schema names, or the latest.
    pub(super) fn of(schema: &Json) -> Self {
        let name = schema.get("$schema").and_then(Json::as_str).unwrap_or_default();
        match name.trim_end_matches('#').rsplit_once("/draft").map(|(_, draft)| draft) {
            Some("-04/schema") => Self::D4,
            Some("-06/schema") => Self::D6,
            Some("-07/schema") => Self::D7,
            Some("/2019-09/schema") => Self::D2019,
            _ => Self::D2020,
        }
    }

    /// Whether `format` is more than a remark.
    pub(super) fn asserts_formats(self) -> bool {
        self < Self::D2019
    }

    /// The metaschema, and what it refers to.
    pub(super) fn documents(self) -> Vec<&'static Json> {
        use referencing::meta;
        match self {
            Self::D4 => vec![&meta::DRAFT4],
            Self::D6 => vec![&meta::DRAFT6],
            Self::D7 => vec![&meta::DRAFT7],
            Self::D2019 => vec![
                &meta::DRAFT201909,
                &meta::DRAFT201909_CORE,
                &meta::DRAFT201909_APPLICATOR,
                &meta::DRAFT201909_VALIDATION,
                &meta::DRAFT201909_META_DATA,
                &meta::DRAFT201909_FORMAT,
                &meta::DRAFT201909_CONTENT,
            ],
            Self::D2020 => vec![
                &meta::DRAFT202012,
                &meta::DRAFT202012_CORE,
                &meta::DRAFT202012_APPLICATOR,
                &meta::DRAFT202012_UNEVALUATED,
                &meta::DRAFT202012_VALIDATION,
                &meta::DRAFT202012_META_DATA,
                &meta::DRAFT202012_FORMAT_ANNOTATION,
                &meta::DRAFT202012_CONTENT,
            ],
        }
    }
}

/// The schema at a fragment of a document.
pub(super) fn resolve<'a>(root: &'a Json, fragment: &str) -> Option<&'a Json> {
    if fragment.is_empty() {
        return Some(root);
    }
    if fragment.starts_with('/') {
        return root.pointer(&percent_decoded(fragment));
    }
    let is_named = |json: &Json| {
        let name = |key: &str| json.get(key).and_then(Json::as_str);
        name("$anchor") == Some(fragment)
            || ["$id", "id"].iter().any(|key| name(key).and_then(|id| id.strip_prefix('#')) == Some(fragment))
    };
    find(root, &is_named)
}

fn find<'a>(json: &'a Json, wanted: &impl Fn(&Json) -> bool) -> Option<&'a Json> {
    if wanted(json) {
        return Some(json);
    }
    match json {
        Json::Object(fields) => fields.values().find_map(|inner| find(inner, wanted)),
        Json::Array(items) => items.iter().find_map(|inner| find(inner, wanted)),
        _ => None,
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 3).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *byte == b'%') {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether every `pattern` is a regular expression.
pub(super) fn patterns_are_valid(schema: &Json) -> bool {
    let is_broken = |json: &Json| json.get("pattern").and_then(Json::as_str).is_some_and(|text| !is_pattern(text));
    find(schema, &is_broken).is_none()
}

fn is_pattern(text: &str) -> bool {
    flux_core::re2::Pattern::compile(text).is_ok()
}

/// Something the walk does not know.
pub(super) struct Unknown;

type Found = Result<Option<Fault>, Unknown>;

/// A walk through a schema.
pub(super) struct Walk<'a> {
    root: &'a Json,
    draft: Draft,
    /// Other documents, which references may name.
    others: Vec<&'a Json>,
    is_meta: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: &'a Json, draft: Draft) -> Self {
        Self { root, draft, others: Vec::new(), is_meta: false }
    }

    /// A walk that checks schemas.
    pub(super) fn of_metaschema(draft: Draft) -> Walk<'static> {
        let others = draft.documents();
        let root = others.first().copied().unwrap_or(&Json::Bool(true));
        Walk { root, draft, others, is_meta: true }
    }

    pub(super) fn check(&self, value: &Json) -> Found {
        Place { walk: self, document: self.root, depth: 0 }.schema(self.root, value, &mut Vec::new())
    }
}

/// Where a walk stands.
#[derive(Clone, Copy)]
struct Place<'w, 'a> {
    walk: &'w Walk<'a>,
    /// The document that references without a name are within.
    document: &'a Json,
    depth: usize,
}

type Path = Vec<String>;

impl<'a> Place<'_, 'a> {
    fn schema(mut self, schema: &'a Json, value: &Json, at: &mut Path) -> Found {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Unknown);
        }
        let fields = match schema {
            Json::Bool(true) => return Ok(None),
            Json::Bool(false) => return Ok(Some(Fault::new(at.clone(), "false schema"))),
            Json::Object(fields) => fields,
            _ => return Err(Unknown),
        };
        let draft = self.walk.draft;
        let is_unknown = ["unevaluatedProperties", "unevaluatedItems"].iter().any(|key| fields.contains_key(*key));
        if is_unknown && draft >= Draft::D2019 {
            return Err(Unknown);
        }
        let has_ref = fields.get("$ref").is_some_and(Json::is_string);
        if has_ref && draft < Draft::D2019 {
            return self.reference(fields, value, at);
        }
        if let Some(fault) = self.value_itself(fields, value, at) {
            return Ok(Some(fault));
        }
        let mut faults = Vec::new();
        if has_ref {
            faults.extend(self.reference(fields, value, at)?);
        }
        match value {
            Json::Object(object) => self.object(fields, object, at, &mut faults)?,
            Json::Array(items) => self.array(fields, items, at, &mut faults)?,
            Json::String(text) => self.text(fields, text, at, &mut faults),
            Json::Number(number) => self.number(fields, number.as_f64().unwrap_or_default(), value, at, &mut faults),
            _ => {}
        }
        if fields.contains_key("$dynamicRef") || fields.contains_key("$recursiveRef") {
            if !self.walk.is_meta {
                return Err(Unknown);
            }
            // Within a metaschema these lead back to the whole of it.
            let whole = Place { document: self.walk.root, ..self };
            faults.extend(whole.schema(self.walk.root, value, at)?.map(|fault| fault.referred(at.clone())));
        }
        self.conditions(fields, value, at, &mut faults)?;
        Ok(Fault::group(at.clone(), faults))
    }

    fn reference(self, fields: &'a Map<String, Json>, value: &Json, at: &mut Path) -> Found {
        let reference = fields.get("$ref").and_then(Json::as_str).unwrap_or_default();
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if document.is_empty() {
            self.document
        } else {
            let is_it = |other: &&&Json| {
                let id = other.get("$id").or_else(|| other.get("id")).and_then(Json::as_str).unwrap_or_default();
                id.trim_end_matches('#').ends_with(document)
            };
            self.walk.others.iter().find(is_it).copied().ok_or(Unknown)?
        };
        let target = resolve(document, fragment).ok_or(Unknown)?;
        Ok(Place { document, ..self }.schema(target, value, at)?.map(|fault| fault.referred(at.clone())))
    }

    /// What is checked first, and alone when it fails.
    fn value_itself(self, fields: &Map<String, Json>, value: &Json, at: &Path) -> Option<Fault> {
        let fault = |message: String| Some(Fault::new(at.clone(), message));
        if let Some(wanted) = fields.get("type") {
            let given: Vec<&str> = match wanted {
                Json::String(one) => vec![one],
                Json::Array(many) => many.iter().filter_map(Json::as_str).collect(),
                _ => Vec::new(),
            };
            let is_whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
            let fits = given.contains(&kind_of(value)) || (given.contains(&"integer") && is_whole);
            if !fits && !given.is_empty() {
                let known = ["null", "boolean", "number", "integer", "string", "array", "object"];
                let wanted: Vec<&str> = known.into_iter().filter(|kind| given.contains(kind)).collect();
                return fault(format!("got {}, want {}", kind_of(value), wanted.join(" or ")));
            }
        }
        if let Some(wanted) = fields.get("const").filter(|wanted| self.walk.draft >= Draft::D6 && !equal(value, wanted))
        {
            return fault(match wanted {
                Json::Array(_) | Json::Object(_) => "'const' failed".to_owned(),
                wanted => format!("value must be {}", shown(wanted)),
            });
        }
        if let Some(wanted) = fields.get("enum").and_then(Json::as_array)
            && !wanted.iter().any(|wanted| equal(value, wanted))
        {
            return fault(match wanted.as_slice() {
                many if many.iter().any(|one| one.is_array() || one.is_object()) => "'enum' failed".to_owned(),
                [one] => format!("value must be {}", shown(one)),
                many => format!("value must be one of {}", many.iter().map(shown).collect::<Vec<_>>().join(", ")),
            });
        }
        let (format, text) = (fields.get("format")?.as_str()?, value.as_str()?);
        if self.walk.is_meta {
            let why = flux_core::re2::Pattern::compile(text).err().filter(|_| format == "regex")?;
            return fault(format!("{} is not valid regex: {why}", quoted(text)));
        }
        if self.walk.draft.asserts_formats() && !fits(&json!({"format": format}), value) {
            return fault(format!("{} is not valid {format}: {}", quoted(text), format::why(format, text)));
        }
        None
    }

    fn object(
        self,
        fields: &'a Map<String, Json>,
        object: &Map<String, Json>,
        at: &mut Path,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Unknown> {
        let here = at.clone();
        let fault = |message: String| Fault::new(here.clone(), message);
        bounds(fields, ["minProperties", "maxProperties"], object.len(), &mut |message| faults.push(fault(message)));
        let missing = |wanted: &'a Json| -> Vec<&'a str> {
            let names = wanted.as_array().into_iter().flatten().filter_map(Json::as_str);
            names.filter(|name| !object.contains_key(*name)).collect()
        };
        if let Some(wanted) = fields.get("required") {
            match missing(wanted).as_slice() {
                [] => {}
                [one] => faults.push(fault(format!("missing property {}", quoted(one)))),
                many => faults.push(fault(format!("missing properties {}", all_quoted(many.iter().copied())))),
            }
        }
        let needs = |name: &str, missing: &[&str]| {
            let missing = all_quoted(missing.iter().copied());
            fault(format!("properties {missing} required, if {} exists", quoted(name)))
        };
        for (name, wanted) in map(fields, "dependencies").filter(|(name, _)| object.contains_key(*name)) {
            if wanted.is_array() {
                let missing = missing(wanted);
                faults.extend((!missing.is_empty()).then(|| needs(name, &missing)));
            } else {
                faults.extend(self.schema(wanted, &Json::Object(object.clone()), at)?);
            }
        }
        let mut additional = Vec::new();
        for (name, value) in object {
            let mut known = false;
            let mut inner = |schema: &'a Json, at: &mut Path| -> Result<(), Unknown> {
                known = true;
                at.push(name.clone());
                faults.extend(self.schema(schema, value, at)?);
                at.pop();
                Ok(())
            };
            if let Some(schema) = fields.get("properties").and_then(|properties| properties.get(name)) {
                inner(schema, at)?;
            }
            for (pattern, schema) in map(fields, "patternProperties") {
                if fits(&json!({"pattern": pattern}), &Json::String(name.clone())) {
                    inner(schema, at)?;
                }
            }
            match fields.get("additionalProperties").filter(|_| !known) {
                None | Some(Json::Bool(true)) => {}
                Some(Json::Bool(false)) => additional.push(name.as_str()),
                Some(schema) => {
                    at.push(name.clone());
                    faults.extend(self.schema(schema, value, at)?);
                    at.pop();
                }
            }
        }
        if !additional.is_empty() {
            faults.push(fault(format!("additional properties {} not allowed", all_quoted(additional))));
        }
        let draft = self.walk.draft;
        if let Some(schema) = fields.get("propertyNames").filter(|_| draft >= Draft::D6) {
            for name in object.keys() {
                if let Some(found) = self.schema(schema, &Json::String(name.clone()), &mut Vec::new())? {
                    let invalid = Fault::new(Vec::new(), format!("invalid propertyName {}", quoted(name)));
                    faults.push(invalid.because(found.top()));
                }
            }
        }
        if draft >= Draft::D2019 {
            for (_, schema) in map(fields, "dependentSchemas").filter(|(name, _)| object.contains_key(*name)) {
                faults.extend(self.schema(schema, &Json::Object(object.clone()), at)?);
            }
            for (name, wanted) in map(fields, "dependentRequired").filter(|(name, _)| object.contains_key(*name)) {
                let missing = missing(wanted);
                faults.extend((!missing.is_empty()).then(|| needs(name, &missing)));
            }
        }
        Ok(())
    }

    fn array(
        self,
        fields: &'a Map<String, Json>,
        items: &[Json],
        at: &mut Path,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Unknown> {
        let here = at.clone();
        let fault = |message: String| Fault::new(here.clone(), message);
        bounds(fields, ["minItems", "maxItems"], items.len(), &mut |message| faults.push(fault(message)));
        if fields.get("uniqueItems") == Some(&Json::Bool(true)) {
            let pairs = (1..items.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
            let same = pairs
                .into_iter()
                .find(|(j, i)| matches!((items.get(*j), items.get(*i)), (Some(a), Some(b)) if equal(a, b)));
            faults.extend(same.map(|(j, i)| fault(format!("items at {j} and {i} are equal"))));
        }
        let draft = self.walk.draft;
        let (first, rest) = match (draft, fields.get("items")) {
            (Draft::D2020, rest) => (fields.get("prefixItems").and_then(Json::as_array), rest),
            (_, Some(Json::Array(first))) => (Some(first), fields.get("additionalItems")),
            (_, rest) => (None, rest),
        };
        let listed = first.map_or(0, Vec::len).min(items.len());
        for (i, (item, schema)) in items.iter().zip(first.into_iter().flatten()).enumerate() {
            self.item(schema, item, i, at, faults)?;
        }
        match rest {
            Some(Json::Bool(false)) if draft < Draft::D2020 && first.is_some() && listed < items.len() => {
                faults.push(fault(format!("last {} additionalItem(s) not allowed", items.len() - listed)));
            }
            Some(Json::Bool(_)) if draft < Draft::D2020 && first.is_some() => {}
            Some(schema) => {
                for (i, item) in items.iter().enumerate().skip(listed) {
                    self.item(schema, item, i, at, faults)?;
                }
            }
            None => {}
        }
        let Some(schema) = fields.get("contains").filter(|_| draft >= Draft::D6) else { return Ok(()) };
        let (mut others, mut matched) = (Vec::new(), Vec::new());
        for (i, item) in items.iter().enumerate() {
            let before = others.len();
            self.item(schema, item, i, at, &mut others)?;
            if others.len() == before {
                matched.push(i.to_string());
            }
        }
        let number = |key: &str| fields.get(key).filter(|_| draft >= Draft::D2019).and_then(Json::as_u64);
        let places = matched.join(" ");
        match number("minContains") {
            Some(wanted) if (matched.len() as u64) < wanted => {
                let found = match matched.len() {
                    0 => "none matched".to_owned(),
                    n => format!("matched {} items at {places}", count(n)),
                };
                let message = format!("min {wanted} items required to match contains schema, but {found}");
                faults.push(fault(message).because(others));
            }
            None if matched.is_empty() => {
                faults.push(fault("no items match contains schema".to_owned()).because(others));
            }
            _ => {}
        }
        if let Some(wanted) = number("maxContains").filter(|wanted| matched.len() as u64 > *wanted) {
            faults.push(fault(format!(
                "max {wanted} items required to match contains schema, but matched {} items at {places}",
                count(matched.len())
            )));
        }
        Ok(())
    }

    fn item(
        self,
        schema: &'a Json,
        item: &Json,
        i: usize,
        at: &mut Path,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Unknown> {
        at.push(i.to_string());
        faults.extend(self.schema(schema, item, at)?);
        at.pop();
        Ok(())
    }

    fn text(self, fields: &Map<String, Json>, text: &str, at: &Path, faults: &mut Vec<Fault>) {
        bounds(fields, ["minLength", "maxLength"], text.chars().count(), &mut |message| {
            faults.push(Fault::new(at.clone(), message));
        });
        if let Some(pattern) = fields.get("pattern").and_then(Json::as_str)
            && !fits(&json!({"pattern": pattern}), &Json::String(text.to_owned()))
        {
            let message = format!("{} does not match pattern {}", quoted(text), quoted(pattern));
            faults.push(Fault::new(at.clone(), message));
        }
    }

    fn number(self, fields: &Map<String, Json>, number: f64, value: &Json, at: &Path, faults: &mut Vec<Fault>) {
        let mut limit = |name: &str, wanted: Option<f64>, fails: fn(f64, f64) -> bool| {
            if let Some(wanted) = wanted.filter(|wanted| fails(number, *wanted)) {
                let message = format!("{name}: got {}, want {}", english(number), english(wanted));
                faults.push(Fault::new(at.clone(), message));
            }
        };
        let field = |key: &str| fields.get(key).and_then(Json::as_f64);
        // Draft 4 has a flag where later ones have a number.
        let is_strict = |key: &str| fields.get(key) == Some(&Json::Bool(true));
        let (low, high) = (is_strict("exclusiveMinimum"), is_strict("exclusiveMaximum"));
        limit("minimum", field("minimum").filter(|_| !low), |number, wanted| number < wanted);
        limit("maximum", field("maximum").filter(|_| !high), |number, wanted| number > wanted);
        let exclusive = if low { field("minimum") } else { field("exclusiveMinimum") };
        limit("exclusiveMinimum", exclusive, |number, wanted| number <= wanted);
        let exclusive = if high { field("maximum") } else { field("exclusiveMaximum") };
        limit("exclusiveMaximum", exclusive, |number, wanted| number >= wanted);
        if let Some(wanted) = field("multipleOf").filter(|wanted| !fits(&json!({"multipleOf": wanted}), value)) {
            let message = format!("multipleOf: got {}, want {}", english(number), english(wanted));
            faults.push(Fault::new(at.clone(), message));
        }
    }

    fn conditions(
        self,
        fields: &'a Map<String, Json>,
        value: &Json,
        at: &mut Path,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Unknown> {
        if let Some(schema) = fields.get("not")
            && self.schema(schema, value, at)?.is_none()
        {
            faults.push(Fault::new(at.clone(), "'not' failed"));
        }
        let each = |key: &str, at: &mut Path| -> Result<Vec<Option<Fault>>, Unknown> {
            let schemas = fields.get(key).and_then(Json::as_array).into_iter().flatten();
            schemas.map(|schema| self.schema(schema, value, at)).collect()
        };
        let all: Vec<Fault> = each("allOf", at)?.into_iter().flatten().collect();
        if !all.is_empty() {
            faults.push(Fault::new(at.clone(), "'allOf' failed").because(all));
        }
        let any = each("anyOf", at)?;
        if !any.is_empty() && any.iter().all(Option::is_some) {
            faults.push(Fault::new(at.clone(), "'anyOf' failed").because(any.into_iter().flatten().collect()));
        }
        let one = each("oneOf", at)?;
        let matched: Vec<usize> = one.iter().enumerate().filter(|(_, fault)| fault.is_none()).map(|(i, _)| i).collect();
        match matched.as_slice() {
            [] if !one.is_empty() => {
                let failed = Fault::new(at.clone(), "'oneOf' failed, none matched");
                faults.push(failed.because(one.into_iter().flatten().collect()));
            }
            [first, second, ..] => {
                faults.push(Fault::new(at.clone(), format!("'oneOf' failed, subschemas {first}, {second} matched")));
            }
            _ => {}
        }
        if let Some(schema) = fields.get("if").filter(|_| self.walk.draft >= Draft::D7) {
            let branch = if self.schema(schema, value, at)?.is_none() { "then" } else { "else" };
            if let Some(schema) = fields.get(branch) {
                faults.extend(self.schema(schema, value, at)?);
            }
        }
        Ok(())
    }
}

/// Whether a value fits a schema of one keyword, which the validator crate knows best.
pub(super) fn fits(keyword: &Json, value: &Json) -> bool {
    let validator = jsonschema::options().should_validate_formats(true).build(keyword);
    validator.is_ok_and(|validator| validator.is_valid(value))
}

fn map<'a>(fields: &'a Map<String, Json>, key: &str) -> impl Iterator<Item = (&'a String, &'a Json)> {
    fields.get(key).and_then(Json::as_object).into_iter().flatten()
}

fn bounds(fields: &Map<String, Json>, [low, high]: [&str; 2], size: usize, fault: &mut dyn FnMut(String)) {
    let mut bound = |key: &str, fails: fn(usize, usize) -> bool| {
        let wanted = fields.get(key).and_then(Json::as_f64).map(|wanted| wanted as usize);
        if let Some(wanted) = wanted.filter(|wanted| fails(size, *wanted)) {
            fault(format!("{key}: got {}, want {}", count(size), count(wanted)));
        }
    };
    bound(low, |size, wanted| size < wanted);
    bound(high, |size, wanted| size > wanted);
}

/// Equality in which `1` is `1.0`.
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// A plain value as Go prints it.
fn shown(json: &Json) -> String {
    match json {
        Json::String(text) => quoted(text),
        Json::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}
