//! The game's database, and the ranks.

use std::path::{Path, PathBuf};

use settings::{
    BOARD_URL, BoardAddress, Given, Noted, Role, STORE_URL, Setting, SettingsReader, StoreAddress,
    holds_password, settings, with_login,
};
use store::RolePasswords;
use url::Url;

settings! {
    /// The embedded files.
    pub struct FilesSettings {
        pub data: PathBuf = folder, Setting::new("DATA", "folder", "where the embedded inbox and store live")
            .default("./buttonparty-data");
    }
}

settings! {
    /// The game's database.
    pub struct StoreSettings {
        /// Includes the password, wherever it was set.
        pub address: StoreAddress = address, STORE_URL;
        password: Option<String> = Given::optional, Setting::new(
            "STORE_PASSWORD", "text",
            "the password of STORE_URL's user, where the URL holds none; any characters, as they are",
        ).secret();
        writer_password: Option<String> = Given::optional, Setting::new(
            "WRITER_PASSWORD", "text",
            "for `migrate` with PostgreSQL: password of buttonparty_writer",
        ).secret().roles(&[Role::Tool]);
        reader_password: Option<String> = Given::optional, Setting::new(
            "READER_PASSWORD", "text",
            "for `migrate` with PostgreSQL: password of buttonparty_reader",
        ).secret().roles(&[Role::Tool]);
        push_password: Option<String> = Given::optional, Setting::new(
            "PUSH_PASSWORD", "text",
            "for `migrate` with PostgreSQL: password of buttonparty_push",
        ).secret().roles(&[Role::Tool]);
        scheduler_password: Option<String> = Given::optional, Setting::new(
            "SCHEDULER_PASSWORD", "text",
            "for `migrate` with PostgreSQL: password of buttonparty_scheduler",
        ).secret().roles(&[Role::Tool]);
    }
}

settings! {
    /// Where ranks are kept.
    pub struct RanksSettings {
        pub address: BoardAddress = board, BOARD_URL;
    }
}

impl StoreSettings {
    pub(super) fn parse(reader: &mut SettingsReader) -> Result<Self, Noted> {
        let mut store = Self::collect(reader)?;
        if let Some(password) = store.password.take() {
            let address = with_password(&store.address, &password);
            store.address = address.map_err(|reason| reader.wrong("STORE_PASSWORD", reason))?;
        }
        Ok(store)
    }

    /// The passwords that `migrate` sets for the database roles.
    pub fn role_passwords(&self) -> RolePasswords {
        RolePasswords {
            writer: self.writer_password.clone(),
            reader: self.reader_password.clone(),
            push: self.push_password.clone(),
            scheduler: self.scheduler_password.clone(),
        }
    }
}

fn folder(given: Given<'_>) -> Result<PathBuf, String> {
    given.filled().map(PathBuf::from).ok_or_else(|| "must be a folder".to_owned())
}

fn address(given: Given<'_>) -> Result<StoreAddress, String> {
    StoreAddress::parse(given.text()?, Path::new(given.other("DATA")))
}

fn board(given: Given<'_>) -> Result<BoardAddress, String> {
    BoardAddress::parse(given.text()?)
}

/// The address with a password that is not part of the URL.
fn with_password(address: &StoreAddress, password: &str) -> Result<StoreAddress, &'static str> {
    const UNNAMED: &str = "needs a BUTTONPARTY_STORE_URL like `postgres://USER@HOST/DATABASE`";
    let StoreAddress::Postgres(url) = address else { return Err(UNNAMED) };
    let url = Url::parse(url).map_err(|_| UNNAMED)?;
    if holds_password(&url) {
        return Err("BUTTONPARTY_STORE_URL contains a password too: set only one of them");
    }
    if url.username().is_empty() {
        return Err(UNNAMED);
    }
    with_login(url, None, password).map(StoreAddress::Postgres).ok_or(UNNAMED)
}
