//! The signature: HMAC-SHA256 over the time and the body, so that neither can be changed and an old
//! notice cannot be sent again later. Written `t=<unix seconds>,v1=<hexadecimal>`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "magpie-signature";

/// Signs a body: the MAC is over `<unix seconds>.<body>`.
pub fn sign(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    let mac = mac(secret, unix_seconds, body).finalize().into_bytes();
    format!("t={unix_seconds},v1={}", hex::encode(mac))
}

/// Whether a header is the signature of a body. The caller compares the time with its own clock.
pub fn verify(secret: &str, header: &str, body: &[u8]) -> Option<u64> {
    let (time, signature) = header.split_once(',')?;
    let unix_seconds: u64 = time.strip_prefix("t=")?.parse().ok()?;
    let signature = hex::decode(signature.strip_prefix("v1=")?).ok()?;
    mac(secret, unix_seconds, body)
        .verify_slice(&signature)
        .ok()?;
    Some(unix_seconds)
}

fn mac(secret: &str, unix_seconds: u64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes keys of any length (RFC 2104 2)");
    mac.update(format!("{unix_seconds}.").as_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_body_time_and_secret_only() {
        let header = sign("secret", 1_700_000_000, b"{}");
        assert_eq!(verify("secret", &header, b"{}"), Some(1_700_000_000));
        assert_eq!(verify("secret", &header, b"{ }"), None);
        assert_eq!(verify("other", &header, b"{}"), None);
        let later = header.replace("1700000000", "1700000001");
        assert_eq!(verify("secret", &later, b"{}"), None);
        assert_eq!(verify("secret", "t=1", b"{}"), None);
    }

    #[test]
    fn the_signature_is_the_one_that_other_tools_compute() {
        // printf '1.{}' | openssl dgst -sha256 -hmac key
        let expected = "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(sign("key", 1, b"{}"), expected);
    }
}
