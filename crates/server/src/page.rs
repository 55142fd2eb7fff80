//! The page at `/`: one static file. Only the operator token of `dev` is put into it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

const PAGE: &str = include_str!("page.html");
const TOKEN: &str = "__OPERATOR_TOKEN__";
/// Nothing but the page itself runs in it, and it talks to nobody but its own server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page as it is sent.
pub struct Page(Bytes);

impl Page {
    /// With this token of operators in it, which only `dev` gives away.
    pub fn new(operator_token: Option<&str>) -> Self {
        let escaped = operator_token
            .unwrap_or_default()
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;");
        Self(PAGE.replace(TOKEN, &escaped).into())
    }
}

/// Shows the page.
pub(crate) async fn show(State(page): State<Arc<Page>>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page.0.clone())
}
