//! What the commands of a bank do.

use kind::{At, EffectId, Failed, Halt, Kind, Rows};
use serde::{Deserialize, Serialize};

use crate::{Account, Reservation};

/// The kind: no value of it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounts;

/// What can be asked of a bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Opens an account, or sets to whom an open one forwards.
    Open { bank: String, account: String, cents: u64, forward_to: Option<String> },
    /// Moves money to an account, or to where that one forwards.
    Transfer { bank: String, from: String, to: String, cents: u64 },
    /// Takes money out of the bank, if somebody outside permits it.
    Withdraw { bank: String, account: String, cents: u64 },
    /// Gives a hold back whose time is over. Sent by a timer.
    Release { bank: String, account: String, hold: String },
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    UnknownAccount {
        account: String,
    },
    NotEnough {
        cents: u64,
    },
    /// The account forwards in a circle, or through more than [`BankRules::forwards_max`] others.
    ForwardsTooFar,
    TooManyHolds,
    AskedForPermission {
        hold: String,
    },
}

/// Asks whether an amount may leave the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub account: String,
    pub hold: String,
    pub cents: u64,
}

/// Whether it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Permitted,
    Refused,
}

/// The numbers that the rules depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankRules {
    /// How long a hold waits for a permission.
    pub hold_ms: i64,
    /// Holds that an account may have at once.
    pub holds_max: usize,
    /// Accounts that a transfer is forwarded through.
    pub forwards_max: usize,
}

impl Default for BankRules {
    fn default() -> Self {
        Self { hold_ms: 60_000, holds_max: 3, forwards_max: 5 }
    }
}

impl Kind for Accounts {
    type Command = Command;
    type Outcome = Outcome;
    type Effect = Effect;
    type Reply = Reply;
    type Rules = BankRules;

    const NAME: &'static str = "accounts";

    fn route(command: &Command) -> &str {
        match command {
            Command::Open { bank, .. }
            | Command::Transfer { bank, .. }
            | Command::Withdraw { bank, .. }
            | Command::Release { bank, .. } => bank,
        }
    }

    fn apply(at: &At<'_, Self>, command: &Command, rows: &mut Rows<'_, Self>) -> Result<Outcome, Halt> {
        match command {
            Command::Open { account, cents, forward_to, .. } => {
                open(rows, account, *cents, forward_to.as_ref())
            }
            Command::Transfer { from, to, cents, .. } => transfer(at, rows, from, to, *cents),
            Command::Withdraw { bank, account, cents } => withdraw(at, rows, bank, account, *cents),
            Command::Release { account, hold, .. } => release(at, rows, account, hold),
        }
    }

    fn replied(
        _: &At<'_, Self>,
        effect: &EffectId,
        reply: &Result<Reply, Failed>,
        rows: &mut Rows<'_, Self>,
    ) -> Result<(), Halt> {
        // The effect's name is the key of its hold.
        let Some((account, hold)) = effect.name.rsplit_once(' ') else {
            return Err(Halt::Fault(format!("the effect {} names no hold", effect.name)));
        };
        let is_permitted = matches!(reply, Ok(Reply::Permitted));
        settle(rows, account, hold, is_permitted).map(drop)
    }
}

fn open(
    rows: &mut Rows<'_, Accounts>,
    account: &String,
    cents: u64,
    forward_to: Option<&String>,
) -> Result<Outcome, Halt> {
    let known = rows.get::<Account>(account)?;
    let row = known.unwrap_or(Account { cents, held_cents: 0, forward_to: None });
    rows.put(account, &Account { forward_to: forward_to.cloned(), ..row });
    Ok(Outcome::Done)
}

fn transfer(
    at: &At<'_, Accounts>,
    rows: &mut Rows<'_, Accounts>,
    from: &String,
    to: &String,
    cents: u64,
) -> Result<Outcome, Halt> {
    rows.want::<Account>(from);
    rows.want::<Account>(to);
    let Some(mut giver) = rows.get::<Account>(from)? else {
        return Ok(Outcome::UnknownAccount { account: from.clone() });
    };
    let mut to = to.clone();
    let mut taker = None;
    for _ in 0..=at.rules.forwards_max {
        let Some(account) = rows.get::<Account>(&to)? else {
            return Ok(Outcome::UnknownAccount { account: to });
        };
        let Some(next) = account.forward_to.clone() else {
            taker = Some(account);
            break;
        };
        to = next;
    }
    let Some(mut taker) = taker else { return Ok(Outcome::ForwardsTooFar) };
    let Some(left) = giver.cents.checked_sub(cents) else {
        return Ok(Outcome::NotEnough { cents: giver.cents });
    };
    if to != *from {
        giver.cents = left;
        taker.cents += cents;
        rows.put(from, &giver);
        rows.put(&to, &taker);
    }
    rows.publish(from, &(at.ms, "sent", cents));
    Ok(Outcome::Done)
}

fn withdraw(
    at: &At<'_, Accounts>,
    rows: &mut Rows<'_, Accounts>,
    bank: &str,
    account: &String,
    cents: u64,
) -> Result<Outcome, Halt> {
    let Some(mut row) = rows.get::<Account>(account)? else {
        return Ok(Outcome::UnknownAccount { account: account.clone() });
    };
    if rows.list::<Reservation>(account, at.rules.holds_max)?.len() >= at.rules.holds_max {
        return Ok(Outcome::TooManyHolds);
    }
    let Some(left) = row.cents.checked_sub(cents) else { return Ok(Outcome::NotEnough { cents: row.cents }) };
    row.cents = left;
    row.held_cents += cents;
    rows.put(account, &row);
    let hold = at.id.to_owned();
    let until_ms = at.ms + at.rules.hold_ms;
    rows.put(&(account.clone(), hold.clone()), &Reservation { cents, until_ms });
    let name = format!("{account} {hold}");
    rows.effect(&name, account, at.ms, &Effect { account: account.clone(), hold: hold.clone(), cents });
    let release = Command::Release { bank: bank.to_owned(), account: account.clone(), hold: hold.clone() };
    rows.timer(&name, until_ms, &release)?;
    Ok(Outcome::AskedForPermission { hold })
}

fn release(
    at: &At<'_, Accounts>,
    rows: &mut Rows<'_, Accounts>,
    account: &str,
    hold: &str,
) -> Result<Outcome, Halt> {
    let key = (account.to_owned(), hold.to_owned());
    // The time in the row decides, whoever sent this.
    if rows.get::<Reservation>(&key)?.is_some_and(|hold| hold.until_ms <= at.ms) {
        return settle(rows, account, hold, false);
    }
    Ok(Outcome::Done)
}

/// Ends a hold, if it is still there: the money leaves the bank, or goes back to the account.
fn settle(
    rows: &mut Rows<'_, Accounts>,
    account: &str,
    hold: &str,
    is_permitted: bool,
) -> Result<Outcome, Halt> {
    let key = (account.to_owned(), hold.to_owned());
    let Some(held) = rows.get::<Reservation>(&key)? else { return Ok(Outcome::Done) };
    let Some(mut row) = rows.get::<Account>(&key.0)? else {
        return Err(Halt::Fault(format!("a hold of {account}, which is no account")));
    };
    row.held_cents -= held.cents;
    if !is_permitted {
        row.cents += held.cents;
    }
    rows.put(&key.0, &row);
    rows.remove::<Reservation>(&key);
    rows.cancel(&format!("{account} {hold}"));
    Ok(Outcome::Done)
}
