//! What `channels:` says of a channel of type `smtp`: a mail server, and who the mail is from.

use std::path::PathBuf;

use secrecy::SecretString;

use super::channel::timeout;
use super::table::{Reading, Table};
use crate::engine::time::Span;

/// Where mail is submitted over TLS.
const PORT_TLS: u16 = 465;
/// Where it is submitted over a connection that becomes TLS.
const PORT_STARTTLS: u16 = 587;
/// Where servers of one's own network take it.
const PORT_NONE: u16 = 25;

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether what goes there can be read on the way.
    pub tls: SmtpTls,
    /// A certificate to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// As whom it is sent.
    pub login: Option<(String, SecretString)>,
    /// Who it is from: `Shop <hello@shop.example>`.
    pub from: String,
    /// Who gets the answers.
    pub reply_to: Option<String>,
    /// The name we greet with.
    pub hello: Option<String>,
    /// How long a message may take.
    pub timeout: Span,
}

/// Whether what goes to a mail server can be read on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Never: TLS from the beginning.
    Always,
    /// Nothing but the greeting: without STARTTLS nothing is sent.
    Start,
    /// It can.
    Never,
}

/// Reads the keys of the type.
pub(super) fn smtp(table: &mut Table, reading: &mut Reading<'_>) -> Option<SmtpConfig> {
    let words = [("starttls", SmtpTls::Start), ("tls", SmtpTls::Always), ("none", SmtpTls::Never)];
    let host = table.need("host", reading).and_then(|node| reading.text(&node));
    let port = table.take("port").and_then(|node| reading.number(&node, 1..=u16::MAX));
    let tls = table.take("tls").and_then(|node| reading.word(&node, &words));
    let ca_file = table.take("ca_file").and_then(|node| reading.text(&node)).map(PathBuf::from);
    let tls = tls.unwrap_or(match port {
        Some(PORT_TLS) => SmtpTls::Always,
        Some(_) | None => SmtpTls::Start,
    });
    let login = match (table.take("user"), table.take("password")) {
        (None, None) => None,
        (Some(user), Some(password)) => {
            if tls == SmtpTls::Never {
                let help = "use `tls: starttls`, or leave out `user` and `password`".to_owned();
                reading.fault(&password, "it would go over the line in the clear", Some(help));
            }
            reading.text(&user).zip(reading.secret(&password))
        }
        (Some(alone), None) | (None, Some(alone)) => {
            reading.fault(&alone, "`user` and `password` belong together", None);
            None
        }
    };
    let from = table.need("from", reading).and_then(|node| reading.text(&node));
    let reply_to = table.take("reply_to").and_then(|node| reading.text(&node));
    let hello = table.take("hello").and_then(|node| reading.text(&node));
    let timeout = timeout(table, reading);
    let usual = match tls {
        SmtpTls::Always => PORT_TLS,
        SmtpTls::Start => PORT_STARTTLS,
        SmtpTls::Never => PORT_NONE,
    };
    Some(SmtpConfig {
        host: host?,
        port: port.unwrap_or(usual),
        tls,
        ca_file,
        login,
        from: from?,
        reply_to,
        hello,
        timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::super::channel::{ChannelKind, OnUnknown};
    use super::super::tests::read_channels;
    use super::*;

    #[test]
    fn the_line_is_closed_and_what_is_not_known_is_held_unless_the_file_says_otherwise() {
        for (keys, port, tls) in [
            ("", 587, SmtpTls::Start),
            (", port: 465", 465, SmtpTls::Always),
            (", tls: tls", 465, SmtpTls::Always),
            (", tls: none", 25, SmtpTls::Never),
            (", port: 2525", 2525, SmtpTls::Start),
        ] {
            let (channels, faults) = read_channels(&format!(
                "email: {{type: smtp, host: mx, from: a@b.example{keys}}}\n"
            ));
            assert_eq!(faults, Vec::<String>::new(), "{keys}");
            let ChannelKind::Smtp(smtp) = &channels[0].kind else { panic!("{channels:?}") };
            assert_eq!((smtp.port, smtp.tls), (port, tls), "{keys}");
            assert_eq!(channels[0].on_unknown, OnUnknown::Hold);
        }
    }

    #[test]
    fn a_password_never_goes_over_an_open_line() {
        for (keys, what) in [
            ("tls: none, user: u, password: p", "in the clear"),
            ("user: u", "belong together"),
            ("tls: ssl", "not known here"),
        ] {
            let (_, faults) = read_channels(&format!(
                "email: {{type: smtp, host: mx, from: a@b.example, {keys}}}\n"
            ));
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(what), "{faults:?}");
        }
    }
}
