//! The page at `/` and its files in `/web/`: static, and compiled in. Only the operator token of `dev` is inserted.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serve::Refused;
use wire::ProblemKind;

const INDEX: &str = include_str!("../web/index.html");
const TOKEN: &str = "__OPERATOR_TOKEN__";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// A name below `/web/`, with its media type and content.
type Source = (&'static str, &'static str, &'static str);

const FILES: [Source; 17] = [
    ("app.css", CSS, include_str!("../web/app.css")),
    ("board.js", JAVASCRIPT, include_str!("../web/board.js")),
    ("buy.js", JAVASCRIPT, include_str!("../web/buy.js")),
    ("clock.js", JAVASCRIPT, include_str!("../web/clock.js")),
    ("dom.js", JAVASCRIPT, include_str!("../web/dom.js")),
    ("join.js", JAVASCRIPT, include_str!("../web/join.js")),
    ("live.js", JAVASCRIPT, include_str!("../web/live.js")),
    ("main.js", JAVASCRIPT, include_str!("../web/main.js")),
    ("operator.js", JAVASCRIPT, include_str!("../web/operator.js")),
    ("player.js", JAVASCRIPT, include_str!("../web/player.js")),
    ("powerups.js", JAVASCRIPT, include_str!("../web/powerups.js")),
    ("press.js", JAVASCRIPT, include_str!("../web/press.js")),
    ("rules.js", JAVASCRIPT, include_str!("../web/rules.js")),
    ("server.js", JAVASCRIPT, include_str!("../web/server.js")),
    ("shelf.js", JAVASCRIPT, include_str!("../web/shelf.js")),
    ("stage.js", JAVASCRIPT, include_str!("../web/stage.js")),
    ("state.js", JAVASCRIPT, include_str!("../web/state.js")),
];

/// The page runs only its own scripts and styles, and connects only to its own server.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file with its response headers.
#[derive(Clone)]
struct File {
    media_type: &'static str,
    content: Bytes,
    /// Hash of the content. Processes of the same build agree on it.
    etag: String,
}

/// The page with all its files.
pub struct Page {
    index: File,
    files: HashMap<&'static str, File>,
}

impl Page {
    /// The page with this operator token, which only `dev` gives away.
    pub fn new(operator_token: Option<&str>) -> Self {
        let escaped = operator_token
            .unwrap_or_default()
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;");
        let files = FILES.map(|(name, media_type, text)| (name, File::new(media_type, Bytes::from(text))));
        Self { index: File::new(HTML, Bytes::from(INDEX.replace(TOKEN, &escaped))), files: files.into() }
    }
}

impl File {
    fn new(media_type: &'static str, content: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self { media_type, content, etag: format!("\"{:016x}\"", hasher.finish()) }
    }

    /// The answer to a request with these headers: 304 if the browser has this content. Browsers ask each time, so that
    /// files of different releases do not mix.
    fn answer(&self, request: &HeaderMap) -> Response {
        let has = request.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let has = has
            .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == self.etag));
        let headers = [
            (header::CONTENT_TYPE, self.media_type),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::ETAG, &self.etag),
        ];
        if has {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        } else {
            (headers, self.content.clone()).into_response()
        }
    }
}

/// Shows the page.
pub(crate) async fn show(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    page.index.answer(&headers)
}

/// Sends a file of the page.
pub(crate) async fn file(
    State(page): State<Arc<Page>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    // A name that is no UTF-8 is no file either.
    let Path(name) = name.map_err(|_| ProblemKind::NotFound)?;
    let file = page.files.get(name.as_str()).ok_or(ProblemKind::NotFound)?;
    Ok(file.answer(&headers))
}
