//! Retries transactions after a conflict. The database rolls back a transaction that conflicts with
//! another one, so it can simply run again.

use std::time::Duration;

use crate::actions::context::Context;
use crate::db::engine::error::DbError;

/// An error that may wrap a conflict of the database.
pub(super) trait MayConflict {
    fn database(&self) -> Option<&DbError>;
}

impl MayConflict for DbError {
    fn database(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// Implements [`MayConflict`] for errors with a variant `Db`.
macro_rules! may_conflict {
    ($($error:path),* $(,)?) => {$(
        impl MayConflict for $error {
            fn database(&self) -> Option<&DbError> {
                if let Self::Db(cause) = self { Some(cause) } else { None }
            }
        }
    )*};
}

may_conflict!(
    crate::actions::authorize::approve::ApproveError,
    crate::actions::webhooks::create_auth_method::AuthMethodError,
    crate::actions::keys::create_key::CreateKeyError,
    crate::actions::users::create_user::CreateUserError,
    crate::actions::grants::end::DisableClientError,
    crate::actions::grants::end::RevokeGrantError,
    crate::actions::users::change_membership::MembershipError,
    crate::actions::clients::restrict_scopes::RestrictScopesError,
    crate::actions::orgs::default_client_scopes::SetDefaultsError,
    crate::actions::users::disable_user::UserError,
    crate::actions::webhooks::find_variable::VariableError,
    crate::actions::webhooks::find_webhook::WebhookError,
);

/// Runs `work` up to three times, but does not retry after two and a half seconds. Postgres detects
/// a deadlock after one second, so there is time for two of them.
pub(super) async fn retry_on_conflict<T, E, F>(context: &Context, work: impl Fn() -> F) -> Result<T, E>
where
    E: MayConflict,
    F: Future<Output = Result<T, E>>,
{
    const MAX_ATTEMPTS: u32 = 3;
    const MAX_WAIT: Duration = Duration::from_millis(2_500);
    let began = context.clock.elapsed();
    let mut attempt = 1;
    loop {
        let outcome = work().await;
        let is_conflict = outcome.as_ref().is_err_and(|error| matches!(error.database(), Some(DbError::Conflict(_))));
        let waited = context.clock.elapsed().saturating_sub(began);
        if !is_conflict || attempt == MAX_ATTEMPTS || waited >= MAX_WAIT {
            return outcome;
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::db::engine::Db;
    use crate::db::engine::connect::{Location, Target};
    use crate::passwords::Passwords;
    use crate::rules::timestamp::Timestamp;
    use crate::secret::Random;

    /// These tests never reach the database.
    fn context() -> (Context, ManualClock) {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(0));
        let target = Target {
            location: Location::Sqlite { path: "/dev/null".into() },
            max_connections: 1,
            acquire_timeout: Duration::from_secs(1),
            query_timeout: Duration::from_secs(1),
        };
        let db = Db::open(&target).expect("opens without connecting");
        (Context { db, clock, random: Random::seeded(1), passwords: Passwords::default() }, hand)
    }

    async fn attempts(succeeds_at: u32, each_takes: Duration) -> (u32, bool) {
        let (context, hand) = context();
        let attempts = Cell::new(0);
        let outcome = retry_on_conflict(&context, || async {
            attempts.set(attempts.get() + 1);
            hand.advance(each_takes);
            match attempts.get() == succeeds_at {
                true => Ok(()),
                false => Err(DbError::Conflict(sqlx::Error::PoolTimedOut)),
            }
        });
        let succeeded = outcome.await.is_ok();
        (attempts.get(), succeeded)
    }

    #[tokio::test]
    async fn a_conflict_is_retried_at_most_twice() {
        assert_eq!(attempts(1, Duration::ZERO).await, (1, true));
        assert_eq!(attempts(3, Duration::ZERO).await, (3, true));
        assert_eq!(attempts(4, Duration::ZERO).await, (3, false));
    }

    #[tokio::test]
    async fn there_is_time_for_two_deadlocks_and_not_much_more() {
        for (each_takes, expected) in [(1_000, (3, true)), (1_249, (3, true)), (1_250, (2, false)), (2_500, (1, false))]
        {
            assert_eq!(attempts(3, Duration::from_millis(each_takes)).await, expected, "{each_takes}");
        }
    }
}
