//! Whether two names look alike. Published clients must not: users recognize them by their names.

use unicode_security::confusable_detection::skeleton;

/// Equal for names that look alike: the skeleton of Unicode Technical Standard 39 section 4, without
/// case, spaces and punctuation.
pub fn look_alike_key(name: &str) -> String {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let lower_skeleton = |text: &str| lower(&skeleton(text).collect::<String>());
    // A letter can look like another one in one case only. The capital of i looks like l.
    let folded = lower_skeleton(&lower_skeleton(name)).replace('i', "l");
    let letters: String = folded.chars().filter(|char| char.is_alphanumeric()).collect();
    // A name of symbols only is compared as it is.
    if letters.is_empty() { folded } else { letters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_key() {
        let cases = [
            ("Pager", "pager", true),
            ("Pager", "PAGER", true),
            ("Pager", "P a-g.e r", true),
            ("Pager", "Раgеr", true),
            ("Pager", "Ｐａｇｅｒ", true),
            ("Slack", "5lack", false),
            ("Slack", "S1ack", true),
            ("Paypal", "PaypaI", true),
            ("Mail", "MAIL", true),
            ("Mail", "Mall", true),
            ("modern", "rnodern", true),
            ("Pager", "Pagers", false),
            ("Pager", "Pager Duty", false),
            ("日本", "日本語", false),
            ("🚀", "🚀", true),
            ("🚀", "🔥", false),
        ];
        for (one, other, expected) in cases {
            assert_eq!(look_alike_key(one) == look_alike_key(other), expected, "{one} {other}");
        }
    }
}
