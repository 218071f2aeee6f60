//! A port of this machine that stays ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Bound, but not listening, so that whoever a test chooses can listen there, or nobody, and no other test is given it.
pub struct Port {
    pub address: SocketAddr,
    held: TcpSocket,
}

impl Port {
    pub fn pick() -> Self {
        Self::pick_of(Ipv4Addr::LOCALHOST.into())
    }

    /// Of every address of this machine; reached at the usual one.
    pub fn pick_of_all() -> Self {
        let port = Self::pick_of(Ipv4Addr::UNSPECIFIED.into());
        Self { address: (Ipv4Addr::LOCALHOST, port.address.port()).into(), ..port }
    }

    fn pick_of(address: IpAddr) -> Self {
        let held = bound((address, 0).into());
        Self { address: held.local_addr().expect("a bound socket has an address"), held }
    }

    /// Connections are accepted as long as this lives, and refused when it is gone.
    pub fn listen(&self) -> TcpListener {
        let address = self.held.local_addr().expect("a bound socket has an address");
        bound(address).listen(1024).expect("nobody else listens here")
    }
}

/// Several sockets may be bound to one address with this option, as long as none of them listens.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of every socket");
    socket.bind(address).expect("a free port");
    socket
}
