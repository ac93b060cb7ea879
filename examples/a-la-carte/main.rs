//! One crate of the family, and no tower: a breaker round a plain async function.
//!
//! `a-la-carte [ADDRESS]` reads what a TCP server says, eight times.

use std::{env, error::Error, io};

use plugin_breaker::Breaker;
use tokio::{io::AsyncReadExt, net::TcpStream};

async fn greeting(address: &str) -> io::Result<String> {
    let mut text = String::new();
    TcpStream::connect(address).await?.read_to_string(&mut text).await?;
    Ok(text)
}

async fn guarded(breaker: &Breaker, address: &str) -> Result<String, Box<dyn Error>> {
    let permit = breaker.try_acquire()?;
    let result = greeting(address).await;
    if result.is_ok() {
        permit.success()
    } else {
        permit.failure()
    }
    Ok(result?)
}

#[tokio::main]
async fn main() {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1".to_owned());
    let breaker = Breaker::default();
    for _ in 0..8 {
        match guarded(&breaker, &address).await {
            Ok(text) => println!("{text}"),
            Err(error) => println!("{error}"),
        }
    }
}
