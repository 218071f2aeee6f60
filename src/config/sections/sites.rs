//! Where else this service runs.

use crate::config::setting::Setting;
use crate::config::values;

section! {
    "sites",
    "What /api/v2/oauth2/.well-known/sites answers: where else this service runs. The shipped list is an example; put \
     your own in its place.";

    pub struct Sites {
        #[serde(deserialize_with = "values::word")]
        pub environment: String = Setting::new(
            "sites.environment",
            r#""prod""#,
            "one word",
            "The name of the environment, the id of the answer.",
        ),
        #[serde(deserialize_with = "values::hosts")]
        pub hosts: Vec<String> = Setting::new(
            "sites.hosts",
            r#"[
  "app.datadoghq.com", "app.datadoghq.eu", "us5.datadoghq.com", "us3.datadoghq.com",
  "ap1.datadoghq.com", "ap2.datadoghq.com", "app.ddog-gov.com", "us2.ddog-gov.com",
]"#,
            "a list of host names without a scheme",
            "The hosts that people open in a browser, in the order in which they are listed.",
        ),
    }
}
