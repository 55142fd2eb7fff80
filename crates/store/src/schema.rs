//! Which schemas a program can serve: its own, and later ones that only add to it. So processes of the previous version
//! can restart during a rollout, and after a rollback.

use crate::Error;

/// The prefix of the description of a migration that earlier programs cannot serve.
const BREAKING: &str = "breaking:";

/// The versions of a database's schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// The latest; 0 for none.
    pub(crate) version: i64,
    /// The latest that earlier programs cannot serve; 0 for none.
    breaking: i64,
}

impl Schema {
    /// The schema of an empty database.
    pub(crate) const NONE: Self = Self { version: 0, breaking: 0 };

    /// From the migrator's table: version and description of each migration.
    pub(crate) fn of(migrations: &[(i64, String)]) -> Self {
        let latest = |versions: &mut dyn Iterator<Item = i64>| versions.max().unwrap_or_default();
        let breaking = migrations.iter().filter(|(_, description)| description.starts_with(BREAKING));
        Self {
            version: latest(&mut migrations.iter().map(|(version, _)| *version)),
            breaking: latest(&mut breaking.map(|(version, _)| *version)),
        }
    }

    /// Checks that a program of this version can serve the schema.
    pub(crate) fn serves(self, known: i64) -> Result<(), Error> {
        if self.version < known {
            return Err(Error::OlderSchema { found: self.version, known });
        }
        self.can_be_known_by(known)
    }

    /// Checks that a program of this version may use the database at all.
    pub(crate) fn can_be_known_by(self, known: i64) -> Result<(), Error> {
        match self.breaking > known {
            true => Err(Error::NewerSchema { found: self.version, known }),
            false => Ok(()),
        }
    }
}
