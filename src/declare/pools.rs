//! What customers share, from the words of the policy: caps of accounts, prices, budgets.

use std::sync::Arc;

use super::fault::{Extent, Fault, Located};
use super::node::{Key, Node, shorten};
use super::policy::File;
use super::read::{Faults, Read, word};
use super::registry::Registry;
use super::scalar::{Words, is_name};
use super::words::policy::{BudgetWords, PeriodWord, Policy as Raw};
use crate::engine::catalog::{Action, Trigger};
use crate::engine::policy::{AT_MOST_MAX, Budget, Cap, CapLimit, Period, Policy, Shared};
use crate::engine::pool::{MICROS, say_money};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Most budgets of a policy.
const BUDGETS_MAX: usize = 100;
/// The most money: a billion.
const MONEY_MAX: u64 = 1_000_000_000 * MICROS;

/// An amount of money: `0.05 EUR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    /// How much, in millionths.
    pub(crate) micros: u64,
    /// Its currency.
    pub(crate) currency: Box<str>,
}

impl JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]{1,6})? [A-Z]{3}$",
            "description": "An amount of money, with six decimals at most: `500 EUR`, `0.05 EUR`."
        })
    }
}

impl Read for Money {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        let money = Self::parse(&text).filter(|money| money.micros <= MONEY_MAX);
        if money.is_none() {
            let number = text.trim().parse::<f64>().is_ok();
            let help = match number {
                true => format!("name the currency: `{} EUR`", text.trim()),
                false => "an amount and a currency: `500 EUR`, `0.05 EUR`".to_owned(),
            };
            let message = format!("`{}` is not an amount of money", shorten(&text));
            faults.error("E093", node.extent, message, help);
        }
        money
    }
}

impl Money {
    /// Reads an amount exactly.
    fn parse(text: &str) -> Option<Self> {
        let (amount, currency) = text.trim().split_once(' ')?;
        let currency = currency.trim_start();
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || 6 < part.len() {
            return None;
        }
        let part = format!("{part:0<6}").parse::<u64>().ok()?;
        let micros = whole.parse::<u64>().ok()?.checked_mul(MICROS)?.checked_add(part)?;
        Some(Self { micros, currency: currency.into() })
    }
}

/// Builds what customers share. Names must have been registered.
pub(crate) fn build(
    raw: &Raw,
    account_caps: Vec<(Cap, Extent)>,
    registry: &Registry,
    faults: &mut Faults<'_>,
) -> Shared {
    let mut currency = None;
    let mut prices = vec![None; registry.channels.len()];
    for (key, price) in raw.prices.iter().flat_map(|prices| &prices.0) {
        let channel = registry.channel(&words(key), faults);
        same_currency(&mut currency, price, faults);
        let place = channel.and_then(|channel| prices.get_mut(channel.index()));
        if let Some(place) = place {
            *place = Some(price.value.micros);
        }
    }
    let mut budgets: Vec<Budget> = Vec::new();
    for (key, words) in raw.budgets.iter().flat_map(|budgets| &budgets.0) {
        if let Some(at_most) = &words.at_most.0 {
            same_currency(&mut currency, at_most, faults);
        }
        budgets.extend(budget(key, words, registry, faults));
    }
    if let Some((key, _)) = raw.budgets.iter().flat_map(|all| &all.0).nth(BUDGETS_MAX) {
        faults.error(
            "E070",
            key.extent,
            format!("there are more than {BUDGETS_MAX} budgets"),
            None,
        );
    }
    budgets.sort_by(|left, right| left.name.cmp(&right.name));
    let account_caps = remembered(account_caps, faults);
    Shared { account_caps, prices: prices.into(), budgets: budgets.into() }
}

fn words(key: &Key) -> Words {
    Words { text: key.text.clone(), extent: key.extent }
}

/// One currency for the whole file: the first that it names.
fn same_currency(currency: &mut Option<Box<str>>, money: &Located<Money>, faults: &mut Faults<'_>) {
    let first = currency.get_or_insert_with(|| money.value.currency.clone());
    if *first != money.value.currency {
        let message =
            format!("this is in {}, and other amounts are in {first}", money.value.currency);
        let help = format!("write all amounts in {first}: nothing is converted");
        faults.error("E095", money.extent, message, help);
    }
}

fn budget(
    key: &Key,
    words_of: &BudgetWords,
    registry: &Registry,
    faults: &mut Faults<'_>,
) -> Option<Budget> {
    if !is_name(&key.text) {
        let help = "use lower-case letters, digits, `-`, `_` and `.`".to_owned();
        faults.error("E005", key.extent, format!("`{}` cannot be a name", key.text), help);
        return None;
    }
    let purposes = match &words_of.purposes {
        Some(purposes) => registry.purpose_bits(&purposes.0, faults),
        None => registry.purpose_bits(&[words(key)], faults),
    };
    let money = words_of.at_most.0.as_ref()?;
    Some(Budget {
        name: Arc::from(&*key.text),
        purposes,
        at_most: money.value.micros,
        currency: money.value.currency.clone(),
        period: match words_of.per.0.as_ref()? {
            PeriodWord::Day => Period::Day,
            PeriodWord::Week => Period::Week,
            PeriodWord::Month => Period::Month,
        },
    })
}

/// The caps, if an account can remember all that they count together.
fn remembered(caps: Vec<(Cap, Extent)>, faults: &mut Faults<'_>) -> Box<[Cap]> {
    let mut sum = 0_u32;
    for (cap, extent) in &caps {
        let most = match cap.limit {
            CapLimit::Rolling { at_most, .. } => at_most,
            // Those of the period before are remembered, too.
            CapLimit::Calendar { at_most, .. } => at_most.saturating_mul(2),
            CapLimit::Gap { .. } => 1,
        };
        sum = sum.saturating_add(most);
        if AT_MOST_MAX < sum {
            let message = format!(
                "the caps of accounts count more than {AT_MOST_MAX} together (those of a calendar twice)"
            );
            let help = "more contacts are not remembered of an account".to_owned();
            faults.error("E092", *extent, message, help);
            break;
        }
    }
    caps.into_iter().map(|(cap, _)| cap).collect()
}

/// Refuses budgets under which something could be sent that has no price, or nothing at all. Looked
/// at once nothing else is wrong.
pub(crate) fn check(
    policy: &Policy,
    given: Option<&File<'_>>,
    triggers: &[Trigger],
    list: &mut Vec<Fault>,
) {
    let Some(file) = given else { return };
    let mut faults = Faults { text: file.text, list };
    let Shared { prices, .. } = &policy.shared;
    let least = prices.iter().copied().flatten().filter(|price| 0 < *price).min();
    for (key, words) in file.raw.budgets.iter().flat_map(|budgets| &budgets.0) {
        let Some(budget) = policy.shared.budget(&key.text) else { continue };
        let sends = triggers.iter().filter_map(|trigger| match &trigger.action {
            Action::Send(send) if budget.pays_for(send.purpose) => Some((trigger, send)),
            Action::Send(_) | Action::Task(_) => None,
        });
        let sends: Vec<_> = sends.collect();
        if sends.is_empty() {
            let message = format!("no trigger writes what the budget `{}` pays for", budget.name);
            faults.warning("W081", key.extent, message, None);
        }
        let free = |channel: usize| prices.get(channel).copied().flatten().is_none();
        let unpriced = sends.iter().find_map(|(trigger, send)| {
            let channel = send.via.iter().find(|channel| free(channel.index()))?;
            Some((trigger, policy.channels.get(channel.index())?))
        });
        if let Some((trigger, channel)) = unpriced {
            let message = format!(
                "the budget `{}` pays for `{}`, which may write on `{}`, and that has no price",
                budget.name, trigger.id, channel.name
            );
            let help = format!(
                "add it: `prices: {{{}: 0.05 {}}}`, or `0 {}` if it costs nothing",
                channel.name, budget.currency, budget.currency
            );
            faults.error("E094", key.extent, message, help);
        }
        if let Some(least) = least.filter(|least| budget.at_most < *least) {
            let extent = words.at_most.0.as_ref().map_or(key.extent, |money| money.extent);
            let message = format!(
                "not one message can be paid of this: the cheapest costs {} {}",
                say_money(least),
                budget.currency
            );
            faults.error("E096", extent, message, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::{Source, SourceKind, load};
    use crate::engine::catalog::Sending;

    /// What becomes of a policy beside a trigger that writes marketing by `via`.
    fn told(policy: &str, via: &str) -> Vec<String> {
        let trigger = format!(
            "trigger: t\nkind: status\nabout: a\nowner: a@b.example\nwhen: {{event: E}}\nsend: {{purpose: \
             marketing, via: {via}, message: {{en: {{body: x}}}}}}\n"
        );
        let source =
            |kind, path: &str, text: &str| Source { path: path.into(), text: text.into(), kind };
        let sources = [
            source(SourceKind::Policy, "policy.yaml", policy),
            source(SourceKind::Trigger, "t.yaml", &trigger),
        ];
        let faults = match load(&sources, Sending::DryRun) {
            Ok(loaded) => loaded.warnings,
            Err(faults) => faults,
        };
        faults.iter().map(|fault| format!("{} {}", fault.code, fault.message)).collect()
    }

    #[test]
    fn what_a_budget_pays_for_has_a_price() {
        let policy = |budget: &str| {
            format!(
                "prices: {{sms: 0.05 EUR}}\nbudgets: {{{budget}: {{at_most: 5 EUR, per: day}}}}\n"
            )
        };
        assert_eq!(told(&policy("marketing"), "sms"), Vec::<String>::new());
        assert_eq!(
            told(&policy("marketing"), "[sms, push]"),
            [
                "E094 the budget `marketing` pays for `t`, which may write on `push`, and that has no price"
            ]
        );
        assert_eq!(
            told(&policy("service"), "push"),
            ["W081 no trigger writes what the budget `service` pays for"]
        );
    }

    #[test]
    fn money_is_read_exactly_or_not_at_all() {
        let read = |text| Money::parse(text).map(|money| money.micros);
        assert_eq!(read("0.05 EUR"), Some(50_000));
        assert_eq!(read("500 EUR"), Some(500_000_000));
        assert_eq!(read("0.000001 EUR"), Some(1));
        assert_eq!(read("12.345600 CNY"), Some(12_345_600));
        for text in
            ["", "5", "EUR 5", "5EUR", "-5 EUR", "5. EUR", ".5 EUR", "0.0000001 EUR", "5 eur"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        for (micros, said) in
            [(50_000, "0.05"), (500_000_000, "500"), (1, "0.000001"), (1_500_000, "1.50")]
        {
            assert_eq!(say_money(micros), said);
        }
    }
}
