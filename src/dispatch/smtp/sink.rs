//! A mail server of the tests on this machine: it takes what comes, and misbehaves on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Where the server departs from what is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// Instead of the usual answer to a command, this.
    pub(super) says: Option<(&'static str, &'static str)>,
    /// It hangs up when it gets this command; `.` is the end of a message.
    pub(super) hangs_up_at: Option<&'static str>,
    /// It never answers this command.
    pub(super) ignores: Option<&'static str>,
    /// Whether it can do TLS.
    pub(super) tls: Tls,
}

/// Whether a server speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tls {
    /// It cannot.
    #[default]
    No,
    /// After STARTTLS.
    Start,
    /// From the beginning, as on port 465.
    Always,
}

/// What was said to the server, and what it took.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) connections: usize,
    pub(super) commands: Vec<String>,
    pub(super) messages: Vec<String>,
    pub(super) encrypted: usize,
}

/// The server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) heard: Arc<Mutex<Heard>>,
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let kept = Arc::clone(&heard);
        #[expect(clippy::disallowed_methods, reason = "the server of a test")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().unwrap().connections += 1;
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    if manner.tls == Tls::Always {
                        let Ok(stream) = acceptor().accept(stream).await else { return };
                        kept.lock().unwrap().encrypted += 1;
                        let mut stream = BufReader::new(stream);
                        drop(stream.write_all(b"220 sink\r\n").await);
                        talk(&mut stream, manner, &kept).await;
                        return;
                    }
                    let mut stream = BufReader::new(stream);
                    drop(stream.write_all(b"220 sink\r\n").await);
                    if talk(&mut stream, manner, &kept).await == End::Tls {
                        let stream = acceptor().accept(stream.into_inner()).await;
                        if let Ok(stream) = stream {
                            kept.lock().unwrap().encrypted += 1;
                            talk(&mut BufReader::new(stream), manner, &kept).await;
                        }
                    }
                });
            }
        });
        Self { address, heard }
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Over,
    Tls,
}

async fn talk<S>(stream: &mut BufReader<S>, manner: Manner, heard: &Mutex<Heard>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut message: Option<String> = None;
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return End::Over;
        }
        let word = if let Some(text) = &mut message {
            if line != ".\r\n" {
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
                continue;
            }
            ".".to_owned()
        } else {
            heard.lock().unwrap().commands.push(line.trim_end().to_owned());
            line.split([' ', ':', '\r']).next().unwrap_or_default().to_owned()
        };
        if manner.hangs_up_at == Some(&*word) {
            return End::Over;
        }
        if manner.ignores == Some(&*word) {
            continue;
        }
        let told = manner.says.filter(|(at, _)| *at == word).map(|(_, answer)| answer);
        if word == "." {
            let text = message.take().unwrap_or_default();
            if told.is_none() {
                heard.lock().unwrap().messages.push(text);
            }
        }
        let usual = match &*word {
            "EHLO" if manner.tls == Tls::Start => "250-sink\r\n250-AUTH PLAIN\r\n250 STARTTLS",
            "EHLO" => "250-sink\r\n250 AUTH PLAIN",
            "STARTTLS" => "220 go on",
            "AUTH" => "235 ok",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        let answer = told.unwrap_or(usual);
        if word == "DATA" && told.is_none() {
            message = Some(String::new());
        }
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || word == "QUIT" {
            return End::Over;
        }
        if word == "STARTTLS" && told.is_none() {
            return End::Tls;
        }
    }
}

/// With a certificate for `localhost` that only `testdata/ca.pem` vouches for.
fn acceptor() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("testdata/cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
