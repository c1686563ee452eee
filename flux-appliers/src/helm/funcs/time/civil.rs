//! The proleptic Gregorian calendar over all of Go's range of years, which is wider than that of a calendar crate.

pub(super) const DAY: i64 = 86_400;

/// The calendar repeats after so many seconds, weekdays included.
pub(super) const CYCLE: i64 = 400 * 365 * DAY + 97 * DAY;

/// A date and time of day, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date whose month and day may be out of range, as Go's `time.Date` takes them.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year.saturating_add((month - 1).div_euclid(12));
    let month = (month - 1).rem_euclid(12) + 1;
    // Years that begin in March have the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era.saturating_mul(146_097).saturating_add(of_era * 365 + of_era / 4 - of_era / 100 + of_year + day - 719_469)
}

impl Civil {
    /// The date and time, `seconds` after 1970.
    pub(super) fn of(seconds: i64) -> Self {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let days = days.saturating_add(719_468);
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (of_year - (153 * shifted + 2) / 5 + 1) as u8,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }

    /// From 1.
    pub(super) fn day_of_year(&self) -> i64 {
        days(self.year, i64::from(self.month), i64::from(self.day)) - days(self.year, 1, 1) + 1
    }

    /// From Sunday, which is 0.
    pub(super) fn weekday(&self) -> usize {
        // The first day of 1970 was a Thursday.
        (days(self.year, i64::from(self.month), i64::from(self.day)) + 4).rem_euclid(7) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_both_ways() {
        for second in [-99_999_999_999_999, -62_135_596_801, -1, 0, 951_782_400, 1_709_164_800, 99_999_999_999_999] {
            let civil = Civil::of(second);
            let day = days(civil.year, i64::from(civil.month), i64::from(civil.day));
            let of_day = i64::from(civil.hour) * 3600 + i64::from(civil.minute) * 60 + i64::from(civil.second);
            assert_eq!(day * DAY + of_day, second);
        }
        assert_eq!(Civil::of(1_709_164_800).day_of_year(), 60);
        assert_eq!(Civil::of(0).weekday(), 4);
        assert_eq!(days(2024, 14, 1), days(2025, 2, 1));
        assert_eq!(days(2024, 2, 30), days(2024, 3, 1));
    }
}
