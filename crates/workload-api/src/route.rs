//! From a request to its method.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::Stream;
use http::{Request, Response};
use hyper::body::Incoming;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::issue::Caller;
use crate::message::Empty;
use crate::watch;

/// How long a client may take to send its one message (R13).
const REQUEST: Duration = Duration::from_secs(30);
/// The largest request, in bytes (R13): a token to validate, and audiences.
const MAX_REQUEST: usize = 64 * 1024;
/// What every call carries (Workload Endpoint section 6.1): a browser or a proxy that was talked into
/// sending a request does not.
const METADATA: &str = "workload.spiffe.io";

/// Answers one request of `caller`.
pub(crate) async fn answer(
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if request.headers().get(METADATA).is_none_or(|value| value != "true") {
        let text = format!("expected the metadata `{METADATA}: true`, as SPIFFE clients send it");
        return Ok(Status::invalid_argument(text).into_http());
    }
    // Ends with the head of the answer; what is streamed afterwards takes its time.
    let answered = tokio::time::timeout(REQUEST, method(caller, request)).await;
    Ok(answered.unwrap_or_else(|_| {
        Status::deadline_exceeded("the request's message did not come in time").into_http()
    }))
}

async fn method(caller: Caller, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.strip_prefix("/SpiffeWorkloadAPI/").unwrap_or_default() {
        "FetchX509SVID" => stream(request, || watch::x509_svids(caller.clone())).await,
        "FetchX509Bundles" => stream(request, || watch::x509_bundles(caller.clone())).await,
        "FetchJWTBundles" => stream(request, || watch::jwt_bundles(caller.clone())).await,
        "FetchJWTSVID" => once(request, |asked| caller.clone().jwt(asked)).await,
        "ValidateJWTSVID" => once(request, |asked| caller.clone().validate(asked)).await,
        "FetchWITSVID" | "FetchWITBundles" => {
            Status::unimplemented("WIT-SVIDs are not offered: ask for X.509- or JWT-SVIDs")
                .into_http()
        }
        _ => {
            Status::unimplemented("there is no such method in the SPIFFE Workload API").into_http()
        }
    }
}

/// One message in, one out.
async fn once<Q, A, F>(request: Request<Incoming>, act: impl Fn(Q) -> F) -> Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>>,
{
    let service = service_fn(|asked: tonic::Request<Q>| {
        let acting = act(asked.into_inner());
        async { acting.await.map(tonic::Response::new) }
    });
    Grpc::new(ProstCodec::default())
        .max_decoding_message_size(MAX_REQUEST)
        .unary(service, request)
        .await
}

/// An empty message in, a stream out.
async fn stream<A, S>(request: Request<Incoming>, open: impl Fn() -> S) -> Response<Body>
where
    A: Message + 'static,
    S: Stream<Item = Result<A, Status>> + Send + 'static,
{
    let service = service_fn(|_: tonic::Request<Empty>| {
        let opened = tonic::Response::new(open());
        async { Ok::<_, Status>(opened) }
    });
    Grpc::new(ProstCodec::default())
        .max_decoding_message_size(MAX_REQUEST)
        .server_streaming(service, request)
        .await
}
