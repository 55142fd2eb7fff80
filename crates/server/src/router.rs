//! Every route of the program. A process serves those of its roles. Metrics and logs label them with their patterns,
//! and the API description includes all of them.

use std::sync::Arc;

use ::fetch::FetchState;
use axum::routing::get;
use engine::live::Hub;
use serve::Routes;
use serve::health::{self, Health};
use utoipa::openapi::OpenApi;
use utoipa_axum::routes;

use crate::admin::{self, Admin};
use crate::ingest::{self, Ingest};
use crate::live;
use crate::page::{self, Page};

/// Players' commands.
pub fn ingest() -> Routes<Arc<Ingest>> {
    Routes::new()
        .route(routes!(ingest::add)) // POST /add
        .route(routes!(ingest::press)) // POST /press
        .route(routes!(ingest::powerups)) // POST /powerups
}

/// Reads; the Lambda serves the same.
pub fn fetch() -> Routes<FetchState> {
    ::fetch::routes() // GET /fetch/self, GET /fetch/lb, GET /rules
}

/// Live events.
pub fn live() -> Routes<Arc<Hub>> {
    Routes::new().route(routes!(live::live)) // GET /live
}

/// Operators. A round is secret until it opens, so these requests are logged, but not measured.
pub fn admin() -> Routes<Arc<Admin>> {
    Routes::new().secret(routes!(admin::open_round)) // POST /admin/rounds
}

/// Health and metrics, in every process.
pub fn health() -> Routes<Arc<Health>> {
    Routes::new()
        .route(routes!(health::healthz)) // GET /healthz
        .route(routes!(health::readyz)) // GET /readyz
        .route(routes!(health::show_metrics)) // GET /metrics
}

/// The page.
pub fn page() -> Routes<Arc<Page>> {
    Routes::new()
        .undocumented("/", get(page::show)) // GET /
        .undocumented("/web/{name}", get(page::file)) // GET /web/{name}
}

/// The description of all routes of the API.
pub fn api() -> OpenApi {
    let mut api = OpenApi::default();
    let groups =
        [ingest().into_api(), fetch().into_api(), live().into_api(), admin().into_api(), health().into_api()];
    groups.into_iter().for_each(|group| api.merge(group));
    api
}

#[cfg(test)]
mod tests {
    use serve::Label;

    #[test]
    fn routes_are_called_by_their_patterns_and_those_of_operators_are_secret() {
        let groups = [
            super::ingest().labels().to_vec(),
            super::fetch().labels().to_vec(),
            super::live().labels().to_vec(),
            super::admin().labels().to_vec(),
            super::health().labels().to_vec(),
            super::page().labels().to_vec(),
        ];
        let all: Vec<Label> = groups.concat();
        let (secret, shown): (Vec<_>, Vec<_>) = all.into_iter().partition(|label| label.is_secret);
        let patterns = |labels: Vec<Label>| labels.into_iter().map(|label| label.pattern).collect::<Vec<_>>();
        assert_eq!(patterns(secret), ["/admin/rounds"]);
        let expected = [
            "/add",
            "/press",
            "/powerups",
            "/fetch/self",
            "/fetch/lb",
            "/rules",
            "/live",
            "/healthz",
            "/readyz",
            "/metrics",
            "/",
            "/web/{name}",
        ];
        assert_eq!(patterns(shown), expected);
    }
}
