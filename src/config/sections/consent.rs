//! `[consent]`: when users are asked for consent.

use crate::config::setting::Setting;
use crate::rules::authorization::consent::RememberConsent;

section! {
    "consent",
    "When users are asked for consent.";

    pub struct Consent {
        pub remember: RememberConsent = Setting::new(
            "consent.remember",
            r#""https""#,
            "\"https\", \"never\" or \"always\"",
            "Which clients skip the consent page if the user already granted everything they \
             request, or already answered this exact page: clients with an https redirect URI \
             (https), none (never) or all (always). With https, users confirm programs on their \
             own machine with one click each time, because any program there can impersonate \
             another.",
        ),
    }
}
