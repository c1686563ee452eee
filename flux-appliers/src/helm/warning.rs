//! What Helm would remark on while it goes on.

use std::fmt;

use super::template::gofmt::quote;

/// How grave a [`Warning`] is, in Helm's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Likely a mistake.
    Warn,
    /// What an error that follows was caused by.
    Error,
}

/// Something about a chart or its values that does not stop a render.
///
/// Prints without the value it is about, which may be a secret; [`Warning::to_log_line`] has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Warning {
    level: Level,
    message: String,
    value: Option<String>,
    attributes: Vec<(&'static str, String)>,
}

impl Warning {
    pub(super) fn new(level: Level, message: impl Into<String>) -> Self {
        Self { level, message: message.into(), value: None, attributes: Vec::new() }
    }

    /// The value that the message is about.
    pub(super) fn value(mut self, value: String) -> Self {
        self.value = Some(value);
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// A link in a folder, which a program that reads charts from the disk followed.
    pub fn symbolic_link(path: &str, resolved: &str) -> Self {
        let message = "found symbolic link in path. Contents of linked file included and used";
        Self::new(Level::Info, message).with("path", path).with("resolved", resolved)
    }

    /// How grave it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The line that Helm prints on standard error. It shows the value that the warning is about.
    pub fn to_log_line(&self) -> String {
        let level = match self.level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let mut message = self.message.clone();
        if let Some(value) = &self.value {
            message.push_str(&format!(" ({value})"));
        }
        let mut line = format!("level={level} msg={}", attribute(&message));
        for (name, value) in &self.attributes {
            line.push_str(&format!(" {name}={}", attribute(value)));
        }
        line
    }
}

/// A value as Go's text logger writes it: quoted where it would be ambiguous.
fn attribute(text: &str) -> String {
    let is_plain = |c: char| c > ' ' && !matches!(c, '"' | '=') && super::template::gofmt::is_printable(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { quote(text.as_bytes()) }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.attributes.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl fmt::Debug for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Warning({:?}, {self})", self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_shows_only_in_the_line() {
        let warning = Warning::new(Level::Info, "warning: ignoring").value("s3cret".to_owned()).with("path", "a.b");
        assert_eq!(warning.to_log_line(), r#"level=INFO msg="warning: ignoring (s3cret)" path=a.b"#);
        assert_eq!(format!("{warning} {warning:?}").find("s3cret"), None);
        assert_eq!(attribute(""), r#""""#);
        assert_eq!(attribute("a=b"), r#""a=b""#);
    }
}
