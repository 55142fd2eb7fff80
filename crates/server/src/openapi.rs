//! The description of the API, made from the code.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi};

/// The description of everything that can be served, whatever a process serves of it.
pub fn api() -> OpenApi {
    let mut api = OpenApi::default();
    api.merge(crate::ingest::routes().into_openapi());
    api.merge(fetch::routes().into_openapi());
    api.merge(crate::live::routes().into_openapi());
    api.merge(crate::admin::routes().into_openapi());
    api.merge(crate::health::routes().into_openapi());
    let mut info = Info::new("ButtonParty", "1");
    info.description = Some(
        "Calls a crowd, and settles every answer exactly once. Commands answer 202 when they are durable; what became \
         of them shows in /fetch/self. Times are Unix milliseconds."
            .to_owned(),
    );
    api.info = info;
    let operator = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = api.components.get_or_insert_with(Components::new);
    components.add_security_scheme("operator", SecurityScheme::Http(operator));
    api
}

/// The same as text, as it stands in `mobile-api-spec/openapi.json`.
///
/// # Errors
/// None in practice: the description can always be written.
pub fn text() -> Result<String, serde_json::Error> {
    Ok(api().to_pretty_json()? + "\n")
}
