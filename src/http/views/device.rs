//! Recognizes common browsers and systems in a `User-Agent` header (RFC 9110 section 10.1.5).

/// The order matters, because browsers also name the browsers that they are compatible with.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device<'a> {
    Browser {
        browser: &'static str,
        system: &'static str,
    },
    /// Any other program, with its own `User-Agent` text.
    Other(&'a str),
    Unnamed,
}

impl<'a> Device<'a> {
    pub fn of(user_agent: &'a str) -> Self {
        let found = |list: &[(&str, &'static str)]| {
            list.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
        };
        match (found(&BROWSERS), found(&SYSTEMS)) {
            (Some(browser), Some(system)) => Self::Browser { browser, system },
            _ if user_agent.trim().is_empty() => Self::Unnamed,
            _ => Self::Other(user_agent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_recognized_although_they_name_each_other() {
        let cases = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox",
                "Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome",
                "Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "Android",
            ),
        ];
        for (user_agent, browser, system) in cases {
            assert_eq!(Device::of(user_agent), Device::Browser { browser, system }, "{user_agent}");
        }
    }

    #[test]
    fn an_unknown_program_keeps_its_own_name() {
        assert_eq!(Device::of("curl/8.5.0"), Device::Other("curl/8.5.0"));
        assert_eq!(Device::of(" "), Device::Unnamed);
    }
}
