//! Dates as JavaScript writes them in JSON.

/// The furthest a date of JavaScript can be from 1970, in milliseconds (ECMA-262, time values and time range).
const MAX_TIME: u64 = 8_640_000_000_000_000;
const DAY: i64 = 86_400_000;

/// The text of the moment so many milliseconds after 1970 began, such as `2020-02-29T12:00:00.000Z`. `None` beyond the range of
/// a date.
pub(super) fn iso_8601(time: i64) -> Option<String> {
    if time.unsigned_abs() > MAX_TIME {
        return None;
    }
    let (year, month, day) = civil(time.div_euclid(DAY));
    let time = time.rem_euclid(DAY);
    let (hour, minute) = (time / 3_600_000, time / 60_000 % 60);
    let (second, milli) = (time / 1000 % 60, time % 1000);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Year, month and day of the Gregorian calendar, counted in eras of 400 years that begin in March, so that a leap day is the
/// last day of its year.
fn civil(days_after_1970: i64) -> (i64, i64, i64) {
    let days = days_after_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, after_new_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + after_new_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_javascript_writes_them() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_582_977_845_678, "2020-02-29T12:04:05.678Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ];
        for (time, text) in table {
            assert_eq!(iso_8601(time).as_deref(), Some(text));
        }
        assert_eq!(iso_8601(8_640_000_000_000_001), None);
        assert_eq!(iso_8601(i64::MIN), None);
    }
}
