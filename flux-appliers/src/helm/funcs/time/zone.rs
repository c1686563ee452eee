//! Zones: UTC, that of the host, those of the tz database, and bare offsets.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::civil::CYCLE;

/// A zone.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::helm::funcs) enum Zone {
    /// UTC.
    Utc,
    /// What the host calls local.
    Local(TimeZone),
    /// A zone by name.
    Named(TimeZone),
    /// An offset in seconds; without a name it prints as a number.
    Fixed(Arc<str>, i32),
}

/// What holds in a zone at one time.
pub(super) struct Rule {
    pub(super) name: String,
    /// Seconds east of UTC.
    pub(super) offset: i32,
    pub(super) is_summer: bool,
}

impl Zone {
    /// A zone by name from the zones compiled in, whose names Go reads as the names of files; UTC if there is none.
    pub(in crate::helm::funcs) fn find(name: &str, local: &TimeZone) -> Self {
        match name {
            "Local" => Self::Local(local.clone()),
            "" | "UTC" => Self::Utc,
            name => match TimeZoneDatabase::bundled().get(name) {
                Ok(zone) if zone.iana_name() == Some(name) => Self::Named(zone),
                _ => Self::Utc,
            },
        }
    }

    /// What holds `seconds` after 1970.
    pub(super) fn at(&self, seconds: i64) -> Rule {
        let zone = match self {
            Self::Utc => return Rule { name: "UTC".to_owned(), offset: 0, is_summer: false },
            Self::Fixed(name, offset) => return Rule { name: name.to_string(), offset: *offset, is_summer: false },
            Self::Local(zone) | Self::Named(zone) => zone,
        };
        let info = zone.to_offset_info(instant(seconds));
        Rule {
            name: info.abbreviation().to_owned(),
            offset: info.offset().seconds(),
            is_summer: info.dst() == jiff::tz::Dst::Yes,
        }
    }

    /// The offset for a time of day in the zone: of the two at a change, Go takes the one after it.
    pub(super) fn offset_of_civil(&self, seconds: i64) -> i32 {
        let first = self.at(seconds).offset;
        self.at(seconds.saturating_sub(i64::from(first))).offset
    }

    /// The offset that goes by an abbreviation, best the one that holds at the time of day.
    pub(super) fn offset_of_name(&self, name: &str, seconds: i64) -> Option<i32> {
        let zone = match self {
            Self::Utc => return (name == "UTC").then_some(0),
            Self::Fixed(known, offset) => return (**known == *name).then_some(*offset),
            Self::Local(zone) | Self::Named(zone) => zone,
        };
        let mut offsets: Vec<i32> = Vec::new();
        let mut add = |abbreviation: &str, offset: jiff::tz::Offset| {
            if abbreviation == name && !offsets.contains(&offset.seconds()) {
                offsets.push(offset.seconds());
            }
        };
        let start = zone.to_offset_info(Timestamp::MIN);
        add(start.abbreviation(), start.offset());
        // What follows the table repeats year by year.
        let end = Timestamp::from_second(4_102_444_800).unwrap_or(Timestamp::MAX);
        for change in zone.following(Timestamp::MIN).take_while(|change| change.timestamp() < end) {
            add(change.abbreviation(), change.offset());
        }
        let holds = |offset: &&i32| {
            let rule = self.at(seconds - i64::from(**offset));
            rule.name == name && rule.offset == **offset
        };
        offsets.iter().find(holds).or_else(|| offsets.first()).copied()
    }

    /// The name of the location.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::Local(zone) if zone.iana_name().is_none_or(|name| name == "UTC") => "UTC".to_owned(),
            Self::Local(_) => "Local".to_owned(),
            Self::Named(zone) => zone.iana_name().unwrap_or("UTC").to_owned(),
            Self::Fixed(name, _) => name.to_string(),
        }
    }
}

/// The instant for looking up a zone's rules; far from today the calendar's cycle stands in.
fn instant(seconds: i64) -> Timestamp {
    let (low, high) = (Timestamp::MIN.as_second() + CYCLE, Timestamp::MAX.as_second() - CYCLE);
    let near = match seconds {
        seconds if seconds > high => high - CYCLE + (seconds - high).rem_euclid(CYCLE),
        seconds => seconds.max(low),
    };
    Timestamp::from_second(near).unwrap_or(Timestamp::UNIX_EPOCH)
}
