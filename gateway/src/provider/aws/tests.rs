//! Signatures against AWS's published test suite, credentials, and errors by what AWS says.

use bytes::Bytes;
use event::{Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    fault,
    sigv4::{self, Keys},
    trial::params,
};
use crate::{
    error::ErrorClass,
    operation::Operation,
    provider::{
        Answer, Ask, Outgoing, ProviderError,
        frames::Frame,
        trial::{deployment, prepared},
    },
    request::ClientRequest,
};

fn keys(session: Option<&str>) -> Keys {
    Keys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session: session.map(|session| Secret::new(session.to_owned())),
    }
}

fn request(method: Method, uri: &str, kind: Option<&'static str>, body: &'static str) -> Outgoing {
    let mut headers = HeaderMap::new();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Outgoing {
        method,
        uri: uri.parse().unwrap(),
        headers,
        body: Bytes::from(body),
    }
}

fn signature(mut outgoing: Outgoing, keys: &Keys, scope: (&str, &str), time: &str) -> String {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    let now = Timestamp::from(time.to_utc());
    sigv4::sign(&mut outgoing, keys, scope, now).unwrap();
    let value = &outgoing.headers[header::AUTHORIZATION];
    assert!(value.is_sensitive());
    let value = value.to_str().unwrap();
    value.rsplit_once("Signature=").unwrap().1.to_owned()
}

#[test]
fn signatures_are_those_of_the_published_suite() {
    let form = Some("application/x-www-form-urlencoded");
    let at = "https://example.amazonaws.com";
    for (name, request, wanted) in [
        (
            "get-vanilla",
            request(Method::GET, &format!("{at}/"), None, ""),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-query-order-key-case",
            request(
                Method::GET,
                &format!("{at}/?Param2=value2&Param1=value1"),
                None,
                "",
            ),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "post-vanilla",
            request(Method::POST, &format!("{at}/"), None, ""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-x-www-form-urlencoded",
            request(Method::POST, &format!("{at}/"), form, "Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ] {
        let scope = ("us-east-1", "service");
        let found = signature(request, &keys(None), scope, "2015-08-30T12:36:00Z");
        assert_eq!(found, wanted, "{name}");
    }
}

/// What AWS's own client for Python gives.
#[test]
fn encoded_paths_ports_and_sessions_are_signed() {
    let json = Some("application/json");
    let bedrock = "https://bedrock-runtime.us-east-1.amazonaws.com";
    let here = "http://127.0.0.1:8080/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ax%2Fy/invoke";
    for (request, session, wanted) in [
        (
            request(
                Method::POST,
                &format!("{bedrock}/model/anthropic.claude-v2%3A1/converse"),
                json,
                r#"{"a":1}"#,
            ),
            None,
            "46d79faaef2f498057266d0cd1f0c9212e6c883a9c4fc89f0d8bdbb9acceb8cb",
        ),
        (
            request(Method::POST, here, json, ""),
            Some("TOKEN"),
            "5db69e4cf93e7909adeacef40290b52afa6e282f339c09b312dc9a0b66ffc50e",
        ),
    ] {
        let scope = ("us-east-1", "bedrock");
        let found = signature(request, &keys(session), scope, "2026-01-02T03:04:05Z");
        assert_eq!(found, wanted);
    }
}

#[test]
fn secrets_are_not_shown() {
    let keys = keys(Some("TOKEN"));
    let shown = format!("{keys:?}");
    assert!(
        !shown.contains("wJalr") && !shown.contains("TOKEN"),
        "{shown}"
    );
    let asked = json!({"messages": [{"role": "user", "content": "x"}]});
    let mut params = params("bedrock/amazon.nova-pro-v1:0");
    params["aws_session_token"] = "TOKEN".into();
    let outgoing = prepared(&params, Operation::Chat, &asked).unwrap().outgoing;
    let shown = format!("{outgoing:?} {:?}", deployment(&params));
    for secret in ["wJalr", "TOKEN", "AKIDEXAMPLE"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Key, session and host of a request by a deployment with `own` parameters.
type Signed = (Option<String>, Option<String>, Option<String>);

fn signed(own: &Value, environment: &[(&str, &str)]) -> Result<Signed, ProviderError> {
    let mut params = json!({"model": "bedrock/amazon.nova-pro-v1:0"});
    let fields = params.as_object_mut().unwrap();
    fields.extend(own.as_object().unwrap().clone());
    let mut deployment = deployment(&params);
    let known = deployment.provider.settings();
    deployment.settings.fill(known, &|name| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let request = ClientRequest::parse(Operation::Chat, body.into(), 1 << 20).unwrap();
    let ask = Ask::new(&deployment, &request, Timestamp::default(), false)?;
    let outgoing = deployment.provider.prepare(&ask)?.outgoing;
    let value = |name: &str| {
        let value = outgoing.headers.get(name)?.to_str().ok()?;
        let value = value.split(", ").next().unwrap();
        Some(value.replace("AWS4-HMAC-SHA256 Credential=", ""))
    };
    let host = outgoing.uri.host().map(str::to_owned);
    Ok((value("authorization"), value("x-amz-security-token"), host))
}

const ENVIRONMENT: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "ENV"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
    ("AWS_SESSION_TOKEN", "t"),
    ("AWS_REGION", "ap-south-1"),
];

#[test]
fn credentials_come_from_the_deployment_or_the_environment_but_not_from_both() {
    let pair = json!({"aws_access_key_id": "OWN", "aws_secret_access_key": "s"});
    let bearer = json!({"api_key": "key", "aws_region_name": "cn-north-1"});
    for (own, key, session, host) in [
        (
            json!({}),
            "ENV ap-south-1",
            Some("t"),
            "ap-south-1.amazonaws.com",
        ),
        (pair, "OWN ap-south-1", None, "ap-south-1.amazonaws.com"),
        (
            json!({"aws_region_name": "eu-a-1"}),
            "ENV eu-a-1",
            Some("t"),
            "eu-a-1.amazonaws.com",
        ),
        (bearer, "Bearer key", None, "cn-north-1.amazonaws.com.cn"),
    ] {
        let key = match key.split_once(' ') {
            Some(("Bearer", _)) => key.to_owned(),
            Some((id, region)) => format!("{id}/19700101/{region}/bedrock/aws4_request"),
            None => unreachable!("{key}"),
        };
        let host = format!("bedrock-runtime.{host}");
        let wanted = (Some(key), session.map(str::to_owned), Some(host));
        assert_eq!(signed(&own, ENVIRONMENT).unwrap(), wanted, "{own}");
    }
}

#[test]
fn half_a_key_is_none() {
    for (own, wanted) in [
        (json!({}), "aws_access_key_id"),
        (json!({"aws_access_key_id": "OWN"}), "aws_secret_access_key"),
        (json!({"aws_secret_access_key": "s"}), "aws_access_key_id"),
        (
            json!({"aws_region_name": "evil.example/", "api_key": "k"}),
            "aws_region_name",
        ),
    ] {
        let error = signed(&own, &ENVIRONMENT[2..]).unwrap_err();
        assert!(error.to_string().contains(wanted), "{own}: {error}");
    }
}

#[test]
fn other_ways_to_credentials_are_refused_when_the_configuration_is_read() {
    for model in [
        "bedrock/amazon.nova-pro-v1:0",
        "sagemaker/x",
        "sagemaker_chat/x",
    ] {
        let mut params = params(model);
        params["aws_role_name"] = "arn:aws:iam::1:role/r".into();
        let tree = json!({"model_list": [{"model_name": "a", "litellm_params": params}]});
        let error = crate::config::Config::from_tree(tree.as_object().unwrap()).unwrap_err();
        assert_eq!(error.path, "model_list[0].litellm_params");
        assert!(error.message.contains("aws_role_name"), "{error}");
    }
}

#[test]
fn errors_are_known_by_status_kind_and_words() {
    use ErrorClass::{
        Api, BadRequest, ContextWindowExceeded, NotFound, PermissionDenied, RateLimit, Timeout,
    };
    for (status, kind, words, wanted) in [
        (
            400,
            "ValidationException:http://x/",
            "Input is too long for requested model.",
            ContextWindowExceeded,
        ),
        (
            400,
            "ValidationException",
            "Malformed input request",
            BadRequest,
        ),
        (400, "ThrottlingException", "Rate exceeded", RateLimit),
        (
            400,
            "ServiceQuotaExceededException:x",
            "Too many tokens, please wait",
            BadRequest,
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            PermissionDenied,
        ),
        (404, "", "no model", NotFound),
        (408, "ModelTimeoutException", "late", Timeout),
        (424, "ModelErrorException", "broken", Api(424)),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        for name in ["message", "Message"] {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: headers.clone(),
                body: json!({ name: words }).to_string().into(),
            };
            let fault = fault::of_answer(&answer);
            assert_eq!((fault.class, &*fault.message), (wanted, words));
        }
    }
}

#[test]
fn exceptions_of_streams_are_errors() {
    use ErrorClass::{Api, BadRequest, RateLimit};
    for (kind, wanted) in [
        ("throttlingException", Some(RateLimit)),
        ("validationException", Some(BadRequest)),
        ("modelStreamErrorException", Some(Api(424))),
        ("InternalFailure", Some(ErrorClass::InternalServer)),
        ("contentBlockDelta", None),
        ("PayloadPart", None),
    ] {
        let frame = Frame {
            kind: kind.to_owned(),
            data: br#"{"message": "words"}"#.to_vec(),
        };
        let fault = fault::of_frame(&frame);
        assert_eq!(
            fault.map(|fault| (fault.class, fault.message)),
            wanted.map(|class| (class, "words".to_owned()))
        );
    }
}
