//! Hands mail to a server (SMTP). Until the message itself is under way, whatever fails has
//! certainly not been sent; from then on only the server's answer tells.

mod message;
#[cfg(test)]
mod sink;
#[cfg(test)]
mod tests;

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use secrecy::ExposeSecret as _;

use super::channel::Channel;
use super::outcome::CallResult;
use crate::config::{SmtpConfig, SmtpTls};
use crate::engine::time::{Span, Timestamp};
use crate::store::record::OutboxRow;
use message::{Mail, Sender, mailbox};

/// Connections kept open.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// How long one is kept open without a use: servers close them after minutes.
const IDLE_MAX: Span = Span::from_millis(30_000);
/// Messages over one connection; servers have bounds of their own.
const MESSAGES_MAX: u32 = 100;

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    tls: SmtpTls,
    parameters: TlsParameters,
    login: Option<Credentials>,
    hello: ClientId,
    sender: Sender,
    timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that nobody uses.
struct Idle {
    line: AsyncSmtpConnection,
    since: Timestamp,
    messages: u32,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Smtp {
    /// Checks the configuration.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub fn new(config: &SmtpConfig) -> Result<Self, String> {
        let from = mailbox("from", &config.from)?;
        let reply_to = config.reply_to.as_deref().map(|text| mailbox("reply_to", text));
        // Only the first one in a process is kept, and they are all the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut tls = TlsParameters::builder(config.host.clone());
        if let Some(path) = &config.ca_file {
            let unusable = |why: String| format!("`ca_file` cannot be used: {why}");
            let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let certificate = Certificate::from_pem(&pem);
            tls = tls.add_root_certificate(certificate.map_err(|e| unusable(e.to_string()))?);
        }
        let hello = config.hello.clone().unwrap_or_else(|| from.email.domain().to_owned());
        if !hello.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) {
            return Err("`hello` is not the name of a machine".to_owned());
        }
        let login = config.login.as_ref();
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls: config.tls,
            parameters: tls.build().map_err(|error| format!("TLS cannot be used: {error}"))?,
            login: login.map(|(user, password)| {
                Credentials::new(user.clone(), password.expose_secret().to_owned())
            }),
            hello: ClientId::Domain(hello),
            sender: Sender { from, reply_to: reply_to.transpose()? },
            timeout: Duration::from_millis(u64::try_from(config.timeout.as_millis()).unwrap_or(0)),
            idle: Mutex::new(Vec::new()),
        })
    }

    async fn send(&self, row: &OutboxRow, now: Timestamp) -> CallResult {
        let mail = match message::write(row, &self.sender) {
            Ok(mail) => mail,
            Err(why) => return CallResult::Rejected { why },
        };
        let Idle { mut line, messages, .. } = match self.within(self.line(now)).await {
            Ok(idle) => idle,
            Err(why) => return CallResult::NotSent { why, not_before: None },
        };
        if is_international(&mail) && !line.server_info().supports_feature(Extension::SmtpUtfEight)
        {
            self.keep(Idle { line, since: now, messages });
            let why = "the mail server takes no address in other letters than English ones";
            return CallResult::Rejected { why: why.to_owned() };
        }
        let announced = tokio::time::timeout(self.timeout, announce(&mut line, &mail)).await;
        match announced {
            Ok(Ok(())) => {}
            Ok(Err((at, error))) => {
                // Unless all are sent away (421), it is about this recipient.
                let busy = error.status().is_some_and(|code| code.to_string() == "421");
                if at == At::Recipient && error.is_transient() && !busy {
                    return CallResult::PutOff { why: said(&error) };
                }
                return before_data(&error);
            }
            Err(_) => return CallResult::NotSent { why: late(), not_before: None },
        }
        match tokio::time::timeout(self.timeout, line.message(&mail.bytes)).await {
            Ok(Ok(_)) => {
                self.keep(Idle { line, since: now, messages: messages.saturating_add(1) });
                CallResult::Delivered
            }
            Ok(Err(error)) => after_data(&error),
            Err(_) => CallResult::Unknown { why: late() },
        }
    }

    /// A connection on which mail may be sent: one that still answers, or a new one.
    async fn line(&self, now: Timestamp) -> Result<Idle, Error> {
        while let Some(mut idle) = self.take() {
            let fresh = now < idle.since + IDLE_MAX && idle.messages < MESSAGES_MAX;
            if fresh && idle.line.test_connected().await {
                return Ok(idle);
            }
        }
        let tls = (self.tls == SmtpTls::Always).then(|| self.parameters.clone());
        let to = (self.host.as_str(), self.port);
        let mut line =
            AsyncSmtpConnection::connect_tokio1(to, Some(self.timeout), &self.hello, tls, None)
                .await?;
        if self.tls == SmtpTls::Start {
            // A server, or somebody between, that does not offer it gets nothing.
            line.starttls(self.parameters.clone(), &self.hello).await?;
        }
        if let Some(login) = &self.login {
            line.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(Idle { line, since: now, messages: 0 })
    }

    async fn within(
        &self,
        line: impl Future<Output = Result<Idle, Error>>,
    ) -> Result<Idle, String> {
        match tokio::time::timeout(self.timeout, line).await {
            Ok(line) => line.map_err(|error| format!("no mail can be handed over: {error}")),
            Err(_) => Err(late()),
        }
    }

    fn take(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, line: Idle) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(line);
        }
    }
}

impl Channel for Smtp {
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(self.send(row, now))
    }
}

/// Whether an address of it needs SMTPUTF8.
fn is_international(mail: &Mail) -> bool {
    let from = mail.envelope.from().into_iter();
    from.chain(mail.envelope.to()).any(|address| !AsRef::<str>::as_ref(address).is_ascii())
}

/// Where a server said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Sender,
    Recipient,
    Message,
}

/// Says from whom and to whom, and that a message comes.
async fn announce(line: &mut AsyncSmtpConnection, mail: &Mail) -> Result<(), (At, Error)> {
    let mut parameters = Vec::new();
    if is_international(mail) {
        parameters.push(MailParameter::SmtpUtfEight);
    }
    let from = MailFrom::new(mail.envelope.from().cloned(), parameters);
    line.command(from).await.map_err(|error| (At::Sender, error))?;
    for to in mail.envelope.to() {
        let to = Rcpt::new(to.clone(), Vec::new());
        line.command(to).await.map_err(|error| (At::Recipient, error))?;
    }
    line.command(Data).await.map(drop).map_err(|error| (At::Message, error))
}

/// Nothing of the message has gone out yet.
fn before_data(error: &Error) -> CallResult {
    let why = said(error);
    if error.is_permanent() {
        CallResult::Rejected { why }
    } else {
        CallResult::NotSent { why, not_before: None }
    }
}

/// The message is there, at least in parts: only an answer tells what became of it.
fn after_data(error: &Error) -> CallResult {
    let why = said(error);
    if error.is_permanent() {
        CallResult::Rejected { why }
    } else if error.is_transient() {
        CallResult::NotSent { why, not_before: None }
    } else {
        CallResult::Unknown { why: "the line broke before the server said yes or no".to_owned() }
    }
}

/// The code alone: what servers say beside it may name the customer.
fn said(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server said {code}"),
        None => "the line to the mail server broke".to_owned(),
    }
}

fn late() -> String {
    "the mail server did not answer in time".to_owned()
}
