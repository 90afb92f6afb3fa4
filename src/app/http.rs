//! Serves HTTP: bounded in connections, patient for so long and no longer, and polite when it ends.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::telemetry::Connections;

/// How long a client may take to send the head of a request, and how long a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Most memory that one connection's head may take, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// The wait after a connection could not be accepted: there may be too many files open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Accepts connections until it is stopped; then lets the requests under way come to their end.
/// The returned future ends when no connection is left.
pub(super) fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let room = Arc::new(Semaphore::new(connections_max));
    let open = Arc::new(AtomicUsize::new(0));
    let tasks = TaskTracker::new();
    async move {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accept(&listener, &room) => accepted,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            let router = router.clone();
            let stop = stop.clone();
            let open = Arc::clone(&open);
            Connections { open: open.fetch_add(1, Ordering::Relaxed) + 1 }.emit();
            tasks.spawn(async move {
                connection(stream, peer, router, stop).await;
                Connections { open: open.fetch_sub(1, Ordering::Relaxed).saturating_sub(1) }.emit();
                drop(permit);
            });
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }
}

type Permit = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, Permit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and complete: nothing is gained by waiting for more.
            drop(stream.set_nodelay(true));
            Some((stream, peer, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    async fn start(connections: usize) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            "done"
        };
        let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
        let router = Router::new().route("/slow", get(slow)).route("/who", get(who));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the server of a test")]
        let task = tokio::spawn(serve(listener, router, connections, stop.clone()));
        (address, stop, task)
    }

    async fn get_once(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer).await);
        answer
    }

    #[tokio::test]
    async fn a_request_knows_its_peer() {
        let (address, stop, task) = start(4).await;
        assert!(get_once(address, "/who").await.ends_with("127.0.0.1"));
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_lets_a_request_under_way_end_and_takes_no_other() {
        let (address, stop, task) = start(4).await;
        #[expect(clippy::disallowed_methods, reason = "the client of a test")]
        let client = tokio::spawn(async move { get_once(address, "/slow").await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
        task.await.unwrap();
        assert!(client.await.unwrap().ends_with("done"));
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait_their_turn() {
        let (address, _stop, _task) = start(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut byte = [0; 1];
        first.read_exact(&mut byte).await.unwrap();
        let second = get_once(address, "/who");
        let waits = tokio::time::timeout(Duration::from_millis(100), second).await;
        assert!(waits.is_err(), "the first one still has the only place");
        drop(first);
        let answer = tokio::time::timeout(Duration::from_secs(5), get_once(address, "/who")).await;
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    }
}
