//! `[client_documents]`: clients whose ID is the URL of a document that describes them.

use crate::config::setting::Setting;
use crate::config::values::SWITCH;

section! {
    "client_documents",
    "Clients whose ID is the URL of a document that describes them, instead of a registration.";

    pub struct ClientDocuments {
        pub enabled: bool = Setting::new(
            "client_documents.enabled",
            "true",
            SWITCH,
            "Accept such clients, and fetch their documents.",
        ),
        pub allow_loopback: bool = Setting::new(
            "client_documents.allow_loopback",
            "false",
            SWITCH,
            "Also fetch documents from this machine, including over http. For tests only: it lets \
             anyone make the server call itself.",
        ),
    }
}
