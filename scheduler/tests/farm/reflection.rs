//! What the services say of themselves, to tools that have no files of the protocol.

use crate::harness::Farm;
use tonic_reflection::pb::{v1, v1alpha};

const SERVICES: [&str; 4] = [
    "externalscaler.ExternalScaler",
    "magpie.v1.FarmService",
    "magpie.v1.NodeService",
    "grpc.health.v1.Health",
];

#[tokio::test]
async fn services_are_listed_under_the_name_of_today() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let farm = Farm::start().await;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(farm.channel);
    let requests = tokio_stream::once(request);
    let answers = client.server_reflection_info(requests).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.iter().map(|one| &*one.name).collect();
    assert!(
        SERVICES.iter().all(|name| names.contains(name)),
        "{names:?}"
    );
}

#[tokio::test]
async fn services_are_listed_under_the_name_that_older_tools_know() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let farm = Farm::start().await;
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(farm.channel);
    let requests = tokio_stream::once(request);
    let answers = client.server_reflection_info(requests).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.iter().map(|one| &*one.name).collect();
    assert!(
        SERVICES.iter().all(|name| names.contains(name)),
        "{names:?}"
    );
}
