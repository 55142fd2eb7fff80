//! The database roles of the processes, and their rights.

use ledger::postgres::lock;
use postgres_protocol::password::scram_sha_256;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::database::Database;
use crate::bounds::{GRANT_PAUSE, GRANT_TRIES_MAX};
use crate::{Error, RolePasswords};
use ledger::postgres::timeout;

/// The rights of each role, by table. A role has no others.
const RIGHTS: [(&str, &[(&str, &str)]); 4] = [
    (
        "buttonparty_writer",
        &[
            (
                "SELECT",
                "_sqlx_migrations, meta, inboxes, partitions, players, purchases, devices, rounds, board, journal,
                outbox",
            ),
            (
                "INSERT",
                "meta, inboxes, partitions, players, purchases, devices, rounds, board, journal, outbox",
            ),
            ("UPDATE", "partitions, players, devices, board"),
        ],
    ),
    ("buttonparty_reader", &[("SELECT", "ALL TABLES IN SCHEMA public")]),
    ("buttonparty_push", &[("SELECT", "_sqlx_migrations, devices, outbox"), ("UPDATE", "outbox")]),
    (
        "buttonparty_scheduler",
        &[("SELECT", "_sqlx_migrations, meta, inboxes, schedule"), ("INSERT, UPDATE", "schedule")],
    ),
];

/// Revokes two rights that PostgreSQL grants to everybody and no role needs: advisory locks, one of which serialises
/// migrations, and large objects, which could fill the disk. Only a superuser owns these functions: where the owner of
/// the database is none, as in managed services, the rights stay. The owner of the tables keeps the lock of migrations,
/// even if a superuser ran this. The writer keeps it for one release: a handler of the version before takes it at each
/// start.
const REVOKE_FROM_ALL: &str = "DO $$
    DECLARE
        built_in regprocedure;
    BEGIN
        FOR built_in IN
            SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
                AND (proname ~ '^(pg_(try_)?advisory_|lo_)' OR proname IN ('loread', 'lowrite'))
                AND has_function_privilege('public', oid, 'EXECUTE') AND pg_has_role(proowner, 'USAGE')
        LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', built_in);
            IF built_in = 'pg_advisory_xact_lock(bigint)'::regprocedure THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO buttonparty_writer, %I', built_in, (
                    SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.meta'::regclass
                ));
            END IF;
        END LOOP;
    END $$;";

/// Makes the roles and gives them their rights in this database. Roles belong to all databases of a server: another
/// session may change the same ones, and leaves nothing to wait for.
pub(crate) async fn grant(database: &Database, passwords: &RolePasswords) -> Result<(), Error> {
    let mut tries = 1;
    loop {
        let mut connection = database.connect().await?;
        match timeout(database.options.statement_ms_max, try_grant(&mut connection, passwords)).await {
            Err(error) if is_conflict(&error) && tries < GRANT_TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(GRANT_PAUSE).await;
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(connection.close().await?),
        }
    }
}

/// Whether another session has just made the role or changed its row in the catalogue ("tuple concurrently updated", an
/// internal error).
fn is_conflict(error: &Error) -> bool {
    let (Error::Refused { source } | Error::Unavailable { source }) = error else { return false };
    let code = source.as_database_error().and_then(|database| database.code());
    matches!(code.as_deref(), Some("42710" | "23505" | "XX000"))
}

async fn try_grant(connection: &mut PgConnection, passwords: &RolePasswords) -> Result<(), Error> {
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let RolePasswords { writer, reader, push, scheduler } = passwords;
    for ((role, _), password) in RIGHTS.iter().zip([writer, reader, push, scheduler]) {
        make(&mut transaction, role, password.as_deref()).await?;
    }
    // Only the owner may create objects here, temporary ones included.
    let mut statements = String::from(
        "ALTER ROLE buttonparty_reader SET default_transaction_read_only = on;
        DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
        REVOKE ALL ON SCHEMA public FROM PUBLIC;",
    );
    statements += REVOKE_FROM_ALL;
    for (role, rights) in RIGHTS {
        statements += &format!(
            "GRANT USAGE ON SCHEMA public TO {role}; REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};"
        );
        for (right, tables) in rights {
            statements += &format!("GRANT {right} ON {tables} TO {role};");
        }
    }
    // All of these statements are constants of this file.
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Creates the role if it does not exist, and sets its password.
///
/// The server gets the SCRAM verifier only, as with `psql`'s `\password`, so that the password cannot end up in its
/// log.
async fn make(connection: &mut PgConnection, role: &str, password: Option<&str>) -> Result<(), Error> {
    const MAKE: &str = "DO $$
        DECLARE
            role text := current_setting('buttonparty.role');
            password text := current_setting('buttonparty.password');
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            END IF;
            IF password <> '' THEN
                EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', role, password);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
        END $$";
    let settings =
        "SELECT set_config('buttonparty.role', $1, true), set_config('buttonparty.password', $2, true)";
    let verifier =
        password.filter(|password| !password.is_empty()).map(|password| scram_sha_256(password.as_bytes()));
    sqlx::query(settings).bind(role).bind(verifier.unwrap_or_default()).execute(&mut *connection).await?;
    sqlx::raw_sql(MAKE).execute(connection).await?;
    Ok(())
}
