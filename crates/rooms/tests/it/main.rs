//! The rules of rooms in memory, and what listeners hear of them.

#[cfg(test)]
mod hears;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod order;
#[cfg(test)]
mod space;
