//! A host on the web, on this machine: it answers what a test tells it to, and says what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Takes the request and says nothing.
    Silence,
    /// A head that does not end, a byte now and then.
    SlowHead,
    /// A head, and then a byte now and then for ever.
    Trickle,
    /// A body that does not end, of a length that is not announced.
    Endless,
    /// A whole answer, and then the connection is closed without a word.
    Parting,
    /// A body that ends before the length that was announced.
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

pub struct Site {
    pub address: SocketAddr,
    reply: Arc<Mutex<Reply>>,
    asked: watch::Sender<Vec<String>>,
    open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Site {
    /// On every address of this machine.
    pub async fn answering(reply: Reply) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (reply, asked, open) =
            (Arc::new(Mutex::new(reply)), watch::Sender::new(Vec::new()), watch::Sender::new(true));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&reply), asked.clone(), open.clone()));
        Self { address: ([127, 0, 0, 1], port).into(), reply, asked, open, accepting }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn answer(&self, reply: Reply) {
        *self.reply.lock().expect("a reply") = reply;
    }

    /// Answers nobody until it is opened.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    pub async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let waiting = asked.wait_for(|asked| asked.len() >= times);
        tokio::time::timeout(PATIENCE, waiting).await.expect("is asked in time").expect("goes on");
    }

    /// Nothing listens any more.
    pub async fn vanish(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    reply: Arc<Mutex<Reply>>,
    asked: watch::Sender<Vec<String>>,
    open: watch::Sender<bool>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (reply, asked, mut open) = (Arc::clone(&reply), asked.clone(), open.subscribe());
        tokio::spawn(async move {
            let head = read_head(&mut stream).await;
            asked.send_modify(|asked| asked.push(head));
            let _ = open.wait_for(|open| *open).await;
            let reply = reply.lock().expect("a reply").clone();
            // The other side may have left.
            let _ = write(&mut stream, reply, After::Close).await;
        });
    }
}

pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// What becomes of the connection after a whole answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum After {
    Close,
    Keep,
}

pub async fn write(stream: &mut TcpStream, reply: Reply, after: After) -> std::io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(20);
    const ENDLESS_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    match reply {
        Reply::Answer { status, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = if status == 304 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let close = if after == After::Close { "connection: close\r\n" } else { "" };
            let head = format!("HTTP/1.1 {status} X\r\n{headers}{length}{close}\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await?;
            if after == After::Close { stream.shutdown().await } else { Ok(()) }
        }
        Reply::Silence => std::future::pending().await,
        Reply::SlowHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Reply::Trickle => {
            stream.write_all(ENDLESS_HEAD).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(PAUSE).await;
            }
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
