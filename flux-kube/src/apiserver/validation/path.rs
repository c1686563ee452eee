//! Where a value is, as errors name it. It becomes text only when something is wrong there.

use std::fmt;

/// A path, linked from its end to its start on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    pub(crate) fn new(field: &'a str) -> Self {
        Path { above: None, step: Step::Field(field) }
    }

    /// `.field`, or several: `.a.b`.
    pub(crate) fn child(&'a self, field: &'a str) -> Path<'a> {
        Path { above: Some(self), step: Step::Field(field) }
    }

    /// `[i]`.
    pub(crate) fn index(&'a self, i: usize) -> Path<'a> {
        Path { above: Some(self), step: Step::Index(i) }
    }

    /// `[key]`.
    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { above: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Field(name) if self.above.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(i) => write!(f, "[{i}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

impl From<Path<'_>> for String {
    fn from(path: Path<'_>) -> String {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_errors_do() {
        let spec = Path::new("spec");
        let ports = spec.child("ports");
        assert_eq!(ports.index(2).child("name").to_string(), "spec.ports[2].name");
        assert_eq!(spec.child("limits").key("cpu").to_string(), "spec.limits[cpu]");
    }
}
