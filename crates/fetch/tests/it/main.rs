//! The read routes over a real store.

#[cfg(test)]
mod routes;
