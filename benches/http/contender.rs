//! The measured contenders in the order of their turns. Contenders whose ratio is computed have
//! their turns close together.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::endpoint::{Endpoint, Issuer};
use crate::failure::Failure;
use crate::measurement::{Measurement, Stopwatch};
use crate::options::{Group, Options, Part};
use crate::request::Request;
use crate::{load, usage};

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
    /// The contenders of each ratio are next to each other, or a turn or two apart. A refresh
    /// precedes the introspections of its access tokens.
    pub fn all() -> Vec<Self> {
        let ours = |endpoint| Self::Tokens(endpoint, Issuer::Ours);
        let peers = |endpoint| Self::Tokens(endpoint, Issuer::Peer);
        vec![
            peers(Endpoint::Refresh),
            ours(Endpoint::Refresh),
            Self::PgbenchRotate,
            ours(Endpoint::Exchange),
            peers(Endpoint::Exchange),
            Self::Restriction,
            Self::FloorRead,
            ours(Endpoint::IntrospectSeen),
            peers(Endpoint::IntrospectSeen),
            peers(Endpoint::IntrospectNew),
            ours(Endpoint::IntrospectNew),
            Self::FloorParse,
            Self::PgbenchInsert,
            Self::Register,
            Self::RegisterAgain,
            Self::Sites,
            Self::FloorStatic,
            ours(Endpoint::Discovery),
            peers(Endpoint::Discovery),
            Self::SameMiddleware,
            ours(Endpoint::Jwks),
            peers(Endpoint::Jwks),
        ]
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
            Self::FloorRead | Self::FloorParse | Self::FloorStatic | Self::SameMiddleware => {
                Part::Both
            }
            Self::PgbenchRotate | Self::Tokens(..) => Part::Tokens,
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
            Self::SameMiddleware | Self::Sites => Some(Self::FloorStatic),
            Self::Tokens(endpoint, Issuer::Ours) => Some(match endpoint {
                Endpoint::Exchange | Endpoint::Refresh => Self::PgbenchRotate,
                Endpoint::IntrospectSeen => Self::FloorRead,
                Endpoint::IntrospectNew => Self::FloorParse,
                Endpoint::Discovery => Self::FloorStatic,
                Endpoint::Jwks => Self::SameMiddleware,
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

impl Target {
    /// A turn of this contender, after its warm-up.
    pub fn turn(
        &self,
        contender: Contender,
        connections: usize,
        postgres: u32,
        options: &Options,
    ) -> Result<Measurement, Failure> {
        if !contender.uses_up_what_others_left() {
            load::run(self.address, &self.request, connections, options.warm_up())?;
        }
        let stopwatch = Stopwatch::start(Some(self.process), postgres)?;
        let tally = load::run(self.address, &self.request, connections, options.turn())?;
        stopwatch.stop(tally, Some(usage::resident_mb(self.process)?))
    }
}
