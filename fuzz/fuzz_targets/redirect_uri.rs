//! Whatever is accepted as a redirect URI (RFC 8252) keeps its bytes, reads again, matches itself and misleads nobody.
#![no_main]

use grantor::rules::redirect::uri::RedirectUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(uri) = RedirectUri::parse(text) else { return };
    let portless = uri.without_loopback_port();

    assert_eq!(uri.as_str(), text);
    assert!(text.len() <= RedirectUri::MAX_BYTES);
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    assert!(uri.matches(text) && uri.matches(&portless));
    assert!(RedirectUri::parse(&portless).is_ok_and(|again| again.matches(text) && again.kind() == uri.kind()));
});
