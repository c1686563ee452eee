//! Reading a time by a layout.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::Time;
use super::format::{MONTHS, Part, WEEKDAYS, next_part};
use crate::helm::template::gofmt::quote;

#[derive(Default)]
struct Fields {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    pm: Option<bool>,
    offset: Option<i32>,
    utc: bool,
}

/// Go's `time.ParseInLocation`.
pub(crate) fn parse(layout: &str, text: &str, local: &TimeZone) -> Result<Time, String> {
    let whole =
        |what: String| format!("parsing time {} as {}: {what}", quote(text.as_bytes()), quote(layout.as_bytes()));
    let mut fields = Fields::default();
    let (mut rest_layout, mut rest) = (layout, text);
    while let Some((part, shown, next)) = next_part(rest_layout) {
        rest_layout = next;
        rest = match read(part, rest, rest_layout, &mut fields) {
            Ok(rest) => rest,
            Err(Fault::Mismatch) => {
                return Err(whole(format!("cannot parse {} as {}", quote(rest.as_bytes()), quote(shown.as_bytes()))));
            }
            Err(Fault::Range(what)) => {
                return Err(format!("parsing time {}: {what} out of range", quote(text.as_bytes())));
            }
        };
        // Go takes a fraction after the seconds even if the layout has none.
        if matches!(part, Part::ZeroSecond | Part::Second)
            && !matches!(next_part(rest_layout), Some((Part::Fraction { .. }, ..)))
            && rest.starts_with(['.', ','])
            && rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        {
            let digits = rest.get(1..).map_or(0, |r| r.bytes().take_while(u8::is_ascii_digit).count());
            fields.nanos = nanos(rest.get(1..1 + digits).unwrap_or(""));
            rest = rest.get(1 + digits..).unwrap_or("");
        }
    }
    if !rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text.as_bytes()), quote(rest.as_bytes())));
    }
    fields.build(local).ok_or_else(|| format!("parsing time {}: day out of range", quote(text.as_bytes())))
}

impl Fields {
    fn build(&self, local: &TimeZone) -> Option<Time> {
        let hour = match (self.pm, self.hour) {
            (Some(true), hour) if hour < 12 => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let mut civil = DateTime::new(
            self.year,
            self.month.unwrap_or(1),
            self.day.unwrap_or(1),
            hour,
            self.minute,
            self.second,
            self.nanos,
        )
        .ok()?;
        if let Some(day) = self.year_day {
            civil = civil.with().day_of_year(day).build().ok()?;
        }
        let zone = match (self.utc, self.offset) {
            (true, _) | (_, Some(0)) => TimeZone::UTC,
            (_, Some(seconds)) => TimeZone::fixed(Offset::from_seconds(seconds).ok()?),
            _ => local.clone(),
        };
        Some(Time { instant: zone.to_timestamp(civil).ok()?, zone })
    }
}

enum Fault {
    Mismatch,
    Range(&'static str),
}

/// Between `min` and `max` digits.
fn digits(text: &str, min: usize, max: usize) -> Result<(i32, &str), Fault> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return Err(Fault::Mismatch);
    }
    let number = text.get(..count).and_then(|t| t.parse().ok()).ok_or(Fault::Mismatch)?;
    Ok((number, text.get(count..).unwrap_or("")))
}

fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Result<(usize, &'t str), Fault> {
    for (i, name) in names.iter().enumerate() {
        let name = if short { name.get(..3).unwrap_or(name) } else { name };
        if text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return Ok((i, text.get(name.len()..).unwrap_or("")));
        }
    }
    Err(Fault::Mismatch)
}

fn nanos(digits: &str) -> i32 {
    format!("{digits:0<9}").get(..9).and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn within(value: i32, low: i32, high: i32, what: &'static str) -> Result<i8, Fault> {
    if (low..=high).contains(&value) { Ok(value as i8) } else { Err(Fault::Range(what)) }
}

fn read<'t>(part: Part<'_>, text: &'t str, _layout: &str, fields: &mut Fields) -> Result<&'t str, Fault> {
    let unpadded = text.trim_start_matches(' ');
    Ok(match part {
        Part::Literal(literal) => text.strip_prefix(literal).ok_or(Fault::Mismatch)?,
        Part::LongYear => {
            let (year, rest) = digits(text, 4, 4)?;
            fields.year = year as i16;
            rest
        }
        Part::ShortYear => {
            let (year, rest) = digits(text, 2, 2)?;
            fields.year = (if year >= 69 { year + 1900 } else { year + 2000 }) as i16;
            rest
        }
        Part::LongMonth | Part::ShortMonth => {
            let (index, rest) = name(text, &MONTHS, part == Part::ShortMonth)?;
            fields.month = Some(index as i8 + 1);
            rest
        }
        Part::Month | Part::ZeroMonth => {
            let (month, rest) = digits(text, if part == Part::Month { 1 } else { 2 }, 2)?;
            fields.month = Some(within(month, 1, 12, "month")?);
            rest
        }
        Part::LongWeekday | Part::ShortWeekday => name(text, &WEEKDAYS, part == Part::ShortWeekday)?.1,
        Part::Day | Part::SpaceDay | Part::ZeroDay => {
            let text = if part == Part::SpaceDay { unpadded } else { text };
            let (day, rest) = digits(text, if part == Part::ZeroDay { 2 } else { 1 }, 2)?;
            fields.day = Some(within(day, 1, 31, "day")?);
            rest
        }
        Part::SpaceYearDay | Part::ZeroYearDay => {
            let (day, rest) = digits(unpadded, 1, 3)?;
            fields.year_day = Some(day as i16);
            rest
        }
        Part::Hour24 => {
            let (hour, rest) = digits(text, 1, 2)?;
            fields.hour = within(hour, 0, 23, "hour")?;
            rest
        }
        Part::Hour12 | Part::ZeroHour12 => {
            let (hour, rest) = digits(text, if part == Part::Hour12 { 1 } else { 2 }, 2)?;
            fields.hour = within(hour, 0, 12, "hour")?;
            rest
        }
        Part::Minute | Part::ZeroMinute => {
            let (minute, rest) = digits(text, if part == Part::Minute { 1 } else { 2 }, 2)?;
            fields.minute = within(minute, 0, 59, "minute")?;
            rest
        }
        Part::Second | Part::ZeroSecond => {
            let (second, rest) = digits(text, if part == Part::Second { 1 } else { 2 }, 2)?;
            fields.second = within(second, 0, 59, "second")?;
            rest
        }
        Part::UpperPm | Part::LowerPm => {
            let upper = part == Part::UpperPm;
            let (am, pm) = if upper { ("AM", "PM") } else { ("am", "pm") };
            if let Some(rest) = text.strip_prefix(pm) {
                fields.pm = Some(true);
                rest
            } else {
                fields.pm = Some(false);
                text.strip_prefix(am).ok_or(Fault::Mismatch)?
            }
        }
        Part::ZoneName => {
            let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
            if !(3..=5).contains(&length) {
                return Err(Fault::Mismatch);
            }
            fields.utc = text.starts_with("UTC");
            text.get(length..).unwrap_or("")
        }
        Part::Offset { z, .. } if z && text.starts_with('Z') => {
            fields.utc = true;
            text.get(1..).unwrap_or("")
        }
        Part::Offset { colon, fields: count, .. } => {
            let sign = match text.bytes().next() {
                Some(b'+') => 1,
                Some(b'-') => -1,
                _ => return Err(Fault::Mismatch),
            };
            let mut rest = text.get(1..).unwrap_or("");
            let mut seconds = 0;
            for (i, unit) in [3600, 60, 1].iter().take(usize::from(count)).enumerate() {
                if i > 0 && colon {
                    rest = rest.strip_prefix(':').ok_or(Fault::Mismatch)?;
                }
                let (number, after) = digits(rest, 2, 2)?;
                seconds += number * unit;
                rest = after;
            }
            fields.offset = Some(sign * seconds);
            rest
        }
        Part::Fraction { digits: count, trim, .. } => {
            if !text.starts_with(['.', ',']) {
                return if trim { Ok(text) } else { Err(Fault::Mismatch) };
            }
            let body = text.get(1..).unwrap_or("");
            let length = body.bytes().take_while(u8::is_ascii_digit).count();
            if !trim && length < count {
                return Err(Fault::Mismatch);
            }
            let length = if trim { length } else { count };
            fields.nanos = nanos(body.get(..length).unwrap_or(""));
            body.get(length..).unwrap_or("")
        }
    })
}
