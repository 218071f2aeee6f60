//! `[sites]`: where else this service runs.

use crate::config::setting::Setting;
use crate::config::values;

section! {
    "sites",
    "The response of /api/v2/oauth2/.well-known/sites: where else this service runs. The default \
     list is an example. Replace it with your own.";

    pub struct Sites {
        #[serde(deserialize_with = "values::word")]
        pub environment: String = Setting::new(
            "sites.environment",
            r#""prod""#,
            "one word",
            "Name of the environment. It is the id in the response.",
        ),
        #[serde(deserialize_with = "values::hosts")]
        pub hosts: Vec<String> = Setting::new(
            "sites.hosts",
            r#"[
  "app.datadoghq.com", "app.datadoghq.eu", "us5.datadoghq.com", "us3.datadoghq.com",
  "ap1.datadoghq.com", "ap2.datadoghq.com", "app.ddog-gov.com", "us2.ddog-gov.com",
]"#,
            "a list of host names without a scheme",
            "Hosts that people open in a browser, in the order in which they are listed.",
        ),
    }
}
