//! A host on the web that keeps its connections and reads what it is sent: it answers each request as a test tells it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::site::{After, PATIENCE, Reply, read_head, write};

/// A request, and on which connection it came, counted from 1.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub body: String,
    pub connection: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A parameter of a form, decoded.
    pub fn form(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

type Answering = Arc<Mutex<Box<dyn Fn(&Asked) -> Reply + Send>>>;

pub struct Receiver {
    pub address: SocketAddr,
    answering: Answering,
    asked: watch::Sender<Vec<Asked>>,
    open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// On every address of this machine.
    pub async fn answering(reply: Reply) -> Self {
        Self::deciding(move |_| reply.clone()).await
    }

    /// With an answer that depends on the request.
    pub async fn deciding(answer: impl Fn(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let answering: Answering = Arc::new(Mutex::new(Box::new(answer)));
        let (asked, open) = (watch::Sender::new(Vec::new()), watch::Sender::new(true));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&answering), asked.clone(), open.clone()));
        Self { address: ([127, 0, 0, 1], port).into(), answering, asked, open, accepting }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn answer(&self, reply: Reply) {
        *self.answering.lock().expect("an answer") = Box::new(move |_| reply.clone());
    }

    /// Answers nobody until it is opened.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    pub async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let waiting = asked.wait_for(|asked| asked.len() >= times);
        tokio::time::timeout(PATIENCE, waiting).await.expect("is asked in time").expect("goes on");
    }

    /// Nobody listens any more.
    pub async fn vanish(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    answering: Answering,
    asked: watch::Sender<Vec<Asked>>,
    open: watch::Sender<bool>,
) {
    for connection in 1.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(serve(stream, connection, Arc::clone(&answering), asked.clone(), open.subscribe()));
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    answering: Answering,
    asked: watch::Sender<Vec<Asked>>,
    mut open: watch::Receiver<bool>,
) {
    while let Some(request) = read(&mut stream, connection).await {
        asked.send_modify(|asked| asked.push(request.clone()));
        let _ = open.wait_for(|open| *open).await;
        let reply = answering.lock().expect("an answer")(&request);
        let is_whole = matches!(reply, Reply::Answer { .. });
        if write(&mut stream, reply, After::Keep).await.is_err() || !is_whole {
            return;
        }
    }
}

/// None where the other side has left.
async fn read(stream: &mut TcpStream, connection: usize) -> Option<Asked> {
    let head = read_head(stream).await;
    if !head.ends_with("\r\n\r\n") {
        return None;
    }
    let mut asked = Asked { head, body: String::new(), connection };
    let length = asked.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).expect("text");
    Some(asked)
}
