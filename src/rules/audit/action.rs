//! Names of audit actions that were changed. Stored events are never altered, and a server of the version before may still
//! write an old name, so old names are translated when they are read.

/// (stored by earlier versions, today's name)
const RENAMED: [(&str, &str); 1] = [("user.joined", "member.joined")];

/// Today's name of a stored action.
pub fn current_name(stored: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == stored).map_or(stored, |(_, current)| current)
}

/// Every name under which an action may be stored; a search by name has to look for all of them.
pub fn stored_names(current: &str) -> Vec<&str> {
    let old = RENAMED.iter().filter(|(_, renamed)| *renamed == current).map(|(old, _)| *old);
    std::iter::once(current).chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_reads_as_the_current_one_and_is_found_by_it() {
        assert_eq!(current_name("user.joined"), "member.joined");
        assert_eq!(current_name("user.disabled"), "user.disabled");
        assert_eq!(stored_names("member.joined"), ["member.joined", "user.joined"]);
        assert_eq!(stored_names("user.disabled"), ["user.disabled"]);
    }
}
