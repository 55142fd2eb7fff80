//! The read routes over a real store, and the board of ranks against a full sort.

#[cfg(test)]
mod board;
#[cfg(test)]
mod routes;
