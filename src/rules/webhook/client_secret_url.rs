//! Where the client secret of an auth method goes if its sender names no URL.
//!
//! It goes to the stored `access_token_url`. A user who does not know the secret may change that URL, also together with a
//! wrong secret, and wait for the owner to send the real one. So a user who sends a secret names the URL beside it. Only a user
//! who sent the stored secret for the same origin may leave it out, as in a routine rotation.

use crate::rules::id::UserId;
use crate::rules::webhook::secret_binding::SecretBinding;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access_token_url is missing: send it together with client_secret, because another user may have changed it")]
pub struct UrlMissing;

/// `given_for` is the origin that the stored secret was given for, `leads_to` the origin of the stored URL.
pub fn may_omit_url(binding: &SecretBinding, by: Option<UserId>, given_for: &str, leads_to: &str) -> bool {
    given_for == leads_to && binding.record.sent_by.contains(&by)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::rules::timestamp::Timestamp;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const ANN: Option<UserId> = Some(UserId(Uuid::from_u128(1)));
    const BOB: Option<UserId> = Some(UserId(Uuid::from_u128(2)));

    #[test]
    fn only_a_user_who_sent_the_stored_secret_for_this_origin_may_leave_the_url_out() {
        let (ours, theirs) = ("https://auth.example", "https://evil.example");
        let of_ann = SecretBinding::given(ANN, NOW);
        let of_both = of_ann.clone().given_again(true, BOB, NOW);
        let of_bob = of_ann.clone().given_again(false, BOB, NOW);
        let of_nobody_knows_who = SecretBinding::in_use(BTreeSet::new());
        let cases = [
            (&of_ann, ANN, ours, ours, true),
            (&of_ann, ANN, ours, theirs, false),
            (&of_ann, BOB, ours, ours, false),
            (&of_both, ANN, ours, ours, true),
            (&of_both, BOB, ours, ours, true),
            (&of_bob, ANN, ours, ours, false),
            (&of_bob, ANN, theirs, theirs, false),
            (&of_bob, BOB, theirs, theirs, true),
            (&of_nobody_knows_who, ANN, ours, ours, false),
            (&of_nobody_knows_who, None, ours, ours, true),
        ];
        for (binding, by, given_for, leads_to, may) in cases {
            assert_eq!(
                may_omit_url(binding, by, given_for, leads_to),
                may,
                "{binding:?} {by:?} {given_for} {leads_to}"
            );
        }
    }
}
