//! Routes with their API description and their labels.

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// The label of a route in metrics and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The pattern of the path, such as `/rooms/{id}`.
    pub pattern: String,
    /// Whether metrics and logs leave it out.
    pub is_secret: bool,
}

/// Routes with a common state.
pub struct Routes<S = ()> {
    router: OpenApiRouter<S>,
    labels: Vec<Label>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub fn new() -> Self {
        Self { router: OpenApiRouter::new(), labels: Vec::new() }
    }

    /// Adds a route of the API.
    #[must_use]
    pub fn route(self, route: UtoipaMethodRouter<S>) -> Self {
        self.with(route, false)
    }

    /// Adds a route of the API that metrics and logs leave out.
    #[must_use]
    pub fn secret(self, route: UtoipaMethodRouter<S>) -> Self {
        self.with(route, true)
    }

    /// Adds a route that is not part of the API, such as a page.
    #[must_use]
    pub fn undocumented(mut self, pattern: &str, route: MethodRouter<S>) -> Self {
        self.labels.push(Label { pattern: pattern.to_owned(), is_secret: false });
        Self { router: self.router.route(pattern, route), ..self }
    }

    fn with(mut self, route: UtoipaMethodRouter<S>, is_secret: bool) -> Self {
        let labels = route.1.paths.keys().map(|pattern| Label { pattern: pattern.clone(), is_secret });
        self.labels.extend(labels);
        Self { router: self.router.routes(route), ..self }
    }

    /// Both sets of routes.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.labels.extend(others.labels);
        Self { router: self.router.merge(others.router), ..self }
    }

    /// Sets the state.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), labels: self.labels }
    }

    /// The labels, in the order of the routes.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The API description.
    pub fn into_api(self) -> OpenApi {
        self.router.into_openapi()
    }

    /// The routes alone.
    pub fn into_router(self) -> Router<S> {
        self.router.split_for_parts().0
    }
}
