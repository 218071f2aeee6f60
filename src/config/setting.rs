//! What is known of a setting before anybody gives it a value; the files in `sections/` hold them all.

pub struct Section {
    pub name: &'static str,
    pub about: &'static str,
    pub settings: &'static [Setting],
}

#[derive(Debug)]
pub struct Setting {
    /// `section.key`.
    pub name: &'static str,
    /// As TOML. It also says which type the setting has.
    pub default: &'static str,
    pub allowed: &'static str,
    pub about: &'static str,
    /// Never shown, and may also be given as the name of a file that holds it.
    pub secret: bool,
}

impl Setting {
    pub const fn new(name: &'static str, default: &'static str, allowed: &'static str, about: &'static str) -> Self {
        Self { name, default, allowed, about, secret: false }
    }

    pub const fn secret(name: &'static str, default: &'static str, allowed: &'static str, about: &'static str) -> Self {
        Self { name, default, allowed, about, secret: true }
    }

    pub fn section(&self) -> &'static str {
        self.halves().0
    }

    pub fn key(&self) -> &'static str {
        self.halves().1
    }

    fn halves(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or((self.name, ""))
    }
}
