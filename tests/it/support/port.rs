//! A reserved port of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// The port is bound but not listening, so no other test gets it, and a test can listen there or
/// not.
pub struct Port {
    pub address: SocketAddr,
    held: TcpSocket,
}

impl Port {
    pub fn pick() -> Self {
        Self::pick_of(Ipv4Addr::LOCALHOST.into())
    }

    /// A port of all addresses of this machine, with the address of localhost.
    pub fn pick_of_all() -> Self {
        let port = Self::pick_of(Ipv4Addr::UNSPECIFIED.into());
        Self { address: (Ipv4Addr::LOCALHOST, port.address.port()).into(), ..port }
    }

    fn pick_of(address: IpAddr) -> Self {
        let held = bound((address, 0).into());
        Self { address: held.local_addr().expect("a bound socket has an address"), held }
    }

    /// Accepts connections until it is dropped.
    pub fn listen(&self) -> TcpListener {
        let address = self.held.local_addr().expect("a bound socket has an address");
        bound(address).listen(1024).expect("the port is free")
    }
}

/// With this option, several sockets can bind one address as long as none of them listens.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of every socket");
    socket.bind(address).expect("a free port");
    socket
}
