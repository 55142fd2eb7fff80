//! From texts to values, with every mistake noted by the name of its setting.

use std::fmt::{self, Display, Write as _};

use crate::{Role, Setting, without_password};

/// Printed instead of a secret.
const MASK: &str = "********";

/// Everything that is wrong with a configuration.
#[derive(Debug, Default, thiserror::Error)]
pub struct ConfigErrors(Vec<String>);

impl Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} error(s):", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl ConfigErrors {
    /// Adds variables that are not settings.
    #[must_use]
    pub fn with_unknown(mut self, variables: &[String]) -> Self {
        self.0.extend(variables.iter().map(|variable| format!("{variable}: unknown setting")));
        self
    }
}

/// A setting has no value: its mistake is noted in the [`SettingsReader`].
#[derive(Debug)]
pub struct Noted;

/// The text of each setting: the given one, or else the default of the role.
#[derive(Clone)]
pub struct Values {
    role: Role,
    texts: Vec<(Setting, Option<String>)>,
}

impl Values {
    fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(setting, _)| setting.name == name)?.1.as_deref()
    }

    /// A table of every setting with its value, default, unit and meaning. Secrets are masked.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (setting, text) in &self.texts {
            let shown = |text: &str| if setting.secret { MASK.to_owned() } else { without_password(text) };
            let or_none = |text: Option<&str>| text.map_or_else(|| "(none)".to_owned(), shown);
            let (value, default) = (or_none(text.as_deref()), or_none(setting.default_for(self.role)));
            let (variable, shape, meaning) = (setting.variable(), setting.shape(), setting.meaning);
            // Writing to a string cannot fail.
            _ = writeln!(table, "{variable} = {value}\n    {meaning}\n    unit: {shape}; default: {default}");
        }
        table
    }
}

/// Reads groups of settings and notes the mistakes.
pub struct SettingsReader {
    values: Values,
    mistakes: Vec<String>,
}

impl SettingsReader {
    /// `given` is asked for the text of each setting.
    pub fn new<'a>(
        role: Role,
        settings: impl IntoIterator<Item = &'a Setting>,
        given: impl Fn(&Setting) -> Option<String>,
    ) -> Self {
        let text =
            |setting: &Setting| given(setting).or_else(|| setting.default_for(role).map(str::to_owned));
        let texts = settings.into_iter().map(|setting| (*setting, text(setting))).collect();
        Self { values: Values { role, texts }, mistakes: Vec::new() }
    }

    /// Reads one setting.
    ///
    /// # Errors
    /// [`Noted`] when `read` gives a reason why there is no value.
    pub fn read<T>(
        &mut self,
        setting: &Setting,
        read: impl FnOnce(Given<'_>) -> Result<T, String>,
    ) -> Result<T, Noted> {
        let text = self.values.text(setting.name);
        read(Given { setting, text, values: &self.values }).map_err(|reason| self.wrong(setting.name, reason))
    }

    /// Notes a mistake of a setting.
    pub fn wrong(&mut self, name: &str, reason: impl Display) -> Noted {
        let setting = self.values.texts.iter().find(|(setting, _)| setting.name == name);
        let (variable, shown) = match setting {
            Some((setting, Some(_))) if setting.secret => (setting.variable(), format!("={MASK}")),
            Some((setting, Some(text))) => (setting.variable(), format!("={}", without_password(text))),
            Some((setting, None)) => (setting.variable(), String::new()),
            None => (name.to_owned(), String::new()),
        };
        self.mistakes.push(format!("{variable}{shown}: {reason}"));
        Noted
    }

    /// Builds what the groups make up.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake.
    pub fn finish<T>(self, build: impl FnOnce(Values) -> Result<T, Noted>) -> Result<T, ConfigErrors> {
        match build(self.values) {
            Ok(built) if self.mistakes.is_empty() => Ok(built),
            _ => Err(ConfigErrors(self.mistakes)),
        }
    }
}

/// The text of one setting. Its methods make a value of it or tell why there is none.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    setting: &'a Setting,
    text: Option<&'a str>,
    values: &'a Values,
}

impl<'a> Given<'a> {
    /// The role of the process.
    pub fn role(self) -> Role {
        self.values.role
    }

    /// The text of another setting; empty if it has none.
    pub fn other(self, name: &str) -> &'a str {
        self.values.text(name).unwrap_or_default()
    }

    /// The text, which may be empty.
    ///
    /// # Errors
    /// The setting has neither a value nor a default.
    pub fn text(self) -> Result<&'a str, String> {
        self.text.ok_or_else(|| "must be set".to_owned())
    }

    /// As for [`Self::text`], as a value of its own.
    ///
    /// # Errors
    /// The setting has neither a value nor a default.
    pub fn string(self) -> Result<String, String> {
        self.text().map(str::to_owned)
    }

    /// The text; an empty one counts as not given.
    pub fn filled(self) -> Option<&'a str> {
        self.text.filter(|text| !text.is_empty())
    }

    /// Any text; an empty one counts as not given.
    ///
    /// # Errors
    /// None: the signature is that of a reader.
    pub fn optional(self) -> Result<Option<String>, String> {
        Ok(self.filled().map(str::to_owned))
    }

    /// A whole number within the bounds. It may contain only the digits 0 to 9.
    ///
    /// # Errors
    /// The bounds.
    pub fn number<T: TryFrom<i64>>(self) -> Result<T, String> {
        let (min, max) = self.setting.bounds.unwrap_or((0, i64::MAX));
        let text = self.text()?;
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("must be a whole number from {min} to {max}"))
    }

    /// As for [`Self::number`]; an empty text counts as not given.
    ///
    /// # Errors
    /// The bounds.
    pub fn optional_number<T: TryFrom<i64>>(self) -> Result<Option<T>, String> {
        self.filled().map(|_| self.number()).transpose()
    }

    /// As for [`Self::number`]; `auto` stands for a default that depends on other settings.
    ///
    /// # Errors
    /// The bounds.
    pub fn number_or<T: TryFrom<i64>>(self, auto: T) -> Result<T, String> {
        if self.text == Some("auto") { Ok(auto) } else { self.number() }
    }

    /// One of several words.
    ///
    /// # Errors
    /// All the words.
    pub fn choice<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        found.ok_or_else(|| format!("must be {}", words()))
    }
}
