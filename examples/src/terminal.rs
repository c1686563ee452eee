//! A terminal that shows what an engine does.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use flux_core::audit::{AuditSink, Entry, JournalError};
use flux_core::event::{Event, EventSink, Severity};
use flux_core::plan::{Action, FieldChange};

/// Prints events and changes as they happen, in colour where the output is a terminal.
#[derive(Debug)]
pub struct Terminal {
    colour: bool,
    /// The last event, so that a failure that is tried again and again is told once.
    last: Mutex<Option<(String, String)>>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { colour: std::io::stdout().is_terminal(), last: Mutex::default() }
    }
}

impl Terminal {
    /// A heading.
    pub fn heading(&self, text: &str) {
        println!("\n{}", self.paint("1", text));
    }

    /// A line of explanation.
    pub fn note(&self, text: &str) {
        println!("  {}", self.paint("2", text));
    }

    /// A line of output.
    pub fn line(&self, text: &str) {
        println!("  {text}");
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn field(&self, field: &FieldChange) {
        let show = |value: &Option<serde_json::Value>| match value {
            None => "—".to_owned(),
            Some(value) => {
                let text = value.to_string();
                if text.chars().count() > 72 { text.chars().take(71).chain(['…']).collect() } else { text }
            }
        };
        println!("        {}: {} → {}", field.path, show(&field.before), show(&field.after));
    }
}

impl EventSink for Terminal {
    fn emit(&self, event: Event) {
        let told = (event.subject.clone(), event.message.clone());
        if let Ok(mut last) = self.last.lock() {
            if *last == Some(told.clone()) {
                return;
            }
            *last = Some(told);
        }
        // The changes themselves are shown from the journal, with their fields.
        if event.reason == "Progressing" {
            return;
        }
        let (sign, code) = match event.severity {
            Severity::Error => ("✗", "31"),
            _ => ("✓", "32"),
        };
        println!("  {} {}  {}", self.paint(code, sign), self.paint("36", &event.subject), event.message);
    }
}

impl AuditSink for Terminal {
    fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        let (sign, code) = match entry.action {
            Action::Create => ("+", "32"),
            Action::Delete => ("-", "31"),
            _ => ("~", "33"),
        };
        println!("    {} {} {}", self.paint(code, sign), entry.object, entry.action.past());
        if entry.action == Action::Update {
            entry.fields.iter().for_each(|field| self.field(field));
        }
        Ok(())
    }
}
