//! A server of the tests on this machine that behaves well, badly, or not at all.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request once it has read it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// Answers with these bytes.
    Say(&'static str),
    /// Closes the connection.
    HangUp,
    /// Never answers.
    Silence,
    /// Answers, and then sends a body without end.
    Flood,
}

/// A server and the requests it has read.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    pub(super) async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        #[expect(clippy::disallowed_methods, reason = "the server of a test")]
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                kept.lock().unwrap().push(request);
                match manner {
                    Manner::Say(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    Manner::HangUp => {}
                    Manner::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
                    Manner::Flood => {
                        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                        let mut open = stream.write_all(head).await.is_ok();
                        while open {
                            open = stream.write_all(b"5\r\nxxxxx\r\n").await.is_ok();
                        }
                    }
                }
            }
        });
        Self { address, requests }
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = header(head, "content-length").parse().unwrap_or(0);
            if body.len() == length || count == 0 {
                return text;
            }
        }
    }
}

/// The value of a header of a request.
pub(super) fn header(request: &str, name: &str) -> String {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}
