//! Symbols that look like a verification by this server: check marks, badges, stars, shields, locks
//! and warning signs.
//!
//! A client must not use them in its name, because users could take them for a part of the page.
//! Variation selectors, enclosing circles and skin tones around a symbol make no difference.

/// The ranges are in the order of code points.
pub const fn poses_as_verified(character: char) -> bool {
    matches!(
        character,
        // The information sign, the square root, which looks like a check mark, and a star.
        '\u{2139}' | '\u{221A}' | '\u{22C6}'
        // Circled letters V and I.
        | '\u{24BE}' | '\u{24CB}' | '\u{24D8}' | '\u{24E5}'
        // Stars, ballot boxes, warning signs, crosses on shields.
        | '\u{2605}' | '\u{2606}' | '\u{2610}'..='\u{2612}' | '\u{26A0}' | '\u{26E8}' | '\u{26D4}'
        // Check marks and stars from the dingbats.
        | '\u{2705}' | '\u{2713}' | '\u{2714}' | '\u{2729}'..='\u{2730}'
        | '\u{2B50}'..='\u{2B52}' | '\u{2BEA}' | '\u{2BEB}'
        // Circled ideographs: suitable, excellent, seal, correct.
        | '\u{329C}'..='\u{329E}' | '\u{32A3}'
        // An Aegean numeral that looks like a check mark.
        | '\u{10102}'
        // Squared and negative V, OK, "acceptable".
        | '\u{1F145}' | '\u{1F165}' | '\u{1F185}' | '\u{1F197}' | '\u{1F251}'
        // Medals, rosettes, a glowing star, "hundred points", a crown, name badges.
        | '\u{1F31F}' | '\u{1F396}' | '\u{1F397}' | '\u{1F3C5}' | '\u{1F3C6}' | '\u{1F3F5}' | '\u{1F3F6}' | '\u{1F451}'
        | '\u{1F4AF}' | '\u{1F4DB}' | '\u{1F530}' | '\u{1F947}'..='\u{1F949}' | '\u{1FAAA}'
        // Locks and keys, shields, identity and passport controls.
        | '\u{1F50F}'..='\u{1F513}' | '\u{1F5DD}' | '\u{1F6C2}' | '\u{1F6C8}' | '\u{1F6E1}'
        // Check marks and their boxes.
        | '\u{1F5F8}' | '\u{1F5F9}' | '\u{1FBB1}'
        // Pinwheels and stars of several points.
        | '\u{1F7C0}'..='\u{1F7D8}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_distinguished_from_letters_and_other_symbols() {
        let marks = "✓✔✅☑☒🗸🗹🮱√𐄂★☆⭐🌟✩✪✯⋆🛡⛨🔒🔓🔏🔐🔑🗝🎖🏅🏆🥇💯👑🏵📛🪪🔰⚠⛔ℹⓘ🛈ⓥⓋ🅥🆅🅅🆗㊣㊝🉑";
        for mark in marks.chars() {
            assert!(poses_as_verified(mark), "{mark} {:?}", mark.escape_unicode());
        }
        // Trademark signs and sparkles are allowed, because they do not suggest a verification.
        let others = "aZ09éß客キرह!?*+-–—·•°®™©℠✨🚀❤👩💻🤖☀→∑∞❌🔵♥☺";
        for other in others.chars() {
            assert!(!poses_as_verified(other), "{other} {:?}", other.escape_unicode());
        }
    }
}
