//! Months and days of the week: numbers that print as names.

use std::any::Any;
use std::rc::Rc;

use crate::helm::template::{Function, Native, Value};

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The name of a month, from 1.
pub(super) fn month(month: u8) -> &'static str {
    MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or("")
}

/// `time.Month` or `time.Weekday`.
struct Named {
    type_name: &'static str,
    number: i64,
    /// The names, and the number of the first.
    names: (&'static [&'static str], i64),
}

pub(super) fn month_value(number: u8) -> Value {
    Value::Native(Rc::new(Named { type_name: "time.Month", number: i64::from(number), names: (&MONTHS, 1) }))
}

pub(super) fn weekday_value(number: usize) -> Value {
    Value::Native(Rc::new(Named { type_name: "time.Weekday", number: number as i64, names: (&WEEKDAYS, 0) }))
}

static METHODS: &[Function] = &[Function::new("String", &[], |_, args| {
    let named = args.first().and_then(|value| value.downcast::<Named>());
    Ok(Value::text(named.and_then(Named::text).unwrap_or_default()))
})];

impl Native for Named {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn kind(&self) -> &'static str {
        "int"
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<String> {
        let (names, first) = self.names;
        let name = usize::try_from(self.number - first).ok().and_then(|at| names.get(at));
        let of = self.type_name.trim_start_matches("time.");
        Some(name.map_or_else(|| format!("%!{of}({})", self.number), |name| (*name).to_owned()))
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int64(self.number))
    }

    fn of_number(&self, number: i64) -> Option<Value> {
        Some(Value::Native(Rc::new(Self { type_name: self.type_name, number, names: self.names })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
