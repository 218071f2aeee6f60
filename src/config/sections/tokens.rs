//! How long codes and tokens live, and what signs them.

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::LIFETIME;
use crate::rules::token::signing_algorithm::SigningAlgorithm;

section! {
    "tokens",
    "How long codes and tokens live, in seconds, and what signs them.";

    /// Seconds.
    pub struct Tokens {
        #[serde(deserialize_with = "values::code_lifetime")]
        pub code_ttl: u64 = Setting::new(
            "tokens.code_ttl",
            "60",
            "whole seconds from 1 to 600",
            "An authorization code, from the redirect to its one use (RFC 6749 section 4.1.2).",
        ),
        #[serde(deserialize_with = "values::lifetime")]
        pub access_ttl: u64 = Setting::new(
            "tokens.access_ttl",
            "3600",
            "whole seconds from 1 to 100 years",
            "An access token. An API that checks tokens by itself learns of a revocation only when it ends, so keep it \
             short.",
        ),
        /// 0 is without an end.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub refresh_idle_ttl: u64 = Setting::new(
            "tokens.refresh_idle_ttl",
            "7776000",
            LIFETIME,
            "A refresh token that is not used. 7776000 is 90 days.",
        ),
        /// 0 is without an end.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub refresh_ttl: u64 = Setting::new(
            "tokens.refresh_ttl",
            "31536000",
            LIFETIME,
            "A chain of refresh tokens, however often it is used: then the user is asked again. 31536000 is a year.",
        ),
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub refresh_grace: u64 = Setting::new(
            "tokens.refresh_grace",
            "10",
            "whole seconds; 0 is not at all",
            "How long a replaced refresh token still gets its successor, even if that was used, so that several \
             refreshes at once do not log a client out.",
        ),
        /// 0 is not at all.
        #[serde(deserialize_with = "values::hour_or_zero")]
        pub refresh_repeat: u64 = Setting::new(
            "tokens.refresh_repeat",
            "3600",
            "whole seconds from 0 to 3600, an hour; 0 is not at all",
            "How long a replaced refresh token still gets its successor while that was not used, so that a response \
             lost in an outage does not log a client out. 0 treats every replaced token as stolen after \
             tokens.refresh_grace.",
        ),
        pub signing_algorithm: SigningAlgorithm = Setting::new(
            "tokens.signing_algorithm",
            r#""ES256""#,
            "\"ES256\", \"EdDSA\" or \"RS256\"",
            "What tokens are signed with. ES256 is known everywhere; EdDSA (Ed25519) is faster; RS256 is much slower, \
             for APIs that know nothing else. After a change the server makes a new key, and tokens of the old one \
             stay valid.",
        ),
        /// 0 is never by age.
        #[serde(deserialize_with = "values::day_or_zero")]
        pub signing_key_max_age: u64 = Setting::new(
            "tokens.signing_key_max_age",
            "7776000",
            "whole seconds from 86400, a day, to 100 years; 0 is never",
            "After how long a new signing key takes the place of one; `grantor keys rotate` does so at any time. The \
             new key is published before it signs and the old one until its last token has ended, so nobody notices. \
             7776000 is 90 days.",
        ),
    }
}
