//! A fleet on this machine, of real programs: `meoww-server`, `nats-server` and PostgreSQL, as many of
//! each as are wanted. Everything ends with the program that started it, however that ends.

mod guard;
mod nats;
mod node;
mod place;
mod postgres;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;

use self::guard::Guard;
pub use self::{
    nats::Nats,
    node::{Node, Operator},
    place::Place,
    postgres::Postgres,
};

/// Where the programs run: one of each kind a place. The second database follows the first.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Of the nodes.
    pub nodes: Vec<Place>,
    /// Of the servers of NATS, which are a cluster.
    pub nats: Vec<Place>,
    /// Of PostgreSQL: the primary, and perhaps a synchronous standby.
    pub databases: Vec<Place>,
}

impl Layout {
    /// So many of each on the loopback of this machine.
    pub fn here(nodes: usize, nats: usize, databases: usize) -> Self {
        let [nodes, nats, databases] =
            [nodes, nats, databases].map(|count| vec![Place::here(); count]);
        Self { nodes, nats, databases }
    }
}

/// The programs at work.
pub struct Fleet {
    /// Nodes, in the order of the layout. The first begins as the one that matches.
    pub nodes: Vec<Node>,
    /// Servers of NATS.
    pub nats: Vec<Nats>,
    /// The primary first.
    pub databases: Vec<Postgres>,
    // Has all of it removed, and so comes before the folder.
    guard: Arc<Guard>,
    folder: TempDir,
}

impl Fleet {
    /// Starts everything, and returns when all nodes listen. `settings` are environment variables of
    /// the nodes beside those that make them a fleet.
    ///
    /// # Errors
    /// A program is missing, or does not start.
    pub fn start(layout: &Layout, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let guard = Arc::new(Guard::start(folder.path())?);
        std::fs::create_dir(folder.path().join("mail"))?;
        let mut fleet = Self { nodes: vec![], nats: vec![], databases: vec![], guard, folder };
        for place in &layout.databases {
            fleet.add_database(place)?;
        }
        for place in &layout.nats {
            let routes: Vec<_> = fleet.nats.iter().map(Nats::route).collect();
            fleet.nats.push(Nats::start(place, &routes, &fleet.guard)?);
        }
        for place in &layout.nodes {
            fleet.add_node(place, settings)?;
        }
        Ok(fleet)
    }

    /// Starts another database, which follows the first synchronously if there is one.
    ///
    /// # Errors
    /// PostgreSQL is missing, or does not start.
    pub fn add_database(&mut self, place: &Place) -> anyhow::Result<()> {
        let database = match self.databases.first() {
            None => Postgres::start(place, &self.guard)?,
            Some(primary) => primary.followed_by(place, &self.guard)?,
        };
        self.databases.push(database);
        Ok(())
    }

    /// Starts another node, which has a server of NATS of its own as long as there are enough.
    ///
    /// # Errors
    /// `meoww-server` is not built, or does not start.
    pub fn add_node(&mut self, place: &Place, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let number = self.nodes.len();
        let data = self.folder.path().join(format!("node{number}"));
        node::prepare(&data, &self.mail())?;
        let hosts: Vec<String> = self.databases.iter().map(Postgres::host).collect();
        let database = format!("postgres://postgres@{}/meoww", hosts.join(","));
        let (before, after) = self.nats.split_at(number % self.nats.len().max(1));
        let nats: Vec<_> = after.iter().chain(before).map(Nats::url).collect();
        let nats = nats.join(",");
        let own = [("MEOWW_DATABASE_URL", &*database), ("MEOWW_NATS_URL", &nats)];
        let settings: Vec<_> = own.iter().chain(settings).copied().collect();
        let node = Node::start(place, &data, &settings, &self.guard);
        self.nodes.push(node.with_context(|| format!("node {number}"))?);
        Ok(())
    }

    /// The node that matches, if one does.
    pub fn matcher(&self) -> Option<usize> {
        let told = self.nodes.iter().find_map(|node| {
            let printed = node.admin(&["stats", "--json"]).ok()?;
            let stats: Value = serde_json::from_str(printed.lines().next()?).ok()?;
            let nodes = stats["nodes"].as_array()?;
            let matcher = nodes.iter().find(|node| node["isMatching"] == true)?;
            Some(format!("http://{}", matcher["listen"].as_str()?))
        })?;
        self.nodes.iter().position(|node| node.url == told)
    }

    /// Access tokens of so many new accounts.
    ///
    /// # Errors
    /// The first node does not make them.
    pub fn access_tokens(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let count_text = count.to_string();
        let create = ["user", "create", "--count", &count_text, "--verified", "--tokens"];
        let printed = self.nodes[0].admin(&create)?;
        let token = |line: &str| Some(line.split_once("access_token=")?.1.trim().to_owned());
        let tokens: Vec<String> = printed.lines().filter_map(token).collect();
        anyhow::ensure!(tokens.len() == count, "no accounts: {printed}");
        Ok(tokens)
    }

    /// The usernames of all accounts.
    ///
    /// # Errors
    /// No database accepts writes, or it does not answer.
    pub fn usernames(&self) -> anyhow::Result<BTreeSet<String>> {
        self.column("SELECT username FROM users")
    }

    /// The first column of all rows, in the database that accepts writes.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub fn column(&self, statement: &str) -> anyhow::Result<BTreeSet<String>> {
        let mut primary = self.databases.iter().filter(|database| database.is_primary());
        let rows = primary.next().context("no database accepts writes")?.sql(statement)?;
        Ok(rows.lines().map(str::to_owned).collect())
    }

    /// Where the mail of all nodes goes.
    pub fn mail(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Where everything is that the programs write, but for databases.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The program of this name, beside the one that runs or its folder.
fn built(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let found = found.into_iter().find(|program| program.is_file());
    found.with_context(|| format!("{name} is not built: cargo build --workspace --bins"))
}
