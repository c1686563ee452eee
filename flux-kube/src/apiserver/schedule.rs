//! The grammar of cron schedules, with the words of the library that the real server reads them with.

/// Why a schedule is none.
pub(crate) fn error(schedule: &str) -> Option<String> {
    if let Some(word) = schedule.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let known = known.contains(&word) || word.starts_with("every ");
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let ranges: [(u32, u32, &[&str]); 5] = [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, MONTHS), (0, 6, DAYS)];
    fields
        .iter()
        .zip(ranges)
        .find_map(|(field, (low, high, names))| field.split(',').find_map(|part| range(part, low, high, names).err()))
}

/// One part of a field: `*`, a number, a range, any of them with a step.
fn range(part: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    let (bounds, step) = match part.split('/').collect::<Vec<_>>().as_slice() {
        [bounds] => (*bounds, None),
        [bounds, step] => (*bounds, Some(*step)),
        _ => return Err(format!("too many slashes: {part}")),
    };
    let number = |text: &str| {
        let named = names.iter().position(|n| n.eq_ignore_ascii_case(text));
        match named.map(|i| i as u32 + low).or_else(|| text.parse().ok()) {
            Some(n) => Ok(n),
            None => Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")),
        }
    };
    let (start, end) = match bounds.split('-').collect::<Vec<_>>().as_slice() {
        ["*" | "?"] => (low, high),
        [one] => {
            let n = number(one)?;
            (n, if step.is_some() { high } else { n })
        }
        [from, to] => (number(from)?, number(to)?),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    if let Some(step) = step
        && number(step)? == 0
    {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {part}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {part}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::error;

    #[test]
    fn schedules() {
        for good in ["*/5 * * * *", "0 0 1,15 jan-mar MON-FRI", "@hourly", "@every 1h", "5/10 ? * * *"] {
            assert_eq!(error(good), None, "{good}");
        }
        assert_eq!(error("60 * * * *").as_deref(), Some("end of range (60) above maximum (59): 60"));
        assert_eq!(error("*/0 * * * *").as_deref(), Some("step of range should be a positive number: */0"));
        assert!(error("x * * * *").is_some() && error("1-2-3 * * * *").is_some() && error("* *").is_some());
    }
}
