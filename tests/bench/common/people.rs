//! Events in the shape of the workload, made as they are needed: any number of customers, happening
//! now. Requests are made beforehand, and only the ids in them change from one send to the next.
#![expect(
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    reason = "a bench that is wrong stops where it stands"
)]

use std::fmt::Write as _;

use fastrand::Rng;
use heedful::engine::time::Timestamp;

/// Events with the part of all that they and those before them have, in percent.
const EVENTS: [(&str, u8); 9] = [
    ("page_viewed", 40),
    ("product_viewed", 60),
    ("cart_updated", 72),
    ("feature_used", 82),
    ("search_performed", 90),
    ("checkout_started", 95),
    ("order_completed", 98),
    ("ticket_opened", 99),
    ("app_opened", 100),
];
const PATHS: [(&str, u8); 6] = [
    ("/home", 35),
    ("/pricing", 50),
    ("/docs/start", 70),
    ("/account", 85),
    ("/cancel", 90),
    ("/blog/post-17", 100),
];
const CATEGORIES: [&str; 8] =
    ["shoes", "laptops", "garden", "toys", "books", "phones", "kitchen", "sports"];
const REFERRERS: [&str; 5] = ["newsletter", "google", "direct", "partner", "app"];
const LOCALES: [&str; 5] = ["de-DE", "en-US", "zh-CN", "fr-FR", "es-ES"];
/// Digits of the number in an id.
const ID_DIGITS: usize = 12;
/// The event that the bench waits for.
const MARKER: &str = "bench_marker";

/// Customers and the chance by which they act: the hottest hundredth makes a tenth of the events.
#[derive(Clone, Debug)]
pub(crate) struct People {
    customers: u32,
    random: Rng,
}

impl People {
    pub(crate) fn new(customers: u32, seed: u64) -> Self {
        Self { customers, random: Rng::with_seed(seed) }
    }

    /// Appends an event as a call of Segment's; its id has room for a number.
    pub(crate) fn event(&mut self, at: Timestamp, text: &mut String) {
        let name = self.pick(&EVENTS);
        self.named(name, at, text);
    }

    /// Appends an event that the bench waits for.
    pub(crate) fn marker(&mut self, at: Timestamp, text: &mut String) {
        self.named(MARKER, at, text);
    }

    fn named(&mut self, name: &str, at: Timestamp, text: &mut String) {
        let share = self.random.f64();
        let customer = f64::from(self.customers) * share * share;
        let path = self.pick(&PATHS);
        let random = &mut self.random;
        let cart = random.f64() * 250.0;
        let (items, sku) = (random.u8(1..10), random.u32(0..99_999));
        let category = CATEGORIES[random.usize(..CATEGORIES.len())];
        let referrer = REFERRERS[random.usize(..REFERRERS.len())];
        let locale = LOCALES[random.usize(..LOCALES.len())];
        let (first, ip) = (random.u8(..10) == 0, random.u32(..1 << 24).to_be_bytes());
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            "{{\"messageId\":\"m-000000000000\",\"type\":\"track\",\"userId\":\"u{:08}\",\
             \"event\":\"{name}\",\"timestamp\":\"{at}\",\"properties\":{{\"cart_value\":{cart:.2},\
             \"currency\":\"EUR\",\"items\":{items},\"sku\":\"SKU-{sku:05}\",\
             \"category\":\"{category}\",\"path\":\"{path}\",\"referrer\":\"{referrer}\",\
             \"first_visit\":{first}}},\"context\":{{\"ip\":\"10.{}.{}.{}\",\
             \"locale\":\"{locale}\",\"app\":\"web\"}}}}",
            customer.floor(),
            ip[1],
            ip[2],
            ip[3],
        );
    }

    fn pick(&mut self, table: &[(&'static str, u8)]) -> &'static str {
        let chance = self.random.u8(..100);
        table.iter().find(|(_, upto)| chance < *upto).map_or("app_opened", |(name, _)| name)
    }
}

/// A request as it goes over the wire, and where the ids are in it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    ids: Vec<usize>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        Self { bytes: head.into_bytes(), ids: Vec::new() }
    }

    /// One event for itself.
    pub(crate) fn single(event: &str) -> Self {
        Self::post("/v1/track", event)
    }

    /// So many events together; the first `markers` of them are waited for.
    pub(crate) fn batch(people: &mut People, count: usize, markers: usize, at: Timestamp) -> Self {
        let mut body = String::from("{\"batch\":[");
        for number in 0..count {
            if number != 0 {
                body.push(',');
            }
            if number < markers {
                people.marker(at, &mut body);
            } else {
                people.event(at, &mut body);
            }
        }
        body.push_str("]}");
        Self::post("/v1/batch", &body)
    }

    fn post(path: &str, body: &str) -> Self {
        let mut text = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        text.push_str(body);
        let ids = text.match_indices("\"m-0").map(|(at, _)| at + 3).collect();
        Self { bytes: text.into_bytes(), ids }
    }

    /// How many events are in it.
    pub(crate) fn events(&self) -> usize {
        self.ids.len()
    }

    /// The bytes, with the events numbered from here on.
    pub(crate) fn numbered(&mut self, mut next: u64) -> &[u8] {
        for id in &self.ids {
            let mut left = next;
            for digit in self.bytes[*id..*id + ID_DIGITS].iter_mut().rev() {
                *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
                left /= 10;
            }
            next += 1;
        }
        &self.bytes
    }
}
