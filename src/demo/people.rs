//! The people of the simulated shop: who they are, and the truth that Heedful has to find out.

use jiff::civil;
use serde_json::{Value, json};

use crate::engine::time::{Span, Timestamp, Zone};

use super::shop::SERVICES;

/// Someone who buys there.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// What the shop knows of them.
    pub traits: Value,
    /// Where they live.
    pub zone: Zone,
    /// How they really feel.
    pub mood: Mood,
    /// Services they use.
    pub services: Vec<&'static str>,
    /// Number of their latest parcel.
    pub parcel: u32,
    /// When their trial ends, for those who are on one.
    pub trial_ends: Option<Timestamp>,
}

/// How someone really feels: the truth behind the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing to worry about.
    Content,
    /// Uses it less and less.
    Declining {
        /// Since when.
        since: Timestamp,
    },
    /// Has all but decided to go.
    Leaving {
        /// Since when.
        since: Timestamp,
    },
}

impl Mood {
    /// How much they do, compared with a content customer.
    pub fn pace(self, now: Timestamp) -> f64 {
        match self {
            Self::Declining { since } if since <= now => 0.4,
            Self::Leaving { since } if since <= now => 0.15,
            Self::Content | Self::Declining { .. } | Self::Leaving { .. } => 1.0,
        }
    }

    /// The true chance that they leave within a month.
    pub fn churn(self, now: Timestamp) -> f64 {
        let days = |since: Timestamp| {
            f64::from(i32::try_from((now - since).as_millis() / Span::DAY.as_millis()).unwrap_or(0))
        };
        match self {
            Self::Content => 0.04,
            Self::Declining { since } => (0.35 + 0.02 * days(since)).min(0.65),
            Self::Leaving { since } => (0.7 + 0.02 * days(since)).min(0.95),
        }
    }

    /// The word shown beside what Heedful found.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Declining { .. } => "declining",
            Self::Leaving { .. } => "leaving",
        }
    }

    /// How they feel some weeks later; `roll` is between 0 and 1.
    pub(super) fn shifted(self, roll: f64, at: Timestamp) -> Self {
        match self {
            Self::Content if roll < 0.05 => Self::Declining { since: at },
            Self::Declining { .. } if roll < 0.25 => Self::Leaving { since: at },
            Self::Declining { .. } if roll < 0.4 => Self::Content,
            Self::Leaving { .. } if roll < 0.15 => Self::Content,
            same => same,
        }
    }
}

const NAMES: [(&str, &str, &str, &str); 16] = [
    ("Ann", "Smit", "Europe/Amsterdam", "en"),
    ("Mei", "Lin", "Asia/Shanghai", "zh-CN"),
    ("Bo", "Larsen", "Europe/Copenhagen", "en"),
    ("Noor", "Haddad", "Asia/Dubai", "en"),
    ("Luis", "Ortega", "America/Mexico_City", "en"),
    ("Jun", "Chen", "Asia/Shanghai", "zh-CN"),
    ("Grace", "Owusu", "Africa/Accra", "en"),
    ("Tom", "Becker", "Europe/Berlin", "en"),
    ("Ava", "Brown", "America/New_York", "en"),
    ("Kenji", "Mori", "Asia/Tokyo", "en"),
    ("Sofia", "Rossi", "Europe/Rome", "en"),
    ("Wei", "Zhang", "Asia/Shanghai", "zh-CN"),
    ("Ella", "Jones", "Australia/Sydney", "en"),
    ("Ravi", "Nair", "Asia/Kolkata", "en"),
    ("Zoe", "Clark", "America/Los_Angeles", "en"),
    ("Ida", "Berg", "Europe/Oslo", "en"),
];
const CATEGORIES: [&str; 4] = ["shoes", "books", "garden", "kitchen"];
const MANAGERS: [&str; 4] = ["mei", "chen", "olga", "sam"];

/// Makes people. A tenth has not consented to marketing, three in ten are on trial, a quarter is VIP.
pub(super) fn people(rng: &mut fastrand::Rng, count: usize, start: Timestamp) -> Vec<Person> {
    (0..count).map(|number| person(rng, number, start)).collect()
}

fn person(rng: &mut fastrand::Rng, number: usize, start: Timestamp) -> Person {
    let named = |number: usize| {
        NAMES.get(number % NAMES.len()).copied().unwrap_or(("Ann", "Smit", "Etc/UTC", "en"))
    };
    let (first, _, zone_name, locale) = named(number);
    // Each first name with another last name every time, so that people can be told apart.
    let (_, last, ..) = named(number + number / NAMES.len());
    let zone = Zone::parse(zone_name).unwrap_or(Zone::utc());
    let id = format!("c{number:04}");
    let mood = match rng.f64() {
        roll if roll < 0.72 => Mood::Content,
        roll if roll < 0.92 => Mood::Declining { since: start - Span::DAY.times(12) },
        _ => Mood::Leaving { since: start - Span::DAY.times(9) },
    };
    let mut services = Vec::new();
    if rng.f64() < 0.35 {
        services.extend(SERVICES.get(rng.usize(0..SERVICES.len())).copied());
    }
    let on_trial = rng.f64() < 0.3;
    let tier = if rng.f64() < 0.25 { "vip" } else { "standard" };
    let traits = json!({
        "first_name": first, "name": format!("{first} {last}"), "locale": locale,
        "timezone": zone_name, "tier": tier, "services": services,
        "plan": if on_trial { "trial" } else { "team" },
        "favourite_category": CATEGORIES.get(rng.usize(0..CATEGORIES.len())),
        "account": format!("a{}", number / 3),
        "owner": MANAGERS.get(number % MANAGERS.len()),
        "csm": MANAGERS.get(number % MANAGERS.len()),
        "email": format!("{}.{number}@shop.example", first.to_lowercase()),
        "consent": {"marketing": 0.1 < rng.f64()},
        "open_ticket": rng.f64() < 0.05,
    });
    let mut more = serde_json::Map::new();
    if rng.f64() < 0.5 {
        more.insert("phone".to_owned(), json!(format!("+3161{number:07}")));
    }
    if rng.f64() < 0.4 {
        more.insert("push_token".to_owned(), json!(format!("push-{number}")));
    }
    // Some are over already: their last tip came in the week that the page looks back on.
    let ahead = Span::HOUR.times(rng.i64(-6 * 24..20 * 24));
    let trial_ends = on_trial.then_some(start + ahead);
    if let Some(ends) = trial_ends {
        more.insert("trial_ends_at".to_owned(), json!(ends.to_string()));
    } else {
        let renews = json!({"status": "active", "renews_at": date(start + ahead)});
        more.insert("subscription".to_owned(), renews);
    }
    let traits = match traits {
        Value::Object(known) => Value::Object(known.into_iter().chain(more).collect()),
        other => other,
    };
    Person { id, traits, zone, mood, services, parcel: 0, trial_ends }
}

fn date(at: Timestamp) -> String {
    let date: civil::Date = at.in_zone(&Zone::utc()).date();
    date.to_string()
}
