//! `[outgoing]`: requests that the server sends.

use ipnet::IpNet;

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::NETWORKS;
use crate::rules::secret::Secret;

section! {
    "outgoing",
    "Requests that the server sends for webhooks and client documents.";

    pub struct Outgoing {
        #[serde(deserialize_with = "values::networks")]
        pub allow_networks: Vec<IpNet> = Setting::new(
            "outgoing.allow_networks",
            "[]",
            NETWORKS,
            "Private networks that these requests may reach. All other addresses that are not \
             public are refused, so that the server cannot be used to explore an internal network. \
             The address of a cloud's metadata service must be listed on its own; a larger network \
             does not include it.",
        ),
        /// May hold a password.
        #[serde(deserialize_with = "values::proxy_or_none")]
        pub proxy: Option<Secret> = Setting::secret(
            "outgoing.proxy",
            r#""""#,
            "http:// or https://, optionally USER:PASSWORD@, a host and optionally a port, without \
             a path; or \"\" for no proxy",
            "Proxy for all of these requests. HTTP_PROXY and similar environment variables are \
             ignored. The proxy resolves the host names, so it must refuse private addresses. The \
             proxy itself may have any address.",
        ),
    }
}
