//! Texts of sample customers; bounds; languages.

use super::super::catalog::{Message, SendAction, Trigger, When};
use super::super::customer::CustomerState;
use super::super::sample::{self, map, text};
use super::super::slot::PurposeSlot;
use super::super::value::Property;
use super::*;

/// Renders one text under a name, in English.
fn render_as(
    name: &str,
    source: &str,
    state: &CustomerState,
    properties: &[Property<'_>],
    extras: &Extras<'_>,
) -> Result<String, String> {
    let catalog = sample::catalog();
    let scope = Scope { catalog: &catalog, state, properties, now: sample::now() };
    let mut texts = Texts::new();
    texts.add(name, source).unwrap();
    texts.render(name, &scope, extras).map(Into::into)
}

fn render(source: &str, state: &CustomerState) -> Result<String, String> {
    let properties = [Property::Num(80.0), Property::Missing, Property::Num(9.5)];
    let arm = [(Box::from("tips"), text("short"))];
    let reasons = ["logged in 40 % less".into(), "3 tickets".into()];
    let extras =
        Extras { offer: Some("SHOES10"), arm: &arm, days_left: Some(3), reasons: &reasons };
    render_as("t/en/body", source, state, &properties, &extras)
}

fn ann() -> CustomerState {
    let subscription = map(&[("renews_at", text("2026-06-15")), ("seats", Value::Num(12.0))]);
    let mut state = sample::customer(&[
        ("name", text("Ann")),
        ("timezone", text("Asia/Tokyo")),
        ("subscription", subscription),
        ("services", Value::List(Box::new([text("billing"), text("search")]))),
    ]);
    sample::scored(&mut state, "health", 45.5, Some(80.0));
    sample::scored(&mut state, "churn", 0.742, Some(0.55));
    state
}

#[test]
fn a_template_sees_the_customer_the_event_the_scores_and_the_rest() {
    for (source, expected) in [
        ("Hi {{ customer.name }}!", "Hi Ann!"),
        ("{{ customer.subscription.seats }} seats", "12 seats"),
        ("{{ customer['name'] }}", "Ann"),
        ("{% set c = customer %}{{ c.name }}", "Ann"),
        ("{% for s in customer.services %}{{ s }};{% endfor %}", "billing;search;"),
        ("{{ event.cart_value }} {{ event.score }}", "80 9.5"),
        ("{{ score.churn | percent }} (was {{ score.churn_was | percent }})", "74% (was 55%)"),
        ("{{ health.score }} {{ health.band }} {{ score.health_band }}", "45.5 watch watch"),
        ("{{ offer.code }} {{ arm.tips }} {{ days_left }}", "SHOES10 short 3"),
        ("Ask about {{ reasons[0].plain }}", "Ask about logged in 40 % less"),
        ("{{ reasons | length }}", "2"),
        ("{{ now | time }}", "21:00"),
        ("{{ customer.subscription.renews_at | date('d MMMM') }}", "15 June"),
    ] {
        assert_eq!(render(source, &ann()).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn a_name_that_is_not_known_is_an_error_unless_the_text_provides_for_it() {
    let nobody = sample::customer(&[]);
    for (source, expected) in [
        ("Hi {{ customer.name | default('there') }}", "Hi there"),
        ("{{ customer.subscription.plan | default('none') }}", "none"),
        ("{{ customer.subscription.renews_at | date('d MMM') | default('soon') }}", "soon"),
        ("{{ score.churn | percent | default('?') }}", "?"),
        ("{% if event.feature %}new: {{ event.feature }}{% endif %}.", "."),
        ("{% if customer.subscription.plan %}x{% endif %}", ""),
    ] {
        assert_eq!(render(source, &nobody).as_deref(), Ok(expected), "{source}");
    }
    for (source, expected) in [
        ("Hi\n{{ customer.name }}", "line 2: `customer.name` is not known for this customer"),
        ("{{ customer.name | upper }}", "is not known"),
        ("{{ customer.subscription.seats }}", "`customer.subscription.seats` is not known"),
        ("{{ customer.name | date('d') }}", "is not known"),
        ("{{ reasons[7].plain }}", "is not known"),
        ("{{ nothing }}", "`nothing` is not known"),
    ] {
        let error = render(source, &nobody).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
    }
    let no_extras = render_as("t", "{{ offer.code }}", &nobody, &[], &Extras::default());
    assert_eq!(no_extras.unwrap_err(), "line 1: `offer.code` is not known for this customer");
}

#[test]
fn a_property_below_another_is_found_from_both() {
    let nobody = sample::customer(&[]);
    let city = Property::Str("Berlin");
    let street = Property::Owned(map(&[("street", text("Allee"))]));
    let mut only_city = vec![Property::Missing; 3];
    only_city.push(city);
    let both: Vec<_> = only_city.iter().cloned().chain([street]).collect();
    let of = |source: &str, properties: &[Property<'_>]| {
        render_as("t", source, &nobody, properties, &Extras::default())
    };
    for properties in [&only_city, &both] {
        for source in ["{{ event.address.city }}", "{% set a = event.address %}{{ a.city }}"] {
            assert_eq!(of(source, properties).as_deref(), Ok("Berlin"), "{source}");
        }
    }
    let street = "{{ event.address.street | default('?') }}";
    assert_eq!(of(street, &both).as_deref(), Ok("Allee"));
    assert_eq!(of(street, &only_city).as_deref(), Ok("?"));
    let whole = "{% set a = event.address %}{{ a.street }}, {{ a.city }}";
    assert_eq!(of(whole, &both).as_deref(), Ok("Allee, Berlin"));
}

#[test]
fn what_customers_typed_is_never_a_template() {
    let state = sample::customer(&[("name", text("{{ 7 * 7 }}{% for x in y %}"))]);
    let source = "{{ customer.name }}, {{ customer.name | upper | default('x') }}";
    let expected = "{{ 7 * 7 }}{% for x in y %}, {{ 7 * 7 }}{% FOR X IN Y %}";
    assert_eq!(render(source, &state).as_deref(), Ok(expected));
}

#[test]
fn pages_are_escaped_and_lines_are_not() {
    let state = sample::customer(&[("name", text("<b>\"A & B\"</b>"))]);
    let of = |name| {
        render_as(name, "<p>{{ customer.name }}</p>", &state, &[], &Extras::default()).unwrap()
    };
    assert_eq!(of("t/en/body"), "<p><b>\"A & B\"</b></p>");
    for page in ["t/en/html", "t/en/mjml"] {
        assert_eq!(of(page), "<p>&lt;b&gt;&quot;A &amp; B&quot;&lt;&#x2f;b&gt;</p>");
    }
}

#[test]
fn texts_have_bounds_in_steps_length_and_memory() {
    let long = Value::Str("x".repeat(FIELD_BYTES_MAX + 5).into());
    let many = Value::List((0..5_000).map(|number| Value::Num(f64::from(number))).collect());
    let state = sample::customer(&[("name", long), ("services", many)]);
    for (source, expected) in [
        ("{{ customer.name }}", Ok("")), // cut to what a field can carry
        ("{{ customer.name }}!", Err("longer than 16384 bytes")),
        ("{{ customer.services | length }}", Ok("256")),
        (
            "{% for a in customer.services %}{% for b in customer.services %}{% endfor %}{% endfor %}",
            Err("too many steps"),
        ),
        ("{{ customer.services | join(customer.name) }}", Err("a filter makes more than")),
        ("{{ customer.name | replace('x', customer.name) }}", Err("a filter makes more than")),
        (
            "{% set y %}{% for a in customer.services %}{{ customer.name }}{% endfor %}{% endset %}",
            Err("the text prints more than"),
        ),
        ("{{ range(10) }}", Err("range")),
        ("{{ customer.name | indent(1000000000) }}", Err("filter")),
    ] {
        match (render(source, &state), expected) {
            (Ok(text), Ok(expected)) => assert!(text.contains(expected), "{source}: {text}"),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{source}: {error}"),
            (other, _) => panic!("{source}: {other:?}"),
        }
    }
    assert_eq!(render("{{ customer.name }}", &state).map(|text| text.len()), Ok(FIELD_BYTES_MAX));
    assert!(Texts::new().add("t", &"x".repeat(TEMPLATE_BYTES_MAX + 1)).is_err());
}

/// Templates that would take all memory or time. Each is refused when it is loaded, or ends within its
/// bounds when it is written, either way within a second.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long a text takes is what is tried")]
fn no_template_takes_all_memory_or_time() {
    let nested = |times: usize, inner: &str| {
        let open = "{% for a in customer.services %}".repeat(times);
        format!("{open}{inner}{}", "{% endfor %}".repeat(times))
    };
    let doubling: String =
        (0..40).map(|n| format!("{{% set a{} = a{n} ~ a{n} %}}", n + 1)).collect();
    let inward: String =
        (0..40).map(|n| format!("{{% for a{} in [a{n} ~ a{n}] %}}", n + 1)).collect();
    let maps = "{% set a = 'xxxx' %}{% for m in [{'a': a}] %}{% set b = m.a + m.a %}{% endfor %}";
    let bombs = [
        format!("{{% set a0 = 'x' %}}{doubling}{{{{ a40 }}}}"),
        format!("{{% set a0 = 'x' %}}{}{{{{ a40 }}}}", doubling.replace('~', "+")),
        format!("{{% set a0 = customer.name %}}{}{{{{ a40 }}}}", doubling.replace(" ~ ", " * 9 ~ ")),
        format!("{{% set a0 = 'x' %}}{inward}{}", "{% endfor %}".repeat(40)),
        inward.replace("for", "with").replace(" in [", " = ").replace("] %", " %"),
        "{% set a = 'x' %}{% for b in customer.services %}{% set a = a ~ a %}{% endfor %}".to_owned(),
        maps.to_owned(),
        "{% set y %}{{ customer.name }}{% endset %}{% set z = y ~ y %}{{ z }}".to_owned(),
        format!("{{{{ {} 'x' }}}}", "customer.name ~ ".repeat(10_000)),
        nested(2, "{% set x = 'x' * 100000000 %}"),
        nested(2, "{{ ('x' * 99999999) | length }}"),
        "{{ 'x' * 10 ** 9 }}".to_owned(),
        "{{ ([1] * 100000000) | list | length }}".to_owned(),
        "{{ 100000000 * 'x' }}".to_owned(),
        "{{ customer.name * 1000 * 1000 }}".to_owned(),
        "{{ customer.services * 90000000 | list }}".to_owned(),
        nested(4, "x"),
        nested(3, "{{ customer.name }}"),
        nested(1_000, "x"),
        "{{ customer.services | join(customer.name) | replace('x', customer.name) }}".to_owned(),
        nested(1, "{% for b in customer.services | join(',') %}{{ b | upper | lower | title }}{% endfor %}"),
        "{% for a in customer.services recursive %}{{ loop(customer.services) }}{% endfor %}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% include 't' %}".to_owned(),
        "{% import 't' as t %}{{ t }}".to_owned(),
        "{% extends 't' %}".to_owned(),
        "{% block a %}{{ self.a() }}{% endblock %}".to_owned(),
        "{{ range(1000000000) | list }}".to_owned(),
        "{{ namespace(a='x') }}".to_owned(),
        "{{ customer.name | indent(1000000000) }}".to_owned(),
        "{{ customer.services | batch(1000000000, 'x') }}".to_owned(),
        "{{ '%999999999d' | format(1) }}".to_owned(),
        format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(50_000)),
        format!("{{{{ 1{} }}}}", " | abs".repeat(50_000)),
        format!("{{{{ {}{} }}}}", "[".repeat(20_000), "]".repeat(20_000)),
        "{% for a in customer.services %}{% for b in customer.services %}{% if a ~ b == customer.name %}{% endif %}{% endfor %}{% endfor %}"
            .to_owned(),
    ];
    let long = Value::Str("x".repeat(FIELD_BYTES_MAX).into());
    let many = Value::List((0..5_000).map(|number| Value::Num(f64::from(number))).collect());
    let state = sample::customer(&[("name", long), ("services", many)]);
    let catalog = sample::catalog();
    let scope = Scope { catalog: &catalog, state: &state, properties: &[], now: sample::now() };
    for bomb in bombs {
        let shown: String = bomb.chars().take(120).collect();
        let begun = std::time::Instant::now();
        let mut texts = Texts::new();
        let made = texts.add("t/en/body", &bomb).map_err(|error| error.to_string());
        let made = made.and_then(|()| texts.render("t/en/body", &scope, &Extras::default()));
        assert!(made.is_err(), "{shown}: {} bytes", made.unwrap().len());
        let took = begun.elapsed();
        assert!(took < std::time::Duration::from_secs(1), "{shown}: {took:?}");
    }
}

#[test]
fn a_broken_template_says_where() {
    let error = Texts::new().add("t", "one\n{{ customer.name").unwrap_err();
    assert_eq!(error.line(), Some(2));
}

#[test]
fn the_list_of_filters_is_what_there_is() {
    assert!(FILTERS.is_sorted());
    let texts = Texts::new();
    let exists = |name: &str| {
        let probe = format!("{{{{ 0 | {name} }}}}");
        !texts
            .env
            .render_str(&probe, ())
            .is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
    };
    for name in FILTERS {
        assert!(exists(name), "{name}");
    }
    // Every filter of MiniJinja is either kept or taken away on purpose.
    for name in ["safe", "batch", "slice", "format", "indent", "pprint", "zip", "chain", "tojson"] {
        assert!(!exists(name) && !FILTERS.contains(&name), "{name}");
    }
}

#[test]
fn the_list_of_tests_is_what_there_is() {
    assert!(TESTS.is_sorted());
    let texts = Texts::new();
    for name in TESTS {
        let error = texts.env.render_str(&format!("{{{{ 0 is {name} }}}}"), ()).err();
        assert!(error.is_none_or(|error| error.kind() != ErrorKind::UnknownTest), "{name}");
    }
}

#[test]
fn names_that_a_template_asks_for_are_listed() {
    let source = "{{ customer.a.b }} {{ offer.code }} {% set x = 1 %}{{ x }} {{ customer.a.b }}";
    assert_eq!(undeclared(source).unwrap(), ["customer.a.b", "offer.code"]);
    assert!(undeclared("{{").is_err());
}

#[test]
fn filters_write_dates_numbers_and_money() {
    let state = ann();
    for (source, expected) in [
        ("{{ '2026-06-05' | date }}", "5 June 2026"),
        ("{{ '2026-06-05' | date('E EEEE dd.MM.yy') }}", "Fri Friday 05.06.26"),
        ("{{ '2026-06-05T20:30:00Z' | date('d MMM HH:mm') }}", "6 Jun 05:30"),
        ("{{ '2026-06-05T20:30' | time }}", "20:30"),
        ("{{ 1774094400 | date('yyyy-M-d') }}", "2026-3-21"),
        ("{{ 0.12345 | percent(1) }}", "12.3%"),
        (
            "{{ 1234567.891 | number }} {{ 1.5 | number }} {{ 3 | number(2) }}",
            "1,234,567.89 1.5 3.00",
        ),
        ("{{ 1234.5 | money('EUR') }} {{ -3 | money('usd') }}", "€1,234.50 -$3.00"),
        ("{{ 1234 | money('JPY') }} {{ 5 | money('CHF') }}", "¥1,234 CHF\u{a0}5.00"),
        ("{{ '12.5' | number(1) }} {{ -0.001 | number(2) }}", "12.5 0.00"),
        ("{{ 'a long sentence' | truncate(7) }} {{ 'short' | truncate(7) }}", "a long… short"),
        ("{{ ['a', 1, 'b'] | join(', ') }} {{ 'a-b' | replace('-', '+') }}", "a, 1, b a+b"),
    ] {
        assert_eq!(render(source, &state).as_deref(), Ok(expected), "{source}");
    }
    for (source, expected) in [
        ("{{ 'tomorrow' | date }}", "`tomorrow` is no date or time"),
        ("{{ '2026-06-05' | date('DD MMM') }}", "`DD` means nothing in a date"),
        ("{{ 'many' | number }}", "`many` is no number"),
    ] {
        let error = render(source, &state).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn languages_write_in_their_manner() {
    let moment = jiff::civil::date(2026, 3, 5).at(9, 5, 0, 0);
    for (locale, date, percent, money) in [
        ("en-GB", "Thu 5 March 2026", "12%", "€1,234.50"),
        ("zh-CN", "周四 2026年3月5日", "12%", "€1,234.50"),
        ("de", "Do 5. März 2026", "12\u{a0}%", "1.234,50\u{a0}€"),
        ("fr-FR", "jeu. 5 mars 2026", "12\u{a0}%", "1\u{202f}234,50\u{a0}€"),
        ("es", "jue 5 marzo 2026", "12\u{a0}%", "1.234,50\u{a0}€"),
        ("nl_NL", "do 5 maart 2026", "12%", "€\u{a0}1.234,50"),
        ("ja", "Thu 5 March 2026", "12%", "€1,234.50"),
    ] {
        let language = locale::Language::of(locale);
        let pattern = format!("E {}", language.date_pattern());
        assert_eq!(locale::write_moment(moment, &pattern, language).as_deref(), Ok(date));
        assert_eq!(language.percent(0.12, 0), percent, "{locale}");
        assert_eq!(language.money(1234.5, "EUR"), money, "{locale}");
    }
}

#[test]
fn the_variant_follows_the_customers_language_then_the_policys_then_the_first() {
    let variants = ["fr", "zh-CN", "en", "en-GB"];
    for (wanted, fallback, chosen) in [
        (Some("en-GB"), "en", "en-GB"),
        (Some("en-US"), "fr", "en"),
        (Some("EN_gb"), "fr", "en-GB"),
        (Some("zh"), "en", "zh-CN"),
        (Some("zh-Hant-TW"), "en", "zh-CN"),
        (Some("de"), "en-US", "en"),
        (None, "zh-CN", "zh-CN"),
        (Some("de"), "it", "fr"),
        (Some(""), "", "fr"),
    ] {
        let index = locale::choose(&variants, wanted, fallback);
        assert_eq!(index.map(|index| variants[index]), Some(chosen), "{wanted:?} {fallback}");
    }
    assert_eq!(locale::choose(&[], Some("en"), "en"), None);
}

fn trigger(variants: &[(&str, &[(&str, &str)])], texts: &mut Texts) -> Trigger {
    let mut built = Vec::new();
    for (locale, fields) in variants {
        let mut names: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (field, source) in *fields {
            let name = format!("t/{locale}/{field}");
            texts.add(&name, source).unwrap();
            names.push(((*field).into(), name.into()));
        }
        built.push(((*locale).into(), names.into()));
    }
    Trigger { action: sends(&built), ..sample::trigger("t", When::Event(Box::default())) }
}

type Variant = (Box<str>, Box<[(Box<str>, Box<str>)]>);

fn sends(variants: &[Variant]) -> Action {
    Action::Send(SendAction {
        purpose: PurposeSlot(0),
        via: Box::default(),
        expires_after: None,
        spread_over: None,
        offers: Box::default(),
        message: Message { variants: variants.into() },
        on_cap: None,
        fall_back: None,
        worth: None,
    })
}

#[test]
fn a_message_is_all_fields_of_one_variant_or_an_error_that_names_the_field() {
    let mut catalog = sample::catalog();
    let mut texts = Texts::new();
    let trigger = trigger(
        &[
            ("en", &[("title", "Hi"), ("body", "{{ 0.5 | percent }} {{ customer.name }}")]),
            ("de", &[("title", "Hallo"), ("body", "{{ 0.5 | percent }} {{ customer.name }}")]),
        ],
        &mut texts,
    );
    catalog.texts = texts;
    let german = sample::customer(&[("locale", text("de-AT")), ("name", text("Ann"))]);
    let message = |state: &CustomerState| {
        let scope = Scope { catalog: &catalog, state, properties: &[], now: sample::now() };
        catalog.texts.message(&trigger, &scope, &Extras::default())
    };
    let content = message(&german).unwrap();
    assert_eq!(&*content.locale, "de");
    let fields: Vec<_> = content.fields.iter().map(|(field, text)| (&**field, &**text)).collect();
    assert_eq!(fields, [("title", "Hallo"), ("body", "50\u{a0}% Ann")]);
    assert_eq!(
        message(&sample::customer(&[])).unwrap_err(),
        "`body`: line 1: `customer.name` is not known for this customer"
    );
    let silent =
        Trigger { action: sends(&[]), ..sample::trigger("t", When::Event(Box::default())) };
    let scope = Scope { catalog: &catalog, state: &german, properties: &[], now: sample::now() };
    assert_eq!(catalog.texts.message(&silent, &scope, &Extras::default()), Ok(Content::default()));
}
