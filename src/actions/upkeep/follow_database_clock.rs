//! Reads the database's time, which all servers on it go by.

use crate::actions::context::Context;
use crate::clock::{Followed, Reading};
use crate::db::engine::error::DbError;

/// From here on the context's clock carries the database's time.
pub async fn follow_database_clock(context: &Context) -> Result<Followed, DbError> {
    let asked = context.clock.elapsed();
    let unix_millis = context.db.unix_millis().await?;
    let answered = context.clock.elapsed();
    Ok(context.clock.follow(&Reading { asked, answered, unix_millis }))
}
