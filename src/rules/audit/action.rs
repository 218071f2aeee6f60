//! Audit actions that were renamed. Stored events are never altered, and a server of the previous
//! version may still write an old name, so old names are translated when events are read.

/// Pairs of a name that earlier versions stored and its current name.
const RENAMED: [(&str, &str); 1] = [("user.joined", "member.joined")];

/// The current name of a stored action.
pub fn current_name(stored: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == stored).map_or(stored, |(_, current)| current)
}

/// All names under which an action may be stored. A search by name must look for each of them.
pub fn stored_names(current: &str) -> Vec<&str> {
    let old = RENAMED.iter().filter(|(_, renamed)| *renamed == current).map(|(old, _)| *old);
    std::iter::once(current).chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_is_shown_and_found_as_the_current_one() {
        assert_eq!(current_name("user.joined"), "member.joined");
        assert_eq!(current_name("user.disabled"), "user.disabled");
        assert_eq!(stored_names("member.joined"), ["member.joined", "user.joined"]);
        assert_eq!(stored_names("user.disabled"), ["user.disabled"]);
    }
}
