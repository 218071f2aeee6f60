//! A route is a value. It declares everything that the server knows about a path, and the router,
//! the `Allow` header, the metric label, the shape of errors, CORS, the limits and the OpenAPI
//! document follow from it.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{self, MethodRouter};
use serde_json::{Map, Value, json};
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::http::error::{method_not_allowed, render_page_errors};
use crate::http::middleware::audience::Audience;
use crate::http::middleware::edge::{Edge, edge};
use crate::http::middleware::policy::Policy;
use crate::http::routes::access::{Access, Admits};

pub struct Route {
    pub path: &'static str,
    pub policy: Policy,
    /// In the order of the `Allow` header.
    pub operations: Vec<Operation>,
}

/// A method of a route.
pub struct Operation {
    pub method: Method,
    pub access: Access,
    handler: MethodRouter<Arc<App>>,
    /// The operation in the OpenAPI document, which leaves out the pages.
    description: Option<fn() -> Value>,
}

pub fn get<A: Admits<T>, H: Handler<T, Arc<App>>, T: 'static>(access: A, handler: H) -> Operation {
    Operation::new(Method::GET, access.access(), routing::get(handler))
}

pub fn post<A: Admits<T>, H: Handler<T, Arc<App>>, T: 'static>(access: A, handler: H) -> Operation {
    Operation::new(Method::POST, access.access(), routing::post(handler))
}

pub fn put<A: Admits<T>, H: Handler<T, Arc<App>>, T: 'static>(access: A, handler: H) -> Operation {
    Operation::new(Method::PUT, access.access(), routing::put(handler))
}

pub fn patch<A: Admits<T>, H: Handler<T, Arc<App>>, T: 'static>(
    access: A,
    handler: H,
) -> Operation {
    Operation::new(Method::PATCH, access.access(), routing::patch(handler))
}

pub fn delete<A: Admits<T>, H: Handler<T, Arc<App>>, T: 'static>(
    access: A,
    handler: H,
) -> Operation {
    Operation::new(Method::DELETE, access.access(), routing::delete(handler))
}

impl Operation {
    fn new(method: Method, access: Access, handler: MethodRouter<Arc<App>>) -> Self {
        Self { method, access, handler, description: None }
    }

    pub fn described(self, description: fn() -> Value) -> Self {
        Self { description: Some(description), ..self }
    }

    /// Compresses the response if the client accepts that. For large documents only: a small one
    /// takes less time to send than to compress.
    pub fn compressed(self) -> Self {
        Self { handler: self.handler.layer(CompressionLayer::new()), ..self }
    }

    pub fn is_described(&self) -> bool {
        self.description.is_some()
    }

    fn path_item_member(&self) -> Option<(String, Value)> {
        let mut operation = self.description?();
        operation["security"] = self.access.security();
        Some((self.method.as_str().to_ascii_lowercase(), operation))
    }
}

impl Route {
    /// The handlers of the path, with the middleware that obeys its policy.
    pub fn mount(self, app: &Arc<App>) -> MethodRouter<Arc<App>> {
        let audience = self.policy.audience;
        let allow = self.allow();
        let refuse =
            move |method: Method| async move { method_not_allowed(&method, audience, &allow) };
        let edge_state = Edge::of_route(app, self.path, self.policy);
        let handlers = self.operations.into_iter().map(|operation| operation.handler);
        let mut methods: MethodRouter<Arc<App>> =
            handlers.fold(MethodRouter::new(), MethodRouter::merge);
        methods = methods.fallback(refuse);
        if audience == Audience::Page {
            methods = methods.layer(from_fn(render_page_errors));
        }
        methods.layer(from_fn_with_state(edge_state, edge))
    }

    /// The `Allow` header. On pages it leaves out OPTIONS, which scripts use, not browsers.
    pub fn allow(&self) -> String {
        let methods = self.operations.iter().map(|operation| match operation.method {
            Method::GET => "GET, HEAD",
            _ => operation.method.as_str(),
        });
        let is_for_programs =
            self.operations.iter().any(|operation| operation.access != Access::Browser);
        methods.chain(is_for_programs.then_some("OPTIONS")).collect::<Vec<_>>().join(", ")
    }

    /// The route in the OpenAPI document, unless the document leaves it out.
    pub fn path_item(&self) -> Option<Value> {
        let mut item: Map<String, Value> =
            self.operations.iter().filter_map(Operation::path_item_member).collect();
        if item.is_empty() {
            return None;
        }
        let parameters = path_parameters(self.path);
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), Value::Array(parameters));
        }
        Some(Value::Object(item))
    }
}

/// Parameters whose names end with `_id` or `_uuid` are UUIDs.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameters = names.map(|name| {
        let is_uuid = name.ends_with("_id") || name.ends_with("_uuid");
        let schema = if is_uuid {
            json!({"type": "string", "format": "uuid"})
        } else {
            json!({"type": "string"})
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    parameters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_path_are_described() {
        let parameters =
            path_parameters("/webhooks/{webhook_name}/deliveries/{delivery_id}/replay");

        let expected = [
            json!({"name": "webhook_name", "in": "path", "required": true, "schema": {"type": "string"}}),
            json!({
                "name": "delivery_id",
                "in": "path",
                "required": true,
                "schema": {"type": "string", "format": "uuid"},
            }),
        ];
        assert_eq!(parameters, expected);
        assert_eq!(path_parameters("/openapi.json"), Vec::<Value>::new());
    }
}
