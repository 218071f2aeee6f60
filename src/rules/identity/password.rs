//! Which passwords a person may choose: one rule, wherever one is chosen.
//!
//! A password has [`MIN_LENGTH`] characters or more, and [`MIN_OWN`] of them must be its owner's idea. Characters are not,
//! if they belong to a common word ([`common.txt`](password/common.txt)), to the address, the name or an organization of the
//! person, to a run along the keyboard or the alphabet, to a repetition, or to a year. NIST SP 800-63B section 3.1.1.2 asks
//! for such a list, and for no rules about kinds of characters.

use std::collections::HashSet;
use std::sync::LazyLock;

pub const MIN_LENGTH: usize = 12;
pub const MAX_LENGTH: usize = 1024;
/// Fewer characters than this can be tried by the million.
const MIN_OWN: usize = 5;
/// Shorter words are in every sentence.
const SHORTEST_PIECE: usize = 3;
/// Of the list.
const LONGEST_WORD: usize = 24;

/// What is known about the person, and so to somebody who guesses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner<'a> {
    pub email: &'a str,
    pub name: Option<&'a str>,
    pub orgs: &'a [String],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password needs at least 12 characters")]
    TooShort,
    #[error("the password may have at most 1024 characters")]
    TooLong,
    #[error("the password is too easy to guess: it consists of common words or patterns")]
    Common,
    #[error("the password is too easy to guess: it consists of the email address, the name or the organization")]
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
    repeated_block(text).is_some_and(|length| length < MIN_LENGTH) || own_characters(text, personal) < MIN_OWN
}

/// The length of the block of which the whole text is a repetition.
fn repeated_block(text: &[char]) -> Option<usize> {
    (1..=text.len() / 2).find(|length| text.iter().zip(text.iter().skip(*length)).all(|(one, next)| one == next))
}

/// How many characters are left at least, where known pieces are taken out.
fn own_characters(text: &[char], personal: &HashSet<String>) -> usize {
    let longest = personal.iter().map(|word| word.chars().count()).fold(LONGEST_WORD, usize::max);
    let mut least = vec![usize::MAX; text.len() + 1];
    least[0] = 0;
    for start in 0..text.len() {
        let (rest, so_far) = (&text[start..], least[start]);
        least[start + 1] = least[start + 1].min(so_far + 1);
        for length in pieces(rest, longest, personal) {
            least[start + length] = least[start + length].min(so_far);
        }
    }
    least[text.len()]
}

/// The lengths of the pieces with which the text begins.
fn pieces(text: &[char], longest: usize, personal: &HashSet<String>) -> Vec<usize> {
    let run = longest_run(text);
    let words = (SHORTEST_PIECE..=longest.min(text.len())).filter(|length| is_known(&text[..*length], personal));
    (2..=run).filter(|length| *length == run || *length >= SHORTEST_PIECE).chain(words).collect()
}

fn is_known(piece: &[char], personal: &HashSet<String>) -> bool {
    let plain: String = piece.iter().collect();
    let spelled: String = piece.iter().copied().map(letter).collect();
    is_year(&plain) || [plain, spelled].iter().any(|word| COMMON.contains(word.as_str()) || personal.contains(word))
}

/// The letter for which a digit or a symbol stands.
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

/// How far the text goes along the keyboard or the alphabet, forwards or backwards, or repeats one character.
fn longest_run(text: &[char]) -> usize {
    let Some(first) = text.first() else { return 0 };
    let repeated = text.iter().take_while(|c| *c == first).count();
    let shortest_repetition = if first.is_alphabetic() { SHORTEST_PIECE } else { 2 };
    let repeated = if repeated >= shortest_repetition { repeated } else { 0 };
    let walked = WALKS.iter().map(|walk| along(text, walk)).max().unwrap_or(0);
    repeated.max(if walked >= SHORTEST_PIECE { walked } else { 0 })
}

fn along(text: &[char], walk: &[char]) -> usize {
    let common = |walk: &[char]| text.iter().zip(walk).take_while(|(one, other)| one == other).count();
    (0..walk.len()).map(|start| common(&walk[start..])).max().unwrap_or(0)
}

fn personal_words(owner: Owner<'_>) -> HashSet<String> {
    let texts = [Some(owner.email), owner.name].into_iter().flatten().chain(owner.orgs.iter().map(String::as_str));
    let mut words = HashSet::new();
    for text in texts {
        let text = text.to_lowercase();
        let together: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
        words.extend(text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        words.extend(text.split('@').map(str::to_owned));
        words.extend([text, together]);
    }
    words.retain(|word| word.chars().count() >= SHORTEST_PIECE);
    words
}

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| listed().collect());

fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("password/common.txt").lines().filter(|line| !line.starts_with('#'))
}

/// Each in both directions.
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

    fn judged(password: &str) -> Result<(), PasswordError> {
        let orgs = ["Acme Anvils".to_owned(), "Umbra".to_owned()];
        check(password, Owner { email: "ada.king@mail.example", name: Some("Ada Lovelace"), orgs: &orgs })
    }

    #[test]
    fn a_password_of_its_owner_s_own_words_is_accepted() {
        for password in [
            "correct horse battery staple",
            "vierzehn Tassen im Schrank",
            "x7kq9vmz2tbw",
            "kWz8-rtQ1-mmX4",
            "Acme sent me nine wrong parcels",
            "grüne Wolken über Köln",
        ] {
            assert_eq!(judged(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn a_password_has_12_to_1024_characters_however_many_bytes_that_are() {
        let own: String = ('а'..='я').filter(|c| *c != 'ы').cycle().take(1025).collect();
        let first = |count: usize| own.chars().take(count).collect::<String>();
        for (length, expected) in [
            (0, Err(PasswordError::TooShort)),
            (11, Err(PasswordError::TooShort)),
            (12, Ok(())),
            (1024, Ok(())),
            (1025, Err(PasswordError::TooLong)),
        ] {
            assert_eq!(judged(&first(length)), expected, "{length}");
        }
    }

    #[test]
    fn a_common_password_is_refused_also_where_it_was_made_longer() {
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
            assert_eq!(judged(password), Err(PasswordError::Common), "{password}");
        }
    }

    #[test]
    fn a_password_is_not_the_address_the_name_or_the_organization() {
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
            assert_eq!(judged(password), Err(PasswordError::Personal), "{password}");
        }
    }

    #[test]
    fn a_password_that_was_made_for_another_person_is_accepted() {
        let owner = Owner { email: "bob@other.example", name: None, orgs: &[] };
        assert_eq!(check("AcmeAnvils2026", owner), Ok(()));
    }

    #[test]
    fn the_list_is_sorted_and_in_lower_case() {
        let words: Vec<&str> = listed().collect();
        assert!(words.is_sorted_by(|one, next| one < next));
        assert!(words.iter().all(|word| word.chars().count() >= SHORTEST_PIECE && *word == word.to_lowercase()));
        assert!(words.iter().all(|word| word.chars().count() <= 24));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_and_a_longer_one_is_never_too_short(text in "\\PC{0,60}") {
            let is_short = text.chars().count() < MIN_LENGTH;
            prop_assert_eq!(judged(&text) == Err(PasswordError::TooShort), is_short);
        }

        #[test]
        fn a_generated_password_is_accepted(text in "[a-km-z2-9]{24}") {
            prop_assert_eq!(judged(&text), Ok(()));
        }
    }
}
