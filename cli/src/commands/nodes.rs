//! `magpie nodes`: list nodes, or tell one to drain.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show;
use proto::v1::{DrainNodeRequest, GetCapacityRequest, ListNodesRequest};

/// Arguments of `magpie nodes`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Tell this node to finish what it holds and take nothing new.
    #[arg(long, value_name = "NODE")]
    drain: Option<String>,
}

/// Lists the nodes that showed a sign of life lately.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    if let Some(id) = args.drain {
        client
            .drain_node(DrainNodeRequest { id: id.clone() })
            .await
            .map_err(|s| explain(&s))?;
        printer.note(&format!(
            "{id} finishes what it holds and takes nothing new"
        ));
        return Ok(Exit::Success);
    }
    let nodes = client
        .list_nodes(ListNodesRequest {})
        .await
        .map_err(|s| explain(&s))?;
    let capacity = client
        .get_capacity(GetCapacityRequest {})
        .await
        .map_err(|s| explain(&s))?;
    show::nodes(printer, &nodes.into_inner().nodes, &capacity.into_inner())?;
    Ok(Exit::Success)
}
