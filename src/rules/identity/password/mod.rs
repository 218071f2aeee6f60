//! Which passwords a user may choose. The same rule applies wherever a password is set.
//!
//! A password must have at least [`MIN_LENGTH`] characters, of which [`MIN_UNPREDICTABLE`] must not
//! be predictable. A character is predictable if it is part of:
//!
//! * a common word ([`common.txt`](password/common.txt))
//! * the email address, the name or an organization of the user
//! * a run along the keyboard or the alphabet
//! * a repetition
//! * a year
//!
//! NIST SP 800-63B section 3.1.1.2 requires such a blocklist, and forbids rules about character
//! classes.

use std::collections::HashSet;
use std::sync::LazyLock;

pub const MIN_LENGTH: usize = 12;
pub const MAX_LENGTH: usize = 1024;
/// With fewer unpredictable characters, an attacker can try all combinations.
const MIN_UNPREDICTABLE: usize = 5;
/// Shorter words are part of almost every sentence.
const MIN_PIECE: usize = 3;
/// The longest word in `common.txt` may have this many characters.
const MAX_WORD: usize = 24;

/// Facts about the user that an attacker may know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner<'a> {
    pub email: &'a str,
    pub name: Option<&'a str>,
    pub orgs: &'a [String],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password must have at least 12 characters")]
    TooShort,
    #[error("the password must have at most 1024 characters")]
    TooLong,
    #[error("the password is too easy to guess: it consists of common words or patterns")]
    Common,
    #[error(
        "the password is too easy to guess: it consists of the email address, the name or the organization"
    )]
    Personal,
}

pub fn check(password: &str, owner: Owner<'_>) -> Result<(), PasswordError> {
    match password.chars().count() {
        ..MIN_LENGTH => return Err(PasswordError::TooShort),
        MIN_LENGTH..=MAX_LENGTH => {}
        _ => return Err(PasswordError::TooLong),
    }
    let text: Vec<char> = password.to_lowercase().chars().collect();
    if is_weak(&text, &HashSet::new()) {
        return Err(PasswordError::Common);
    }
    if is_weak(&text, &personal_words(owner)) { Err(PasswordError::Personal) } else { Ok(()) }
}

fn is_weak(text: &[char], personal: &HashSet<String>) -> bool {
    repeated_block(text).is_some_and(|length| length < MIN_LENGTH)
        || unpredictable_characters(text, personal) < MIN_UNPREDICTABLE
}

/// The length of the block that the whole text repeats.
fn repeated_block(text: &[char]) -> Option<usize> {
    (1..=text.len() / 2).find(|length| {
        text.iter().zip(text.iter().skip(*length)).all(|(left, right)| left == right)
    })
}

/// The smallest number of characters that can remain after known pieces are removed.
fn unpredictable_characters(text: &[char], personal: &HashSet<String>) -> usize {
    let max_word = personal.iter().map(|word| word.chars().count()).fold(MAX_WORD, usize::max);
    let mut least = vec![usize::MAX; text.len() + 1];
    least[0] = 0;
    for start in 0..text.len() {
        let so_far = least[start];
        least[start + 1] = least[start + 1].min(so_far + 1);
        for length in pieces(&text[start..], max_word, personal) {
            least[start + length] = least[start + length].min(so_far);
        }
    }
    least[text.len()]
}

/// The lengths of the known pieces at the start of the text.
fn pieces(text: &[char], max_word: usize, personal: &HashSet<String>) -> Vec<usize> {
    let run = longest_run(text);
    let words = (MIN_PIECE..=max_word.min(text.len()))
        .filter(|length| is_known(&text[..*length], personal));
    (2..=run).filter(|length| *length == run || *length >= MIN_PIECE).chain(words).collect()
}

fn is_known(piece: &[char], personal: &HashSet<String>) -> bool {
    let plain: String = piece.iter().collect();
    let spelled: String = piece.iter().copied().map(letter).collect();
    is_year(&plain)
        || [plain, spelled]
            .iter()
            .any(|word| COMMON.contains(word.as_str()) || personal.contains(word))
}

/// The letter that a digit or a symbol often replaces.
const fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && word.bytes().all(|digit| digit.is_ascii_digit())
        && (word.starts_with("19") || word.starts_with("20"))
}

/// The length of the run at the start of the text: along the keyboard or the alphabet in either
/// direction, or of one repeated character.
fn longest_run(text: &[char]) -> usize {
    let Some(first) = text.first() else { return 0 };
    let repeated = text.iter().take_while(|c| *c == first).count();
    let min_repetition = if first.is_alphabetic() { MIN_PIECE } else { 2 };
    let repeated = if repeated >= min_repetition { repeated } else { 0 };
    let walked = WALKS.iter().map(|walk| along(text, walk)).max().unwrap_or(0);
    repeated.max(if walked >= MIN_PIECE { walked } else { 0 })
}

fn along(text: &[char], walk: &[char]) -> usize {
    let common =
        |walk: &[char]| text.iter().zip(walk).take_while(|(left, right)| left == right).count();
    (0..walk.len()).map(|start| common(&walk[start..])).max().unwrap_or(0)
}

fn personal_words(owner: Owner<'_>) -> HashSet<String> {
    let texts = [Some(owner.email), owner.name]
        .into_iter()
        .flatten()
        .chain(owner.orgs.iter().map(String::as_str));
    let mut words = HashSet::new();
    for text in texts {
        let text = text.to_lowercase();
        let together: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
        words.extend(text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        words.extend(text.split('@').map(str::to_owned));
        words.extend([text, together]);
    }
    words.retain(|word| word.chars().count() >= MIN_PIECE);
    words
}

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| common_words().collect());

fn common_words() -> impl Iterator<Item = &'static str> {
    include_str!("common.txt").lines().filter(|line| !line.starts_with('#'))
}

/// Rows of keyboards and alphabets, each in both directions.
static WALKS: LazyLock<Vec<Vec<char>>> = LazyLock::new(|| {
    const FORWARDS: [&str; 20] = [
        "12345678901234567890",
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiop[]",
        "asdfghjkl;'",
        "zxcvbnm,./",
        "qwertzuiopü",
        "yxcvbnm,.-",
        "asdfghjklöä",
        "azertyuiop",
        "qsdfghjklm",
        "wxcvbn",
        "1q2w3e4r5t6y7u8i9o0p",
        "q1w2e3r4t5y6u7i8o9p0",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
        "qazwsxedcrfvtgbyhnujm",
        "1qaz xsw2 3edc vfr4 5tgb nhy6",
        "!@#$%^&*()_+",
        "!\"§$%&/()=?",
        "йцукенгшщзхъ",
        "0987654321234567890",
    ];
    let both = |walk: &str| [walk.chars().collect::<Vec<_>>(), walk.chars().rev().collect()];
    FORWARDS.into_iter().flat_map(both).collect()
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checked(password: &str) -> Result<(), PasswordError> {
        let orgs = ["Acme Anvils".to_owned(), "Umbra".to_owned()];
        check(
            password,
            Owner { email: "ada.king@mail.example", name: Some("Ada Lovelace"), orgs: &orgs },
        )
    }

    #[test]
    fn a_password_of_unpredictable_words_is_accepted() {
        for password in [
            "correct horse battery staple",
            "vierzehn Tassen im Schrank",
            "x7kq9vmz2tbw",
            "kWz8-rtQ1-mmX4",
            "Acme sent me nine wrong parcels",
            "grüne Wolken über Köln",
        ] {
            assert_eq!(checked(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn a_password_has_12_to_1024_characters_regardless_of_bytes() {
        let own: String = ('а'..='я').filter(|c| *c != 'ы').cycle().take(1025).collect();
        let first = |count: usize| own.chars().take(count).collect::<String>();
        for (length, expected) in [
            (0, Err(PasswordError::TooShort)),
            (11, Err(PasswordError::TooShort)),
            (12, Ok(())),
            (1024, Ok(())),
            (1025, Err(PasswordError::TooLong)),
        ] {
            assert_eq!(checked(&first(length)), expected, "{length}");
        }
    }

    #[test]
    fn a_common_password_is_refused_even_if_it_was_extended() {
        for password in [
            "password1234",
            "passwordpassword",
            "P@ssw0rd2026!",
            "Passw0rd!!!!!!",
            "123456789012",
            "111111111111",
            "qwertyuiop123",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc",
            "zyxwvutsrqpo",
            "iloveyouforever",
            "Summer2026!!",
            "Willkommen123",
            "letmeinletmein1",
            "dragonmonkey99",
            "xk3xk3xk3xk3",
            "qwertzuiop2024",
            "ichliebedich!",
            "Sommer-2026-a",
        ] {
            assert_eq!(checked(password), Err(PasswordError::Common), "{password}");
        }
    }

    #[test]
    fn a_password_may_not_be_the_email_address_the_name_or_the_organization() {
        for password in [
            "ada.king@mail.example",
            "ADA.KING@MAIL.EXAMPLE",
            "Ada Lovelace",
            "adalovelace1815",
            "lovelace-ada-1",
            "AcmeAnvils2026",
            "acme anvils!",
            "Umbra-Umbra-1",
            "UmbraWelcome12",
        ] {
            assert_eq!(checked(password), Err(PasswordError::Personal), "{password}");
        }
    }

    #[test]
    fn personal_words_of_another_user_are_accepted() {
        let owner = Owner { email: "bob@other.example", name: None, orgs: &[] };
        assert_eq!(check("AcmeAnvils2026", owner), Ok(()));
    }

    #[test]
    fn the_common_words_are_sorted_and_lowercase() {
        let words: Vec<&str> = common_words().collect();
        assert!(words.is_sorted_by(|word, next| word < next));
        assert!(
            words
                .iter()
                .all(|word| word.chars().count() >= MIN_PIECE && *word == word.to_lowercase())
        );
        assert!(words.iter().all(|word| word.chars().count() <= MAX_WORD));
    }

    proptest! {
        #[test]
        fn a_text_is_too_short_exactly_if_it_has_fewer_characters(text in "\\PC{0,60}") {
            let is_short = text.chars().count() < MIN_LENGTH;
            prop_assert_eq!(checked(&text) == Err(PasswordError::TooShort), is_short);
        }

        #[test]
        fn a_generated_password_is_accepted(text in "[a-km-z2-9]{24}") {
            prop_assert_eq!(checked(&text), Ok(()));
        }
    }
}
