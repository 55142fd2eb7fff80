//! The declaration of one setting.

use std::fmt::Write as _;

use crate::Role;

/// One setting. Its environment variable is `BUTTONPARTY_` and the name, its flag the name in lower case with dashes.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name, as in the environment without its prefix.
    pub name: &'static str,
    /// The default of every role; `None`: the setting has no default.
    pub default: Option<&'static str>,
    /// The default of `dev` where it differs.
    pub dev: Option<&'static str>,
    /// The unit or the shape of the value.
    pub unit: &'static str,
    pub meaning: &'static str,
    /// The least and the largest number.
    pub bounds: Option<(i64, i64)>,
    /// Whether the value is never shown.
    pub secret: bool,
    /// The roles that use it; empty: every process does.
    pub roles: &'static [Role],
}

impl Setting {
    /// A setting without a default, which every process uses.
    pub const fn new(name: &'static str, unit: &'static str, meaning: &'static str) -> Self {
        Self { name, default: None, dev: None, unit, meaning, bounds: None, secret: false, roles: &[] }
    }

    /// The same with this default.
    #[must_use]
    pub const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same with this default for `dev`.
    #[must_use]
    pub const fn dev(self, dev: &'static str) -> Self {
        Self { dev: Some(dev), ..self }
    }

    /// The same with a value of another shape.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The same without defaults.
    #[must_use]
    pub const fn without_default(self) -> Self {
        Self { default: None, dev: None, ..self }
    }

    /// The same as a whole number from `min` to `max`.
    #[must_use]
    pub const fn within(self, min: i64, max: i64) -> Self {
        Self { bounds: Some((min, max)), ..self }
    }

    /// The same with a value that is never shown.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The same, but used by these roles only.
    #[must_use]
    pub const fn roles(self, roles: &'static [Role]) -> Self {
        Self { roles, ..self }
    }

    /// The unit or the shape of the value, and its bounds.
    pub fn shape(&self) -> String {
        let bounds = self.bounds.map(|(min, max)| format!("; {min} to {max}")).unwrap_or_default();
        format!("{}{bounds}", self.unit)
    }

    /// The environment variable. Those of AWS's SDKs keep the names that the SDKs give them.
    pub fn variable(&self) -> String {
        if self.name.starts_with("AWS_") {
            self.name.to_owned()
        } else {
            format!("BUTTONPARTY_{}", self.name)
        }
    }

    /// The flag without the leading dashes.
    pub fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The default of a role.
    pub fn default_for(&self, role: Role) -> Option<&'static str> {
        if role == Role::Dev { self.dev.or(self.default) } else { self.default }
    }
}

/// A Markdown table of settings.
pub fn markdown<'a>(settings: impl IntoIterator<Item = &'a Setting>) -> String {
    let mut table =
        "| setting | default | unit, bounds | roles | meaning |\n|---|---|---|---|---|\n".to_owned();
    for setting in settings {
        let code = |value: &str| format!("`{value}`");
        let mut default = match setting.default {
            None => "none".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => code(default),
        };
        // A default that everybody knows is not a secret.
        if let Some(dev) = setting.dev {
            _ = write!(default, "; `dev`: {}", code(dev));
        }
        let secret = if setting.secret { "; secret" } else { "" };
        let roles = match setting.roles {
            [] => "all".to_owned(),
            roles => roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", "),
        };
        let (variable, shape, meaning) = (setting.variable(), setting.shape(), setting.meaning);
        // Writing to a string cannot fail.
        _ = writeln!(table, "| `{variable}` | {default} | {shape}{secret} | {roles} | {meaning} |");
    }
    table
}
