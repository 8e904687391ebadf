//! The token check: every request bears the farm's token, where one is set. Nearly all bear it in the
//! header `authorization`; KEDA sends none, and bears it in its message.

use crate::config::Secret;
use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;
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

    /// Refuses what bears another token or none.
    pub(crate) fn check(&self, token: Option<&str>) -> Result<(), Status> {
        let Some(expected) = self.expected else {
            return Ok(());
        };
        match token {
            Some(token) if digest(token) == expected => Ok(()),
            Some(_) => Err(Status::unauthenticated("the token is not this farm's")),
            None => Err(Status::unauthenticated("this farm wants a bearer token")),
        }
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check(bearer(request.metadata()))?;
        Ok(request)
    }
}

/// The token in the header of a request.
pub(crate) fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let given = metadata.get("authorization");
    let given = given.and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer "))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
