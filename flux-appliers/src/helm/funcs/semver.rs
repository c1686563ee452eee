//! Versions.

use std::any::Any;
use std::rc::Rc;

use flux_core::semver::{Constraint, Version};

use super::args::{Args, Outcome};
use crate::helm::template::error::CallError;
use crate::helm::template::{Function, Native, Str, Type, Value};

const STR: &[Type] = &[Type::Str];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("semver", STR, |_, args| {
        let version = Version::parse(&Args(args).text(0)).map_err(|error| fault(&error))?;
        Ok(value(version, true))
    }),
    Function::new("semverCompare", &[Type::Str, Type::Str], |_, args| {
        let args = Args(args);
        let constraint = Constraint::parse(&args.text(0)).map_err(|error| fault(&error))?;
        let version = Version::parse(&args.text(1)).map_err(|error| fault(&error))?;
        Ok(Value::Bool(constraint.matches(&version)))
    }),
];

/// In Go's words, which name the function that refused a number.
fn fault(error: &flux_core::semver::SemverError) -> CallError {
    let text = error.to_string();
    match text.strip_prefix("error parsing version segment: ").filter(|rest| rest.ends_with("value out of range")) {
        Some(rest) => format!("error parsing version segment: strconv.ParseUint: parsing {rest}").into(),
        None => text.into(),
    }
}

/// `*semver.Version`, or what it points to: some methods give the version itself.
struct Semver {
    version: Version,
    is_pointer: bool,
}

const POINTER: &str = "*semver.Version";
const VERSION: &[Type] = &[Type::Pointer(POINTER)];

fn value(version: Version, is_pointer: bool) -> Value {
    Value::Native(Rc::new(Semver { version, is_pointer }))
}

fn with(args: &[Value], read: impl Fn(&Version) -> Value) -> Outcome {
    let semver = args.first().and_then(|value| value.downcast::<Semver>());
    semver.map(|semver| read(&semver.version)).ok_or_else(CallError::nil_pointer)
}

fn compare(args: &[Value], read: impl Fn(std::cmp::Ordering) -> Value) -> Outcome {
    let [Value::Native(a), Value::Native(b)] = args else {
        return Err(CallError::nil_pointer());
    };
    match (a.as_any().downcast_ref::<Semver>(), b.as_any().downcast_ref::<Semver>()) {
        (Some(a), Some(b)) => Ok(read(a.version.cmp_precedence(&b.version))),
        _ => Err(CallError::nil_pointer()),
    }
}

/// The version with other parts; it is spelled anew, but for a `v` in front.
fn changed(old: &Version, [major, minor, patch]: [u64; 3], prerelease: &str, metadata: &str) -> Option<Value> {
    let v = if old.original().starts_with('v') { "v" } else { "" };
    let dash = if prerelease.is_empty() { "" } else { "-" };
    let plus = if metadata.is_empty() { "" } else { "+" };
    let text = format!("{v}{major}.{minor}.{patch}{dash}{prerelease}{plus}{metadata}");
    Version::parse(&text).ok().map(|version| value(version, false))
}

fn numbers(version: &Version) -> [u64; 3] {
    [version.major(), version.minor(), version.patch()]
}

/// Methods of the version itself, which a pointer has as well.
static OF_VALUE: &[Function] = &[
    Function::new("Major", &[], |_, args| with(args, |v| Value::Uint64(v.major()))),
    Function::new("Minor", &[], |_, args| with(args, |v| Value::Uint64(v.minor()))),
    Function::new("Patch", &[], |_, args| with(args, |v| Value::Uint64(v.patch()))),
    Function::new("Prerelease", &[], |_, args| with(args, |v| Value::text(v.prerelease()))),
    Function::new("Metadata", &[], |_, args| with(args, |v| Value::text(v.metadata()))),
    Function::new("String", &[], |_, args| with(args, |v| Value::text(v.to_string()))),
    Function::new("Value", &[], |_, args| with(args, |v| Value::text(v.to_string()))),
    Function::new("MarshalJSON", &[], |_, args| with(args, |v| Value::Bytes(Str::from(format!("\"{v}\""))))),
    Function::new("MarshalText", &[], |_, args| with(args, |v| Value::Bytes(Str::from(v.to_string())))),
    Function::new("IncMajor", &[], |_, args| {
        with(args, |v| changed(v, [v.major().saturating_add(1), 0, 0], "", "").unwrap_or_default())
    }),
    Function::new("IncMinor", &[], |_, args| {
        with(args, |v| changed(v, [v.major(), v.minor().saturating_add(1), 0], "", "").unwrap_or_default())
    }),
    Function::new("IncPatch", &[], |_, args| {
        with(args, |v| {
            // What follows a prerelease is the version itself.
            let step = u64::from(v.prerelease().is_empty());
            changed(v, [v.major(), v.minor(), v.patch().saturating_add(step)], "", "").unwrap_or_default()
        })
    }),
    Function::new("SetPrerelease", STR, |_, args| {
        let text = Args(args).text(1);
        match with(args, |v| changed(v, numbers(v), &text, v.metadata()).unwrap_or_default())? {
            Value::Nil => Err("invalid prerelease string".into()),
            version => Ok(version),
        }
    }),
    Function::new("SetMetadata", STR, |_, args| {
        let text = Args(args).text(1);
        match with(args, |v| changed(v, numbers(v), v.prerelease(), &text).unwrap_or_default())? {
            Value::Nil => Err("invalid metadata string".into()),
            version => Ok(version),
        }
    }),
];

static OF_POINTER: &[Function] = &[
    Function::new("Original", &[], |_, args| with(args, |v| Value::text(v.original()))),
    Function::new("Compare", VERSION, |_, args| compare(args, |o| Value::Int(o as i64))),
    Function::new("Equal", VERSION, |_, args| compare(args, |o| Value::Bool(o.is_eq()))),
    Function::new("LessThan", VERSION, |_, args| compare(args, |o| Value::Bool(o.is_lt()))),
    Function::new("LessThanEqual", VERSION, |_, args| compare(args, |o| Value::Bool(o.is_le()))),
    Function::new("GreaterThan", VERSION, |_, args| compare(args, |o| Value::Bool(o.is_gt()))),
    Function::new("GreaterThanEqual", VERSION, |_, args| compare(args, |o| Value::Bool(o.is_ge()))),
];

impl Native for Semver {
    fn type_name(&self) -> &'static str {
        if self.is_pointer { POINTER } else { "semver.Version" }
    }

    fn kind(&self) -> &'static str {
        if self.is_pointer { "ptr" } else { "struct" }
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        let more = if self.is_pointer { OF_POINTER } else { &[] };
        OF_VALUE.iter().chain(more).find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        Some(self.version.to_string())
    }

    fn marshalled(&self) -> Option<Value> {
        Some(Value::text(self.version.to_string()))
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let version = &self.version;
        vec![
            ("major", Value::Uint64(version.major())),
            ("minor", Value::Uint64(version.minor())),
            ("patch", Value::Uint64(version.patch())),
            ("pre", Value::text(version.prerelease())),
            ("metadata", Value::text(version.metadata())),
            ("original", Value::text(version.original())),
        ]
    }

    /// All fields are unexported, so that nothing is copied.
    fn copied(&self) -> Option<Value> {
        Version::parse("0.0.0").ok().map(|version| value(version, self.is_pointer))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
