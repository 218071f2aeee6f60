//! Reads the time of the database, which all servers that share it use.

use crate::actions::context::Context;
use crate::clock::{Followed, Reading};
use crate::db::engine::error::DbError;

/// From now on, the context's clock returns the time of the database.
pub async fn follow_database_clock(context: &Context) -> Result<Followed, DbError> {
    let asked = context.clock.elapsed();
    let unix_millis = context.db.unix_millis().await?;
    let answered = context.clock.elapsed();
    Ok(context.clock.follow(&Reading { asked, answered, unix_millis }))
}
