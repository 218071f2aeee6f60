//! The dependencies of every action.

use crate::clock::Clock;
use crate::db::engine::Db;
use crate::metrics::transactions::TransactionMetrics;
use crate::passwords::Passwords;
use crate::random::Random;
use crate::sealing::KeyRing;
use uuid::Uuid;

/// The dependencies of every action. They include the clock and the random generator, so that tests
/// can control both.
#[derive(Clone, Debug)]
pub struct Context {
    pub db: Db,
    pub clock: Clock,
    pub random: Random,
    pub passwords: Passwords,
    pub ring: KeyRing,
    pub transactions: TransactionMetrics,
}

impl Context {
    pub fn new_id(&self) -> Uuid {
        self.random.uuid_v7(self.clock.unix_millis())
    }
}
