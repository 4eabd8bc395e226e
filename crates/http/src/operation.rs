//! Endpoints and their operations: a handler together with what is known about it.

use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter},
};
use http::Method;
use usher_domain::{Action, Permission};

use crate::{
    App, Code,
    describe::{Access, Described, Docs},
};

/// One path of the API.
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// The path, such as `/api/users/{user_id}`.
    pub path: &'static str,
    /// Other paths that lead to the same function by a rewrite of the platform.
    pub aliases: &'static [&'static str],
    pub(crate) operations: fn() -> Operations,
}

impl Endpoint {
    /// Returns what can be done at the path.
    pub fn operations(&self) -> Operations {
        (self.operations)()
    }
}

/// One method of one path.
pub struct Operation {
    /// The method.
    pub method: Method,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What it leaves in the audit log when it succeeds.
    pub action: Option<Action>,
    pub(crate) docs: Docs,
}

impl Operation {
    /// Returns who may call it.
    pub fn access(&self) -> Access {
        self.docs.access
    }

    /// Tells whether an API key opens it, too.
    pub fn takes_keys(&self) -> bool {
        self.docs.takes_keys
    }

    /// Returns the permission needed, if one is.
    pub fn permission(&self) -> Option<Permission> {
        match self.docs.access {
            Access::May(permission) => Some(permission),
            Access::Anyone | Access::SignedIn | Access::Scheduler => None,
        }
    }
}

/// The operations of one path.
#[derive(Default)]
pub struct Operations {
    list: Vec<Operation>,
    handlers: MethodRouter<App>,
}

impl Operations {
    /// Returns the operations.
    pub fn list(&self) -> &[Operation] {
        &self.list
    }

    pub(crate) fn into_handlers(self) -> MethodRouter<App> {
        self.handlers
    }

    pub(crate) fn get<H, T>(self, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.with(Method::GET, MethodFilter::GET, summary, handler)
    }

    pub(crate) fn post<H, T>(self, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.with(Method::POST, MethodFilter::POST, summary, handler)
    }

    pub(crate) fn put<H, T>(self, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.with(Method::PUT, MethodFilter::PUT, summary, handler)
    }

    pub(crate) fn patch<H, T>(self, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.with(Method::PATCH, MethodFilter::PATCH, summary, handler)
    }

    pub(crate) fn delete<H, T>(self, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.with(Method::DELETE, MethodFilter::DELETE, summary, handler)
    }

    /// Says what the operation added last leaves in the audit log.
    pub(crate) fn audits(mut self, action: Action) -> Self {
        if let Some(operation) = self.list.last_mut() {
            operation.action = Some(action);
        }
        self
    }

    /// Says what else the operation added last can answer.
    pub(crate) fn fails_with(mut self, codes: &[Code]) -> Self {
        if let Some(operation) = self.list.last_mut() {
            operation.docs.codes.extend(codes);
        }
        self
    }

    fn with<H, T>(
        mut self,
        method: Method,
        filter: MethodFilter,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        let mut docs = Docs::default();
        H::describe(&mut docs);
        self.list.push(Operation {
            method,
            summary,
            action: None,
            docs,
        });
        Self {
            handlers: self.handlers.on(filter, handler),
            ..self
        }
    }
}
