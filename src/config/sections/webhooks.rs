//! Events of an organisation, sent to the receivers that its operators name.

use std::time::Duration;

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::SWITCH;

section! {
    "webhooks",
    "Events of an organisation, sent to the receivers that its operators name.";

    pub struct Webhooks {
        pub enabled: bool = Setting::new(
            "webhooks.enabled",
            "true",
            SWITCH,
            "Send them from this server. Where several share a database, one that sends is enough; events wait for it.",
        ),
        /// How often one delivery is tried.
        #[serde(deserialize_with = "values::at_least_one")]
        pub attempts: u32 = Setting::new(
            "webhooks.attempts",
            "10",
            "a whole number from 1",
            "How often one is tried before it is parked for an operator to look at. The pauses grow from 5 seconds to \
             6 hours: ten attempts take about half a day.",
        ),
        /// Older ones are parked without another attempt.
        #[serde(deserialize_with = "values::lifetime")]
        pub give_up_after: u64 = Setting::new(
            "webhooks.give_up_after",
            "259200",
            "whole seconds from 1 to 100 years",
            "What is older than this is parked without another attempt, so that a receiver which was away for long is \
             not told everything that waits. 259200 is three days.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub timeout: Duration = Setting::new(
            "webhooks.timeout",
            "10",
            "whole seconds from 1",
            "How long a receiver, or the server that gives access tokens for it, may take to answer.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub at_once: u32 = Setting::new(
            "webhooks.at_once",
            "64",
            "a whole number from 1",
            "How many are sent at the same time by one server. One organisation has at most a quarter of them.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub at_once_per_webhook: u32 = Setting::new(
            "webhooks.at_once_per_webhook",
            "8",
            "a whole number from 1",
            "The same to one receiver, so that a slow one does not hold up all others. Those about one client are \
             always sent one after the other.",
        ),
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub keep_delivered: u64 = Setting::new(
            "webhooks.keep_delivered",
            "604800",
            "whole seconds; 0 is not at all",
            "How long a delivery that went well can be looked up. 604800 is a week.",
        ),
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub keep_parked: u64 = Setting::new(
            "webhooks.keep_parked",
            "2592000",
            "whole seconds; 0 is for ever",
            "How long a parked delivery waits for an operator. 2592000 is 30 days.",
        ),
        pub allow_loopback: bool = Setting::new(
            "webhooks.allow_loopback",
            "false",
            SWITCH,
            "Let webhooks and their token requests go to this machine, by http as well. Only for tests: it lets \
             operators of an organisation make the server call itself.",
        ),
    }
}
