//! MJML as HTML with templates in it; what is refused; what hostile values come to.

use proptest::prelude::*;

use super::*;
use crate::declare::fault::Fault;
use crate::declare::{Source, SourceKind, load};
use crate::engine::catalog::Sending;
use crate::engine::evaluate::Scope;
use crate::engine::message::{Extras, Texts};
use crate::engine::sample;

/// A mail around the content of its only column.
fn mail(column: &str) -> String {
    format!(
        "<mjml><mj-body><mj-section><mj-column>{column}</mj-column></mj-section></mj-body></mjml>"
    )
}

#[test]
fn tags_of_templates_stand_in_the_html_as_they_were_written() {
    let source = "<mjml><mj-head><mj-title>Hi {{ customer.name }}</mj-title>\
        <mj-preview>{# a note #}For {{ customer.name | default(\"<you>\") }}</mj-preview></mj-head>\
        <mj-body><mj-raw>{% if customer.plan == \"}}\" or 1 < 2 %}</mj-raw>\
        <mj-section><mj-column>\
        <mj-text>{% for s in customer.services %}<b>{{ s }}</b><br>{% endfor %}</mj-text>\
        <mj-button href=\"https://x.example/?a={{ customer.id }}\">Go</mj-button>\
        <mj-image src='{{ event.picture }}' alt='{{ \"a\" ~ \"b\" }}' />\
        </mj-column></mj-section><mj-raw>{% endif %}</mj-raw></mj-body></mjml>";
    let html = html(source).unwrap();
    for part in [
        "<title>Hi {{ customer.name }}</title>",
        "For {{ customer.name | default(\"<you>\") }}",
        "{% if customer.plan == \"}}\" or 1 < 2 %}",
        "{% for s in customer.services %}<b>{{ s }}</b><br",
        "href=\"https://x.example/?a={{ customer.id }}\"",
        "src=\"{{ event.picture }}\"",
        "<table",
    ] {
        assert!(html.contains(part), "{part} is not in\n{html}");
    }
    assert!(!html.contains(STAND_IN) && !html.contains("<mj-"), "{html}");
    assert!(!html.contains("googleapis"), "nobody else hears of who reads it: {html}");
    assert!(html.find("{% if ") < html.find("{% endif %}"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let deep = mail(&format!("<mj-raw>{}{}</mj-raw>", "<i>".repeat(70), "</i>".repeat(70)));
    let long = mail(&"<mj-text>{{ customer.name }}</mj-text>".repeat(2_000));
    for (source, code, meant, message) in [
        (mail("<mj-txt>a</mj-txt>"), "E101", "<mj-txt", "MJML has no `mj-txt`"),
        (mail("{{ a }}<mj-text><mj-foo/></mj-text>"), "E101", "<mj-foo", "MJML has no `mj-foo`"),
        (mail("<mj-text>a"), "E101", "</mj-column", "`</mj-column>` closes nothing"),
        ("<mjml><mj-body>".to_owned(), "E101", "<mj-body", "`<mj-body>` is never closed"),
        (
            mail("<mj-include path=\"/etc/passwd\" />"),
            "E102",
            "<mj-include",
            "nothing is included from elsewhere",
        ),
        (
            mail("<mj-include path=\"https://x.example/a.mjml\"></mj-include>"),
            "E102",
            "<mj-include",
            "nothing is included from elsewhere",
        ),
        ("<p>x</p>".to_owned(), "E101", "<p", "this has no place here"),
        (
            mail("<mj-image src=\"a.png\" width=\"{{ customer.w }}px\" />"),
            "E101",
            "{{ customer.w }}",
            "`{{ customer.w }}` is lost when this becomes HTML",
        ),
        (
            mail("<mj-spacer/>").replace("<mj-body>", "<mj-head>{{ a }}</mj-head><mj-body>"),
            "E101",
            "{{ a }}",
            "this has no place here",
        ),
        (
            mail("<mj-style inline=\"inline\">a{}</mj-style>"),
            "E101",
            "<mj-style",
            "`mj-style` has no place here",
        ),
        (
            "<mjml><mj-head><mj-style inline=\"inline\">a{}</mj-style></mj-head><mj-body/></mjml>"
                .to_owned(),
            "E101",
            "inline=\"inline\"",
            "styles are not written into elements",
        ),
        (
            "<mjml><mj-body colour=\"red\"><mj-text>{% if a %}</mj-text></mj-body>".to_owned(),
            "E101",
            "<mjml",
            "`<mjml>` is never closed",
        ),
        (mail("<mj-text>好>好</mj-text>"), "E101", ">", "this ends no element"),
        (deep, "E104", "<i", "more than 64 elements are inside of each other"),
        (long, "E104", "<", "its HTML has more than 262144 bytes"),
    ] {
        let wrong = html(&source).expect_err(message);
        let pointed = source.get(wrong.at.clone()).unwrap();
        assert_eq!((wrong.code, &*wrong.message), (code, message), "{wrong:?}");
        assert_eq!(pointed, meant, "{message}");
    }
    let wrong = html(&mail("<mj-txt>a</mj-txt>")).unwrap_err();
    assert_eq!(wrong.help.as_deref(), Some("did you mean `mj-text`?"));
}

/// The mail that a customer of this name gets.
fn sent_to(name: &str) -> String {
    let source = mail(
        "<mj-text>Hi {{ customer.name }}, <a title=\"{{ customer.name }}\">x</a></mj-text>\
         <mj-image src=\"a.png\" alt='{{ customer.name }}' />",
    );
    let mut texts = Texts::new();
    texts.add("t/en/html", &html(&source).unwrap()).unwrap();
    let catalog = sample::catalog();
    let state = sample::customer(&[("name", sample::text(name))]);
    let scope = Scope { catalog: &catalog, state: &state, properties: &[], now: sample::now() };
    texts.render("t/en/html", &scope, &Extras::default()).unwrap().into()
}

#[test]
fn what_a_customer_typed_is_never_markup() {
    let shape = |html: &str| -> Vec<String> {
        html.split('<').skip(1).map(|tag| name_at(tag.trim_start_matches('/')).to_owned()).collect()
    };
    let plain = shape(&sent_to("Ada"));
    for name in [
        "<mj-raw><script>alert(1)</script></mj-raw>",
        "</mj-text></mj-column><mj-include path=\"/etc/passwd\" />",
        "{{ 7 * 7 }}{% include 'x' %}{# y #}",
        "\" onmouseover=\"alert(1)",
        "' onerror='alert(1)",
        "a\r\nBcc: eve@x.example\r\n\r\n<b>",
        "--><![endif]--><!--[if mso]><i>",
        "heedfultag0x heedfultag1x",
        "&lt;script&gt;",
    ] {
        let html = sent_to(name);
        assert_eq!(shape(&html), plain, "{name}: {html}");
        for outbreak in ["\" onmouseover=", "' onerror=", "49"] {
            assert!(!html.contains(outbreak), "{name}: {html}");
        }
        // Nothing of it is lost: it is all there three times, with its signs written as text.
        let shown = ["&lt;", "&gt;", "&quot;", "&#x27;", "&#x2f;", "&amp;"];
        let signs = ["<", ">", "\"", "'", "/", "&"];
        let back = shown.iter().zip(signs).fold(html, |text, (one, sign)| text.replace(one, sign));
        assert_eq!(back.matches(name).count(), 3, "{name}: {back}");
    }
}

/// Files as they are: a trigger whose mail is in the second.
fn faults(message: &str, mail: &str) -> Vec<Fault> {
    let trigger = format!(
        "trigger: t\nkind: behavior\nabout: a\nowner: a@b.example\nwhen: {{event: E}}\nsend:\n  \
         purpose: transactional\n  via: email\n  message:\n    en: {{{message}}}\n"
    );
    let source =
        |path: &str, text: &str, kind| Source { path: path.into(), text: text.into(), kind };
    let sources = [
        source("triggers/t.yaml", &trigger, SourceKind::Trigger),
        source("triggers/mail/t.mjml", mail, SourceKind::Asset),
    ];
    match load(&sources, Sending::DryRun) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    }
}

#[test]
fn a_file_beside_the_trigger_is_told_of_with_its_own_lines() {
    let file = "template: mail/t.mjml";
    let both = format!("{file}, body: x");
    let good = mail("<mj-text>Hi {{ customer.id }}</mj-text>");
    assert!(faults(&both, &good).is_empty());
    let told = |message: &str, mail: &str| {
        let faults = faults(message, mail);
        let fault = faults.first().expect(message);
        (fault.code, format!("{}:{}:{}", fault.place.file, fault.place.line, fault.place.column))
    };
    let wrong = "<mjml>\n  <mj-body>\n    {{ customer.id }} <mj-sction/>\n  </mj-body></mjml>";
    assert_eq!(told(&both, wrong), ("E101", "triggers/mail/t.mjml:3:23".to_owned()));
    let unknown = mail("\n<mj-text>{{ custmer.id }}</mj-text>");
    assert_eq!(told(&both, &unknown), ("E021", "triggers/mail/t.mjml:2:13".to_owned()));
    assert_eq!(told(file, &good), ("W083", "triggers/t.yaml:10:10".to_owned()));
    let twice = format!("{both}, html: x");
    assert_eq!(told(&twice, &good).0, "E103");
}

proptest! {
    #[test]
    fn no_text_makes_it_fall_over(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("<mjml>"), Just("</mjml>"), Just("<mj-body>"), Just("</mj-body>"),
                Just("<mj-section "), Just("<mj-column>"), Just("</mj-column>"), Just("<mj-text>"),
                Just("</mj-text>"), Just("<mj-raw>"), Just("{{ a }}"), Just("{% if x %}"),
                Just("<!--"), Just("-->"), Just("<![CDATA["), Just("width=\"1"), Just("\""),
                Just(">"), Just("/>"), Just("é"), Just("<mj-head>"), Just("</mj-head>"),
                Just("<mj-attributes>"), Just("<mj-carousel>"), Just("<mj-social>"), Just("\n"),
            ],
            0..40,
        ),
    ) {
        let text = parts.concat();
        if let Err(wrong) = html(&text) {
            prop_assert!(wrong.at.start <= text.len() + 1, "{wrong:?}");
        }
        drop(html(&mail(&text)));
    }
}
