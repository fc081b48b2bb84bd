use super::*;

async fn transport(packets: &[&str]) -> (Transport, queue::Sender<Request>) {
    let (mut transport, requests) = Transport::new(None);
    for packet in packets {
        transport.write((*packet).to_owned());
    }
    assert!(transport.flush().await.is_ok());
    (transport, requests)
}

/// Takes in the requests that wait.
fn take(transport: &mut Transport) -> Option<Result<Option<Utf8Bytes>, End>> {
    futures_util::FutureExt::now_or_never(transport.read())
}

fn poll(requests: &queue::Sender<Request>) -> oneshot::Receiver<String> {
    let (answer, answered) = oneshot::channel();
    assert!(requests.push(Request::Poll(answer), 0).is_ok());
    answered
}

fn post(requests: &queue::Sender<Request>, body: &str) -> oneshot::Receiver<()> {
    let (done, handled) = oneshot::channel();
    let packets = Payload::parse(body.to_owned()).expect("packets");
    let post = Post { packets, done, _share: Share::default() };
    assert!(requests.push(Request::Post(post), body.len()).is_ok());
    handled
}

#[tokio::test]
async fn a_poll_that_nobody_waits_for_takes_nothing_along() {
    let (mut transport, requests) = transport(&["42[1]", "42[2]"]).await;
    drop(poll(&requests));
    assert!(take(&mut transport).is_none());
    let answered = poll(&requests);
    assert!(take(&mut transport).is_none());
    assert_eq!(answered.await.as_deref(), Ok("42[1]\u{1e}42[2]"));
    assert!(transport.has_room() && transport.backlog_bytes == 0);
}

#[tokio::test]
async fn an_answer_is_bounded_and_the_rest_comes_with_the_next() {
    let large = "x".repeat(MAX_FRAME_BYTES / 2);
    let (mut transport, requests) = transport(&[&large, &large, "42[1]"]).await;
    assert!(!transport.has_room());
    for expected in [large.clone(), format!("{large}\u{1e}42[1]")] {
        let answered = poll(&requests);
        assert!(take(&mut transport).is_none());
        assert!(answered.await.is_ok_and(|answer| answer == expected));
    }
    assert!(transport.has_room());
}

#[tokio::test]
async fn a_probe_ends_the_poll_and_a_post_is_read_packet_by_packet() {
    let (mut transport, requests) = transport(&[]).await;
    let answered = poll(&requests);
    assert!(requests.push(Request::Probed, 0).is_ok());
    let handled = post(&requests, "40\u{1e}3\u{1e}42[\"ä\"]");
    let next = take(&mut transport);
    assert!(matches!(next, Some(Ok(Some(packet))) if packet.as_str() == "40"));
    assert_eq!(answered.await.as_deref(), Ok(engine::NOOP));
    let next = take(&mut transport);
    assert!(matches!(next, Some(Ok(Some(packet))) if packet.as_str() == "42[\"ä\"]"));
    assert!(take(&mut transport).is_none());
    assert!(handled.await.is_ok());
}

#[tokio::test]
async fn a_client_that_does_not_poll_is_not_heard_until_it_does() {
    let (mut transport, requests) = transport(&[]).await;
    let mut handled = post(&requests, &vec!["42[1]"; 1000].join("\u{1e}"));
    let mut heard = 0;
    while let Some(Ok(Some(_))) = take(&mut transport) {
        heard += 1;
        transport.write("x".repeat(100));
    }
    assert!(transport.backlog_bytes < BACKLOG_BYTES + 200, "{}", transport.backlog_bytes);
    assert!((100..200).contains(&heard), "{heard}");
    assert!(handled.try_recv().is_err(), "the rest waits");
    let answered = poll(&requests);
    assert!(matches!(take(&mut transport), Some(Ok(Some(_)))), "it goes on");
    assert_eq!(answered.await.map(|packets| packets.len()), Ok(101 * heard - 1));
}

#[tokio::test]
async fn pongs_count_in_the_order_of_pings_and_none_in_advance() {
    let (mut transport, requests) = transport(&[]).await;
    let _handled = post(&requests, "3\u{1e}3");
    assert!(take(&mut transport).is_none());
    let (first, second) = (transport.ping(), transport.ping());
    assert!(!transport.has_answered(first));
    let _handled = post(&requests, "3");
    assert!(take(&mut transport).is_none());
    assert!(transport.has_answered(first) && !transport.has_answered(second));
}
