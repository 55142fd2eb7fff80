//! From text to a configuration, with every mistake noted by name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use game::schedule::Cadence;
use serve::Auth;
use store::RolePasswords;
use tracing_subscriber::EnvFilter;

use super::{
    BoardAddress, Config, LogFormat, PushSink, QueueAddress, Role, SETTINGS, StoreAddress, without_password,
};
use crate::bounds::{LEAD_MS_MAX, LEAD_MS_MIN};

/// What stands for a default that depends on other settings.
const AUTO: &str = "auto";

pub(super) struct Parser<'a> {
    pub(super) values: &'a BTreeMap<&'static str, Option<String>>,
    pub(super) errors: Vec<String>,
}

impl Parser<'_> {
    pub(super) fn config(&mut self, role: Role) -> Option<Config> {
        let data = match self.text("DATA")? {
            empty if empty.is_empty() => self.wrong("DATA", "must be a folder")?,
            folder => PathBuf::from(folder),
        };
        let listen = self.parsed("LISTEN", "must be an address and a port, such as 127.0.0.1:8080");
        let queue = self.checked("QUEUE_URL", |text| QueueAddress::parse(text, &data));
        let store = self.checked("STORE_URL", |text| StoreAddress::parse(text, &data));
        let store = self.store_with_password(store);
        let board = self.checked("BOARD_URL", BoardAddress::parse);
        let role_passwords = RolePasswords {
            writer: self.secret("WRITER_PASSWORD"),
            reader: self.secret("READER_PASSWORD"),
            push: self.secret("PUSH_PASSWORD"),
            scheduler: self.secret("SCHEDULER_PASSWORD"),
        };
        let auth = self.auth(role);
        let queue_embedded = queue.as_ref().is_none_or(QueueAddress::is_embedded);
        let visibility_ms = if queue_embedded { 5_000 } else { 30_000 };
        // Who only reads need not be told of the inbox.
        let embedded = queue_embedded && store.as_ref().is_none_or(StoreAddress::is_embedded);
        let partitions = if embedded { 1 } else { 16 };
        let partitions = self.auto("PARTITIONS", partitions, |parser| {
            parser.within("PARTITIONS", 1, i64::from(game::bounds::PARTITIONS_MAX))
        });
        let cadence = self.cadence();
        let round_lead_ms = self.within("ROUND_LEAD_MS", LEAD_MS_MIN, LEAD_MS_MAX);
        let first_round_ms = self.optional("FIRST_ROUND_MS", |parser| {
            parser.within("FIRST_ROUND_MS", 0, game::bounds::WINDOW_MS_MAX)
        });
        let operator_token = self.optional("OPERATOR_TOKEN", |parser| parser.token());
        let cors_origins = self.origins();
        let visibility_ms = self
            .auto("VISIBILITY_MS", visibility_ms, |parser| parser.within("VISIBILITY_MS", 1_000, 43_200_000));
        let envelope_bytes_max = self.within("ENVELOPE_BYTES_MAX", 32_768, 262_144);
        let inbox_bytes_max = self.within("INBOX_BYTES_MAX", 1 << 20, 1 << 44);
        let push_sink = self.choice("PUSH_SINK", &[("log", PushSink::Log), ("record", PushSink::Record)]);
        let log = self.text("LOG").and_then(|filter| match EnvFilter::try_new(&filter) {
            Ok(_) => Some(filter),
            Err(error) => self.wrong("LOG", error),
        });
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        let log_format = self.choice("LOG_FORMAT", &formats);
        Some(Config {
            role,
            listen: listen?,
            data,
            queue: queue?,
            store: store?,
            board: board?,
            role_passwords,
            partitions: u16::try_from(partitions?).ok()?,
            cadence: cadence?,
            round_lead_ms: round_lead_ms?,
            first_round_ms: first_round_ms?,
            auth: auth?,
            operator_token: operator_token?,
            cors_origins: cors_origins?,
            visibility_ms: visibility_ms?,
            envelope_bytes_max: usize::try_from(envelope_bytes_max?).ok()?,
            inbox_bytes_max: u64::try_from(inbox_bytes_max?).ok()?,
            push_sink: push_sink?,
            log: log?,
            log_format: log_format?,
            values: BTreeMap::new(),
        })
    }

    fn wrong<T>(&mut self, name: &str, reason: impl fmt::Display) -> Option<T> {
        let shown = match self.values.get(name).and_then(Option::as_deref) {
            Some(_) if SETTINGS.iter().any(|setting| setting.name == name && setting.secret) => {
                "=********".to_owned()
            }
            Some(value) => format!("={}", without_password(value)),
            None => String::new(),
        };
        self.errors.push(format!("BUTTONPARTY_{name}{shown}: {reason}"));
        None
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.values.get(name).cloned().flatten() {
            Some(value) => Some(value),
            None => self.wrong(name, "must be set"),
        }
    }

    fn parsed<T: FromStr>(&mut self, name: &str, reason: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| self.wrong(name, reason))
    }

    /// A whole number; none of the settings may be negative.
    fn within(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        let reason = format!("must be a whole number from {min} to {max}");
        let value = wire::digits(&self.text(name)?).filter(|value| (min..=max).contains(value));
        value.or_else(|| self.wrong(name, reason))
    }

    /// `Some(None)`: not set; `None`: set, but wrong.
    fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.values.get(name).and_then(Option::as_deref) {
            None | Some("") => Some(None),
            Some(_) => parse(self).map(Some),
        }
    }

    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        let all = choices.iter().map(|(choice, _)| *choice).collect::<Vec<_>>().join(" or ");
        found.or_else(|| self.wrong(name, format!("must be {all}")))
    }

    fn checked<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_or_else(|reason| self.wrong(name, reason), Some)
    }

    /// A number whose default depends on other settings.
    fn auto(
        &mut self,
        name: &str,
        default: i64,
        parse: impl FnOnce(&mut Self) -> Option<i64>,
    ) -> Option<i64> {
        if self.text(name)? == AUTO { Some(default) } else { parse(self) }
    }

    /// A text of any kind; an empty one is none.
    fn secret(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned().flatten().filter(|text| !text.is_empty())
    }

    /// The store with the password that was given apart from its URL, if there is one.
    fn store_with_password(&mut self, store: Option<StoreAddress>) -> Option<StoreAddress> {
        let store = store?;
        match self.secret("STORE_PASSWORD") {
            None => Some(store),
            Some(password) => match store.with_password(&password) {
                Ok(store) => Some(store),
                Err(reason) => self.wrong("STORE_PASSWORD", reason),
            },
        }
    }

    /// Where no commands are taken it need not be said: everybody may read.
    fn auth(&mut self, role: Role) -> Option<Auth> {
        match self.values.get("AUTH").and_then(Option::as_deref) {
            Some("open") => Some(Auth::Open),
            None | Some("") if !role.has(Role::Ingest) => Some(Auth::Open),
            None | Some("") => {
                self.wrong("AUTH", "must be chosen: `open` lets everybody play under any name")
            }
            Some("firebase" | "google") => {
                self.wrong("AUTH", "must be `open`: signing in is not in this version")
            }
            Some(_) => self.wrong("AUTH", "must be `open`"),
        }
    }

    fn cadence(&mut self) -> Option<Cadence> {
        let longest = game::bounds::WINDOW_MS_MAX;
        let window_ms = self.within("WINDOW_MS", 1, longest);
        let grace_ms = self.within("GRACE_MS", 0, longest);
        let gap_ms = self.within("ROUND_GAP_MS", 1, 366 * longest);
        let odds = self.within("ROUND_ODDS", 0, i64::from(u32::MAX));
        let cadence = Cadence {
            window_ms: window_ms?,
            grace_ms: grace_ms?,
            gap_ms: gap_ms?,
            odds: u32::try_from(odds?).ok()?,
        };
        match cadence.check() {
            Ok(()) => Some(cadence),
            Err(overlap) => self.wrong("ROUND_GAP_MS", overlap),
        }
    }

    fn token(&mut self) -> Option<String> {
        let text = self.text("OPERATOR_TOKEN")?;
        if text.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= 256 {
            Some(text)
        } else {
            self.wrong("OPERATOR_TOKEN", "must be 1 to 256 visible ASCII characters")
        }
    }

    fn origins(&mut self) -> Option<Vec<String>> {
        let text = self.values.get("CORS_ORIGINS").cloned().flatten().unwrap_or_default();
        let origins: Vec<_> = text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).collect();
        let is_origin = |origin: &&str| {
            let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            rest.is_some_and(|host| {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
            })
        };
        match origins.iter().find(|origin| !is_origin(origin)) {
            None => Some(origins.into_iter().map(str::to_owned).collect()),
            Some(_) => self
                .wrong("CORS_ORIGINS", "each must be an origin such as https://game.example, without a path"),
        }
    }
}
