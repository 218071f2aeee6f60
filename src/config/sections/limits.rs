//! `[limits]`: rate limits for each source.

use crate::config::setting::Setting;
use crate::config::values::LIMIT;

section! {
    "limits",
    "Rate limits for each source. A source is an IPv4 address or an IPv6 /64; the /56 and the /48 \
     around it are counted too and may use two and four times the limit. Requests beyond a limit \
     get a 429 response with Retry-After. No source is blocked permanently. Each server counts \
     separately, so divide the limits by the number of servers. 0 switches a limit off.";

    /// In every field, 0 means no limit.
    pub struct Limits {
        pub register_per_minute: u32 = Setting::new(
            "limits.register_per_minute",
            "30",
            LIMIT,
            "Client registrations per source and minute. Hosted assistants register clients for \
             all of their users from a few addresses. Raise it if they get 429 responses.",
        ),
        pub register_per_second_total: u32 = Setting::new(
            "limits.register_per_second_total",
            "50",
            LIMIT,
            "New clients per second from all sources together. It protects the database, because \
             anyone can register. Sources share it fairly. A client that is already registered \
             does not count.",
        ),
        pub token_per_minute: u32 = Setting::new(
            "limits.token_per_minute",
            "600",
            LIMIT,
            "Token, refresh and revocation requests per source and minute. Raise it if many users \
             share an address.",
        ),
        pub requests_per_minute: u32 = Setting::new(
            "limits.requests_per_minute",
            "600",
            LIMIT,
            "All other requests per source and minute, including pages and metadata. Raise it if \
             many users share an address.",
        ),
        pub login_per_minute: u32 = Setting::new(
            "limits.login_per_minute",
            "10",
            LIMIT,
            "Failed sign-in attempts per source and minute. For one account, each source has the \
             same number of attempts in 15 minutes, and fewer while many sources guess its \
             password. A browser that has signed in to the account before is counted separately.",
        ),
        pub waiting_requests_per_source: u32 = Setting::new(
            "limits.waiting_requests_per_source",
            "600",
            LIMIT,
            "Authorization requests per source and ten minutes that wait for their user to sign in \
             or to decide. Each is a row in the database until it is answered or ten minutes old.",
        ),
        pub waiting_requests_total: u32 = Setting::new(
            "limits.waiting_requests_total",
            "50000",
            LIMIT,
            "Authorization requests from all sources that wait for their user. Above this number, \
             each source may add only 5 in ten minutes. Above twice this number, no more are \
             accepted.",
        ),
        pub operator_per_minute: u32 = Setting::new(
            "limits.operator_per_minute",
            "600",
            LIMIT,
            "Calls of the management API per minute with one key, or with all tokens of one user.",
        ),
        pub failed_keys_per_minute: u32 = Setting::new(
            "limits.failed_keys_per_minute",
            "30",
            LIMIT,
            "Requests per source and minute with wrong keys or client secrets. It slows down \
             guessing. Correct ones are still accepted.",
        ),
        pub connections: u32 = Setting::new(
            "limits.connections",
            "10000",
            LIMIT,
            "Maximum number of open connections from all sources together. Keep it below the \
             number of files that the operating system lets the server open.",
        ),
        pub connections_per_source: u32 = Setting::new(
            "limits.connections_per_source",
            "200",
            LIMIT,
            "Maximum number of open connections per source. Trusted proxies are not counted. Raise \
             it if many users share an address.",
        ),
    }
}
