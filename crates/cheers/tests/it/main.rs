//! The rules of cheers in memory.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod cancels;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod model;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod places;
#[cfg(test)]
mod rides;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
