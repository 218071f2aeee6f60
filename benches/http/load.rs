//! A closed-loop load generator: every connection sends its next request as soon as the last is
//! answered. It uses one thread, keep-alive, and little work per request, because it shares the
//! cores with the server. A turn ends early when no connection has anything left to send.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::conversation::Conversation;
use crate::latencies::Latencies;
use crate::request::Request;
use crate::response::Head;

/// The time limit for responses after the end of a turn. Later ones count as one error.
const MAX_WAIT: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct Tally {
    pub latencies: Latencies,
    pub errors: u64,
    /// One unexpected status.
    pub wrong_status: Option<u16>,
    pub took: Duration,
}

pub fn run(
    address: SocketAddr,
    request: &Arc<Request>,
    connections: usize,
    turn: Duration,
) -> io::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let began = Instant::now();
        let drivers: Vec<_> = (0..connections)
            .map(|_| tokio::spawn(drive(address, Arc::clone(request), began + turn)))
            .collect();
        let mut total = collect(drivers, turn + MAX_WAIT).await;
        total.took = began.elapsed();
        Ok(total)
    })
}

async fn collect(drivers: Vec<JoinHandle<Tally>>, longest: Duration) -> Tally {
    let mut total = Tally::default();
    for driver in drivers {
        match timeout(longest, driver).await {
            Ok(Ok(tally)) => {
                total.latencies.append(tally.latencies);
                total.errors += tally.errors;
                total.wrong_status = total.wrong_status.or(tally.wrong_status);
            }
            _ => total.errors += 1,
        }
    }
    total
}

/// Keeps one connection busy, and opens a new one if it breaks.
async fn drive(address: SocketAddr, request: Arc<Request>, until: Instant) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < until {
        if converse(address, &request, until, &mut tally).await.is_ok() {
            break;
        }
        tally.errors += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tally
}

async fn converse(
    address: SocketAddr,
    request: &Request,
    until: Instant,
    tally: &mut Tally,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut conversation = Conversation::new(request);
    let mut received = Vec::with_capacity(16 * 1024);
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok(());
        }
        let Some(sent) = conversation.next() else { return Ok(()) };
        stream.write_all(sent).await?;
        let Head { status, body } = answer(&mut stream, &mut received).await?;
        if status == request.expected_status {
            tally.latencies.record(began.elapsed());
            conversation.hear(&received[body]);
        } else {
            tally.errors += 1;
            tally.wrong_status = Some(status);
        }
    }
}

/// The header section of the next response, once it is complete.
async fn answer(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Head> {
    received.clear();
    loop {
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let head = Head::parse(received).map_err(|_| io::ErrorKind::InvalidData)?;
        if let Some(head) = head
            && received.len() >= head.body.end
        {
            return Ok(head);
        }
    }
}
