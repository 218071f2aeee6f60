//! Requests that the server itself makes.

use ipnet::IpNet;

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::NETWORKS;
use crate::secret::Secret;

section! {
    "outgoing",
    "Requests that the server itself makes, for webhooks and client documents.";

    pub struct Outgoing {
        #[serde(deserialize_with = "values::networks")]
        pub allow_networks: Vec<IpNet> = Setting::new(
            "outgoing.allow_networks",
            "[]",
            NETWORKS,
            "Private networks that they may reach. All others that are not public are refused, so that nobody uses the \
             server to look around inside. The address of a cloud's metadata service counts only where it is listed by \
             itself.",
        ),
        /// May hold a password.
        #[serde(deserialize_with = "values::proxy_or_none")]
        pub proxy: Option<Secret> = Setting::secret(
            "outgoing.proxy",
            r#""""#,
            "http:// or https://, perhaps USER:PASSWORD@, a host and perhaps a port, without a path; or \"\" for none",
            "A proxy that all of them go through; HTTP_PROXY and the like in the environment are not read. The proxy \
             resolves the names, so it has to refuse what is private, and may itself be anywhere.",
        ),
    }
}
