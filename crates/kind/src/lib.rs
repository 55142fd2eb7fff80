//! What a kind of crowd is: pure rules over keyed rows.
//!
//! A kind ([`Kind`]) turns commands into changes of its rows ([`Rows`]). It has no clock, no randomness and no I/O of its
//! own, so a replay of the journal gives the same rows. The engine brings the rest: order, exactly once, SQL, timers that
//! fire, effects that are performed, events that are heard. [`Play`] runs a kind in memory: for tests of rules, and to
//! compare a database with its journal.
//!
//! Everything that a command reads or writes is keyed within its route (a team, a space, a market). A rule has no way to
//! name a row of another route.

mod input;
mod key;
mod layer;
mod play;
mod rows;
mod step;
mod working;

pub use input::{EffectId, Failed, Input, Requester};
pub use key::{Key, KeyReader, KeyWriter, decode_key, encode_key};
pub use play::{Play, Touched};
pub use rows::{Rows, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;
pub use step::{Place, seed_of, step};
pub use working::{
    Ask, AskState, EffectChange, Event, EventWhat, Found, FoundRange, Missing, OutcomeRow, PartitionState,
    RowId, Timer, Working,
};

/// A value that stands in an inbox, a journal or a row as JSON.
pub trait Wire:
    Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static
{
}

impl<T> Wire for T where
    T: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static
{
}

/// The rules of one kind of crowd.
///
/// `apply` and `replied` are pure: they depend on their arguments and nothing else. A rule compares [`At::ms`] with the
/// times in its rows, and never trusts that a timer has fired.
///
/// The type that implements this is a name, usually a unit struct; it derives what is asked of it.
pub trait Kind: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// The kind's name in schemas, file names, settings and metric labels: lower-case ASCII letters.
    const NAME: &'static str;

    /// What is asked for.
    type Command: Wire;
    /// What came of a command. It is kept for commands that carry an id ([`Requester`]).
    type Outcome: Wire;
    /// A call to somebody outside, such as a message to Slack. The engine performs it after the commit.
    type Effect: Wire;
    /// What somebody outside answered.
    type Reply: Wire;
    /// Every number that a rule depends on. Settings reach rules only as a command in the inbox.
    type Rules: Wire + Default;

    /// Whose the command is: a team, a space, a market. Its hash names the partition.
    fn route(command: &Self::Command) -> &str;

    /// Applies one command.
    ///
    /// # Errors
    /// [`Halt`]; then the command has changed nothing.
    fn apply(
        at: &At<'_, Self>,
        command: &Self::Command,
        rows: &mut Rows<'_, Self>,
    ) -> Result<Self::Outcome, Halt>;

    /// Applies the reply to an effect.
    ///
    /// # Errors
    /// [`Halt`]; then the reply has changed nothing.
    fn replied(
        at: &At<'_, Self>,
        effect: &EffectId,
        reply: &Result<Self::Reply, Failed>,
        rows: &mut Rows<'_, Self>,
    ) -> Result<(), Halt>;
}

/// When and under which rules a command is applied.
#[derive(Debug)]
pub struct At<'a, K: Kind> {
    /// When the command arrived, in Unix milliseconds, as ingest stamped it.
    pub ms: i64,
    /// The id of the command, unique within the partition.
    pub id: &'a str,
    /// The only randomness of a rule: a hash of the command's place in the inbox, which no client chooses.
    pub seed: u64,
    /// The rules that hold now.
    pub rules: &'a K::Rules,
}

/// Why a rule stopped. What it had changed is undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// A row that has not been read yet. The engine reads it and applies the command again. Rules pass it on with `?`.
    #[error("a row has not been read yet")]
    Missing,
    /// The command cannot be applied, now or later: it is buried with this reason.
    #[error("{0}")]
    Fault(String),
}
