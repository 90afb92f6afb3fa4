//! An invented business of a year, with moods that nobody sees and cancellations that follow them:
//! the events of `examples/churn-model`.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use heedful::engine::time::{Span, Timestamp};

use crate::cli::here;

/// Customers, who sign up in the first third.
const CUSTOMERS: u64 = 300;
/// Days of the story.
pub(crate) const DAYS: i64 = 360;
/// Chances are counted in ten thousandths.
const WHOLE: u64 = 10_000;

/// Numbers by chance that stay the same wherever this runs (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn comes(&mut self, of_ten_thousand: u64) -> bool {
        self.below(WHOLE) < of_ten_thousand
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Glad,
    Sour,
}

/// The story, line by line, in order of time.
pub(crate) fn story(seed: u64) -> String {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    for number in 0..CUSTOMERS {
        life(number, seed, &mut lines);
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

/// When a day of the story begins.
pub(crate) fn day(day: i64) -> Timestamp {
    Timestamp::parse("2025-01-06T00:00:00Z").unwrap() + Span::DAY.times(day)
}

fn life(number: u64, seed: u64, lines: &mut Vec<(Timestamp, String)>) {
    let mut chance = Chance(seed ^ (number + 1).wrapping_mul(0xD1B5_4A32_D192_ED03));
    let plan = ["starter", "team", "team", "business"][usize::try_from(chance.below(4)).unwrap()];
    let leaves = match plan {
        "starter" => 260,
        "team" => 180,
        _ => 110,
    };
    let customer = format!("c{number:03}");
    let begun = i64::try_from(chance.below(120)).unwrap();
    let mut mood = if chance.comes(1_000) { Mood::Sour } else { Mood::Glad };
    let mut count = 0_u32;
    let mut tell = |at: Timestamp, what: &str| {
        count += 1;
        let line = format!(
            "{{\"customer\":\"{customer}\",\"at\":\"{at}\",\"id\":\"{customer}-{count}\",{what}}}"
        );
        lines.push((at, line));
    };
    let created = day(begun);
    tell(
        created,
        &format!(
            "\"traits\":{{\"plan\":\"{plan}\",\"status\":\"active\",\"created_at\":\"{created}\"}}"
        ),
    );
    for today in begun..DAYS {
        mood = match mood {
            Mood::Glad if chance.comes(40) => Mood::Sour,
            Mood::Sour if chance.comes(80) => Mood::Glad,
            same => same,
        };
        let (logs_in, explores, asks, cancels) = match mood {
            Mood::Glad => (4_500, 4_500, 60, 3),
            Mood::Sour => (1_000, 2_500, 500, leaves),
        };
        let mut at = day(today) + Span::HOUR.times(7 + i64::try_from(chance.below(12)).unwrap());
        if chance.comes(logs_in) {
            tell(at, "\"event\":\"Logged In\"");
            if chance.comes(explores) {
                at = at + Span::MINUTE.times(5);
                let feature = ["reports", "export", "teams", "api", "alerts", "themes"]
                    [usize::try_from(chance.below(6)).unwrap()];
                tell(
                    at,
                    &format!("\"event\":\"Feature Used\",\"with\":{{\"feature\":\"{feature}\"}}"),
                );
            }
        }
        if chance.comes(asks) {
            at = at + Span::MINUTE.times(9);
            tell(at, "\"event\":\"Ticket Opened\"");
        }
        if chance.comes(120) {
            at = at + Span::MINUTE.times(2);
            let score = if mood == Mood::Glad { 6 + chance.below(5) } else { 1 + chance.below(7) };
            tell(at, &format!("\"event\":\"Survey Answered\",\"with\":{{\"score\":{score}}}"));
        }
        if chance.comes(cancels) {
            at = at + Span::HOUR;
            tell(at, "\"event\":\"Subscription Cancelled\"");
            tell(at + Span::SECOND, "\"traits\":{\"status\":\"cancelled\"}");
            return;
        }
    }
}

/// The story as the example has it.
pub(crate) fn file() -> PathBuf {
    here().join("examples/churn-model/events.jsonl.gz")
}

/// The seed of the example's story.
pub(crate) const SEED: u64 = 7;

#[test]
fn the_events_of_the_example_are_this_story() {
    let story = story(SEED);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(story.as_bytes()).unwrap();
        std::fs::write(file(), gzip.finish().unwrap()).unwrap();
    }
    let mut told = String::new();
    let packed = std::fs::File::open(file()).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut told).unwrap();
    assert!(told == story, "run with UPDATE_EXPECTED=1");
}
