//! The roles of a process.

/// Which parts of the game a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of them, with defaults for trying it out.
    Dev,
    /// All of them.
    All,
    /// Takes players' commands.
    Ingest,
    /// Applies them.
    Handler,
    /// Opens rounds.
    Scheduler,
    /// Answers reads and feeds live pages. The Lambda function has this role too.
    Fetch,
    /// Sends pushes.
    Push,
    /// A command that does one thing and ends.
    Tool,
}

impl Role {
    /// The roles of `dev` and `all`, in the order in which they are opened. Each can also run alone.
    pub const EVERY: [Self; 5] = [Self::Handler, Self::Ingest, Self::Scheduler, Self::Fetch, Self::Push];

    /// The roles that a process has.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::Dev | Self::All => &Self::EVERY,
            Self::Tool => &[],
            one => std::slice::from_ref(one),
        }
    }

    /// Whether a process has this role.
    pub fn has(self, role: Self) -> bool {
        self.list().contains(&role)
    }

    /// The name, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::All => "all",
            Self::Ingest => "ingest",
            Self::Handler => "handler",
            Self::Scheduler => "scheduler",
            Self::Fetch => "fetch",
            Self::Push => "push",
            Self::Tool => "tools",
        }
    }
}
