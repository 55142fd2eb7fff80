//! PostgreSQL: one server for each test process, a database for each test.
