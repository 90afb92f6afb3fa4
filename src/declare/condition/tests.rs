//! Conditions as people write them, right and wrong.

use super::*;
use crate::declare::fault::{Fault, Text};
use crate::declare::symbols::KnownScore;

fn compile_text(text: &str, sight: Sight) -> (Option<Expr>, Vec<Fault>, Text) {
    let source = Text::new("t.yaml".into(), text.into());
    let mut list = Vec::new();
    let extent = Extent { start: 0, end: u32::try_from(text.len()).unwrap() };
    let line = Line(Embedded::new(text, extent, text));
    let mut symbols = Symbols::default();
    symbols
        .scores
        .push(KnownScore { name: "health".into(), bands: vec!["good".into(), "bad".into()] });
    symbols.scores.push(KnownScore { name: "churn".into(), bands: vec![] });
    let mut faults = Faults { text: &source, list: &mut list };
    let expr = condition(&line, sight, &mut symbols, &mut faults).map(|condition| condition.expr);
    (expr, list, source)
}

#[test]
fn probe() {
    for text in [
        "'您的' == event.x && costumer.plan == 1",
        "'您的' == event.x event.y",
        "event.x == “您”",
        "has(x)",
        "event.in == 3",
        "event.x € 3",
        "event.x ==",
        "event.cart_value >= 20",
        "count(\"Order Completed\", \"24h\") == 0",
        "!customer.open_ticket",
        "customer.a.b == 'x' && event.y in ['a', \"b\"] || score.churn >= 0.7",
        "change(\"Logged In\", \"14d\") <= -0.33",
        "health.band == \"bda\"",
        "health.band in [\"good\"]",
        "event.total => 3",
        "event.total = 3",
        "costumer.plan == 1",
        "customer.plan == pro",
        "plan == 'x'",
        "event.a and event.b",
        "event.a AND event.b",
        "count('x', 24h) > 1",
        "count(\"x\", \"24 hours\") > 1",
        "count('x') > 1",
        "cuont('x', '1h') > 1",
        "count('x', '1h')",
        "count('x','1h') == \"3\"",
        "count('x', '1h', 'event.a == 3') > 1",
        "count('x', '1h', 'customer.a == 3') > 1",
        "(event.a",
        "event.a)",
        "event.a ==",
        "event.a event.b",
        "&& event.a",
        "event.a.b.c > 3 && xx.yy > 2",
        "'您的' == event.x && costumer.plan == 1",
        "has(customer.x) && !has(event.y)",
        "has(x)",
        "[1,2].exists(x, x > 1)",
        "customer['first name'] == 'x'",
        "customer.x[0] == 1",
        "event.x != null",
        "event.x.matches('a')",
        "event.x.contains('a')",
        "size(customer.x) > 2",
        "event.x ? 1 : 2 > 1",
        "event.x == 1 ? true : 'a'",
        "-event.x < -3",
        "1 + 2 == 3",
        "event.a + 'b' == 1",
        "event.a / 0 > 1",
        "session.events >= 5",
        "session.foo > 1",
        "health.foo > 1",
        "score.chrun > 0.5",
        "score.churn_was < score.churn",
        "score.churn_trend_7d > 0.1",
        "customer.plan == 'a' || 'b'",
        "days_since('Invoice Overdue') > 3",
        "days_since(customer.created_at) > 3",
        "days_until('2026-13-01') > 1",
        "days_until(customer.x) < 3",
        "event.x in 'abc'",
        "customer.x not in ['a']",
        "event.x == “a”",
        "{{ event.x }} == 1",
        "event.price > €5",
        "true",
        "event.x.y.startsWith('a').foo",
        "f(x)(y)",
        "event.2 > 1",
        "a..b",
        "@",
        "customer",
        "event.x == \"a",
        "last('S','score') > 3",
        "last('S','event.score') > 3",
        "3 in [1,2,'a']",
        "'x' in [1,2]",
        "event.x == .5",
        "event.x == 1e5",
        "event.x == 5u",
        "event.x == 0x10",
        "1.5.x == 3",
        "event.in == 3",
        "event.class == 3",
        "customer.package == 'x'",
    ] {
        let (expr, list, source) = compile_text(text, Sight::CustomerAndEvent);
        println!("=== {text}");
        if let Some(expr) = expr {
            println!("   {expr:?}");
        }
        for fault in list {
            let e = fault.extent;
            println!(
                "   {} {:?} at {:?} help {:?}",
                fault.code,
                fault.message,
                source.slice(e),
                fault.help
            );
        }
    }
}
