//! Who is measured, in the order of their turns: neighbours are those whose ratio is asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::options::Group;
use crate::request::Request;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    PgbenchInsert,
    Register,
    RegisterAgain,
    FloorRead,
    Restriction,
    FloorStatic,
    SameMiddleware,
    Sites,
}

impl Contender {
    pub const ALL: [Self; 8] = [
        Self::PgbenchInsert,
        Self::Register,
        Self::RegisterAgain,
        Self::FloorRead,
        Self::Restriction,
        Self::FloorStatic,
        Self::SameMiddleware,
        Self::Sites,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::PgbenchInsert => "pgbench insert",
            Self::Register => "registration",
            Self::RegisterAgain => "repeat registration",
            Self::FloorRead => "floor point read",
            Self::Restriction => "restriction GET",
            Self::FloorStatic => "floor static",
            Self::SameMiddleware => "static behind the same middleware",
            Self::Sites => "sites",
        }
    }

    pub fn group(self) -> Group {
        match self {
            Self::PgbenchInsert => Group::Pgbench,
            Self::FloorRead | Self::FloorStatic => Group::Floor,
            _ => Group::Server,
        }
    }

    /// Whose rate this one's is divided by in the table.
    pub fn baseline(self) -> Option<Self> {
        match self {
            Self::PgbenchInsert | Self::FloorRead | Self::FloorStatic => None,
            Self::Register => Some(Self::PgbenchInsert),
            Self::RegisterAgain => Some(Self::Register),
            Self::Restriction => Some(Self::FloorRead),
            Self::SameMiddleware => Some(Self::FloorStatic),
            Self::Sites => Some(Self::SameMiddleware),
        }
    }
}

/// Where the load of an HTTP contender goes.
pub struct Target {
    pub address: SocketAddr,
    pub process: u32,
    pub request: Arc<Request>,
}
