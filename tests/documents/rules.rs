//! `docs/rules.md`: the rules with pictures, each drawn from a play of the real rollout core.

use super::page;
use super::picture::{View, draw};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// One play: what the calls come to, and what of it is drawn.
struct Scene {
    /// Its part of the page, and its picture.
    name: &'static str,
    /// How many seconds it lasts.
    seconds: u64,
    /// Bedrock calls a second, and as many of the original's.
    rate: u64,
    /// Of a hundred Bedrock calls in this second, how many fail.
    failing: fn(u64) -> u64,
    /// The same for the original.
    original_failing: fn(u64) -> u64,
    /// Of a hundred Bedrock calls, how many take nine seconds to their first token.
    slow: fn(u64) -> u64,
    /// What the file says beside providers and models.
    config: &'static str,
    view: View<'static>,
}

const ERRORS: &str = "Calls that fail";
const LATENCY: &str = "Time to the first token";
const CLOCKS: &str = "Breach clocks";
const SHARE: &str = "Share";

const fn none(_: u64) -> u64 {
    0
}

/// The part of a scene that most share.
const PLAIN: Scene = Scene {
    name: "",
    seconds: 0,
    rate: 10,
    failing: none,
    original_failing: none,
    slow: none,
    config: "rollout: { percent: 50 }\n",
    view: View {
        title: "",
        charts: &[],
        seconds: (0.0, 0.0),
    },
};

const SCENES: &[Scene] = &[
    Scene {
        name: "errors-trips",
        seconds: 870,
        failing: |second| match second {
            0..120 | 360..390 => 0,
            _ => 3,
        },
        view: View {
            title: "Three of a hundred calls fail from minute 2 on, with a pause of half a minute; the clock \
                    runs on through it and trips after ten minutes",
            charts: &[(ERRORS, "errors"), (CLOCKS, "trips"), (SHARE, "")],
            seconds: (0.0, 870.0),
        },
        ..PLAIN
    },
    Scene {
        name: "errors-resets",
        seconds: 1_260,
        failing: |second| match second {
            120..600 | 840..1_140 => 3,
            _ => 0,
        },
        view: View {
            title: "The same errors, but four good minutes after the eighth: the clock starts anew and nothing trips",
            charts: &[(ERRORS, "errors"), (CLOCKS, "trips"), (SHARE, "")],
            seconds: (0.0, 1_260.0),
        },
        ..PLAIN
    },
    Scene {
        name: "outage",
        seconds: 210,
        failing: |second| if second < 120 { 0 } else { 100 },
        view: View {
            title: "Bedrock is down from minute 2 on: within half a minute everything is back on the original",
            charts: &[(ERRORS, "outage"), (SHARE, "")],
            seconds: (60.0, 210.0),
        },
        ..PLAIN
    },
    Scene {
        name: "latency",
        seconds: 600,
        slow: |second| if second < 120 { 0 } else { 10 },
        view: View {
            title: "From minute 2 on one call in ten waits nine seconds for its first token: the latency clock \
                    trips after five minutes",
            charts: &[(LATENCY, "latency"), (CLOCKS, "trips"), (SHARE, "")],
            seconds: (0.0, 600.0),
        },
        ..PLAIN
    },
    Scene {
        name: "both-arms",
        seconds: 420,
        failing: |second| if second < 120 { 0 } else { 70 },
        original_failing: |second| if second < 120 { 0 } else { 80 },
        view: View {
            title: "Both providers fail, the original worse than Bedrock: nothing is taken back",
            charts: &[(ERRORS, "outage"), (SHARE, "")],
            seconds: (60.0, 420.0),
        },
        ..PLAIN
    },
    Scene {
        name: "climb",
        seconds: 15_000,
        rate: 1,
        failing: |second| if second < 13_200 { 0 } else { 100 },
        config: "rollout: { percent: 100, advance: auto }\n",
        view: View {
            title: "A rollout that climbs by itself, stage by stage, and is taken back by an outage at the last stage",
            charts: &[(SHARE, ""), (ERRORS, "outage")],
            seconds: (0.0, 15_000.0),
        },
        ..PLAIN
    },
];

impl Scene {
    /// The calls, spread evenly.
    fn trace(&self) -> String {
        let mut text = String::new();
        for call in 0..self.seconds * self.rate {
            let second = call / self.rate;
            let at = call as f64 / self.rate as f64;
            // The so-manieth of a hundred calls, as evenly as it goes.
            let hit = |of: u64| call % 100 * of % 100 < of;
            for (arm, failing, slow) in [
                ("bedrock", (self.failing)(second), (self.slow)(second)),
                ("original", (self.original_failing)(second), 0),
            ] {
                let first_token_ms = if hit(slow) { 9_000 } else { 400 };
                let line = if hit(failing) {
                    json!({"at": at, "arm": arm, "verdict": "failure", "class": "server",
                           "first_token_ms": null, "total_ms": 50})
                } else {
                    json!({"at": at, "arm": arm, "verdict": "ok", "class": null,
                           "first_token_ms": first_token_ms, "total_ms": first_token_ms + 1_500})
                };
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    /// Plays it with the built binary: what it printed, and the data of its page.
    fn play(&self, dir: &Path) -> (String, Value) {
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("writable");
        write("rollout.yaml", &config(self.config));
        write("calls.jsonl", &self.trace());
        let args = ["simulate", "calls.jsonl", "--html", "page.html"];
        let told = crossfade(dir, &args);
        let page = fs::read_to_string(dir.join("page.html")).expect("the page");
        let (_, data) = page.split_once("id=\"data\">").expect("the data");
        let (data, _) = data.split_once("</script>").expect("its end");
        (told, serde_json::from_str(data).expect("JSON"))
    }
}

fn config(more: &str) -> String {
    format!(
        "original: {{ url: https://api.openai.com }}\n\
         bedrock: {{ region: us-east-1, models: {{ gpt-4o: amazon.nova-pro-v1:0 }} }}\n{more}"
    )
}

fn crossfade(dir: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_crossfade"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// The rules that are on by default, as `crossfade check` says them.
fn table(dir: &Path) -> String {
    fs::write(dir.join("rollout.yaml"), config("")).expect("writable");
    let told = crossfade(dir, &["check"]);
    let mut table = String::from("| rule | by default |\n|---|---|\n");
    for line in told.lines() {
        if let Some((name, rule)) = line
            .strip_prefix("  rule      ")
            .and_then(|it| it.split_once(": "))
        {
            let _ = writeln!(table, "| `{name}` | {rule} |");
        }
    }
    table
}

/// A picture, and what `simulate` said of it.
fn part(scene: &Scene, told: &str) -> String {
    let happened: Vec<&str> = told
        .lines()
        .skip(2)
        .take_while(|line| !line.is_empty())
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    assert!(!happened.is_empty(), "{told}");
    format!(
        "![{}](pictures/{}.svg)\n\n```text\n{}\n```\n",
        scene.view.title,
        scene.name,
        happened.join("\n")
    )
}

#[test]
fn the_rules_are_explained_by_what_they_do() {
    let dir = TempDir::new().expect("a temporary directory");
    let mut made = vec![("rules", table(dir.path()))];
    for scene in SCENES {
        let (told, data) = scene.play(dir.path());
        page::hold_file(
            &format!("docs/pictures/{}.svg", scene.name),
            &draw(&data, &scene.view),
        );
        made.push((scene.name, part(scene, &told)));
    }
    page::hold("docs/rules.md", &made);
}
