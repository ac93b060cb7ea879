//! Callers in a hurry beside patient ones, on a plugin that takes one call at a time.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::support::{Client, Gateway, LIMIT, gateway, get};

/// A gateway with a Python plugin that takes a twentieth of a second per call, and hangs for good in one of them when there is a
/// file `hang`, which it takes away.
async fn gateway_of(dir: &Path, more: &str) -> Gateway {
    let plugin = "
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    reply = {'error': 'unknown method'}
    if request['method'] == 'execute':
        if os.path.exists('hang'):
            os.remove('hang')
            time.sleep(3600)
        time.sleep(0.05)
        reply = {'result': request['payload']}
    print(json.dumps({'id': request['id'], **reply}), flush=True)
";
    std::fs::write(dir.join("serial.py"), plugin).expect("written");
    gateway(&dir.join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: serial, transport: exec, executable: python3, args: [serial.py], work_dir: ., timeout: 2s, {more}}}
"
        )
    })
    .await
}

/// Calls again and again, each time with a fiftieth of a second.
async fn hurries(client: Client, gateway: &Gateway) {
    loop {
        let request = Request::post(format!("http://{}/v1/plugins/serial", gateway.data))
            .header("content-type", "application/json")
            .header("x-request-timeout", "20ms");
        let answer = client.send(request.body(Full::from(Bytes::from_static(b"0"))).expect("valid")).await;
        // It stands in for the loop of a caller that does nothing else.
        if answer.is_none_or(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Three patient callers were 504 and opened the breaker for everybody, while the plugin worked off what six others had long
/// given up.
#[tokio::test]
async fn callers_in_a_hurry_shut_a_slow_plugin_for_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway_of(dir.path(), "retry: {max_retries: 0}").await;
    let client = Client::new();
    let hurried = join_all((0..6).map(|_| hurries(client.clone(), &gateway)));
    let patient = async {
        // Their requests would be some ten seconds of work by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let calls = (0..3).map(|n| {
            let (client, gateway) = (client.clone(), &gateway);
            async move {
                for round in 0..4 {
                    let payload = format!("[{n}, {round}]");
                    let answer = client.call(gateway.data, "serial", &payload).await.expect("an answer");
                    assert_eq!((answer.status.as_u16(), answer.text()), (200, payload.as_str()));
                }
            }
        });
        join_all(calls).await;
    };
    tokio::select! {
        _ = hurried => unreachable!("they never end"),
        () = patient => {}
    }
    let told = get(gateway.admin, "/admin/v1/plugins/serial").await.json();
    assert_eq!(told["breaker"], "closed", "{told:#}");
    let abandoned = told["abandoned"].as_u64().expect("a number");
    assert!(abandoned <= 8, "{told:#}");
}

/// Those in a hurry say nothing of a plugin that hangs, and keep the patient ones from it, who are the evidence.
#[tokio::test]
async fn a_plugin_that_hangs_for_good_opens_its_breaker_under_patient_and_hurried_callers_and_a_restart_heals_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway_of(dir.path(), "retry: {max_retries: 0}").await;
    let client = Client::new();
    let call = async |payload: &str| {
        let answer = client.call(gateway.data, "serial", payload).await.expect("an answer");
        answer.status.as_u16()
    };
    assert_eq!(call("1").await, 200);
    std::fs::write(dir.path().join("hang"), "").expect("written");
    let hurried = join_all((0..3).map(|_| hurries(client.clone(), &gateway)));
    let told = async || get(gateway.admin, "/admin/v1/plugins/serial").await.json();
    let patient = async {
        let calls = join_all((0..3).map(|_| async {
            let mut statuses = Vec::new();
            while statuses.last() != Some(&503) {
                statuses.push(call("2").await);
            }
            statuses
        }));
        let statuses = tokio::time::timeout(LIMIT, calls).await.expect("the breaker opens");
        assert!(statuses.iter().flatten().all(|status| matches!(status, 503 | 504)), "{statuses:?}");
        let plugin = told().await;
        assert_eq!((&plugin["breaker"], &plugin["state"]), (&"open".into(), &"serving".into()), "{plugin:#}");
        gateway.command(&["restart", "serial"]).await.worked();
        for round in 0..10 {
            assert_eq!(call("3").await, 200, "{round}");
        }
        let plugin = told().await;
        assert_eq!((&plugin["breaker"], &plugin["restarts"]), (&"closed".into(), &1.into()), "{plugin:#}");
    };
    tokio::select! {
        _ = hurried => unreachable!("they never end"),
        () = patient => {}
    }
}
