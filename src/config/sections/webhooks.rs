//! `[webhooks]`: events of an organization, sent to the receivers that it configures.

use std::time::Duration;

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, SWITCH, TIMEOUT};

section! {
    "webhooks",
    "Events of an organization, sent to the receivers that it configures.";

    pub struct Webhooks {
        pub enabled: bool = Setting::new(
            "webhooks.enabled",
            "true",
            SWITCH,
            "Send webhooks from this server. If several servers share a database, one that sends \
             is enough; events wait for it.",
        ),
        /// Attempts per delivery.
        #[serde(deserialize_with = "values::at_least_one")]
        pub attempts: u32 = Setting::new(
            "webhooks.attempts",
            "10",
            COUNT,
            "How often a delivery is tried before it is parked for an administrator. The pauses \
             grow from 5 seconds to 6 hours; ten attempts take about half a day.",
        ),
        /// In seconds.
        #[serde(deserialize_with = "values::lifetime")]
        pub give_up_after: u64 = Setting::new(
            "webhooks.give_up_after",
            "259200",
            "whole seconds from 1 to 100 years",
            "Age at which a delivery is parked without another attempt, so that a receiver that \
             was down for a long time does not get every old event. 259200 is three days.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub timeout: Duration = Setting::new(
            "webhooks.timeout",
            "10",
            TIMEOUT,
            "How long a receiver, or the server that issues its access tokens, may take to \
             respond. Raise it for slow receivers.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub at_once: u32 = Setting::new(
            "webhooks.at_once",
            "64",
            COUNT,
            "How many deliveries one server sends at the same time. One organization uses at most \
             a quarter of them. Raise it if deliveries fall behind.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub at_once_per_webhook: u32 = Setting::new(
            "webhooks.at_once_per_webhook",
            "8",
            COUNT,
            "How many deliveries are sent to one webhook at the same time, so that a slow receiver \
             does not block the others. Events about the same client are always sent one after the \
             other.",
        ),
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub keep_delivered: u64 = Setting::new(
            "webhooks.keep_delivered",
            "604800",
            "whole seconds; 0 keeps none",
            "How long a successful delivery is kept. 604800 is one week.",
        ),
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub keep_parked: u64 = Setting::new(
            "webhooks.keep_parked",
            "2592000",
            "whole seconds; 0 keeps them forever",
            "How long a parked delivery is kept. 2592000 is 30 days.",
        ),
        pub allow_loopback: bool = Setting::new(
            "webhooks.allow_loopback",
            "false",
            SWITCH,
            "Allow webhooks and their token requests to reach this machine, including over http. \
             For tests only: it lets an organization make the server call itself.",
        ),
    }
}
