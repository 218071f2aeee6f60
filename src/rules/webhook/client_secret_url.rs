//! Whether a user who sends a new client secret for an auth method may omit the URL.
//!
//! Without a URL, the secret would go to the stored `access_token_url`. A user who does not know
//! the secret could change that URL, even together with a wrong secret, and wait for the owner to
//! send the real one. So a user who sends a secret must also send the URL. Only a user who sent the
//! stored secret for the same origin may omit it, for example in a routine rotation.

use crate::id::UserId;
use crate::webhook::secret_binding::SecretBinding;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "access_token_url is missing: send it together with client_secret, because another user may have changed it"
)]
pub struct UrlMissing;

/// `secret_origin` is the origin for which the stored secret was sent, `url_origin` the origin of
/// the stored URL.
pub fn may_omit_url(
    binding: &SecretBinding,
    by: Option<UserId>,
    secret_origin: &str,
    url_origin: &str,
) -> bool {
    secret_origin == url_origin && binding.record.sent_by.contains(&by)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::timestamp::Timestamp;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const ANN: Option<UserId> = Some(UserId(Uuid::from_u128(1)));
    const BOB: Option<UserId> = Some(UserId(Uuid::from_u128(2)));

    #[test]
    fn only_a_user_who_sent_the_stored_secret_for_this_origin_may_omit_the_url() {
        let (ours, theirs) = ("https://auth.example", "https://evil.example");
        let of_ann = SecretBinding::given(ANN, NOW);
        let of_both = of_ann.clone().given_again(true, BOB, NOW);
        let of_bob = of_ann.clone().given_again(false, BOB, NOW);
        let of_unknown_user = SecretBinding::in_use(BTreeSet::new());
        let cases = [
            (&of_ann, ANN, ours, ours, true),
            (&of_ann, ANN, ours, theirs, false),
            (&of_ann, BOB, ours, ours, false),
            (&of_both, ANN, ours, ours, true),
            (&of_both, BOB, ours, ours, true),
            (&of_bob, ANN, ours, ours, false),
            (&of_bob, ANN, theirs, theirs, false),
            (&of_bob, BOB, theirs, theirs, true),
            (&of_unknown_user, ANN, ours, ours, false),
            (&of_unknown_user, None, ours, ours, true),
        ];
        for (binding, by, secret_origin, url_origin, expected) in cases {
            assert_eq!(
                may_omit_url(binding, by, secret_origin, url_origin),
                expected,
                "{binding:?} {by:?} {secret_origin} {url_origin}"
            );
        }
    }
}
