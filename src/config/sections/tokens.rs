//! `[tokens]`: lifetimes of codes and tokens, and the algorithm that signs tokens.

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::LIFETIME;
use crate::rules::token::signing_algorithm::SigningAlgorithm;

section! {
    "tokens",
    "Lifetimes of codes and tokens, in seconds, and the algorithm that signs tokens.";

    /// All lifetimes are in seconds.
    pub struct Tokens {
        #[serde(deserialize_with = "values::code_lifetime")]
        pub code_ttl: u64 = Setting::new(
            "tokens.code_ttl",
            "60",
            "whole seconds from 1 to 600",
            "Lifetime of an authorization code, which can be used once (RFC 6749 section 4.1.2).",
        ),
        #[serde(deserialize_with = "values::lifetime")]
        pub access_ttl: u64 = Setting::new(
            "tokens.access_ttl",
            "3600",
            "whole seconds from 1 to 100 years",
            "Lifetime of an access token. APIs that only check signatures accept a revoked token \
             until it expires, so keep it short.",
        ),
        /// 0 means no limit.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub refresh_idle_ttl: u64 = Setting::new(
            "tokens.refresh_idle_ttl",
            "7776000",
            LIFETIME,
            "Time without use after which a refresh token expires. 7776000 is 90 days.",
        ),
        /// 0 means no limit.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub refresh_ttl: u64 = Setting::new(
            "tokens.refresh_ttl",
            "31536000",
            LIFETIME,
            "Time after which a chain of refresh tokens expires, however often it is used. The \
             user must then authorize the client again. 31536000 is one year.",
        ),
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub refresh_grace: u64 = Setting::new(
            "tokens.refresh_grace",
            "10",
            "whole seconds; 0 disables it",
            "How long a replaced refresh token still returns its successor, even if the successor \
             was used. Clients that send several refreshes at the same time stay signed in.",
        ),
        /// 0 disables it.
        #[serde(deserialize_with = "values::hour_or_zero")]
        pub refresh_repeat: u64 = Setting::new(
            "tokens.refresh_repeat",
            "3600",
            "whole seconds from 0 to 3600 (one hour); 0 disables it",
            "How long a replaced refresh token still returns its successor if the successor was \
             not used. A client stays signed in if a response is lost in an outage. With 0, every \
             replaced token counts as stolen after tokens.refresh_grace.",
        ),
        pub signing_algorithm: SigningAlgorithm = Setting::new(
            "tokens.signing_algorithm",
            r#""ES256""#,
            "\"ES256\", \"EdDSA\" or \"RS256\"",
            "Algorithm that signs tokens. ES256 is supported everywhere. EdDSA (Ed25519) is \
             faster. RS256 is much slower, for APIs that support nothing else. After a change, the \
             server creates a new key, and tokens signed by the old key stay valid.",
        ),
        /// 0 means never.
        #[serde(deserialize_with = "values::day_or_zero")]
        pub signing_key_max_age: u64 = Setting::new(
            "tokens.signing_key_max_age",
            "7776000",
            "whole seconds from 86400 (one day) to 100 years; 0 means never",
            "Age at which a signing key is replaced by a new one. `grantor keys rotate` replaces \
             it at any time. The new key is published before it signs, and the old key stays \
             published until its last token has expired, so clients notice nothing. 7776000 is 90 \
             days.",
        ),
    }
}
