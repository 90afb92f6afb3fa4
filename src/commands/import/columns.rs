//! What the columns of a table mean, from their headings.

use super::cell::{Guess, Kind};
use crate::commands::console::Error;

/// What a column means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Whose row it is.
    Customer,
    /// The event's name.
    Event,
    /// When it happened.
    At,
    /// The event's own id.
    Id,
    /// The answer to a purpose (`consent_marketing`), also on one channel (`consent.marketing.sms`).
    Consent(Vec<String>),
    /// What proves the answers (`consent_evidence`), those of one purpose (`consent.marketing.evidence`),
    /// or where they were given (`consent_source`).
    Proof(Vec<String>),
    /// A trait of the customer or a property of the event, by its path.
    Value(Vec<String>),
    /// A heading without a name.
    Nothing,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// One customer each.
    Customers,
    /// One event each.
    Events,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its heading.
    pub(super) heading: String,
    /// What it means.
    pub(super) meaning: Meaning,
    /// What its cells can be.
    pub(super) guess: Guess,
}

impl Column {
    /// What its cells are.
    pub(super) fn kind(&self) -> Kind {
        self.guess.kind()
    }
}

/// Headings that are known without being told, in the form that [`plain`] gives.
const CUSTOMER: &[&str] =
    &["customer", "customer_id", "customerid", "user_id", "userid", "distinct_id", "external_id"];
const EVENT: &[&str] = &["event", "event_name", "eventname"];
const AT: &[&str] = &["at", "timestamp", "occurred_at", "time", "datetime", "event_time"];
const ID: &[&str] = &["id", "message_id", "messageid", "event_id", "uuid"];
/// Columns that are text whatever they look like.
const TEXTS: &[&str] = &[
    "phone",
    "mobile",
    "tel",
    "telephone",
    "zip",
    "zip_code",
    "postcode",
    "postal_code",
    "plz",
    "account",
    "owner",
    "name",
    "first_name",
    "last_name",
    "email",
    "push_token",
];

/// Last parts of headings that say what proves an answer.
const PROOFS: &[&str] = &["evidence", "source"];

/// Reads the headings. `told` gives the meaning of headings by name (`customer=KDNR`).
///
/// # Errors
/// When it is not clear whose the rows are, or two columns mean the same.
pub(super) fn read(
    headings: &[String],
    told: &[(String, String)],
) -> Result<(Table, Vec<Column>), Error> {
    for (word, heading) in told {
        if !headings.contains(heading) {
            let what = format!("there is no column `{heading}`");
            let known = headings.join("`, `");
            return Err(Error::refused(what, format!("`{word}` may be one of `{known}`")));
        }
    }
    let find = |word: &str, known: &[&str]| {
        let named = told.iter().find(|(told, _)| told == word).map(|(_, heading)| heading);
        match named {
            Some(heading) => headings.iter().position(|other| other == heading),
            None => headings.iter().position(|other| known.contains(&&*plain(other))),
        }
    };
    let event = find("event", EVENT);
    let table = if event.is_some() { Table::Events } else { Table::Customers };
    // In a list of customers `id` is the customer's; in a list of events it is the event's own.
    let customer = find("customer", CUSTOMER).or_else(|| match table {
        Table::Customers => find("customer", &["id"]),
        Table::Events => None,
    });
    let Some(customer) = customer else {
        let what = format!("no column says whose the rows are: `{}`", headings.join("`, `"));
        return Err(Error::refused(what, "name it: `--column customer=HEADING`"));
    };
    let (at, id) = match table {
        Table::Events => (find("at", AT), find("id", ID)),
        Table::Customers => (None, None),
    };
    let columns = headings.iter().enumerate().map(|(index, heading)| {
        let meaning = match Some(index) {
            found if found == Some(customer) => Meaning::Customer,
            found if found == event => Meaning::Event,
            found if found == at => Meaning::At,
            found if found == id => Meaning::Id,
            _ => meaning_of(heading, table),
        };
        let plain = plain(heading);
        let text = TEXTS.contains(&&*plain) || plain.ends_with("_id");
        let guess = if text { Guess::text() } else { Guess::new() };
        Column { heading: heading.clone(), meaning, guess }
    });
    let columns: Vec<Column> = columns.collect();
    for (index, column) in columns.iter().enumerate() {
        let twin = columns.iter().take(index).find(|other| other.meaning == column.meaning);
        if let (Some(twin), false) = (twin, column.meaning == Meaning::Nothing) {
            let what = format!("`{}` and `{}` mean the same", twin.heading, column.heading);
            return Err(Error::refused(what, "rename one of them, or take it out"));
        }
    }
    Ok((table, columns))
}

fn meaning_of(heading: &str, table: Table) -> Meaning {
    let path: Vec<String> = heading.split('.').map(name).filter(|part| !part.is_empty()).collect();
    match (path.split_first(), table) {
        (None, _) => Meaning::Nothing,
        (Some((first, rest)), Table::Customers) if first == "consent" && !rest.is_empty() => {
            if rest.last().is_some_and(|last| PROOFS.contains(&&**last)) {
                Meaning::Proof(rest.to_vec())
            } else {
                Meaning::Consent(rest.to_vec())
            }
        }
        (Some((first, [])), Table::Customers) => match first.strip_prefix("consent_") {
            Some(proof) if PROOFS.contains(&proof) => Meaning::Proof(vec![proof.to_owned()]),
            Some(purpose) if !purpose.is_empty() => Meaning::Consent(vec![purpose.to_owned()]),
            _ => Meaning::Value(path),
        },
        _ => Meaning::Value(path),
    }
}

/// A heading as a name that conditions can use: `First Name` is `first_name`.
fn name(heading: &str) -> String {
    let heading = heading.trim();
    let spaced = heading.contains(char::is_whitespace);
    let mut name = String::new();
    for letter in heading.chars() {
        if letter.is_alphanumeric() || letter == '_' {
            if spaced { name.extend(letter.to_lowercase()) } else { name.push(letter) }
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    name.trim_end_matches('_').to_owned()
}

/// A heading as known ones are compared: `User ID` and `userId` are `user_id` and `userid`.
fn plain(heading: &str) -> String {
    name(heading).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meanings(headings: &[&str], told: &[(&str, &str)]) -> Result<(Table, Vec<Meaning>), String> {
        let headings: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
        let told: Vec<_> =
            told.iter().map(|(word, of)| ((*word).to_owned(), (*of).to_owned())).collect();
        read(&headings, &told)
            .map(|(table, columns)| (table, columns.into_iter().map(|c| c.meaning).collect()))
            .map_err(|error| error.to_string())
    }

    fn value(path: &[&str]) -> Meaning {
        Meaning::Value(path.iter().map(|part| (*part).to_owned()).collect())
    }

    #[test]
    fn customers_are_read_by_their_headings() {
        let headings = ["ID", "First Name", "subscription.status", "consent_marketing", "", "plan"];
        let (table, found) = meanings(&headings, &[]).unwrap();
        assert_eq!(table, Table::Customers);
        let consent = Meaning::Consent(vec!["marketing".to_owned()]);
        let wanted = [
            Meaning::Customer,
            value(&["first_name"]),
            value(&["subscription", "status"]),
            consent,
            Meaning::Nothing,
            value(&["plan"]),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn events_keep_their_own_id() {
        let (table, found) =
            meanings(&["id", "User ID", "event", "timestamp", "cart_value"], &[]).unwrap();
        assert_eq!(table, Table::Events);
        let wanted =
            [Meaning::Id, Meaning::Customer, Meaning::Event, Meaning::At, value(&["cart_value"])];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_told_wins_and_what_is_unclear_is_refused() {
        let (_, found) = meanings(&["KDNR", "id"], &[("customer", "KDNR")]).unwrap();
        assert_eq!(found, [Meaning::Customer, value(&["id"])]);
        assert!(meanings(&["name", "plan"], &[]).unwrap_err().contains("whose the rows are"));
        assert!(meanings(&["id", "plan", "plan"], &[]).unwrap_err().contains("mean the same"));
        assert!(meanings(&["id"], &[("customer", "x")]).unwrap_err().contains("no column `x`"));
    }
}
