//! What an S3 store is opened with.

use super::super::*;

fn parsed(url: &str) -> Result<(String, String)> {
    let url = Url::parse(url).unwrap();
    place(&url).map(|(bucket, key)| (bucket.to_owned(), key.to_string()))
}

#[test]
fn a_place_is_a_bucket_and_a_decoded_key() {
    let place = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned());
    assert_eq!(parsed("s3://b/a%20b/c").unwrap(), place("b", "a b/c"));
    assert_eq!(parsed("s3://b").unwrap(), place("b", ""));
    assert_eq!(parsed("s3://b/").unwrap(), place("b", ""));
    for url in [
        "s3:///a",
        "s3://user@b/a",
        "s3://b:80/a",
        "s3://b/a?v=1",
        "s3://b/a#1",
    ] {
        assert!(matches!(parsed(url), Err(Error::Url { .. })), "{url}");
    }
    assert!(parsed("s3://b/a//b").is_err());
}

#[test]
fn a_client_of_an_https_endpoint_is_built_without_a_panic() {
    let url = Url::parse("s3://bucket/prefix").unwrap();
    let settings = [
        ("AWS_ENDPOINT_URL", "https://localhost:1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    open(&url, "bucket", &settings).unwrap();
    open(&url, "bucket", &settings).unwrap();
}

#[test]
fn a_setting_that_does_not_exist_is_an_error() {
    let url = Url::parse("s3://bucket").unwrap();
    let error = open(&url, "bucket", &[("AWS_NONSENSE", "1")]).unwrap_err();
    assert!(error.to_string().contains("AWS_NONSENSE"), "{error}");
}
