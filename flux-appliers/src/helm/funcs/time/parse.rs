//! Reading a time by a layout.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::civil::{self, days_in, is_leap};
use super::format::{Part, next_part};
use super::names::{MONTHS, WEEKDAYS};
use super::{Time, Zone};

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    pm: Option<bool>,
    offset: Option<i32>,
    utc: bool,
    zone: String,
}

/// Quotes as Go's `time` does: what is not plain ASCII as bytes.
pub(super) fn quote_ascii_only(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'\x7f' => out.push(char::from(byte)),
            byte => out += &format!("\\x{byte:02x}"),
        }
    }
    out.push('"');
    out
}

/// Go's `time.ParseInLocation`.
///
/// # Errors
/// Go's words for what is wrong.
pub(crate) fn parse(layout: &str, text: &str, local: &TimeZone) -> Result<Time, String> {
    let whole = quote_ascii_only(text);
    let mut fields = Fields::default();
    let (mut rest_layout, mut rest) = (layout, text);
    while let Some((part, shown, next)) = next_part(rest_layout) {
        rest_layout = next;
        rest = match read(part, rest, rest_layout, &mut fields) {
            Ok(rest) => rest,
            Err(Fault::Mismatch(at)) => {
                let (layout, at, shown) = (quote_ascii_only(layout), quote_ascii_only(at), quote_ascii_only(shown));
                return Err(format!("parsing time {whole} as {layout}: cannot parse {at} as {shown}"));
            }
            Err(Fault::Range(what)) => return Err(format!("parsing time {whole}: {what} out of range")),
        };
    }
    if !rest.is_empty() {
        return Err(format!("parsing time {whole}: extra text: {}", quote_ascii_only(rest)));
    }
    fields.build(local).map_err(|what| format!("parsing time {whole}: {what}"))
}

impl Fields {
    fn build(self, local: &TimeZone) -> Result<Time, &'static str> {
        let hour = match (self.pm, self.hour) {
            (Some(true), hour) if hour < 12 => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let (month, day) = self.date()?;
        if day < 1 || day > days_in(self.year, month) {
            return Err("day out of range");
        }
        let of_day = hour * 3600 + self.minute * 60 + self.second;
        let in_utc = Time::of_civil(self.year, month, day, of_day, self.nanos, Zone::Utc);
        let here = Zone::Local(local.clone());
        if self.utc {
            return Ok(in_utc);
        }
        if let Some(offset) = self.offset {
            let seconds = in_utc.seconds - i64::from(offset);
            // The local zone, if it has that offset then; else one made up.
            let rule = here.at(seconds);
            let is_here = rule.offset == offset && (self.zone.is_empty() || rule.name == self.zone);
            let zone = if is_here { here } else { Zone::Fixed(Arc::from(self.zone), offset) };
            return Ok(Time { seconds, zone, ..in_utc });
        }
        if !self.zone.is_empty() {
            if let Some(offset) = here.offset_of_name(&self.zone, in_utc.seconds) {
                return Ok(Time { seconds: in_utc.seconds - i64::from(offset), zone: here, ..in_utc });
            }
            // An abbreviation that nobody knows says nothing, unless it is of the form GMT+3.
            let hours = self.zone.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
            return Ok(Time { zone: Zone::Fixed(Arc::from(self.zone), hours * 3600), ..in_utc });
        }
        Ok(Time::of_civil(self.year, month, day, of_day, self.nanos, here))
    }

    /// Month and day, which the day of the year may give.
    fn date(&self) -> Result<(i64, i64), &'static str> {
        let Some(year_day) = self.year_day else {
            return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        if year_day < 1 || year_day > 365 + i64::from(is_leap(self.year)) {
            return Err("day-of-year out of range");
        }
        let date = civil::Civil::of((civil::days(self.year, 1, 1) + year_day - 1).saturating_mul(civil::DAY));
        let (month, day) = (i64::from(date.month), i64::from(date.day));
        if self.month.is_some_and(|given| given != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|given| given != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

enum Fault<'t> {
    /// What is left does not fit the part of the layout.
    Mismatch(&'t str),
    Range(&'static str),
}

/// Between `min` and `max` digits.
fn digits(text: &str, min: usize, max: usize) -> Result<(i64, &str), Fault<'_>> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return Err(Fault::Mismatch(text));
    }
    let number = text.get(..count).and_then(|t| t.parse().ok()).ok_or(Fault::Mismatch(text))?;
    Ok((number, text.get(count..).unwrap_or("")))
}

/// Digits within bounds.
fn within<'t>(
    text: &'t str,
    min: usize,
    (low, high): (i64, i64),
    what: &'static str,
) -> Result<(i64, &'t str), Fault<'t>> {
    let (number, rest) = digits(text, min, 2)?;
    if (low..=high).contains(&number) { Ok((number, rest)) } else { Err(Fault::Range(what)) }
}

fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Result<(usize, &'t str), Fault<'t>> {
    for (i, name) in names.iter().enumerate() {
        let name = if short { name.get(..3).unwrap_or(name) } else { name };
        if text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return Ok((i, text.get(name.len()..).unwrap_or("")));
        }
    }
    Err(Fault::Mismatch(text))
}

/// Text of the layout; any space there takes any space here.
fn literal<'t>(mut text: &'t str, mut literal: &str) -> Result<&'t str, Fault<'t>> {
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(Fault::Mismatch(text));
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c).ok_or(Fault::Mismatch(text))?;
        literal = literal.get(c.len_utf8()..).unwrap_or("");
    }
    Ok(text)
}

/// A fraction of a second of `count` digits, its separator first; digits beyond the ninth do not count.
fn nanos(text: &str, count: usize) -> u32 {
    let digits = text.get(1..1 + count.min(9)).unwrap_or("");
    format!("{digits:0<9}").parse().unwrap_or(0)
}

/// How many digits follow a separator.
fn fraction(text: &str) -> usize {
    match text.strip_prefix(['.', ',']) {
        Some(digits) => digits.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    }
}

/// The length of an abbreviation of a zone.
fn abbreviation(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours(rest));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed_hours(text)).filter(|length| *length > 0);
    }
    let upper = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match upper {
        3 => Some(3),
        4 if text.as_bytes().get(3) == Some(&b'T') || text.starts_with("WITA") => Some(4),
        5 if text.as_bytes().get(4) == Some(&b'T') => Some(5),
        _ => None,
    }
}

/// The length of `+3` or `-11`.
fn signed_hours(text: &str) -> usize {
    let Some(digits) = text.strip_prefix(['+', '-']) else { return 0 };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    match digits.get(..count).and_then(|digits| digits.parse::<u32>().ok()) {
        Some(hours) if hours <= 23 => 1 + count,
        _ => 0,
    }
}

/// A numeric offset in seconds.
fn offset(text: &str, colon: bool, fields: u8) -> Result<(i32, &str), Fault<'_>> {
    let mismatch = Fault::Mismatch(text);
    let sign = match text.bytes().next() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(mismatch),
    };
    let mut rest = text.get(1..).unwrap_or("");
    let mut parts = [0; 3];
    for (i, part) in parts.iter_mut().take(usize::from(fields)).enumerate() {
        if i > 0 && colon {
            rest = rest.strip_prefix(':').ok_or(Fault::Mismatch(text))?;
        }
        let (number, after) = digits(rest, 2, 2).map_err(|_| Fault::Mismatch(text))?;
        *part = number as i32;
        rest = after;
    }
    let [hours, minutes, seconds] = parts;
    // Some people do write offsets of 24 hours and 60 minutes.
    if hours > 24 {
        return Err(Fault::Range("time zone offset hour"));
    }
    if minutes > 60 {
        return Err(Fault::Range("time zone offset minute"));
    }
    if seconds > 60 {
        return Err(Fault::Range("time zone offset second"));
    }
    Ok((sign * ((hours * 60 + minutes) * 60 + seconds), rest))
}

fn read<'t>(part: Part<'_>, text: &'t str, layout: &str, fields: &mut Fields) -> Result<&'t str, Fault<'t>> {
    let padded = |text: &'t str| text.strip_prefix(' ').unwrap_or(text);
    let (rest, slot, number): (_, &mut i64, _) = match part {
        Part::Literal(part) => return literal(text, part),
        Part::LongYear => {
            let (year, rest) = digits(text, 4, 4)?;
            (rest, &mut fields.year, year)
        }
        Part::ShortYear => {
            let (year, rest) = digits(text, 2, 2)?;
            (rest, &mut fields.year, if year >= 69 { year + 1900 } else { year + 2000 })
        }
        Part::LongMonth | Part::ShortMonth => {
            let (index, rest) = name(text, &MONTHS, part == Part::ShortMonth)?;
            (rest, fields.month.insert(0), index as i64 + 1)
        }
        Part::Month | Part::ZeroMonth => {
            let (month, rest) = within(text, if part == Part::Month { 1 } else { 2 }, (1, 12), "month")?;
            (rest, fields.month.insert(0), month)
        }
        Part::LongWeekday | Part::ShortWeekday => {
            return Ok(name(text, &WEEKDAYS, part == Part::ShortWeekday)?.1);
        }
        Part::Day | Part::SpaceDay | Part::ZeroDay => {
            let start = if part == Part::SpaceDay { padded(text) } else { text };
            let (day, rest) = digits(start, if part == Part::ZeroDay { 2 } else { 1 }, 2)?;
            (rest, fields.day.insert(0), day)
        }
        Part::SpaceYearDay => {
            let (day, rest) = digits(padded(padded(text)), 1, 3)?;
            (rest, fields.year_day.insert(0), day)
        }
        Part::ZeroYearDay => {
            let (day, rest) = digits(text, 3, 3)?;
            (rest, fields.year_day.insert(0), day)
        }
        Part::Hour24 => {
            let (hour, rest) = within(text, 1, (0, 23), "hour")?;
            (rest, &mut fields.hour, hour)
        }
        Part::Hour12 | Part::ZeroHour12 => {
            let (hour, rest) = within(text, if part == Part::Hour12 { 1 } else { 2 }, (0, 12), "hour")?;
            (rest, &mut fields.hour, hour)
        }
        Part::Minute | Part::ZeroMinute => {
            let (minute, rest) = within(text, if part == Part::Minute { 1 } else { 2 }, (0, 59), "minute")?;
            (rest, &mut fields.minute, minute)
        }
        Part::Second | Part::ZeroSecond => {
            let (second, rest) = within(text, if part == Part::Second { 1 } else { 2 }, (0, 59), "second")?;
            // A fraction is taken even if the layout has none.
            let count = fraction(rest);
            let named = matches!(next_part(layout), Some((Part::Fraction { .. }, ..)));
            let after = if named { 0 } else { count };
            if after > 0 {
                fields.nanos = nanos(rest, count);
            }
            (rest.get(after + usize::from(after > 0)..).unwrap_or(""), &mut fields.second, second)
        }
        Part::UpperPm | Part::LowerPm => {
            let (am, pm) = if part == Part::UpperPm { ("AM", "PM") } else { ("am", "pm") };
            let is_pm = text.starts_with(pm);
            if !is_pm && !text.starts_with(am) {
                return Err(Fault::Mismatch(text));
            }
            fields.pm = Some(is_pm);
            return Ok(text.get(2..).unwrap_or(""));
        }
        Part::ZoneName => {
            if let Some(rest) = text.strip_prefix("UTC") {
                fields.utc = true;
                return Ok(rest);
            }
            let length = abbreviation(text).ok_or(Fault::Mismatch(text))?;
            text.get(..length).unwrap_or("").clone_into(&mut fields.zone);
            return Ok(text.get(length..).unwrap_or(""));
        }
        Part::Offset { z, .. } if z && text.starts_with('Z') => {
            fields.utc = true;
            return Ok(text.get(1..).unwrap_or(""));
        }
        Part::Offset { colon, fields: count, .. } => {
            let (seconds, rest) = offset(text, colon, count)?;
            fields.offset = Some(seconds);
            return Ok(rest);
        }
        Part::Fraction { digits: wanted, trim, .. } => {
            let count = fraction(text);
            if trim && count == 0 {
                return Ok(text);
            }
            if !trim && count < wanted {
                return Err(Fault::Mismatch(text));
            }
            let count = if trim { count } else { wanted };
            fields.nanos = nanos(text, count);
            return Ok(text.get(1 + count..).unwrap_or(""));
        }
    };
    *slot = number;
    Ok(rest)
}
