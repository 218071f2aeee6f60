//! A receiver of webhooks that responds immediately and records the events and their order. It has
//! its own thread and does as little as possible, because it shares the cores with the server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::response::content_length;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// The beginning of an event id, followed by its number in hexadecimal digits.
pub const ID: &str = "01990000-0000-7000-8000-";

pub struct Receiver {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    // Held for its thread.
    _runtime: Runtime,
}

/// The received events. They are numbered from 0 and distributed over the lanes in turn.
#[derive(Clone, Default)]
pub struct Log {
    came: Vec<bool>,
    /// The smallest number that each lane still expects.
    next: Vec<usize>,
    span: Option<(Instant, Instant)>,
    pub distinct: usize,
    /// The number of repeated or unknown events.
    pub unexpected: u64,
    /// The number of events that came after a later one of their lane.
    pub out_of_order: u64,
}

impl Receiver {
    pub fn start() -> Result<Self, Failure> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let (address, log) = (listener.local_addr()?, Arc::new(Mutex::new(Log::default())));
        let shared = Arc::clone(&log);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, log, _runtime: runtime })
    }

    pub fn expect(&self, events: usize, lanes: usize) {
        *self.lock() = Log { came: vec![false; events], next: vec![0; lanes], ..Log::default() };
    }

    pub fn distinct(&self) -> usize {
        self.lock().distinct
    }

    pub fn log(&self) -> Log {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// From the first request to the last.
    pub fn took(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    fn note(&mut self, number: Option<usize>) {
        let now = Instant::now();
        self.span = Some((self.span.map_or(now, |(first, _)| first), now));
        let known = number.and_then(|number| Some((number, self.came.get_mut(number)?)));
        let Some((number, came @ false)) = known else {
            self.unexpected += 1;
            return;
        };
        *came = true;
        self.distinct += 1;
        let lane = number % self.next.len();
        if number < self.next[lane] {
            self.out_of_order += 1;
        }
        self.next[lane] = number + 1;
    }
}

async fn converse(mut stream: TcpStream, log: Arc<Mutex<Log>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut received).await? > 0 {
        while let Some(Delivery { number, end }) = Delivery::parse(&received) {
            log.lock().unwrap_or_else(PoisonError::into_inner).note(number);
            received.drain(..end);
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}

struct Delivery {
    number: Option<usize>,
    /// The start of the next request.
    end: usize,
}

impl Delivery {
    /// `None` until the request is complete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..head]);
        let length = text.lines().find_map(content_length).and_then(Result::ok).unwrap_or_default();
        let end = head + 4 + length;
        (bytes.len() >= end).then(|| Self { number: text.lines().find_map(number), end })
    }
}

fn number(line: &str) -> Option<usize> {
    let (name, id) = line.split_once(':')?;
    let digits = name.eq_ignore_ascii_case("webhook-id").then(|| id.trim().strip_prefix(ID))??;
    usize::from_str_radix(digits, 16).ok()
}
