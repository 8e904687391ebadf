//! `magpie tenants`: what part of the farm each gets while others wait too.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show;
use clap::Subcommand;
use proto::v1::{ListTenantsRequest, SetTenantRequest, Tenant};

/// Arguments of `magpie tenants`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the tenants whose part was set; the others have weight 1.
    List,
    /// Set a tenant's part.
    Set {
        /// The tenant.
        tenant: String,
        /// Work that it gets while others wait too, in proportion.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        weight: u32,
        /// Chunks of it that may be worked on at a time; any number when absent.
        #[arg(long, value_name = "CHUNKS", value_parser = clap::value_parser!(u32).range(1..))]
        held_max: Option<u32>,
    },
}

/// Lists tenants or sets one.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let tenants = match args.verb {
        Verb::List => {
            let answer = client.list_tenants(ListTenantsRequest {}).await;
            answer.map_err(|s| explain(&s))?.into_inner().tenants
        }
        Verb::Set {
            tenant,
            weight,
            held_max,
        } => {
            let tenant = Tenant {
                id: tenant,
                weight,
                held_max: held_max.unwrap_or(0),
            };
            let request = SetTenantRequest {
                tenant: Some(tenant),
            };
            let answer = client.set_tenant(request).await;
            vec![answer.map_err(|s| explain(&s))?.into_inner()]
        }
    };
    show::tenants(printer, &tenants)?;
    Ok(Exit::Success)
}
