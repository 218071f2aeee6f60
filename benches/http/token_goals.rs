//! The goals for tokens, compared with the limits of the machine and with the peer on the same
//! Postgres.

use crate::contender::Contender;
use crate::contender::Contender::{
    FloorParse, FloorRead, FloorStatic, PgbenchRotate, SameMiddleware,
};
use crate::endpoint::{Endpoint, Issuer};
use crate::goals::{At, Goal};

/// The ratios of rate and CPU time to those of the peer.
const FASTER: f64 = 5.0;

pub fn at(at: &At) -> Vec<Goal> {
    let ours = |endpoint| Contender::Tokens(endpoint, Issuer::Ours);
    let mut goals = vec![
        at.rates([ours(Endpoint::Refresh), PgbenchRotate], 0.7),
        at.rates([ours(Endpoint::Exchange), PgbenchRotate], 0.5),
        at.at_most("refresh, p99 ms", 50.0, ours(Endpoint::Refresh), |turn| turn.p99_ms),
        at.rates([ours(Endpoint::IntrospectSeen), FloorRead], 0.9),
        at.rates([ours(Endpoint::IntrospectNew), FloorParse], 0.3),
        at.rates([ours(Endpoint::Discovery), FloorStatic], 0.8),
        at.rates([ours(Endpoint::Jwks), SameMiddleware], 0.8),
    ];
    for endpoint in Endpoint::ALL {
        let beside_the_peer = [ours(endpoint), Contender::Tokens(endpoint, Issuer::Peer)];
        goals.push(at.rates(beside_the_peer, FASTER));
        goals.push(at.costs(beside_the_peer, 1.0 / FASTER));
    }
    goals
}
