//! A small TCP proxy between Takt and PostgreSQL: its target can be switched, its connections cut, its traffic
//! held. To the servers it is the address of the database, before and after a failover.

use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

#[derive(Debug, Clone, Copy)]
struct Line {
    target: u16,
    /// Connections of an earlier number are dead.
    cut: u64,
    is_held: bool,
}

#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    line: Arc<watch::Sender<Line>>,
}

impl Proxy {
    pub async fn start(target: u16) -> Self {
        let line = Arc::new(watch::Sender::new(Line { target, cut: 0, is_held: false }));
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let accepting = line.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, accepting.subscribe()));
            }
        });
        Self { port, line }
    }

    /// New connections go there; those that exist are cut.
    pub fn switch(&self, target: u16) {
        self.line.send_modify(|line| {
            line.target = target;
            line.cut += 1;
        });
    }

    /// New connections go there; those that exist stay where they are.
    pub fn redirect(&self, target: u16) {
        self.line.send_modify(|line| line.target = target);
    }

    /// Cuts every connection, whatever is under way on it.
    pub fn cut(&self) {
        self.line.send_modify(|line| line.cut += 1);
    }

    /// Lets nothing through in either direction until it is released.
    pub fn hold(&self, is_held: bool) {
        self.line.send_modify(|line| line.is_held = is_held);
    }
}

async fn connect(client: TcpStream, mut line: watch::Receiver<Line>) {
    let Line { target, cut, .. } = *line.borrow_and_update();
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let mut cuts = line.clone();
    tokio::select! {
        () = pump(client_in, server_out, line.clone()) => {}
        () = pump(server_in, client_out, line.clone()) => {}
        _ = cuts.wait_for(|line| line.cut != cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        if line.wait_for(|line| !line.is_held).await.is_err() || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
