//! Who gets what, in which order.

use confab::wire::Frame;
use confab_plugin::SessionId;

use super::{Backend, frame, user};

pub async fn a_frame_reaches_every_session_of_its_user<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let (ann, bob) = (user(), user());
    a.open(ann, 1);
    b.open(ann, 2);
    b.open(ann, 3);
    b.open(bob, 4);
    for (node, who) in [(&a, ann), (&b, ann), (&b, bob)] {
        backend.settled(node, who).await;
    }
    a.publish(ann, "to ann");
    b.publish(bob, "to bob");
    a.wait_for(ann, 1, 1).await;
    b.wait_for(ann, 2, 1).await;
    b.wait_for(bob, 4, 1).await;
    assert_eq!(a.texts(ann, 1), ["{to ann}"]);
    assert_eq!(b.texts(ann, 2), ["{to ann}"]);
    assert_eq!(b.texts(ann, 3), ["{to ann}"]);
    assert_eq!(b.texts(bob, 4), ["{to bob}"]);
}

pub async fn the_excepted_session_is_left_out<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let ann = user();
    a.open(ann, 1);
    a.open(ann, 2);
    b.open(ann, 3);
    backend.settled(&a, ann).await;
    backend.settled(&b, ann).await;
    a.publish_frame(ann, Some(SessionId(1)), frame("mine"));
    a.publish(ann, "end");
    a.wait_for(ann, 1, 1).await;
    a.wait_for(ann, 2, 2).await;
    b.wait_for(ann, 3, 2).await;
    assert_eq!(a.texts(ann, 1), ["{end}"]);
    assert_eq!(a.texts(ann, 2), ["{mine}", "{end}"]);
    assert_eq!(b.texts(ann, 3), ["{mine}", "{end}"]);
}

pub async fn each_users_frames_arrive_in_order<B: Backend>() {
    const COUNT: usize = 3000;
    let (backend, [a, b]) = B::fresh().await;
    let users = [user(), user(), user()];
    for (number, who) in users.iter().enumerate() {
        b.open(*who, number as u64);
        backend.settled(&b, *who).await;
    }
    let publishers = users.map(|who| {
        let a = a.clone();
        tokio::spawn(async move {
            for number in 0..COUNT {
                a.publish(who, &number.to_string());
                if number % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let expected: Vec<String> = (0..COUNT).map(|number| format!("{{{number}}}")).collect();
    for (number, who) in users.iter().enumerate() {
        b.wait_for(*who, number as u64, COUNT).await;
        assert_eq!(b.texts(*who, number as u64), expected);
    }
}

pub async fn frames_from_both_nodes_arrive<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let ann = user();
    a.open(ann, 1);
    b.open(ann, 2);
    backend.settled(&a, ann).await;
    backend.settled(&b, ann).await;
    for number in 0..100 {
        a.publish(ann, &format!("a{number:03}"));
        b.publish(ann, &format!("b{number:03}"));
    }
    for (node, session) in [(&a, 1), (&b, 2)] {
        node.wait_for(ann, session, 200).await;
        let texts = node.texts(ann, session);
        assert_eq!(texts.len(), 200, "no copies");
        for from in ["{a", "{b"] {
            let of_one: Vec<_> = texts.iter().filter(|text| text.starts_with(from)).collect();
            assert_eq!(of_one.len(), 100);
            assert!(of_one.is_sorted(), "{of_one:?}");
        }
    }
}

pub async fn ephemeral_frames_are_known_as_such<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let ann = user();
    b.open(ann, 1);
    backend.settled(&b, ann).await;
    for ephemeral in [true, false] {
        a.publish_frame(ann, None, Frame::received("{}".into(), ephemeral));
    }
    b.wait_for(ann, 1, 2).await;
    let flags: Vec<bool> =
        b.here.inbox(ann, SessionId(1)).iter().map(|frame| frame.typing.is_some()).collect();
    assert_eq!(flags, [true, false]);
}

pub async fn texts_arrive_to_the_byte<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let ann = user();
    b.open(ann, 1);
    backend.settled(&b, ann).await;
    let texts = [
        String::new(),
        "\"a\\u0000b\"".to_owned(),
        "👩‍👩‍👧\r\n$3\r\nfoo\r\n".to_owned(),
        "x".repeat(1024 * 1024),
        "\0".to_owned(),
    ];
    for text in &texts {
        a.publish(ann, text);
    }
    b.wait_for(ann, 1, texts.len()).await;
    let expected: Vec<String> = texts.iter().map(|text| format!("{{{text}}}")).collect();
    assert!(b.texts(ann, 1) == expected);
}

pub async fn who_is_not_here_gets_nothing<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let (ann, bob) = (user(), user());
    b.open(ann, 1);
    b.open(bob, 2);
    backend.settled(&b, ann).await;
    backend.settled(&b, bob).await;
    b.close(ann, 1);
    backend.gone(&b, ann).await;
    let before = b.here.brought(ann);
    let same_node = std::sync::Arc::ptr_eq(&a.here, &b.here);
    a.publish(ann, "nobody");
    a.publish(bob, "end");
    b.wait_for(bob, 2, 1).await;
    // A bus of one node leaves it to the sessions to be absent.
    assert_eq!(b.here.brought(ann), before + usize::from(same_node));
    b.open(ann, 3);
    backend.settled(&b, ann).await;
    a.publish(ann, "again");
    b.wait_for(ann, 3, 1).await;
    assert_eq!(b.texts(ann, 3), ["{again}"]);
}
