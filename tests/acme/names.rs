//! A name server of one test: every name is this machine.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

/// A query's head, in bytes (RFC 1035 section 4.1.1).
const HEAD: usize = 12;

/// Starts it. It ends with the process.
pub fn serve() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// 127.0.0.1 to who asks for an address (A), and to all else that there is none.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(HEAD..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(HEAD..HEAD + name + 5)?;
    let is_address = question.ends_with(&[0, 1, 0, 1]);
    // The id; an answer without an error; one question, and one record or none.
    let mut answer = query.get(..2)?.to_vec();
    answer.extend([0x85, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        // The name of the question, an address, good for no time.
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
