//! Which schemas a program can serve: its own, and later ones that only add to it. So tasks of the version before can be
//! started anew while a new version is rolled out, and after it was taken back.

use crate::Error;

/// What the description of a migration begins with that programs from before it cannot live with.
const BREAKING: &str = "breaking:";

/// The versions of the schema that a database has been brought to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// The latest; 0 for none.
    pub(crate) version: i64,
    /// The latest that takes something from the programs before it; 0 for none.
    breaking: i64,
}

impl Schema {
    /// That of an empty database.
    pub(crate) const NONE: Self = Self { version: 0, breaking: 0 };

    /// From what the migrator has noted: version and description of each migration.
    pub(crate) fn of(migrations: &[(i64, String)]) -> Self {
        let latest = |versions: &mut dyn Iterator<Item = i64>| versions.max().unwrap_or_default();
        let breaking = migrations.iter().filter(|(_, description)| description.starts_with(BREAKING));
        Self {
            version: latest(&mut migrations.iter().map(|(version, _)| *version)),
            breaking: latest(&mut breaking.map(|(version, _)| *version)),
        }
    }

    /// Whether a program that knows the schema up to this version can serve.
    pub(crate) fn serves(self, known: i64) -> Result<(), Error> {
        if self.version < known {
            return Err(Error::OlderSchema { found: self.version, known });
        }
        self.can_be_known_by(known)
    }

    /// Whether a program that knows the schema up to this version may touch this one at all.
    pub(crate) fn can_be_known_by(self, known: i64) -> Result<(), Error> {
        match self.breaking > known {
            true => Err(Error::NewerSchema { found: self.version, known }),
            false => Ok(()),
        }
    }
}
