//! Numbers, dates and times: the same figure however it is written, and never a part of another one,
//! so that the `11` of `2024-05-11` is not the record 11.

use std::borrow::Cow;

/// A figure that one piece of a text writes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// An exact decimal, without leading and trailing zeroes; `whole` if it is written as nothing but
    /// digits, as ids are.
    Number { text: String, whole: bool },
    /// A day, `2024-05-11` or `--05-11`, and the time of the day behind it.
    Day(String, Option<String>),
    /// A time of the day, `17:00`.
    Time(String),
}

/// The longest text that is a figure.
pub(crate) const LONGEST: usize = 64;

/// The figure that `piece` is as a whole.
pub(crate) fn figure(piece: &str) -> Option<Figure> {
    let begins =
        |c: char| c.is_ascii_digit() || matches!(c, '$' | '£' | '€' | '¥' | '~' | '+' | '-' | ',');
    if piece.len() > LONGEST || !piece.starts_with(begins) {
        return None;
    }
    number(piece).or_else(|| day(piece)).or_else(|| Some(Figure::Time(time(piece)?)))
}

/// Whether `piece` is a day or a time of the day.
pub(crate) fn is_moment(piece: &str) -> bool {
    piece.len() <= LONGEST && (date(piece).is_some() || clock(piece).is_some())
}

fn number(piece: &str) -> Option<Figure> {
    let bare = piece.trim_start_matches(['$', '£', '€', '¥', '~', '+']);
    let negative = bare.starts_with('-');
    let bare = bare.trim_start_matches(['-', '$', '£', '€', '¥']);
    let bare = bare.trim_end_matches(['%', '$', '£', '€', '¥']);
    let (integer, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let grouped = integer.contains(',');
    if grouped && !integer.split(',').skip(1).all(|group| group.len() == 3) {
        return None;
    }
    let all = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !integer.split(',').all(all) || !all(fraction) {
        return None;
    }
    let digits =
        if grouped { Cow::Owned(integer.replace(',', "")) } else { Cow::Borrowed(integer) };
    if digits.is_empty() {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let mut text = String::with_capacity(piece.len() + 1);
    text.push_str(if negative { "-" } else { "" });
    text.push_str(if significant.is_empty() { "0" } else { significant });
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    let whole = bare.len() == piece.len() && all(piece);
    Some(Figure::Number { text, whole })
}

fn day(piece: &str) -> Option<Figure> {
    let ([year, month, day], rest) = date(piece)?;
    let clock = rest.and_then(time);
    Some(Figure::Day([year, "-", month, "-", day].concat(), clock))
}

fn time(piece: &str) -> Option<String> {
    let (hours, minutes) = clock(piece)?;
    let zero = if hours.len() < 2 { "0" } else { "" };
    Some([zero, hours, ":", minutes].concat())
}

/// `2024-05-11`, `2024/05/11`, `2024-05-11T17:00:00Z`: year, month and day, and the time behind them.
fn date(piece: &str) -> Option<([&str; 3], Option<&str>)> {
    let (date, rest) = piece.split_at_checked(10)?;
    let (year, month_day) = date.split_at_checked(4)?;
    let (month, day) = month_day.strip_prefix(['-', '/'])?.split_at_checked(2)?;
    let day = day.strip_prefix(['-', '/'])?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(year) && digits(month) && digits(day)) {
        return None;
    }
    let time = match rest.strip_prefix(['T', 't', ' ']) {
        Some(time) => Some(time).filter(|time| clock(time).is_some()),
        None if rest.is_empty() => return Some(([year, month, day], None)),
        None => None,
    };
    Some(([year, month, day], Some(time?)))
}

/// `17:00`, `9:30:00`, `17:00:00.000Z`, `17:00+02:00`: hours and minutes.
fn clock(piece: &str) -> Option<(&str, &str)> {
    let (hours, rest) = piece.split_once(':')?;
    let minutes = rest.get(..2)?;
    let two = |part: &str| {
        (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let rest = rest.get(2..)?;
    let tail = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | 'Z' | 'z');
    (two(hours) && two(minutes) && rest.chars().all(tail)).then_some((hours, minutes))
}

/// The number of the month that `word` names.
pub(crate) fn month(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.trim_end_matches('.');
    if word.len() < 3 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| {
        *month == lower
            || month.get(..3) == Some(lower.as_str())
            || (lower == "sept" && *month == "september")
    })?;
    u8::try_from(at + 1).ok()
}

/// The day of a month that `piece` writes: `11`, `11th`.
pub(crate) fn day_of_month(piece: &str) -> Option<u8> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| piece.strip_suffix(end));
    let digits = digits.unwrap_or(piece);
    let day: u8 = digits.parse().ok()?;
    (digits.len() <= 2 && (1..=31).contains(&day)).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_figure_is_the_same_text() {
        for (pieces, text) in [
            (&["98.7", "98.70", "$98.70", "098.7", "98.70€"][..], "98.7"),
            (&["1050", "1,050", "£1,050.00", "1050.0"], "1050"),
            (&["-5", "-$5.00"], "-5"),
            (&["0", "0.00", "000"], "0"),
        ] {
            for piece in pieces {
                let Some(Figure::Number { text: found, .. }) = figure(piece) else {
                    panic!("{piece}")
                };
                assert_eq!(found, text, "{piece}");
            }
        }
    }

    #[test]
    fn a_date_is_one_figure() {
        let day = |clock: Option<&str>| Figure::Day("2024-05-11".into(), clock.map(str::to_owned));
        assert_eq!(figure("2024-05-11"), Some(day(None)));
        assert_eq!(figure("2024-05-11T09:30:00Z"), Some(day(Some("09:30"))));
        assert_eq!(figure("2024-05-11 09:30"), Some(day(Some("09:30"))));
        assert_eq!(figure("9:30"), Some(Figure::Time("09:30".into())));
        for other in
            ["1.2.3", "v1", "12a", "1,2", "10:", "2024-5-1x", "::", "GB29NWBK60161331926819"]
        {
            assert_eq!(figure(other), None, "{other}");
        }
        assert_eq!((month("May"), month("Sept."), month("mayor")), (Some(5), Some(9), None));
        assert_eq!(
            (day_of_month("15th"), day_of_month("32"), day_of_month("x")),
            (Some(15), None, None)
        );
    }
}
