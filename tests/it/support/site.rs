//! A web host on this machine. It responds as the test decides and records its requests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::port::Port;
use super::waiting::DEADLINE;

#[derive(Clone, Debug)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Accepts the request and never responds.
    Silence,
    /// Sends endless headers, one byte at a time.
    SlowHead,
    /// Sends headers and then an endless body, one byte at a time.
    Trickle,
    /// Sends an endless body without a content length.
    Endless,
    /// Sends a complete response and closes the connection silently.
    Parting,
    /// Sends a body that is shorter than its content length.
    Broken,
}

impl Reply {
    pub fn json(body: impl ToString) -> Self {
        Self::status(200).with_header("content-type", "application/json").with_body(body)
    }

    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: String::new() }
    }

    pub fn with_header(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }

    pub fn with_body(mut self, text: impl ToString) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = text.to_string();
        }
        self
    }
}

/// A request, and the number of its connection, counted from 1.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    pub head: String,
    pub body: String,
    pub connection: usize,
}

impl ReceivedRequest {
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).expect("a path")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The event id of a webhook request.
    pub fn event_id(&self) -> &str {
        self.header("webhook-id").expect("an id")
    }

    /// A decoded parameter of a form.
    pub fn form(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

pub struct Site {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    gone: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    /// Reserves the port after the site is closed.
    _port: Port,
}

type Answering = Box<dyn Fn(&ReceivedRequest) -> Reply + Send>;

struct Shared {
    next: Mutex<VecDeque<Reply>>,
    /// The default response.
    usual: Mutex<Answering>,
    asked: watch::Sender<Vec<ReceivedRequest>>,
    open: watch::Sender<bool>,
}

impl Site {
    /// A site on all addresses of this machine.
    pub async fn answering(reply: Reply) -> Self {
        Self::deciding(move |_| reply.clone()).await
    }

    /// A site whose response depends on the request.
    pub async fn deciding(answer: impl Fn(&ReceivedRequest) -> Reply + Send + 'static) -> Self {
        let port = Port::pick_of_all();
        let shared = Arc::new(Shared {
            next: Mutex::default(),
            usual: Mutex::new(Box::new(answer)),
            asked: watch::Sender::new(Vec::new()),
            open: watch::Sender::new(true),
        });
        let gone = watch::Sender::new(false);
        let accepting = tokio::spawn(accept(port.listen(), Arc::clone(&shared), gone.subscribe()));
        Self { address: port.address, shared, gone, accepting, _port: port }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets the response to all further requests.
    pub fn answer(&self, reply: Reply) {
        *self.shared.usual.lock().expect("an answer") = Box::new(move |_| reply.clone());
    }

    /// Sets the responses to the next requests, before the default response applies again.
    pub fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.next.lock().expect("a list").extend(replies);
    }

    /// Holds all responses until the site is opened.
    pub fn close(&self) {
        self.shared.open.send_replace(false);
    }

    pub fn open(&self) {
        self.shared.open.send_replace(true);
    }

    /// All requests so far. Their responses are already decided.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared.asked.borrow().clone()
    }

    /// Waits for this number of requests and returns them.
    pub async fn wait_for_requests(&self, times: usize) -> Vec<ReceivedRequest> {
        let mut asked = self.shared.asked.subscribe();
        let waiting = asked.wait_for(|asked| asked.len() >= times);
        tokio::time::timeout(DEADLINE, waiting)
            .await
            .expect("arrives in time")
            .expect("goes on")
            .clone()
    }

    /// Stops listening and closes every connection.
    pub async fn shut_down(&mut self) {
        self.gone.send_replace(true);
        (&mut self.accepting).await.expect("ends");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut gone: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    for connection in 1.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = gone.wait_for(|gone| *gone) => break,
        };
        let Ok((stream, _)) = accepted else { break };
        connections.spawn(serve(stream, connection, Arc::clone(&shared)));
    }
    drop(listener);
    connections.shutdown().await;
}

/// Serves requests until either side closes the connection.
async fn serve(mut stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    while let Some(request) = read(&mut stream, connection).await {
        let next = shared.next.lock().expect("a list").pop_front();
        let reply = next.unwrap_or_else(|| shared.usual.lock().expect("an answer")(&request));
        let is_last =
            !matches!(reply, Reply::Answer { .. }) || request.header("connection") == Some("close");
        shared.asked.send_modify(|asked| asked.push(request));
        let _ = shared.open.subscribe().wait_for(|open| *open).await;
        // The client may have disconnected.
        if write(&mut stream, reply).await.is_err() || is_last {
            return;
        }
    }
}

/// Returns `None` if the client has disconnected.
async fn read(stream: &mut TcpStream, connection: usize) -> Option<ReceivedRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let mut asked = ReceivedRequest { head: text_of(&head), body: String::new(), connection };
    let length =
        asked.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = text_of(&body);
    Some(asked)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn write(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    const ENDLESS_HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    match reply {
        Reply::Answer { status, headers, body } => {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = if status == 304 {
                String::new()
            } else {
                format!("content-length: {}\r\n", body.len())
            };
            stream
                .write_all(format!("HTTP/1.1 {status} X\r\n{headers}{length}\r\n{body}").as_bytes())
                .await
        }
        Reply::Silence => std::future::pending().await,
        Reply::SlowHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
            write_slowly(stream).await
        }
        Reply::Trickle => {
            stream.write_all(ENDLESS_HEAD).await?;
            write_slowly(stream).await
        }
        Reply::Endless => {
            stream.write_all(ENDLESS_HEAD).await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        Reply::Parting => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await?;
            stream.shutdown().await
        }
        Reply::Broken => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await?;
            stream.shutdown().await
        }
    }
}

/// Sends slowly on purpose.
async fn write_slowly(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x").await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
