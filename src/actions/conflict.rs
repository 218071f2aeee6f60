//! Where another transaction was in the way, the database has undone this one whole, so it may simply run again.

use std::time::Duration;

use crate::actions::context::Context;
use crate::db::engine::error::DbError;

/// Told apart from every other failure, whatever it is wrapped in.
pub(super) trait MayConflict {
    fn database(&self) -> Option<&DbError>;
}

impl MayConflict for DbError {
    fn database(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// Errors that are a database's, or their own.
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
    crate::actions::grants::end::EndGrantError,
    crate::actions::users::change_membership::MembershipError,
    crate::actions::clients::restrict_scopes::RestrictScopesError,
    crate::actions::orgs::default_client_scopes::SetDefaultsError,
    crate::actions::users::disable_user::UserError,
    crate::actions::webhooks::find_variable::VariableError,
    crate::actions::webhooks::find_webhook::WebhookError,
);

/// Up to three times, and not once the caller has waited for two and a half seconds: Postgres looks for a deadlock only after
/// one second, so that two of them fit.
pub(super) async fn again_after_conflict<T, E, F>(context: &Context, work: impl Fn() -> F) -> Result<T, E>
where
    E: MayConflict,
    F: Future<Output = Result<T, E>>,
{
    const ATTEMPTS: u32 = 3;
    const PATIENCE: Duration = Duration::from_millis(2_500);
    let began = context.clock.elapsed();
    let mut attempt = 1;
    loop {
        let outcome = work().await;
        let met_another = outcome.as_ref().is_err_and(|error| matches!(error.database(), Some(DbError::Conflict(_))));
        let waited = context.clock.elapsed().saturating_sub(began);
        if !met_another || attempt == ATTEMPTS || waited >= PATIENCE {
            return outcome;
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::clock::{Clock, Hand};
    use crate::db::engine::Db;
    use crate::db::engine::connect::{Location, Target};
    use crate::passwords::Passwords;
    use crate::rules::timestamp::Timestamp;
    use crate::secret::Random;

    /// Nothing here reaches the database.
    fn context() -> (Context, Hand) {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(0));
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
        let made = Cell::new(0);
        let outcome = again_after_conflict(&context, || async {
            made.set(made.get() + 1);
            hand.advance(each_takes);
            match made.get() == succeeds_at {
                true => Ok(()),
                false => Err(DbError::Conflict(sqlx::Error::PoolTimedOut)),
            }
        });
        let succeeded = outcome.await.is_ok();
        (made.get(), succeeded)
    }

    #[tokio::test]
    async fn a_change_that_met_another_one_runs_again_but_not_for_ever() {
        assert_eq!(attempts(1, Duration::ZERO).await, (1, true));
        assert_eq!(attempts(3, Duration::ZERO).await, (3, true));
        assert_eq!(attempts(4, Duration::ZERO).await, (3, false));
    }

    #[tokio::test]
    async fn a_caller_waits_through_two_deadlocks_and_not_much_longer() {
        for (each_takes, expected) in [(1_000, (3, true)), (1_249, (3, true)), (1_250, (2, false)), (2_500, (1, false))]
        {
            assert_eq!(attempts(3, Duration::from_millis(each_takes)).await, expected, "{each_takes}");
        }
    }
}
