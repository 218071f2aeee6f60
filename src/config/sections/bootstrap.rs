//! How the first organization is created.

use crate::config::setting::Setting;
use crate::config::values::SWITCH;

section! {
    "bootstrap",
    "How the first organization is created.";

    pub struct Bootstrap {
        pub automatic: bool = Setting::new(
            "bootstrap.automatic",
            "false",
            SWITCH,
            "For a trial: the first start creates an organization with an administrator and keys, and prints them to \
             standard output. The default database file always does so. Allowed only if public_url is on this machine, \
             since container logs keep what is printed. Otherwise run `grantor bootstrap`.",
        ),
    }
}
