use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::program::{Nobody, Program};

const PATH: &str = env!("CARGO_BIN_EXE_a-la-carte");

#[tokio::test]
async fn a_plain_function_is_not_called_again_once_it_failed_five_times() {
    let nobody = Nobody::new();
    let (lines, code) = Program::start(PATH, [nobody.address.to_string()]).finish().await;
    assert_eq!((lines.len(), code), (8, Some(0)));
    assert!(lines[..5].iter().all(|line| line.contains("refused") && !line.contains("CIRCUIT")), "{lines:#?}");
    assert!(lines[5..].iter().all(|line| line.contains("CIRCUIT_1401")), "{lines:#?}");
}

#[tokio::test]
async fn a_plain_function_that_works_is_called_every_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"good day").await.expect("it reads");
        }
    });
    let (lines, code) = Program::start(PATH, [address.to_string()]).finish().await;
    assert_eq!((lines, code), (vec!["good day".to_owned(); 8], Some(0)));
}
