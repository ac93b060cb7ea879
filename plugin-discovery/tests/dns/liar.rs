//! A name server that answers what the test says, over UDP and TCP.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use hickory_resolver::proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

use super::dnsmasq::free_port;

/// A question that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) of: RecordType,
    pub(crate) over_tcp: bool,
    pub(crate) at: Instant,
}

/// What it says.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Records(Vec<Record>),
    Code(ResponseCode),
    /// Another server, of which it knows no more.
    Referral,
    Truncated,
    /// The number of the question, and then these.
    Bytes(&'static [u8]),
    Nothing,
}

type Rule = Arc<Mutex<dyn FnMut(&Asked) -> Says + Send>>;

pub(crate) struct Liar {
    address: SocketAddr,
    rule: Arc<Mutex<Rule>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Answering {
    rule: Arc<Mutex<Rule>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Liar {
    pub(crate) async fn start(rule: impl FnMut(&Asked) -> Says + Send + 'static) -> Self {
        let address = free_port();
        let udp = UdpSocket::bind(address).await.expect("the port is free");
        let tcp = TcpListener::bind(address).await.expect("the port is free");
        let rule: Rule = Arc::new(Mutex::new(rule));
        let answering = Answering { rule: Arc::new(Mutex::new(rule)), asked: Arc::default() };
        let mut tasks = JoinSet::new();
        let over_udp = answering.clone();
        tasks.spawn(async move {
            let mut bytes = [0; 4096];
            loop {
                let (length, from) = udp.recv_from(&mut bytes).await.expect("a socket");
                if let Some(answer) = over_udp.answer(&bytes[..length], false) {
                    udp.send_to(&answer, from).await.expect("a socket");
                }
            }
        });
        let over_tcp = answering.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = tcp.accept().await.expect("a socket");
                connections.spawn(over_tcp.clone().serve(stream));
            }
        });
        Self { address, rule: answering.rule, asked: answering.asked, _tasks: tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says something else from now on.
    pub(crate) fn say(&self, rule: impl FnMut(&Asked) -> Says + Send + 'static) {
        *self.rule.lock().expect("whole") = Arc::new(Mutex::new(rule));
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("whole").clone()
    }
}

impl Answering {
    async fn serve(self, mut stream: TcpStream) {
        while let Ok(length) = stream.read_u16().await {
            let mut bytes = vec![0; length.into()];
            if stream.read_exact(&mut bytes).await.is_err() {
                return;
            }
            if let Some(answer) = self.answer(&bytes, true) {
                let length = u16::try_from(answer.len()).expect("short");
                stream.write_u16(length).await.expect("a socket");
                stream.write_all(&answer).await.expect("a socket");
            }
        }
    }

    fn answer(&self, bytes: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let message = Message::from_vec(bytes).expect("a question");
        let query = message.queries.first().expect("a question").clone();
        let name = query.name().to_ascii();
        #[expect(clippy::disallowed_methods, reason = "the time of the machine, whatever the clock of a test says")]
        let at = Instant::now();
        let asked = Asked { name, of: query.query_type(), over_tcp, at };
        self.asked.lock().expect("whole").push(asked.clone());
        let rule = Arc::clone(&self.rule.lock().expect("whole"));
        let says = (rule.lock().expect("whole"))(&asked);
        let mut answer = Message::response(message.id, OpCode::Query);
        answer.add_query(query.clone());
        match says {
            Says::Nothing => return None,
            Says::Bytes(rest) => return Some([&bytes[..2], rest].concat()),
            Says::Records(records) => {
                answer.add_answers(records);
            }
            Says::Code(code) => answer.metadata.response_code = code,
            Says::Truncated => answer.metadata.truncation = true,
            Says::Referral => {
                let elsewhere = RData::NS(rdata::NS(self::name("ns.elsewhere.test.")));
                answer.add_authorities([Record::from_rdata(query.name().clone(), 60, elsewhere)]);
            }
        }
        Some(answer.to_vec().expect("an answer"))
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// Addresses of the name that was asked for, of the type that was asked for, with this time to live.
pub(crate) fn addresses(asked: &Asked, time_to_live: u32, addresses: &[&str]) -> Says {
    let record = |address: &&str| {
        let data = match asked.of {
            RecordType::A => RData::A(address.parse().ok()?),
            RecordType::AAAA => RData::AAAA(address.parse().ok()?),
            _ => return None,
        };
        Some(Record::from_rdata(name(&asked.name), time_to_live, data))
    };
    Says::Records(addresses.iter().filter_map(record).collect())
}
