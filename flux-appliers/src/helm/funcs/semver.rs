//! Versions.

use std::any::Any;

use flux_core::semver::{Constraint, Version};

use super::args::Args;
use crate::helm::template::{Function, Native, Type, Value};

const STR: &[Type] = &[Type::Str];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("semver", STR, |_, args| {
        let version = Version::parse(&Args(args).text(0)).map_err(|error| error.to_string())?;
        Ok(Value::Native(std::rc::Rc::new(Semver(version))))
    }),
    Function::new("semverCompare", &[Type::Str, Type::Str], |_, args| {
        let args = Args(args);
        let constraint = Constraint::parse(&args.text(0)).map_err(|error| error.to_string())?;
        let version = Version::parse(&args.text(1)).map_err(|error| error.to_string())?;
        Ok(Value::Bool(constraint.matches(&version)))
    }),
];

/// `*semver.Version`
struct Semver(Version);

const POINTER: &str = "*semver.Version";

fn with(args: &[Value], index: usize, read: impl Fn(&Version) -> Value) -> Value {
    args.get(index).and_then(|value| value.downcast::<Semver>()).map_or(Value::Nil, |semver| read(&semver.0))
}

fn compare(args: &[Value], read: impl Fn(std::cmp::Ordering) -> Value) -> Value {
    with(args, 0, |a| with(args, 1, |b| read(a.cmp_precedence(b))))
}

static METHODS: &[Function] = &[
    Function::new("Major", &[], |_, args| Ok(with(args, 0, |v| Value::Uint64(v.major())))),
    Function::new("Minor", &[], |_, args| Ok(with(args, 0, |v| Value::Uint64(v.minor())))),
    Function::new("Patch", &[], |_, args| Ok(with(args, 0, |v| Value::Uint64(v.patch())))),
    Function::new("Prerelease", &[], |_, args| Ok(with(args, 0, |v| Value::text(v.prerelease())))),
    Function::new("Metadata", &[], |_, args| Ok(with(args, 0, |v| Value::text(v.metadata())))),
    Function::new("Original", &[], |_, args| Ok(with(args, 0, |v| Value::text(v.original())))),
    Function::new("String", &[], |_, args| Ok(with(args, 0, |v| Value::text(v.to_string())))),
    Function::new("Compare", &[Type::Pointer(POINTER)], |_, args| Ok(compare(args, |o| Value::Int(o as i64)))),
    Function::new("Equal", &[Type::Pointer(POINTER)], |_, args| Ok(compare(args, |o| Value::Bool(o.is_eq())))),
    Function::new("LessThan", &[Type::Pointer(POINTER)], |_, args| Ok(compare(args, |o| Value::Bool(o.is_lt())))),
    Function::new("LessThanEqual", &[Type::Pointer(POINTER)], |_, args| Ok(compare(args, |o| Value::Bool(o.is_le())))),
    Function::new("GreaterThan", &[Type::Pointer(POINTER)], |_, args| Ok(compare(args, |o| Value::Bool(o.is_gt())))),
    Function::new("GreaterThanEqual", &[Type::Pointer(POINTER)], |_, args| {
        Ok(compare(args, |o| Value::Bool(o.is_ge())))
    }),
];

impl Native for Semver {
    fn type_name(&self) -> &'static str {
        POINTER
    }

    fn kind(&self) -> &'static str {
        "ptr"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
