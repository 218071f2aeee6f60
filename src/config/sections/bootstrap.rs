//! `[bootstrap]`: how the first organization is created.

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
            "Create an organization with an administrator and keys at the first start, and print \
             them to standard output. This is for trials: logs of containers keep what is printed, \
             so it is allowed only if public_url is on this machine. There, the default database \
             file is always set up this way. In production, run `grantor bootstrap` instead.",
        ),
    }
}
