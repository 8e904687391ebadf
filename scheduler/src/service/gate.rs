//! The token check: every request bears the farm's token, where one is set.

use crate::config::Secret;
use sha2::{Digest, Sha256};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Lets in what bears the token.
#[derive(Clone)]
pub(crate) struct Gate {
    /// SHA-256 of the token. Digests are compared, so that the time that the comparison takes says
    /// nothing about the token.
    expected: Option<[u8; 32]>,
}

impl Gate {
    pub(crate) fn new(token: Option<&Secret>) -> Self {
        Self {
            expected: token.map(|token| digest(token.reveal())),
        }
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(expected) = self.expected else {
            return Ok(request);
        };
        let given = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if digest(token) == expected => Ok(request),
            Some(_) => Err(Status::unauthenticated("the token is not this farm's")),
            None => Err(Status::unauthenticated("this farm wants a bearer token")),
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
