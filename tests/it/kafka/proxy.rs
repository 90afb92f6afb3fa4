//! A network of our own between nodes and their broker, which can be slow, or cut.
#![expect(clippy::disallowed_methods, reason = "a test may start threads")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often threads look whether it is over, or whole again.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes carried at a time.
const CHUNK: usize = 16 * 1_024;

/// Carries connections from one port to another.
pub(super) struct Proxy {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Nothing gets through, and nobody is told: what was sent arrives when it is whole again.
    is_cut: AtomicBool,
    /// How long each chunk takes.
    delay_ms: AtomicU64,
    is_over: AtomicBool,
}

impl Proxy {
    pub(super) fn start(from: u16, to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", from)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            while !shared.is_over.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((client, _)) if !shared.is_cut.load(Ordering::SeqCst) => {
                        connect(&client, to, &shared);
                    }
                    // One that is cut off is not even refused in time.
                    Ok(_) => {}
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        Self { state }
    }

    pub(super) fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
    }

    pub(super) fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Lets each chunk take so long, each way.
    pub(super) fn slow_down(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.state.delay_ms.store(millis, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
    }
}

fn connect(client: &TcpStream, to: u16, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
    for (from, to) in [(client, &server), (&server, client)] {
        from.set_nonblocking(false).unwrap();
        from.set_read_timeout(Some(LOOK)).unwrap();
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let state = Arc::clone(state);
        thread::spawn(move || carry(from, to, &state));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut chunk = vec![0; CHUNK];
    while !state.is_over.load(Ordering::SeqCst) {
        if state.is_cut.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
            continue;
        }
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                thread::sleep(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst)));
                while state.is_cut.load(Ordering::SeqCst) {
                    thread::sleep(LOOK);
                }
                if to.write_all(&chunk[..count]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}
