//! Which answers are asked for again, and when.

use std::time::Duration;

use flux_core::time::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often a request is sent again after a failure that may pass.
pub(super) const RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A server that asks for more patience than this gets none; the loop comes back by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long to wait before a request is sent again for the `attempt`th time, counted from zero, when nobody says.
pub(super) fn pause(attempt: u32) -> Duration {
    FIRST_PAUSE * 2_u32.saturating_pow(attempt)
}

/// How long to wait before asking again; none for an answer that stands.
pub(super) fn after(status: StatusCode, headers: &HeaderMap, attempt: u32, now: Timestamp) -> Option<Duration> {
    if !matches!(status.as_u16(), 429 | 502 | 503 | 504) {
        return None;
    }
    let wait = headers.get(RETRY_AFTER).and_then(|value| asked(value.to_str().ok()?, now));
    Some(wait.unwrap_or_else(|| pause(attempt))).filter(|wait| *wait <= LONGEST_PAUSE)
}

/// What `Retry-After` asks for: seconds, or a date.
fn asked(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Timestamp::from_unix_seconds(date.as_second()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_say_when_to_come_back() {
        let now = Timestamp::from_unix_seconds(784_111_777);
        let wait = |status: u16, header: Option<&str>, attempt| {
            let headers = header.map(|text| (RETRY_AFTER, text.parse().unwrap())).into_iter().collect();
            after(StatusCode::from_u16(status).unwrap(), &headers, attempt, now).map(|wait| wait.as_millis())
        };
        assert_eq!(wait(503, None, 0), Some(200));
        assert_eq!(wait(429, None, 1), Some(400));
        assert_eq!(wait(503, Some("3"), 0), Some(3000));
        assert_eq!(wait(503, Some("Sun, 06 Nov 1994 08:49:39 GMT"), 0), Some(2000));
        assert_eq!(wait(503, Some("Sun, 06 Nov 1994 08:49:30 GMT"), 0), Some(0));
        assert_eq!(wait(503, Some("soon"), 0), Some(200));
        assert_eq!(wait(503, Some("3600"), 0), None);
        assert_eq!(wait(503, Some("Mon, 06 Nov 1995 08:49:39 GMT"), 0), None);
        for status in [200, 304, 401, 404, 500] {
            assert_eq!(wait(status, Some("1"), 0), None);
        }
    }
}
