//! Layouts: Go names the parts of a time by the parts of one reference time, Mon Jan 2 15:04:05 MST 2006.

use super::Time;
use super::names::{WEEKDAYS, month};

/// One part of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Literal(&'a str),
    LongMonth,
    ShortMonth,
    Month,
    ZeroMonth,
    LongWeekday,
    ShortWeekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour24,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    ShortYear,
    UpperPm,
    LowerPm,
    ZoneName,
    /// An offset: whether UTC is `Z`, whether there are colons, and how many fields.
    Offset {
        z: bool,
        colon: bool,
        fields: u8,
    },
    /// A fraction of a second: its separator, digits, and whether trailing zeros go.
    Fraction {
        separator: char,
        digits: usize,
        trim: bool,
    },
}

const NAMED: &[(&str, Part<'static>)] = &[
    ("January", Part::LongMonth),
    ("Jan", Part::ShortMonth),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::ShortWeekday),
    ("MST", Part::ZoneName),
    ("002", Part::ZeroYearDay),
    ("__2", Part::SpaceYearDay),
    ("2006", Part::LongYear),
    ("_2006", Part::Literal("_")),
    ("_2", Part::SpaceDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::ShortYear),
    ("15", Part::Hour24),
    ("1", Part::Month),
    ("2", Part::Day),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperPm),
    ("pm", Part::LowerPm),
    ("-07:00:00", Part::Offset { z: false, colon: true, fields: 3 }),
    ("-070000", Part::Offset { z: false, colon: false, fields: 3 }),
    ("-07:00", Part::Offset { z: false, colon: true, fields: 2 }),
    ("-0700", Part::Offset { z: false, colon: false, fields: 2 }),
    ("-07", Part::Offset { z: false, colon: false, fields: 1 }),
    ("Z07:00:00", Part::Offset { z: true, colon: true, fields: 3 }),
    ("Z070000", Part::Offset { z: true, colon: false, fields: 3 }),
    ("Z07:00", Part::Offset { z: true, colon: true, fields: 2 }),
    ("Z0700", Part::Offset { z: true, colon: false, fields: 2 }),
    ("Z07", Part::Offset { z: true, colon: false, fields: 1 }),
];

/// Splits off the first part of a layout: it, its text, and what follows.
pub(super) fn next_part(layout: &str) -> Option<(Part<'_>, &str, &str)> {
    for (at, c) in layout.char_indices() {
        let rest = layout.get(at..).unwrap_or("");
        let found = NAMED.iter().find(|(name, _)| rest.starts_with(name)).map(|(name, part)| match part {
            // An underscore before a year is one; the year follows.
            Part::Literal(_) => (Part::Literal("_"), 1),
            Part::ShortMonth if rest.get(3..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase())) => {
                (Part::Literal(rest.get(..3).unwrap_or("")), 3)
            }
            Part::ShortWeekday if rest.get(3..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase())) => {
                (Part::Literal(rest.get(..3).unwrap_or("")), 3)
            }
            part => (*part, name.len()),
        });
        let found = found.or_else(|| fraction(rest));
        let Some((part, length)) = found else {
            let _ = c;
            continue;
        };
        if at > 0 {
            let literal = layout.get(..at).unwrap_or("");
            return Some((Part::Literal(literal), literal, rest));
        }
        return Some((part, rest.get(..length).unwrap_or(""), rest.get(length..).unwrap_or("")));
    }
    (!layout.is_empty()).then_some((Part::Literal(layout), layout, ""))
}

fn fraction(rest: &str) -> Option<(Part<'_>, usize)> {
    let separator = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest.get(1..)?.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest.get(1..)?.chars().take_while(|c| *c == digit).count();
    if rest.get(1 + digits..)?.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Part::Fraction { separator, digits, trim: digit == '9' }, 1 + digits))
}

pub(super) fn format(time: &Time, mut layout: &str) -> String {
    let rule = time.zone.at(time.seconds);
    let civil = time.civil();
    let weekday = WEEKDAYS.get(civil.weekday()).copied().unwrap_or("");
    let month_name = month(civil.month);
    let short = |name: &'static str| name.get(..3).unwrap_or(name);
    let hour12 = match civil.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let sign = if civil.year < 0 { "-" } else { "" };
    let mut out = String::new();
    while let Some((part, _, rest)) = next_part(layout) {
        layout = rest;
        out += &match part {
            Part::Literal(text) => text.to_owned(),
            Part::LongMonth => month_name.to_owned(),
            Part::ShortMonth => short(month_name).to_owned(),
            Part::Month => civil.month.to_string(),
            Part::ZeroMonth => format!("{:02}", civil.month),
            Part::LongWeekday => weekday.to_owned(),
            Part::ShortWeekday => short(weekday).to_owned(),
            Part::Day => civil.day.to_string(),
            Part::SpaceDay => format!("{:2}", civil.day),
            Part::ZeroDay => format!("{:02}", civil.day),
            Part::SpaceYearDay => format!("{:3}", civil.day_of_year()),
            Part::ZeroYearDay => format!("{:03}", civil.day_of_year()),
            Part::Hour24 => format!("{:02}", civil.hour),
            Part::Hour12 => hour12.to_string(),
            Part::ZeroHour12 => format!("{hour12:02}"),
            Part::Minute => civil.minute.to_string(),
            Part::ZeroMinute => format!("{:02}", civil.minute),
            Part::Second => civil.second.to_string(),
            Part::ZeroSecond => format!("{:02}", civil.second),
            Part::LongYear => format!("{sign}{:04}", civil.year.unsigned_abs()),
            Part::ShortYear => format!("{:02}", civil.year.unsigned_abs() % 100),
            Part::UpperPm => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Part::LowerPm => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
            // Without a name the offset stands for it.
            Part::ZoneName if rule.name.is_empty() => offset(rule.offset, false, false, 2),
            Part::ZoneName => rule.name.clone(),
            Part::Offset { z, colon, fields } => offset(rule.offset, z, colon, fields),
            Part::Fraction { separator, digits, trim } => {
                let nanos = format!("{:09}", time.nanos);
                let nanos = nanos.get(..digits.min(9)).unwrap_or("");
                let nanos = if trim { nanos.trim_end_matches('0') } else { nanos };
                if nanos.is_empty() { String::new() } else { format!("{separator}{nanos}") }
            }
        };
    }
    out
}

fn offset(seconds: i32, z: bool, colon: bool, fields: u8) -> String {
    if z && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let parts: Vec<_> = parts.iter().take(usize::from(fields)).map(|n| format!("{n:02}")).collect();
    format!("{sign}{}", parts.join(if colon { ":" } else { "" }))
}
