//! The measured contenders in the order of their turns. Contenders whose ratio is computed are
//! neighbors.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::endpoint::{Endpoint, Issuer};
use crate::options::{Group, Part};
use crate::request::Request;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    PgbenchInsert,
    Register,
    RegisterAgain,
    PgbenchRotate,
    FloorRead,
    FloorParse,
    Restriction,
    FloorStatic,
    SameMiddleware,
    Sites,
    Tokens(Endpoint, Issuer),
}

impl Contender {
    /// Endpoints that are limited by Postgres come next to its limits.
    pub fn all() -> Vec<Self> {
        let tokens = |endpoint| [Issuer::Ours, Issuer::Peer].map(|issuer| Self::Tokens(endpoint, issuer));
        let mut all = vec![Self::PgbenchInsert, Self::Register, Self::RegisterAgain];
        all.push(Self::PgbenchRotate);
        all.extend([Endpoint::Refresh, Endpoint::Exchange].map(tokens).concat());
        all.extend([Self::FloorRead, Self::Restriction]);
        all.extend(tokens(Endpoint::IntrospectSeen));
        all.push(Self::FloorParse);
        all.extend(tokens(Endpoint::IntrospectNew));
        all.extend([Self::FloorStatic, Self::SameMiddleware, Self::Sites]);
        all.extend([Endpoint::Discovery, Endpoint::Jwks].map(tokens).concat());
        all
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::PgbenchInsert => "pgbench insert",
            Self::Register => "registration",
            Self::RegisterAgain => "repeat registration",
            Self::PgbenchRotate => "pgbench rotate",
            Self::FloorRead => "floor point read",
            Self::FloorParse => "floor parsed POST",
            Self::Restriction => "restriction GET",
            Self::FloorStatic => "floor static",
            Self::SameMiddleware => "static behind the same middleware",
            Self::Sites => "sites",
            Self::Tokens(endpoint, issuer) => endpoint.name(issuer),
        }
    }

    pub fn group(self) -> Group {
        match self {
            Self::PgbenchInsert | Self::PgbenchRotate => Group::Pgbench,
            Self::FloorRead | Self::FloorParse | Self::FloorStatic => Group::Floor,
            Self::Tokens(_, Issuer::Peer) => Group::Peer,
            _ => Group::Server,
        }
    }

    pub fn part(self) -> Part {
        match self {
            Self::FloorRead | Self::SameMiddleware => Part::Both,
            Self::PgbenchRotate | Self::FloorParse | Self::Tokens(..) => Part::Tokens,
            _ => Part::Registrations,
        }
    }

    /// A warm-up would use up the tokens of the turn; an earlier turn has warmed up the same path.
    pub fn uses_up_what_others_left(self) -> bool {
        matches!(self, Self::Tokens(Endpoint::IntrospectNew, _))
    }

    /// The contender that the rate of this one is divided by in the table.
    pub fn baseline(self) -> Option<Self> {
        match self {
            Self::Register => Some(Self::PgbenchInsert),
            Self::RegisterAgain => Some(Self::Register),
            Self::Restriction => Some(Self::FloorRead),
            Self::SameMiddleware => Some(Self::FloorStatic),
            Self::Sites => Some(Self::SameMiddleware),
            Self::Tokens(endpoint, Issuer::Ours) => Some(match endpoint {
                Endpoint::Exchange | Endpoint::Refresh => Self::PgbenchRotate,
                Endpoint::IntrospectSeen => Self::FloorRead,
                Endpoint::IntrospectNew => Self::FloorParse,
                Endpoint::Discovery | Endpoint::Jwks => Self::SameMiddleware,
            }),
            _ => None,
        }
    }
}

/// The target of the load of an HTTP contender.
pub struct Target {
    pub address: SocketAddr,
    pub process: u32,
    pub request: Arc<Request>,
}
