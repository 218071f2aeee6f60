//! What users are asked when a client wants access.

use crate::config::setting::Setting;
use crate::rules::authorization::consent::Remember;

section! {
    "consent",
    "What users are asked when a client wants access.";

    pub struct Consent {
        pub remember: Remember = Setting::new(
            "consent.remember",
            r#""https""#,
            "\"https\", \"never\" or \"always\"",
            "Whether a user who has given a client everything it asks for, or has answered the very same page, is asked \
             again. https remembers clients that are sent to a web server; a program on the user's machine may be another \
             one that took its name, and is asked about each time, with one click.",
        ),
    }
}
