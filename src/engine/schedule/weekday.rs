//! The weekday field: names only, from Monday to Sunday, rewritten for the `cron` crate.

/// Names as the `cron` crate takes them, in the order of the week.
const NAMES: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// Expands the field into a list of days, or `*`. Ranges may run over the weekend (`FRI-MON`).
///
/// # Errors
/// A sentence that says what is wrong with the field.
pub(super) fn expand(field: &str) -> Result<String, String> {
    if matches!(field, "*" | "?") {
        return Ok("*".into());
    }
    if field.contains(|letter: char| letter.is_ascii_digit()) {
        return Err(format!(
            "`{field}` names weekdays by digits, which mean different days to different programs; \
             write MON, TUE, WED, THU, FRI, SAT or SUN"
        ));
    }
    let mut days = [false; 7];
    for part in field.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first, field)?, day(last, field)?);
        let length = (last + 7 - first) % 7 + 1;
        for (number, day) in days.iter_mut().enumerate() {
            *day |= (number + 7 - first) % 7 < length;
        }
    }
    let named = NAMES.iter().zip(days).filter(|(_, wanted)| *wanted).map(|(name, _)| *name);
    Ok(named.collect::<Vec<_>>().join(","))
}

/// The number of a day from its name, short or long.
fn day(name: &str, field: &str) -> Result<usize, String> {
    const LONG: [&str; 7] =
        ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
    let name = name.to_ascii_uppercase();
    NAMES.iter().zip(LONG).position(|(short, long)| name == *short || name == long).ok_or_else(
        || {
            format!(
                "`{field}` is no weekday: write MON, TUE, WED, THU, FRI, SAT, SUN, a range \
                 `MON-FRI`, a list `SAT,SUN` or `*`"
            )
        },
    )
}
