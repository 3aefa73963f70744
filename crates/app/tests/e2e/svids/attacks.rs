//! What nobody should ask, and who should not ask it.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use spiffe::WorkloadApiError;
use tokio::net::UnixStream;

use super::{client, open_to_all, stand, worker};
use crate::stand::Stand;
use crate::svids::selectors::{Program, run_as};
use crate::wire::metric;

/// The status of a call with this metadata, and what it says. Each message is framed as empty.
async fn status(stand: &Stand, path: &str, metadata: Option<&str>) -> (String, String) {
    let stream = UnixStream::connect(stand.state().join("workload.sock")).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(value) = metadata {
        request = request.header("workload.spiffe.io", value);
    }
    let body = Full::new(Bytes::from_static(&[0; 5]));
    let answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
    let head = answer.headers().clone();
    let trailers = if head.contains_key("grpc-status") {
        head
    } else {
        answer.into_body().collect().await.unwrap().trailers().unwrap().clone()
    };
    let text = |name: &str| {
        trailers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    (text("grpc-status"), text("grpc-message"))
}

const INVALID_ARGUMENT: &str = "3";
const UNIMPLEMENTED: &str = "12";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_somebody_was_talked_into_is_refused() {
    let stand = stand("").await;
    for method in [
        "FetchX509SVID",
        "FetchX509Bundles",
        "FetchJWTSVID",
        "FetchJWTBundles",
        "ValidateJWTSVID",
        "FetchWITSVID",
        "Nothing",
    ] {
        for metadata in [None, Some("false"), Some("TRUE"), Some("")] {
            let path = format!("/SpiffeWorkloadAPI/{method}");
            let (code, text) = status(&stand, &path, metadata).await;
            assert_eq!(code, INVALID_ARGUMENT, "{method} {metadata:?}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_are_not_offered_say_so() {
    let stand = stand("").await;
    for path in [
        "/SpiffeWorkloadAPI/FetchWITSVID",
        "/SpiffeWorkloadAPI/FetchWITBundles",
        "/SpiffeWorkloadAPI/Nothing",
        "/spiffe.broker.API/FetchJWTSVID",
        "/",
    ] {
        assert_eq!(status(&stand, path, Some("true")).await.0, UNIMPLEMENTED, "{path}");
    }
    let (code, text) = status(&stand, "/SpiffeWorkloadAPI/FetchJWTSVID", Some("true")).await;
    assert_eq!(code, INVALID_ARGUMENT, "no audience: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_meant_here_are_not_believed() {
    let (ours, theirs) = (stand("").await, stand("").await);
    let (client, stranger) = (client(&ours).await, client(&theirs).await);
    let good = client.fetch_jwt_token(["bank"], None).await.unwrap();
    let foreign = stranger.fetch_jwt_token(["bank"], None).await.unwrap();
    let grant = ours.open("work").await.token;
    let (head, signature) = good.rsplit_once('.').unwrap();
    for (why, token, audience) in [
        ("`aud` does not name", good.as_str(), "shop"),
        ("`kid` is not in the bundle", &foreign, "bank"),
        ("expected a JWT-SVID, not any other", &grant, "bank"),
        ("signature does not fit", &format!("{head}.{}", "A".repeat(signature.len())), "bank"),
        ("three base64url parts", "x", "bank"),
    ] {
        let error = client.validate_jwt_token(audience, token).await.unwrap_err();
        assert!(error.to_string().contains(why), "expected {why}: {error}");
    }
    let file = ours.state().join("token");
    std::fs::write(&file, &good).unwrap();
    let verify = ["svid", "verify", file.to_str().unwrap(), "--audience"];
    assert!(ours.remit(&[&verify[..], &["bank"]].concat()).await.ok);
    let refused = ours.remit(&[&verify[..], &["shop"]].concat()).await;
    assert!(!refused.ok && refused.said().contains("`aud`"), "{}", refused.said());
    // The reverse: a JWT-SVID is no grant.
    let answer =
        crate::wire::Request::new(ours.address(), &good, "tools/list", serde_json::json!({}));
    assert_eq!(answer.send(ours.address()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn svids_run_out() {
    let stand = stand("[svid]\nlifetime = \"1s\"\nrotate = \"1h\"\n").await;
    let client = client(&stand).await;
    let token = client.fetch_jwt_token(["bank"], None).await.unwrap();
    client.validate_jwt_token("bank", &token).await.unwrap();
    // Clocks may differ by five seconds.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let error = client.validate_jwt_token("bank", &token).await.unwrap_err();
    assert!(error.to_string().contains("ran out"), "{error}");
}

/// The socket is open to other users here, because an agent is one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_a_user_without_an_entry_gets_nothing() {
    let other = "[[agent]]\nname = \"other\"\nowner = \"operators\"\nuids = [4711]\n";
    let stand = stand(other).await;
    open_to_all(stand.state());
    open_to_all(stand.state().parent().unwrap());
    let before = metric(&stand, "remit_svids_refused_total").await;
    let said = run_as(4712, Program::Fetch, &stand).await;
    assert!(said.contains("no identity issued"), "{said}");
    assert!(metric(&stand, "remit_svids_refused_total").await > before);
    let said = run_as(4711, Program::Fetch, &stand).await;
    assert_eq!(said, "spiffe://remit.local/agent/other");
    let names = client(&stand).await.fetch_x509_context().await.unwrap();
    assert_eq!(names.default_svid().unwrap().spiffe_id(), &worker(), "and each only its own");
    // An agent's task of one user is not the identity of another user's process.
    stand.open("work").await;
    assert_eq!(run_as(4711, Program::Fetch, &stand).await, "spiffe://remit.local/agent/other");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_taken_out_of_the_configuration_loses_its_stream() {
    let other = "[[agent]]\nname = \"other\"\nowner = \"operators\"\nuids = [0]\n";
    let stand = stand(other).await;
    let names = |context: &spiffe::X509Context| -> Vec<String> {
        context.svids().iter().map(|svid| svid.spiffe_id().to_string()).collect()
    };
    let client = client(&stand).await;
    let mut stream = client.stream_x509_contexts().await.unwrap();
    let mut next = async || {
        let next = futures_util::StreamExt::next(&mut stream);
        tokio::time::timeout(crate::stand::PATIENCE, next).await.expect("a message").unwrap()
    };
    assert_eq!(names(&next().await.unwrap()).len(), 2);
    let text = std::fs::read_to_string(stand.config()).unwrap();
    let without = text.replace(other, "");
    std::fs::write(stand.config(), &without).unwrap();
    assert_eq!(names(&next().await.unwrap()), [worker().to_string()]);
    let worker_elsewhere =
        without.replace("name = \"worker\"\n", "name = \"worker\"\nuids = [9]\n");
    std::fs::write(stand.config(), worker_elsewhere).unwrap();
    let ended = next().await;
    assert!(matches!(ended, Err(WorkloadApiError::NoIdentityIssued)), "{ended:?}");
}
