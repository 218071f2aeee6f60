//! What every action works with.

use crate::clock::Clock;
use crate::db::engine::Db;
use crate::passwords::Passwords;
use crate::secret::Random;
use uuid::Uuid;

/// What every action works with. Time and chance are among it, so that a test decides them.
#[derive(Clone, Debug)]
pub struct Context {
    pub db: Db,
    pub clock: Clock,
    pub random: Random,
    pub passwords: Passwords,
}

impl Context {
    pub fn new_id(&self) -> Uuid {
        self.random.uuid_v7(self.clock.unix_millis())
    }
}
