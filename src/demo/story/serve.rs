//! `demo --serve`: everything runs, and nothing is told.

use super::teller::Teller;
use crate::demo::Failed;
use crate::demo::stage::{GLANCE, Stage, shown};
use crate::demo::view::{View, wrapped};
use serde_json::json;

/// The share that is asked for.
const PERCENT: u8 = 25;

/// Everything at [`PERCENT`] %, until somebody stops it.
pub(in crate::demo) async fn serve(stage: &mut Stage, view: &mut View) -> Result<(), Failed> {
    let mut teller = Teller {
        stage,
        view,
        title: "Everything runs until it is stopped".to_owned(),
        asked: PERCENT,
        silent_count: 0,
    };
    let begun = teller.start().await?;
    let (base, admin) = (teller.stage.base_url(), teller.stage.admin_url());
    let control = teller.stage.bedrock.control_url();
    let config = shown(&teller.stage.config_path());
    let binary = shown(teller.stage.sidecar.binary());
    teller.view.say(&format!(
        "crossfade demo, without its story.
{}
  status page    {admin}
  metrics        {admin}/metrics
  configuration  {config}
                 (edit rollout.percent and see the share follow)

  a call of your own:
    curl -i {base}/v1/chat/completions \\
      -H 'content-type: application/json' -H 'authorization: Bearer any' \\
      -d '{{\"model\": \"gpt-4o-mini\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello?\"}}]}}'
  Bedrock goes down:
    curl {control}/__emulator/behaviour \\
      -d '{{\"behaviour\": \"error\", \"kind\": \"unavailable\"}}'
  and is repaired:
    curl -X DELETE {control}/__emulator/behaviour
  after a rollback:
    {binary} rearm --reason 'Bedrock is back' --config {config}

  Ctrl-C stops everything.
",
        wrapped(&begun, "  "),
    ));
    teller.view.result(
        true,
        json!({
            "base_url": base, "admin_url": admin, "config": config,
            "openai_url": teller.stage.openai.base_url(),
            "openai_control_url": teller.stage.openai.control_url(),
            "bedrock_url": teller.stage.bedrock.base_url(), "bedrock_control_url": control,
        }),
    );
    if let Some(load) = &teller.stage.load {
        load.mark(u64::MAX);
    }
    let mut pace = tokio::time::interval(GLANCE);
    loop {
        pace.tick().await;
        teller.alive()?;
        let glance = teller.stage.glance().await;
        teller.show(&glance);
    }
}
