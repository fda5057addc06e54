//! Times of RFC 3339 in the spelling that nearly all publishers use.

/// Microseconds between 1970 and 2000, the epochs of Kafka and of Postgres.
pub const BEFORE_2000: i64 = 946_684_800_000_000;

fn number(text: &[u8]) -> Option<i64> {
    let mut value = 0;
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = 10 * value + i64::from(digit - b'0');
    }
    Some(value)
}

/// Days from 2000-03-01 to a date of the calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Years that begin in March end with the leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let years = year - 2000;
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    Some(365 * years + leap_days + (153 * month + 2) / 5 + day - 1)
}

/// The microseconds since 2000 of a time like `2026-11-22T10:04:05.123-05:00`.
///
/// Digits finer than a microsecond are cut, as Python does.
pub fn micros(text: &[u8]) -> Option<i64> {
    if text.len() < 20 || text[4] != b'-' || text[7] != b'-' || text[10] != b'T' {
        return None;
    }
    if text[13] != b':' || text[16] != b':' {
        return None;
    }
    let year = number(&text[..4])?;
    if !(1970..=2200).contains(&year) {
        return None;
    }
    let date = days(year, number(&text[5..7])?, number(&text[8..10])?)?;
    let (hour, minute) = (number(&text[11..13])?, number(&text[14..16])?);
    let second = number(&text[17..19])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = fraction(&text[19..])?;
    // Sixty days before 2000-03-01 the year began.
    let seconds = ((date + 60) * 24 + hour) * 3600 + minute * 60 + second - offset(zone)?;
    Some(seconds * 1_000_000 + fraction)
}

/// A time like `2026-11-22T10:04:05.123000Z`, with six digits behind the point or none.
pub fn written(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (date, second) = (seconds.div_euclid(86_400) - 60, seconds.rem_euclid(86_400));
    let (year, month, day) = calendar(date);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 {
        return whole + "Z";
    }
    format!("{whole}.{fraction:06}Z")
}

/// The date of a number of [`days`], by centuries and years that end with the leap day.
fn calendar(days: i64) -> (i64, i64, i64) {
    let (eras, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (2000 + 400 * eras + year, month, day)
}

/// The microseconds behind a point, and the rest.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.first() != Some(&b'.') {
        return Some((0, text));
    }
    let end = 1 + text[1..].iter().take_while(|digit| digit.is_ascii_digit()).count();
    if !(2..=10).contains(&end) {
        return None;
    }
    let cut = end.min(7);
    let scale = 10_i64.pow(7 - cut as u32);
    Some((number(&text[1..cut])? * scale, &text[end..]))
}

/// The seconds by which a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let ahead = match zone {
        b"Z" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    if zone.len() != 6 || zone[3] != b':' {
        return None;
    }
    let (hours, minutes) = (number(&zone[1..3])?, number(&zone[4..])?);
    (hours < 24 && minutes < 60).then_some(ahead * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::{micros, written};

    #[test]
    fn counts_from_2000() {
        assert_eq!(micros(b"2000-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros(b"2000-03-01T00:00:00.5Z"), Some(60 * 86_400_000_000 + 500_000));
        assert_eq!(micros(b"1999-12-31T19:00:00-05:00"), Some(0));
        assert_eq!(micros(b"2000-01-01T00:00:00.123456789Z"), Some(123_456));
    }

    #[test]
    fn writes_each_day_as_it_is_read() {
        for day in -10_957..73_000 {
            let moment = day * 86_400_000_000 + 86_399_000_001;
            assert_eq!(micros(written(moment).as_bytes()), Some(moment));
        }
    }

    #[test]
    fn leaves_the_rest_to_python() {
        for text in [
            "2023-02-29T00:00:00Z",
            "2000-01-01t00:00:00Z",
            "2000-01-01T00:00:60Z",
            "2000-01-01T00:00:00",
            "2000-01-01T00:00:00.Z",
            "2000-01-01T00:00:00+0500",
        ] {
            assert_eq!(micros(text.as_bytes()), None, "{text}");
        }
    }
}
