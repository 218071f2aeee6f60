//! A proxy between the server and its database that can break the connection.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::port::Port;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Refuses connections and closes open ones.
    Refuse,
    /// Keeps connections open without forwarding a byte, like a cut cable.
    Hang,
}

pub struct Proxy {
    pub address: SocketAddr,
    port: Port,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
    to: String,
}

impl Proxy {
    /// A proxy in front of a server, such as `127.0.0.1:5432`.
    pub async fn before(to: String) -> Self {
        let port = Port::pick();
        let mode = watch::Sender::new(Mode::Forward);
        let accepting = tokio::spawn(accept(port.listen(), to.clone(), mode.clone()));
        Self { address: port.address, port, mode, accepting, to }
    }

    pub async fn refuse(&mut self) {
        self.mode.send_replace(Mode::Refuse);
        self.accepting.abort();
        // The port is free only after the task has ended.
        let _ = (&mut self.accepting).await;
    }

    pub fn hang(&self) {
        self.mode.send_replace(Mode::Hang);
    }

    /// Forwards connections again.
    pub async fn forward(&mut self) {
        self.mode.send_replace(Mode::Forward);
        if self.accepting.is_finished() {
            self.accepting =
                tokio::spawn(accept(self.port.listen(), self.to.clone(), self.mode.clone()));
        }
    }
}

async fn accept(listener: TcpListener, to: String, mode: watch::Sender<Mode>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, to.clone(), mode.subscribe()));
    }
}

/// Copies until either side closes, or the proxy refuses.
async fn carry(client: TcpStream, to: String, mode: watch::Receiver<Mode>) {
    let mut refused = mode.clone();
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, mode.clone()) => {}
        () = copy(from_server, to_client, mode) => {}
        _ = refused.wait_for(|mode| *mode == Mode::Refuse) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if mode.wait_for(|mode| *mode == Mode::Forward).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
