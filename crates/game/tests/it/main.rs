//! The rules of the game as tables and properties, one module for each section of the rules.
//!
//! The tables are written from the text of the rules, to be read next to it; `support::table` documents their format.
//! The properties compare the code with a second, naive implementation of the rules (`model`).

#[cfg(test)]
mod ids;
#[cfg(test)]
mod late;
#[cfg(test)]
mod leaderboard;
#[cfg(test)]
mod model;
#[cfg(test)]
mod order_and_repetition;
#[cfg(test)]
mod players_and_devices;
#[cfg(test)]
mod powerups;
#[cfg(test)]
mod press;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod repartition;
#[cfg(test)]
mod round;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod support;
