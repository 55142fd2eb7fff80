//! The page at `/`: one static file. Only the operator token of `dev` is put into it.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const PAGE: &str = include_str!("page.html");
const TOKEN: &str = "__OPERATOR_TOKEN__";
/// Nothing but the page itself runs in it, and it talks to nobody but its own server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The route of the page. `operator_token` is only given in `dev`.
pub fn router(operator_token: Option<&str>) -> Router {
    let escaped =
        operator_token.unwrap_or_default().replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let page = PAGE.replace(TOKEN, &escaped);
    let serve = || async {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, page).into_response()
    };
    Router::new().route("/", get(serve))
}
