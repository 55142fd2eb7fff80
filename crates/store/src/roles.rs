//! The roles that the parts of the game log in as.

use std::fmt;

/// The passwords of the database's roles. A role without one exists but cannot log in, unless it could before.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RolePasswords {
    /// Of `buttonparty_writer`: the handler.
    pub writer: Option<String>,
    /// Of `buttonparty_reader`: whoever only reads.
    pub reader: Option<String>,
    /// Of `buttonparty_push`: reads devices, and reads and updates the outbox.
    pub push: Option<String>,
    /// Of `buttonparty_scheduler`: its own table, and what the game belongs to.
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
