//! A row of `players`. Its columns are listed once, in [`columns`], from which both backends make their statements: a
//! column cannot be missing in one of them, or be at another place.

use game::{
    DisplayName, Effect, LastPress, LastPurchase, Level, Platform, Player, PressOutcome, PurchaseId,
    PurchaseOutcome, Username,
};
use serde::Deserialize;

use crate::Error;
use crate::columns::{Column, Columns, known, valid};

/// The columns of `players` after `partition`: the parameter's number in PostgreSQL, the name, the type in PostgreSQL,
/// and the type in [`PlayerRow`], where `T` is a text. The first column is the rest of the key.
///
/// * `columns!(names)`: `username, name, …`
/// * `columns!(selected)`: `p.username, p.name, …`, for [`PlayerRow::read`]; as a JSON array, for serde.
/// * `columns!(unnested)`: `unnest($2::text[]) AS username, …`, for `columns!(bind …)`.
/// * `columns!(assigned)`: `name = r.name, …`, without the key.
/// * `columns!(bind statement rows)`: binds an array for each column of these rows.
/// * `columns!(push values row)`: binds the values of one row.
macro_rules! columns {
    ($($what:tt)+) => {
        $crate::player::of_columns! { $($what)+;
            2 username text T;
            3 name text Option<T>,
            4 platform text Option<T>,
            5 added_at_ms int8 i64,
            6 score int8 i64,
            7 streak int8 i64,
            8 reached_at_ms int8 i64,
            9 settled_round int8 i64,
            10 pressed_round int8 i64,
            11 fixed_round int8 i64,
            12 fixed_extender int2 i16,
            13 freeze_level int2 Option<i16>,
            14 freeze_from_ms int8 Option<i64>,
            15 freeze_until_ms int8 Option<i64>,
            16 multiplier_level int2 Option<i16>,
            17 multiplier_from_ms int8 Option<i64>,
            18 multiplier_until_ms int8 Option<i64>,
            19 extender_level int2 Option<i16>,
            20 extender_from_ms int8 Option<i64>,
            21 extender_until_ms int8 Option<i64>,
            22 press_round int8 Option<i64>,
            23 press_outcome text Option<T>,
            24 press_points int8 Option<i64>,
            25 press_at_ms int8 Option<i64>,
            26 purchase_id text Option<T>,
            27 purchase_outcome text Option<T>,
        }
    };
}
pub(crate) use columns;

macro_rules! of_columns {
    (names; $_:literal $key:ident $__:ident $___:ty; $($n:literal $name:ident $sql:ident $rust:ty,)+) => {
        concat!(stringify!($key) $(, ", ", stringify!($name))+)
    };
    (selected; $_:literal $key:ident $__:ident $___:ty; $($n:literal $name:ident $sql:ident $rust:ty,)+) => {
        concat!("p.", stringify!($key) $(, ", p.", stringify!($name))+)
    };
    (unnested; $k:literal $key:ident $k_sql:ident $_:ty; $($n:literal $name:ident $sql:ident $rust:ty,)+) => {
        concat!(
            "unnest($", $k, "::", stringify!($k_sql), "[]) AS ", stringify!($key)
            $(, ", unnest($", $n, "::", stringify!($sql), "[]) AS ", stringify!($name))+
        )
    };
    (
        assigned; $_:literal $key:ident $__:ident $___:ty;
        $first_n:literal $first:ident $first_sql:ident $first_rust:ty,
        $($n:literal $name:ident $sql:ident $rust:ty,)+
    ) => {
        concat!(
            stringify!($first), " = r.", stringify!($first)
            $(, ", ", stringify!($name), " = r.", stringify!($name))+
        )
    };
    (
        bind $statement:ident $rows:ident; $_:literal $key:ident $__:ident $___:ty;
        $($n:literal $name:ident $sql:ident $rust:ty,)+
    ) => {
        $statement
            .bind($rows.iter().map(|row| row.$key).collect::<Vec<_>>())
            $(.bind($rows.iter().map(|row| row.$name).collect::<Vec<_>>()))+
    };
    (
        push $values:ident $row:ident; $_:literal $key:ident $__:ident $___:ty;
        $($n:literal $name:ident $sql:ident $rust:ty,)+
    ) => {
        $values.push_bind($row.$key)$(.push_bind($row.$name))+
    };
    (row; $_:literal $key:ident $__:ident $key_rust:ty; $($n:literal $name:ident $sql:ident $rust:ty,)+) => {
        /// The columns of a player, in their order.
        #[derive(Debug, Clone, Copy, Deserialize)]
        pub(crate) struct PlayerRow<T> {
            pub(crate) $key: $key_rust,
            $(pub(crate) $name: $rust,)+
        }

        impl<'r> PlayerRow<&'r str> {
            /// Reads the columns one after the other.
            pub(crate) fn read(columns: &mut Columns<'r>) -> Result<Self, Error> {
                Ok(Self { $key: Column::read(columns)?, $($name: Column::read(columns)?,)+ })
            }
        }
    };
}
pub(crate) use of_columns;

columns!(row);

impl<'p> PlayerRow<&'p str> {
    /// The row of a player.
    pub(crate) fn of(username: &'p Username, player: &'p Player) -> Self {
        let level = |effect: Option<Effect>| effect.map(|effect| i16::from(effect.level.number()));
        let from_ms = |effect: Option<Effect>| effect.map(|effect| effect.from_ms);
        let until_ms = |effect: Option<Effect>| effect.map(|effect| effect.until_ms);
        let Player { freeze, multiplier, extender, last_press: press, .. } = *player;
        let purchase = player.last_purchase.as_ref();
        Self {
            username: username.as_str(),
            name: player.name.as_ref().map(DisplayName::as_str),
            platform: player.platform.map(Platform::code),
            added_at_ms: player.added_at_ms,
            score: player.score.cast_signed(),
            streak: player.streak.cast_signed(),
            reached_at_ms: player.reached_at_ms,
            settled_round: player.settled_round.cast_signed(),
            pressed_round: player.pressed_round.cast_signed(),
            fixed_round: player.fixed_round.cast_signed(),
            fixed_extender: player.fixed_extender.cast_signed(),
            freeze_level: level(freeze),
            freeze_from_ms: from_ms(freeze),
            freeze_until_ms: until_ms(freeze),
            multiplier_level: level(multiplier),
            multiplier_from_ms: from_ms(multiplier),
            multiplier_until_ms: until_ms(multiplier),
            extender_level: level(extender),
            extender_from_ms: from_ms(extender),
            extender_until_ms: until_ms(extender),
            press_round: press.and_then(|press| press.round).map(u64::cast_signed),
            press_outcome: press.map(|press| press.outcome.code()),
            press_points: press.map(|press| press.outcome.points().cast_signed()),
            press_at_ms: press.map(|press| press.arrived_at_ms),
            purchase_id: purchase.map(|purchase| purchase.id.as_str()),
            purchase_outcome: purchase.map(|purchase| purchase.outcome.code()),
        }
    }
}

impl<T: AsRef<str>> PlayerRow<T> {
    /// The player of the row.
    pub(crate) fn player(&self) -> Result<(Username, Player), Error> {
        let name = self.name.as_ref().map(|name| DisplayName::new(name.as_ref()));
        let platform = self.platform.as_ref().map(|code| Platform::from_code(code.as_ref()));
        let player = Player {
            name: valid(name.transpose())?,
            platform: valid(platform.transpose())?,
            added_at_ms: self.added_at_ms,
            score: self.score.cast_unsigned(),
            streak: self.streak.cast_unsigned(),
            reached_at_ms: self.reached_at_ms,
            settled_round: self.settled_round.cast_unsigned(),
            pressed_round: self.pressed_round.cast_unsigned(),
            fixed_round: self.fixed_round.cast_unsigned(),
            fixed_extender: valid(u16::try_from(self.fixed_extender))?,
            freeze: effect(self.freeze_level, self.freeze_from_ms, self.freeze_until_ms)?,
            multiplier: effect(self.multiplier_level, self.multiplier_from_ms, self.multiplier_until_ms)?,
            extender: effect(self.extender_level, self.extender_from_ms, self.extender_until_ms)?,
            last_press: self.last_press()?,
            last_purchase: self.last_purchase()?,
        };
        Ok((valid(Username::new(self.username.as_ref()))?, player))
    }

    fn last_press(&self) -> Result<Option<LastPress>, Error> {
        let (Some(code), Some(points), Some(arrived_at_ms)) =
            (&self.press_outcome, self.press_points, self.press_at_ms)
        else {
            return Ok(None);
        };
        let outcome = PressOutcome::from_code(code.as_ref(), points.cast_unsigned());
        let outcome = known(outcome, "outcome of a press")?;
        Ok(Some(LastPress { round: self.press_round.map(i64::cast_unsigned), outcome, arrived_at_ms }))
    }

    fn last_purchase(&self) -> Result<Option<LastPurchase>, Error> {
        let (Some(id), Some(code)) = (&self.purchase_id, &self.purchase_outcome) else { return Ok(None) };
        let outcome = known(PurchaseOutcome::from_code(code.as_ref()), "outcome of a purchase")?;
        Ok(Some(LastPurchase { id: valid(PurchaseId::new(id.as_ref()))?, outcome }))
    }
}

fn effect(level: Option<i16>, from_ms: Option<i64>, until_ms: Option<i64>) -> Result<Option<Effect>, Error> {
    let (Some(level), Some(from_ms), Some(until_ms)) = (level, from_ms, until_ms) else { return Ok(None) };
    let level = known(Level::from_number(valid(u8::try_from(level))?), "level")?;
    Ok(Some(Effect { level, from_ms, until_ms }))
}
