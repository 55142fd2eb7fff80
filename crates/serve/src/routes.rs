//! Routes with what is said about them: their description, and what metrics and logs call them.

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// What metrics and logs call a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The pattern of its paths, such as `/rooms/{id}`.
    pub pattern: String,
    /// Whether neither metrics nor logs tell of it.
    pub is_secret: bool,
}

/// Routes that share a state.
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
    /// None.
    pub fn new() -> Self {
        Self { router: OpenApiRouter::new(), labels: Vec::new() }
    }

    /// With a route of the API.
    #[must_use]
    pub fn route(self, route: UtoipaMethodRouter<S>) -> Self {
        self.with(route, false)
    }

    /// With a route of the API of which neither metrics nor logs tell.
    #[must_use]
    pub fn secret(self, route: UtoipaMethodRouter<S>) -> Self {
        self.with(route, true)
    }

    /// With a route that is no part of the API, such as a page.
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

    /// These and those.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.labels.extend(others.labels);
        Self { router: self.router.merge(others.router), ..self }
    }

    /// With their state: routes that need no other.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), labels: self.labels }
    }

    /// What each is called, in the order in which they were listed.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Their description.
    pub fn into_api(self) -> OpenApi {
        self.router.into_openapi()
    }

    /// The routes alone.
    pub fn into_router(self) -> Router<S> {
        self.router.split_for_parts().0
    }
}
