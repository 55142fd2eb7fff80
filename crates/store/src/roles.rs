//! The database roles that processes log in as.

use std::fmt;

/// The passwords of the database roles. A role without one is created without login; an existing password stays.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RolePasswords {
    /// `buttonparty_writer`, for the handler.
    pub writer: Option<String>,
    /// `buttonparty_reader`, for reads.
    pub reader: Option<String>,
    /// `buttonparty_push`: reads devices, reads and updates the outbox.
    pub push: Option<String>,
    /// `buttonparty_scheduler`: its own table, and reads the identity of the game.
    pub scheduler: Option<String>,
}

impl fmt::Debug for RolePasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |password: &Option<String>| password.as_ref().map(|_| "…");
        f.debug_struct("RolePasswords")
            .field("writer", &known(&self.writer))
            .field("reader", &known(&self.reader))
            .field("push", &known(&self.push))
            .field("scheduler", &known(&self.scheduler))
            .finish()
    }
}
