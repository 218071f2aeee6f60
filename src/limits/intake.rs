//! Limits the requests in flight and the bodies that are still arriving.
//!
//! A request holds an in-flight slot while it is processed, but not while its body arrives:
//! otherwise a few slow clients could hold all slots. If the whole body is already there, as usual,
//! the slot is never released. A pending body counts against separate limits, in number and in
//! bytes, which networks share fairly. A quarter of the slots is reserved for token requests and
//! the management API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use prometheus_client::metrics::counter::Counter;

use crate::limits::fair_pool::{FairPool, PoolRules, Share};
use crate::rules::syntax::network::Network;

pub struct Intake {
    in_flight: Arc<InFlight>,
    bodies: FairPool,
    bytes: FairPool,
    refused: Refused,
}

/// The limits, from the settings.
#[derive(Clone, Copy, Debug)]
pub struct IntakeRules {
    pub in_flight: usize,
    pub pending_bodies: usize,
    pub pending_bytes: usize,
    pub body_bytes: usize,
}

/// Counts the requests that were refused.
#[derive(Clone, Default)]
pub struct Refused {
    pub in_flight: Counter,
    pub pending_bodies: Counter,
}

/// Which in-flight slots a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// All slots, including the reserved ones.
    Reserved,
    Normal,
}

/// One in this many slots is reserved.
const RESERVE_DIVISOR: usize = 4;
/// A network may take at most one in this many of the free places for pending bodies.
const NETWORK_DIVISOR: usize = 8;

#[derive(Debug)]
struct InFlight {
    held: AtomicUsize,
    max: usize,
    max_normal: usize,
}

impl Intake {
    pub fn new(rules: IntakeRules, refused: Refused) -> Self {
        let pool =
            |total, minimum| FairPool::new(PoolRules { total, part: NETWORK_DIVISOR, minimum });
        let in_flight = InFlight {
            held: AtomicUsize::new(0),
            max: rules.in_flight,
            max_normal: rules.in_flight - rules.in_flight / RESERVE_DIVISOR,
        };
        Self {
            in_flight: Arc::new(in_flight),
            bodies: pool(rules.pending_bodies, 1),
            bytes: pool(rules.pending_bytes, rules.body_bytes),
            refused,
        }
    }

    /// Takes an in-flight slot, if one is free.
    pub fn enter(&self, precedence: Precedence) -> Option<Slot> {
        let slot = Slot {
            in_flight: Arc::clone(&self.in_flight),
            precedence,
            is_held: AtomicBool::new(false),
        };
        if slot.enter() {
            return Some(slot);
        }
        self.refused.in_flight.inc();
        None
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.held.load(Ordering::Relaxed)
    }

    /// The number of pending bodies and how many of their bytes have arrived.
    pub fn pending(&self) -> (usize, usize) {
        (self.bodies.held(), self.bytes.held())
    }
}

/// An in-flight slot. It can be released for a while, and it is released when it is dropped.
#[derive(Debug)]
pub struct Slot {
    in_flight: Arc<InFlight>,
    precedence: Precedence,
    is_held: AtomicBool,
}

impl Slot {
    fn enter(&self) -> bool {
        let max = match self.precedence {
            Precedence::Reserved => self.in_flight.max,
            Precedence::Normal => self.in_flight.max_normal,
        };
        let add_one = |held| (held < max).then_some(held + 1);
        let entered =
            self.in_flight.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add_one).is_ok();
        self.is_held.store(entered, Ordering::Relaxed);
        entered
    }

    fn leave(&self) {
        if self.is_held.swap(false, Ordering::Relaxed) {
            self.in_flight.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave();
    }
}

/// In the extensions of a request with a body, for the function that reads it.
#[derive(Clone)]
pub struct Arrival {
    pub intake: Arc<Intake>,
    pub slot: Arc<Slot>,
    pub network: Network,
}

/// Why a body cannot be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntakeError {
    /// Too many bodies, or too many of their bytes, are pending.
    TooManyPending,
    /// The body is complete, but no in-flight slot is free.
    Busy,
}

/// A body that is being read.
pub struct Arriving {
    arrival: Option<Arrival>,
    /// The shares of the body and of its bytes, once the body is pending.
    shares: Option<(Share, Share)>,
}

impl Arriving {
    pub fn new(arrival: Option<Arrival>) -> Self {
        Self { arrival, shares: None }
    }

    /// Marks the body as pending, with `bytes` already there, and releases the in-flight slot.
    pub fn wait(&mut self, bytes: usize) -> Result<(), IntakeError> {
        let (Some(arrival), None) = (&self.arrival, &self.shares) else { return Ok(()) };
        let intake = &arrival.intake;
        let body = intake.bodies.take(arrival.network, 1);
        let shares = body.and_then(|body| Some((body, intake.bytes.take(arrival.network, bytes)?)));
        self.shares = Some(shares.ok_or_else(|| intake.refuse_body())?);
        arrival.slot.leave();
        Ok(())
    }

    /// Counts bytes that have arrived since.
    pub fn add(&mut self, bytes: usize) -> Result<(), IntakeError> {
        let (Some(arrival), Some((_, share))) = (&self.arrival, &mut self.shares) else {
            return Ok(());
        };
        if share.grow(bytes) { Ok(()) } else { Err(arrival.intake.refuse_body()) }
    }

    /// The body is complete: takes an in-flight slot again, if one is free.
    pub fn finish(self) -> Result<(), IntakeError> {
        match (&self.arrival, &self.shares) {
            (Some(arrival), Some(_)) if !arrival.slot.enter() => {
                arrival.intake.refused.in_flight.inc();
                Err(IntakeError::Busy)
            }
            _ => Ok(()),
        }
    }
}

impl Intake {
    fn refuse_body(&self) -> IntakeError {
        self.refused.pending_bodies.inc();
        IntakeError::TooManyPending
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
        let slot = Arc::new(intake.enter(Precedence::Normal).expect("a free slot"));
        Arriving::new(Some(Arrival { intake: Arc::clone(intake), slot, network }))
    }

    #[test]
    fn a_quarter_of_the_slots_is_reserved() {
        let intake = intake();
        let normal: Vec<_> = (0..8).filter_map(|_| intake.enter(Precedence::Normal)).collect();
        let reserved: Vec<_> = (0..8).filter_map(|_| intake.enter(Precedence::Reserved)).collect();

        assert_eq!((normal.len(), reserved.len(), intake.refused.in_flight.get()), (6, 2, 8));
        drop(normal);
        assert!(intake.enter(Precedence::Normal).is_some());
    }

    #[test]
    fn pending_bodies_hold_no_slot_and_one_network_cannot_hold_all_places() {
        let intake = intake();
        let mut pending: Vec<Arriving> = Vec::new();
        let refused = loop {
            let mut body = arriving(&intake, NETWORK);
            match body.wait(10) {
                Ok(()) => pending.push(body),
                Err(refused) => break refused,
            }
        };

        assert_eq!(
            (refused, pending.len(), intake.pending()),
            (IntakeError::TooManyPending, 11, (11, 110))
        );
        assert!(arriving(&intake, Network::V4(2)).wait(10).is_ok());
        assert_eq!(intake.refused.pending_bodies.get(), 1);
        drop(pending);
        assert_eq!(intake.pending(), (0, 0));
    }

    #[test]
    fn bytes_count_as_they_arrive_and_a_network_may_use_only_a_part_of_them() {
        let intake = intake();
        let mut body = arriving(&intake, NETWORK);
        body.wait(0).expect("becomes pending");

        assert_eq!(body.add(1_000), Ok(()));
        assert_eq!(body.add(1_000), Err(IntakeError::TooManyPending));
        assert_eq!(intake.pending(), (1, 1_000));
    }

    #[test]
    fn a_complete_body_needs_a_slot_again() {
        let intake = intake();
        let mut first = arriving(&intake, NETWORK);
        let mut second = arriving(&intake, Network::V4(2));
        first.wait(0).expect("becomes pending");
        second.wait(0).expect("becomes pending");
        let slots: Vec<_> = (0..6).filter_map(|_| intake.enter(Precedence::Normal)).collect();

        assert_eq!((slots.len(), first.finish()), (6, Err(IntakeError::Busy)));
        drop(slots);
        assert_eq!(second.finish(), Ok(()));
    }
}
