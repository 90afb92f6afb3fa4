//! Languages: which text a customer gets, and how dates, numbers and money are written in it.

use jiff::civil;

/// A language whose names and numbers are known here. Texts themselves may be in any language;
/// those of others show dates and numbers as in English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
    German,
    French,
    Spanish,
    Dutch,
}

/// How a language writes things.
struct Manner {
    months: [&'static str; 12],
    /// Short names of months, where they are not the first three letters.
    short_months: [&'static str; 12],
    weekdays: [&'static str; 7],
    short_weekdays: [&'static str; 7],
    date: &'static str,
    point: char,
    group: char,
    percent: &'static str,
    money: Side,
}

/// On which side of the amount a currency stands.
#[derive(Clone, Copy)]
enum Side {
    Before,
    /// Before, with a space.
    BeforeApart,
    After,
}

/// A space at which no line may break.
const HARD_SPACE: char = '\u{a0}';
/// The same, narrow: groups of digits in French.
const NARROW_SPACE: char = '\u{202f}';
/// Most decimals shown.
const DECIMALS_MAX: u8 = 9;

/// The variant for a customer: `zh-Hant-TW`, `zh-Hant`, `zh`, any other Chinese; then the
/// policy's language in the same way; then the first. `None` when there is no variant.
pub(super) fn choose(variants: &[&str], wanted: Option<&str>, fallback: &str) -> Option<usize> {
    let found = |wanted: &str| {
        let wanted = wanted.replace('_', "-");
        let mut tag = wanted.as_str();
        loop {
            let exact = variants.iter().position(|variant| variant.eq_ignore_ascii_case(tag));
            match (exact, tag.rsplit_once('-')) {
                (Some(index), _) => return Some(index),
                (None, Some((shorter, _))) => tag = shorter,
                (None, None) => break,
            }
        }
        variants.iter().position(|variant| language_of(variant).eq_ignore_ascii_case(tag))
    };
    wanted.and_then(found).or_else(|| found(fallback)).or_else(|| variants.first().map(|_| 0))
}

fn language_of(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

/// Writes a moment by a pattern: `d dd M MM MMM MMMM yy yyyy E EEEE HH mm`, all other characters
/// but letters as they are.
///
/// # Errors
/// A sentence that names the letters that mean nothing.
pub(super) fn write_moment(
    moment: civil::DateTime,
    pattern: &str,
    language: Language,
) -> Result<String, String> {
    let manner = language.manner();
    let name = |names: &[&'static str], number: i8| {
        let index = usize::try_from(number).unwrap_or_default().saturating_sub(1);
        names.get(index).copied().unwrap_or_default()
    };
    let (month, weekday) = (moment.month(), moment.weekday().to_monday_one_offset());
    let mut written = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let length = rest.find(|other| other != letter).unwrap_or(rest.len());
        let (run, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = tail;
        match run {
            "d" => written += &moment.day().to_string(),
            "dd" => written += &format!("{:02}", moment.day()),
            "M" => written += &month.to_string(),
            "MM" => written += &format!("{month:02}"),
            "MMM" => written += name(&manner.short_months, month),
            "MMMM" => written += name(&manner.months, month),
            "yy" => written += &format!("{:02}", moment.year().rem_euclid(100)),
            "yyyy" => written += &format!("{:04}", moment.year()),
            "E" => written += name(&manner.short_weekdays, weekday),
            "EEEE" => written += name(&manner.weekdays, weekday),
            "HH" => written += &format!("{:02}", moment.hour()),
            "mm" => written += &format!("{:02}", moment.minute()),
            _ if letter.is_ascii_alphabetic() => {
                return Err(format!(
                    "`{run}` means nothing in a date; write d dd M MM MMM MMMM yy yyyy E EEEE HH mm"
                ));
            }
            other => written += other,
        }
    }
    Ok(written)
}

impl Language {
    /// The language of a locale.
    pub(super) fn of(locale: &str) -> Self {
        match language_of(locale).to_ascii_lowercase().as_str() {
            "zh" => Self::Chinese,
            "de" => Self::German,
            "fr" => Self::French,
            "es" => Self::Spanish,
            "nl" => Self::Dutch,
            _ => Self::English,
        }
    }

    /// How `date` writes without a pattern.
    pub(super) fn date_pattern(self) -> &'static str {
        self.manner().date
    }

    /// A number with exactly so many decimals, in groups of thousands.
    pub(super) fn number(self, number: f64, decimals: u8) -> String {
        let manner = self.manner();
        let decimals = usize::from(decimals.min(DECIMALS_MAX));
        let text = format!("{:.decimals$}", number.abs());
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let mut written = String::new();
        // Rounded to nothing, it has no sign any more.
        if number < 0.0 && text.contains(|digit: char| matches!(digit, '1'..='9')) {
            written.push('-');
        }
        for (index, digit) in whole.chars().enumerate() {
            if 0 < index && (whole.len() - index).is_multiple_of(3) {
                written.push(manner.group);
            }
            written.push(digit);
        }
        if !part.is_empty() {
            written.push(manner.point);
            written.push_str(part);
        }
        written
    }

    /// A number with at most two decimals.
    pub(super) fn short_number(self, number: f64) -> String {
        let hundredths = (number * 100.0).round();
        let decimals = if hundredths % 100.0 == 0.0 {
            0
        } else if hundredths % 10.0 == 0.0 {
            1
        } else {
            2
        };
        self.number(number, decimals)
    }

    /// A part of one in hundredths.
    pub(super) fn percent(self, part: f64, decimals: u8) -> String {
        self.number(part * 100.0, decimals) + self.manner().percent
    }

    /// An amount with its currency: a symbol where one is known, else the code.
    pub(super) fn money(self, amount: f64, currency: &str) -> String {
        let code = currency.to_ascii_uppercase();
        let (symbol, decimals) = match code.as_str() {
            "EUR" => ("\u{20ac}", 2),
            "USD" => ("$", 2),
            "GBP" => ("\u{a3}", 2),
            "CNY" | "RMB" => ("\u{a5}", 2),
            "JPY" => ("\u{a5}", 0),
            "KRW" => ("\u{20a9}", 0),
            "INR" => ("\u{20b9}", 2),
            other => (other, 2),
        };
        let number = self.number(amount, decimals);
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", number.as_str()),
        };
        // A code is a word, and words stand apart.
        let apart = symbol.chars().all(|letter| letter.is_ascii_alphabetic());
        match (self.manner().money, apart) {
            (Side::Before, false) => format!("{sign}{symbol}{digits}"),
            (Side::Before, true) | (Side::BeforeApart, _) => {
                format!("{sign}{symbol}{HARD_SPACE}{digits}")
            }
            (Side::After, _) => format!("{sign}{digits}{HARD_SPACE}{symbol}"),
        }
    }

    fn manner(self) -> &'static Manner {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
            Self::German => &GERMAN,
            Self::French => &FRENCH,
            Self::Spanish => &SPANISH,
            Self::Dutch => &DUTCH,
        }
    }
}

static ENGLISH: Manner = Manner {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    short_months: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    short_weekdays: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    date: "d MMMM yyyy",
    point: '.',
    group: ',',
    percent: "%",
    money: Side::Before,
};

static CHINESE: Manner = Manner {
    months: [
        "一月",
        "二月",
        "三月",
        "四月",
        "五月",
        "六月",
        "七月",
        "八月",
        "九月",
        "十月",
        "十一月",
        "十二月",
    ],
    short_months: [
        "1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月",
    ],
    weekdays: ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"],
    short_weekdays: ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
    date: "yyyy年M月d日",
    point: '.',
    group: ',',
    percent: "%",
    money: Side::Before,
};

static GERMAN: Manner = Manner {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    short_months: [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.",
        "Dez.",
    ],
    weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    short_weekdays: ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"],
    date: "d. MMMM yyyy",
    point: ',',
    group: '.',
    percent: "\u{a0}%",
    money: Side::After,
};

static FRENCH: Manner = Manner {
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    short_months: [
        "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
        "déc.",
    ],
    weekdays: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    short_weekdays: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    date: "d MMMM yyyy",
    point: ',',
    group: NARROW_SPACE,
    percent: "\u{a0}%",
    money: Side::After,
};

static SPANISH: Manner = Manner {
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    short_months: [
        "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic",
    ],
    weekdays: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    short_weekdays: ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
    // A quoted word would be needed for "de": the plain order is understood as well.
    date: "d MMMM yyyy",
    point: ',',
    group: '.',
    percent: "\u{a0}%",
    money: Side::After,
};

static DUTCH: Manner = Manner {
    months: [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
    short_months: [
        "jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec",
    ],
    weekdays: ["maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"],
    short_weekdays: ["ma", "di", "wo", "do", "vr", "za", "zo"],
    date: "d MMMM yyyy",
    point: ',',
    group: '.',
    percent: "%",
    money: Side::BeforeApart,
};
