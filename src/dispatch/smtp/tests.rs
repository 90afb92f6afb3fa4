//! Mail against a real server on this machine, and what must never be on the line.

use secrecy::SecretString;

use super::sink::{Manner, Server, Tls};
use super::*;
use crate::dispatch::tests::row;
use crate::store::record::Field;

fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_500)
}

fn config(server: &Server) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port: server.address.port(),
        tls: SmtpTls::Never,
        ca_file: None,
        login: None,
        from: "The Shop <hello@shop.example>".to_owned(),
        reply_to: Some("care@shop.example".to_owned()),
        hello: None,
        timeout: Span::from_millis(800),
    }
}

fn saying(fields: &[(&str, &str)]) -> OutboxRow {
    let fields =
        fields.iter().map(|(name, text)| Field { name: (*name).into(), text: (*text).into() });
    OutboxRow { content: fields.collect(), ..row() }
}

async fn result(manner: Manner) -> CallResult {
    let server = Server::start(manner).await;
    Smtp::new(&config(&server)).unwrap().call(&row(), now()).await
}

#[tokio::test]
async fn a_mail_has_text_html_and_a_way_out() {
    let server = Server::start(Manner::default()).await;
    let smtp = Smtp::new(&config(&server)).unwrap();
    let link = format!("https://care.example/u/{}", "x".repeat(300));
    let row = saying(&[
        ("subject", "Stück?\r\nBcc: eve@evil.example"),
        ("body", "Hi\n.\n.dot"),
        ("html", "<p>Hi</p>"),
        ("unsubscribe_url", &link),
    ]);
    for _ in 0..2 {
        assert_eq!(smtp.call(&row, now()).await, CallResult::Delivered);
    }
    let heard = server.heard.lock().unwrap();
    assert_eq!(heard.connections, 1, "the line is used again");
    let [mail, again] = heard.messages.as_slice() else { panic!("{heard:?}") };
    assert_eq!(mail, again, "the same bytes at every attempt");
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    for line in [
        "From: \"The Shop\" <hello@shop.example>".to_owned(),
        "Reply-To: care@shop.example".to_owned(),
        "To: ada@x.example".to_owned(),
        format!("Message-ID: <{}@shop.example>", "07".repeat(16)),
        "Date: Sun, 01 Mar 2026 12:00:00 +0000".to_owned(),
        format!("List-Unsubscribe: <{link}>"),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
        "Auto-Submitted: auto-generated".to_owned(),
    ] {
        assert!(head.lines().any(|one| one == line), "{line} is missing in\n{head}");
    }
    assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
    assert!(head.contains("multipart/alternative"), "{head}");
    let plain = body.find("text/plain").unwrap();
    assert!(plain < body.find("text/html").unwrap(), "the best one comes last");
    assert!(body.contains("Hi\r\n.\r\n.dot"), "dots are doubled on the line alone: {body}");
    assert_eq!(
        heard.commands[..3],
        ["EHLO shop.example", "MAIL FROM:<hello@shop.example>", "RCPT TO:<ada@x.example>"]
    );
}

#[tokio::test]
async fn what_becomes_of_a_mail_is_known_or_held() {
    let says = |at, answer| Manner { says: Some((at, answer)), ..Manner::default() };
    let hangs = |at| Manner { hangs_up_at: Some(at), ..Manner::default() };
    let ignores = |at| Manner { ignores: Some(at), ..Manner::default() };
    for (manner, word) in [
        (Manner::default(), "delivered"),
        (says("EHLO", "421 not now"), "retry"),
        (says("MAIL", "451 try later"), "retry"),
        (says("MAIL", "550 not from you"), "rejected"),
        (says("RCPT", "450 greylisted"), "retry"),
        (says("RCPT", "550 no such user ada@x.example"), "rejected"),
        (says("DATA", "452 no room"), "retry"),
        (says("DATA", "554 no"), "rejected"),
        (says(".", "451 try later"), "retry"),
        (says(".", "550 spam"), "rejected"),
        (says(".", "gibberish"), "unknown"),
        (hangs("EHLO"), "retry"),
        (hangs("RCPT"), "retry"),
        (hangs("DATA"), "retry"),
        (hangs("."), "unknown"),
        (ignores("EHLO"), "retry"),
        (ignores("RCPT"), "retry"),
        (ignores("."), "unknown"),
    ] {
        let result = result(manner).await;
        assert_eq!(result.word(), word, "{manner:?}: {result:?}");
        assert!(!result.why().contains("ada"), "{result:?}");
    }
}

#[tokio::test]
async fn a_line_that_died_is_not_used_and_a_refusal_spoils_no_other_mail() {
    let server = Server::start(Manner { hangs_up_at: Some("NOOP"), ..Manner::default() }).await;
    let smtp = Smtp::new(&config(&server)).unwrap();
    for _ in 0..2 {
        assert_eq!(smtp.call(&row(), now()).await, CallResult::Delivered);
    }
    assert_eq!(server.heard.lock().unwrap().connections, 2);
    let late = now() + IDLE_MAX;
    assert_eq!(smtp.call(&row(), late).await, CallResult::Delivered);
    assert_eq!(server.heard.lock().unwrap().messages.len(), 3);
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_that_must_not_be() {
    let login = || Some(("shop".to_owned(), SecretString::from("hush")));
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dispatch/smtp/testdata/ca.pem");
    // Somebody on the way has taken the offer out.
    let stripped = Server::start(Manner::default()).await;
    let start = |server: &Server, ca: Option<&str>| SmtpConfig {
        tls: SmtpTls::Start,
        login: login(),
        ca_file: ca.map(Into::into),
        ..config(server)
    };
    let smtp = Smtp::new(&start(&stripped, Some(ca))).unwrap();
    assert_eq!(smtp.call(&row(), now()).await.word(), "retry");
    assert_eq!(stripped.heard.lock().unwrap().commands, ["EHLO shop.example"]);

    // A certificate for which nobody vouches.
    let server = Server::start(Manner { tls: Tls::Start, ..Manner::default() }).await;
    let smtp = Smtp::new(&start(&server, None)).unwrap();
    assert_eq!(smtp.call(&row(), now()).await.word(), "retry");
    assert_eq!(server.heard.lock().unwrap().encrypted, 0);
    // The right one.
    let smtp = Smtp::new(&start(&server, Some(ca))).unwrap();
    assert_eq!(smtp.call(&row(), now()).await, CallResult::Delivered);
    let heard = server.heard.lock().unwrap();
    assert_eq!((heard.encrypted, heard.messages.len()), (1, 1));
    let start = heard.commands.iter().rposition(|one| one == "STARTTLS").unwrap();
    let login = heard.commands.iter().position(|one| one.starts_with("AUTH ")).unwrap();
    assert!(start < login, "{:?}", heard.commands);
}

#[tokio::test]
async fn addresses_that_are_more_than_one_reach_nobody() {
    let server = Server::start(Manner::default()).await;
    let smtp = Smtp::new(&config(&server)).unwrap();
    let long = format!("{}@x.example", "a".repeat(250));
    for address in [
        "",
        "ada",
        "ada@",
        "a@x.example,b@x.example",
        "a@x.example\r\nRCPT TO:<eve@evil.example>",
        "a@x.example\nBcc: eve@evil.example",
        "<a@x.example>",
        "Ada <a@x.example>",
        "\"a b\"@x.example",
        "a@x.example>",
        "a@x.example SMTPUTF8",
        "@relay:a@x.example",
        "a@[127.0.0.1]",
        "a\u{2028}@x.example",
        "a\0@x.example",
        &long,
    ] {
        let row = OutboxRow { address: Some(address.to_owned()), ..row() };
        assert_eq!(smtp.call(&row, now()).await.word(), "rejected", "{address:?}");
    }
    let row = OutboxRow { address: None, ..row() };
    let other = OutboxRow { address: Some("\u{5f20}@x.example".to_owned()), ..row.clone() };
    assert_eq!(smtp.call(&row, now()).await.word(), "rejected");
    assert_eq!(server.heard.lock().unwrap().connections, 0);
    assert_eq!(smtp.call(&other, now()).await.word(), "rejected", "the server cannot");
    assert!(server.heard.lock().unwrap().messages.is_empty());
}

#[tokio::test]
async fn what_is_no_mail_is_refused() {
    let server = Server::start(Manner::default()).await;
    let smtp = Smtp::new(&config(&server)).unwrap();
    for (fields, what) in [
        (&[("body", "x")][..], "`subject`"),
        (&[("subject", "x")], "neither"),
        (&[("subject", "x"), ("body", "")], "neither"),
    ] {
        let result = smtp.call(&saying(fields), now()).await;
        assert!(result.why().contains(what), "{result:?}");
    }
    for from in [
        "",
        "shop",
        "Shop\r\nBcc: <a@b.example>",
        "a@b.example, c@d.example",
        "\u{85} <a@b.example>",
    ] {
        let config = SmtpConfig { from: from.to_owned(), ..config(&server) };
        assert!(Smtp::new(&config).is_err(), "{from:?}");
    }
}

#[tokio::test]
async fn tls_from_the_beginning_is_spoken_and_checked() {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dispatch/smtp/testdata/ca.pem");
    let server = Server::start(Manner { tls: Tls::Always, ..Manner::default() }).await;
    let always = |ca: Option<&str>| SmtpConfig {
        tls: SmtpTls::Always,
        ca_file: ca.map(Into::into),
        ..config(&server)
    };
    let smtp = Smtp::new(&always(None)).unwrap();
    assert_eq!(smtp.call(&row(), now()).await.word(), "retry", "nobody vouches for it");
    assert_eq!(server.heard.lock().unwrap().commands.len(), 0);
    let smtp = Smtp::new(&always(Some(ca))).unwrap();
    assert_eq!(smtp.call(&row(), now()).await, CallResult::Delivered);
    let heard = server.heard.lock().unwrap();
    assert_eq!((heard.encrypted, heard.messages.len()), (1, 1));
}

#[tokio::test]
async fn a_recipient_that_is_put_off_says_nothing_of_the_server() {
    let result = async |says| {
        let server = Server::start(Manner { says: Some(says), ..Manner::default() }).await;
        Smtp::new(&config(&server)).unwrap().call(&row(), now()).await
    };
    for (says, is_put_off) in [
        (("RCPT", "450 4.2.0 greylisted"), true),
        (("RCPT", "451 4.7.1 greylisted"), true),
        (("RCPT", "452 4.2.2 mailbox full"), true),
        (("RCPT", "421 going down"), false),
        (("MAIL", "451 try later"), false),
        (("DATA", "451 try later"), false),
    ] {
        let result = result(says).await;
        assert_eq!(matches!(result, CallResult::PutOff { .. }), is_put_off, "{says:?}: {result:?}");
    }
}
