//! What the server takes in: requests in flight, and bodies that have not arrived yet.
//!
//! A request holds a place in flight while it is worked on, and none while its body arrives: otherwise a few clients that
//! send slowly would hold all places. A body that is there at once, as most are, never gives the place up. One that has to
//! be waited for counts against budgets of its own, in number and in bytes, which networks share fairly. A quarter of the
//! places in flight is kept for requests of tokens and of the management API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use prometheus_client::metrics::counter::Counter;

use crate::fair_pool::{FairPool, PoolRules, Share};
use crate::http::middleware::body::BodyError;
use crate::rules::syntax::network::Network;

pub struct Intake {
    in_flight: Arc<InFlight>,
    bodies: FairPool,
    bytes: FairPool,
    refused: Refused,
}

/// How much is taken in at once.
#[derive(Clone, Copy, Debug)]
pub struct IntakeRules {
    pub in_flight: usize,
    pub pending_bodies: usize,
    pub pending_bytes: usize,
    pub body_bytes: usize,
}

/// Requests that were refused.
#[derive(Clone, Default)]
pub struct Refused {
    pub in_flight: Counter,
    pub pending_bodies: Counter,
}

/// Which places in flight a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// Also the places that are kept in reserve.
    Reserved,
    Normal,
}

/// One in so many places is kept in reserve.
const RESERVE: usize = 4;
/// A network may hold at most this part of the pending bodies that are still free.
const PART_OF_A_NETWORK: usize = 8;

#[derive(Debug)]
struct InFlight {
    held: AtomicUsize,
    most: usize,
    most_normal: usize,
}

impl Intake {
    pub fn new(rules: IntakeRules, refused: Refused) -> Self {
        let pool = |total, minimum| FairPool::new(PoolRules { total, part: PART_OF_A_NETWORK, minimum });
        let in_flight = InFlight {
            held: AtomicUsize::new(0),
            most: rules.in_flight,
            most_normal: rules.in_flight - rules.in_flight / RESERVE,
        };
        Self {
            in_flight: Arc::new(in_flight),
            bodies: pool(rules.pending_bodies, 1),
            bytes: pool(rules.pending_bytes, rules.body_bytes),
            refused,
        }
    }

    /// A place in flight, if one is free.
    pub fn enter(&self, precedence: Precedence) -> Option<Place> {
        let place = Place { in_flight: Arc::clone(&self.in_flight), precedence, is_held: AtomicBool::new(false) };
        if place.enter() {
            return Some(place);
        }
        self.refused.in_flight.inc();
        None
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.held.load(Ordering::Relaxed)
    }

    /// Bodies that are being waited for, and the bytes of them that have arrived.
    pub fn pending(&self) -> (usize, usize) {
        (self.bodies.held(), self.bytes.held())
    }
}

/// A place in flight. It can be given up for a while, and is given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    in_flight: Arc<InFlight>,
    precedence: Precedence,
    is_held: AtomicBool,
}

impl Place {
    fn enter(&self) -> bool {
        let most = match self.precedence {
            Precedence::Reserved => self.in_flight.most,
            Precedence::Normal => self.in_flight.most_normal,
        };
        let one_more = |held| (held < most).then_some(held + 1);
        let entered = self.in_flight.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
        self.is_held.store(entered, Ordering::Relaxed);
        entered
    }

    fn leave(&self) {
        if self.is_held.swap(false, Ordering::Relaxed) {
            self.in_flight.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// In the extensions of a request with a body, for the function that reads it.
#[derive(Clone)]
pub struct Arrival {
    pub intake: Arc<Intake>,
    pub place: Arc<Place>,
    pub network: Network,
}

/// The state of a body that is being read.
pub struct Arriving {
    arrival: Option<Arrival>,
    /// Of the body and of its bytes, once it has to be waited for.
    shares: Option<(Share, Share)>,
}

impl Arriving {
    pub fn new(arrival: Option<Arrival>) -> Self {
        Self { arrival, shares: None }
    }

    /// The rest of the body, of which so many bytes are there, has to be waited for: without a place in flight.
    pub fn wait(&mut self, bytes: usize) -> Result<(), BodyError> {
        let (Some(arrival), None) = (&self.arrival, &self.shares) else { return Ok(()) };
        let intake = &arrival.intake;
        let body = intake.bodies.take(arrival.network, 1);
        let shares = body.and_then(|body| Some((body, intake.bytes.take(arrival.network, bytes)?)));
        self.shares = Some(shares.ok_or_else(|| intake.refuse_body())?);
        arrival.place.leave();
        Ok(())
    }

    /// So many more bytes have arrived.
    pub fn add(&mut self, bytes: usize) -> Result<(), BodyError> {
        let (Some(arrival), Some((_, share))) = (&self.arrival, &mut self.shares) else { return Ok(()) };
        if share.grow(bytes) { Ok(()) } else { Err(arrival.intake.refuse_body()) }
    }

    /// The body is there: the request is worked on again, if there is a place.
    pub fn finish(self) -> Result<(), BodyError> {
        match (&self.arrival, &self.shares) {
            (Some(arrival), Some(_)) if !arrival.place.enter() => {
                arrival.intake.refused.in_flight.inc();
                Err(BodyError::Busy)
            }
            _ => Ok(()),
        }
    }
}

impl Intake {
    fn refuse_body(&self) -> BodyError {
        self.refused.pending_bodies.inc();
        BodyError::TooManyPending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: IntakeRules =
        IntakeRules { in_flight: 8, pending_bodies: 100, pending_bytes: 10_000, body_bytes: 100 };
    const NETWORK: Network = Network::V4(1);

    fn intake() -> Arc<Intake> {
        Arc::new(Intake::new(RULES, Refused::default()))
    }

    fn arriving(intake: &Arc<Intake>, network: Network) -> Arriving {
        let place = Arc::new(intake.enter(Precedence::Normal).expect("a place"));
        Arriving::new(Some(Arrival { intake: Arc::clone(intake), place, network }))
    }

    #[test]
    fn a_quarter_of_the_places_is_kept_in_reserve() {
        let intake = intake();
        let normal: Vec<_> = (0..8).filter_map(|_| intake.enter(Precedence::Normal)).collect();
        let reserved: Vec<_> = (0..8).filter_map(|_| intake.enter(Precedence::Reserved)).collect();

        assert_eq!((normal.len(), reserved.len(), intake.refused.in_flight.get()), (6, 2, 8));
        drop(normal);
        assert!(intake.enter(Precedence::Normal).is_some());
    }

    #[test]
    fn bodies_that_are_waited_for_hold_no_place_in_flight_and_one_network_does_not_hold_all_of_them() {
        let intake = intake();
        let mut pending: Vec<Arriving> = Vec::new();
        let refused = loop {
            let mut body = arriving(&intake, NETWORK);
            match body.wait(10) {
                Ok(()) => pending.push(body),
                Err(refused) => break refused,
            }
        };

        assert_eq!((refused, pending.len(), intake.pending()), (BodyError::TooManyPending, 11, (11, 110)));
        assert!(arriving(&intake, Network::V4(2)).wait(10).is_ok());
        assert_eq!(intake.refused.pending_bodies.get(), 1);
        drop(pending);
        assert_eq!(intake.pending(), (0, 0));
    }

    #[test]
    fn bytes_count_as_they_arrive_and_a_network_has_a_part_of_them() {
        let intake = intake();
        let mut body = arriving(&intake, NETWORK);
        body.wait(0).expect("is waited for");

        assert_eq!(body.add(1_000), Ok(()));
        assert_eq!(body.add(1_000), Err(BodyError::TooManyPending));
        assert_eq!(intake.pending(), (1, 1_000));
    }

    #[test]
    fn a_body_that_has_arrived_needs_a_place_again() {
        let intake = intake();
        let (mut one, mut other) = (arriving(&intake, NETWORK), arriving(&intake, Network::V4(2)));
        one.wait(0).expect("is waited for");
        other.wait(0).expect("is waited for");
        let places: Vec<_> = (0..6).filter_map(|_| intake.enter(Precedence::Normal)).collect();

        assert_eq!((places.len(), one.finish()), (6, Err(BodyError::Busy)));
        drop(places);
        assert_eq!(other.finish(), Ok(()));
    }
}
