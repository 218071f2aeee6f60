//! The description of a setting: its name, default, allowed values and help text.

pub struct Section {
    pub name: &'static str,
    pub about: &'static str,
    pub settings: &'static [Setting],
}

#[derive(Debug)]
pub struct Setting {
    /// The name as `section.key`.
    pub name: &'static str,
    /// The default as TOML, which also defines the type of the setting.
    pub default: &'static str,
    pub allowed: &'static str,
    pub about: &'static str,
    /// A secret is never shown, and it can be read from a file.
    pub secret: bool,
}

impl Setting {
    pub const fn new(
        name: &'static str,
        default: &'static str,
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, default, allowed, about, secret: false }
    }

    pub const fn secret(
        name: &'static str,
        default: &'static str,
        allowed: &'static str,
        about: &'static str,
    ) -> Self {
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
