//! How much one source may ask for.

use crate::config::setting::Setting;
use crate::config::values::LIMIT;

section! {
    "limits",
    "How much one source may ask for. A source is an IPv4 address or an IPv6 /64; the /56 and the /48 around it count \
     too and may use two and four times the limit. Beyond it the answer is 429 and says when to come back; nobody is \
     shut out for good. Each server counts by itself, so divide by their number. 0 switches a limit off.";

    /// 0 is no limit, throughout.
    pub struct Limits {
        pub register_per_minute: u32 = Setting::new(
            "limits.register_per_minute",
            "30",
            LIMIT,
            "Client registrations of one source. Hosted assistants register for all their users from few addresses.",
        ),
        pub register_per_second_total: u32 = Setting::new(
            "limits.register_per_second_total",
            "50",
            LIMIT,
            "New clients that all sources together may register: protects the database, since anybody may register. \
             The sources share it fairly. A client that is registered already does not count.",
        ),
        pub token_per_minute: u32 = Setting::new(
            "limits.token_per_minute",
            "600",
            LIMIT,
            "Token, refresh and revocation requests of one source.",
        ),
        pub requests_per_minute: u32 = Setting::new(
            "limits.requests_per_minute",
            "600",
            LIMIT,
            "All other requests of one source, pages and metadata among them.",
        ),
        pub login_per_minute: u32 = Setting::new(
            "limits.login_per_minute",
            "10",
            LIMIT,
            "Failed attempts to sign in from one source. At one account as many from one source in a quarter of an hour, \
             fewer while many sources guess at it; a browser in which the account has signed in before is counted by \
             itself.",
        ),
        pub waiting_requests_per_source: u32 = Setting::new(
            "limits.waiting_requests_per_source",
            "600",
            LIMIT,
            "Authorization requests of one source in ten minutes that wait for their user to sign in or to decide. Each is \
             a row in the database until it is answered or ten minutes old.",
        ),
        pub waiting_requests_total: u32 = Setting::new(
            "limits.waiting_requests_total",
            "50000",
            LIMIT,
            "Authorization requests of all sources that wait for their user. Beyond it each source may add only 5 in ten \
             minutes, and at twice this number nobody may.",
        ),
        pub operator_per_minute: u32 = Setting::new(
            "limits.operator_per_minute",
            "600",
            LIMIT,
            "Calls of the management API with one key, or with all tokens of one user.",
        ),
        pub failed_keys_per_minute: u32 = Setting::new(
            "limits.failed_keys_per_minute",
            "30",
            LIMIT,
            "Requests of one source with wrong keys or client secrets: slows down guessing. Right ones are accepted \
             all the same.",
        ),
        pub connections: u32 = Setting::new(
            "limits.connections",
            "10000",
            LIMIT,
            "Open connections of all sources together. Stay below the number of files that the system lets the server \
             open.",
        ),
        pub connections_per_source: u32 = Setting::new(
            "limits.connections_per_source",
            "200",
            LIMIT,
            "Open connections of one source; trusted proxies are not counted.",
        ),
    }
}
