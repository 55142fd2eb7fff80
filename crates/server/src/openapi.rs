//! The OpenAPI description, generated from the code.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, RefOr};

/// The description of all routes, whatever roles a process has.
pub fn api() -> OpenApi {
    let mut api = crate::router::api();
    let mut info = Info::new("ButtonParty", "1");
    info.description = Some(
        "Calls a crowd, and settles every answer exactly once. Commands answer 202 when they are durable; what became \
         of them shows in /fetch/self. Times are Unix milliseconds. Fields of a body and parameters of a query that \
         are not described are ignored, whatever they hold; the Content-Type of a request is ignored too. The first \
         client's {\"RequestBody\":{...}} is taken for what is in it. Numbers of a body are judged by their value: \
         200.0 is an integer. A request that is no HTTP is answered 400, or 431 where its head is too long, without a \
         body. A request without exactly one valid Host is 400, one with a method that its path does not have is 405, \
         and a fault of the server is 500, each as a Problem. While a process starts, all but /healthz and /readyz is \
         503, as a Problem."
            .to_owned(),
    );
    api.info = info;
    let rounds = api.paths.paths.get_mut("/admin/rounds").and_then(|path| path.post.as_mut());
    if let Some(RefOr::T(body)) = rounds.and_then(|post| post.request_body.as_mut()) {
        // It may be absent, but not `null`: utoipa knows only both in one.
        body.required = None;
    }
    let operator = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = api.components.get_or_insert_with(Components::new);
    components.add_security_scheme("operator", SecurityScheme::Http(operator));
    api
}

/// The description as text, as in `mobile-api-spec/openapi.json`.
///
/// # Errors
/// None in practice: the description can always be serialised.
pub fn text() -> Result<String, serde_json::Error> {
    Ok(api().to_pretty_json()? + "\n")
}
