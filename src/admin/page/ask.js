"use strict";
// A change is asked for in a dialog that says what it does and wants a reason. The server decides
// whether it may; what it answers is said where the dialog was opened.
const ask = (() => {
  const $ = (id) => document.getElementById(id);
  const VERBS = {
    rollback: {
      name: "Roll back to 0 %",
      effect: () => "Every call goes to the original at once, and stays there until somebody re-arms. Answers that are under way may finish.",
    },
    rearm: {
      name: "Re-arm",
      effect: ({ status, automatic, stages }) => {
        const first = automatic ? Math.min(stages[0] ?? 0, status.ceiling) : status.ceiling;
        return `Attempt ${status.attempt + 1} begins: ${first} % of the eligible calls go to Bedrock at once, and the rules start afresh. To begin smaller, lower rollout.percent first.`;
      },
    },
    resume: {
      name: "Resume",
      named: ({ paused }) => (paused ? "Resume" : "Take note"),
      effect: ({ status }) => (status.cautions.length ? "What the rules found counts as noted, and the climb may go on." : "The climb goes on from this stage."),
    },
    advance: {
      name: "Advance",
      effect: ({ status }) => {
        const missing = lacking(status).map(words.waiting);
        return `${status.stage?.next ?? "–"} % of the eligible calls go to Bedrock.${missing.length ? ` The stage still waits for ${missing.join("; ")}.` : ""}`;
      },
    },
    pause: { name: "Pause", effect: () => "The share stays where it is until somebody resumes. The rules watch on, and may roll back." },
  };
  const named = (each, { status }) => VERBS[each].named?.(status) ?? VERBS[each].name;
  // What stands between the stage and the next one, a person's consent apart.
  const lacking = (status) => (status.stage?.waits ?? []).filter((wait) => !(wait.for === "gate" && wait.gate === "manual"));

  // What makes sense now.
  const sensible = ({ status, automatic }) => {
    const climbs = automatic && ["advancing", "waiting"].includes(status.state);
    return {
      rollback: !status.rollback,
      rearm: Boolean(status.rollback),
      resume: !status.rollback && Boolean(status.paused || status.cautions.length),
      advance: climbs && status.stage?.next != null,
      pause: climbs,
    };
  };

  const dialog = $("ask");
  let verb = null;
  const problem = (text) => {
    $("ask-said").textContent = text;
    $("reason").setAttribute("aria-invalid", String(Boolean(text) && !$("reason").value.trim()));
  };
  const open = (wanted, live) => {
    verb = wanted;
    const { effect } = VERBS[verb];
    $("ask-title").textContent = $("ask-do").textContent = named(verb, live);
    $("ask-do").className = verb === "rollback" ? "bad" : "do";
    $("ask-effect").textContent = words.prose(effect(live));
    $("force-label").hidden = verb !== "advance" || !lacking(live.status).length;
    $("force").checked = false;
    $("reason").value = "";
    problem("");
    said("");
    dialog.showModal();
  };

  // What was done; not for long, because it is not what is in force later.
  let forget = 0;
  const said = (text) => {
    clearTimeout(forget);
    $("said").textContent = text;
    if (text) forget = setTimeout(said, 20_000, "");
  };

  // Sends it; what was done, or nothing if it was not.
  const send = async () => {
    const reason = $("reason").value.trim();
    if (!reason) {
      problem("Say why: a reason is required.");
      $("reason").focus();
      return null;
    }
    const headers = { "content-type": "application/json" };
    if ($("token").value) headers.authorization = `Bearer ${$("token").value}`;
    const body = { reason, actor: "status page", ...(verb === "advance" && $("force").checked && { force: true }) };
    $("ask-do").disabled = true;
    problem("");
    try {
      const answer = await fetch(`/api/${verb}`, { method: "POST", headers, body: JSON.stringify(body) });
      const told = await answer.json();
      if (answer.ok) return told.message;
      // A command is what the others use; here there is a box.
      problem(words.prose(told.error.message.replace(/To go on all the same use `.*`/, "To go on all the same, tick the box")).replaceAll("`", ""));
    } catch {
      problem("crossfade did not answer. Whether it was done is not known: close this and look at what is in force.");
    } finally {
      $("ask-do").disabled = false;
    }
    return null;
  };

  // Makes the buttons. `live()` is the newest state.
  const start = (changes, live) => {
    $("buttons").replaceChildren(...Object.keys(VERBS).map((each) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = each;
      button.addEventListener("click", () => open(each, live()));
      return button;
    }));
    $("buttons").hidden = changes === "refused";
    $("refused").hidden = changes !== "refused";
    $("refused").textContent = "This page only shows: its port is reached from outside, and no admin token is set (CROSSFADE_ADMIN_TOKEN). What can be done is done by commands where crossfade runs, such as crossfade rollback --reason \"…\".";
    $("token-label").hidden = changes !== "token";
    $("ask-not").addEventListener("click", () => dialog.close());
    $("ask-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const done = await send();
      if (done == null) return;
      dialog.close();
      said(`Done: ${words.prose(done)}`);
      // The button may make no sense any more; what is in force now does.
      $("verdict").focus();
    });
  };
  const show = (live, lost) => {
    const sense = sensible(live);
    const ready = live.status.state === "waiting" && !lacking(live.status).length;
    const urgent = live.status.rollback ? "rearm" : ready ? "advance" : live.status.paused || live.status.cautions.length ? "resume" : null;
    for (const button of $("buttons").children) {
      button.textContent = named(button.value, live);
      button.hidden = !sense[button.value];
      button.disabled = lost;
      button.className = button.value === "rollback" ? "bad" : button.value === urgent ? "do" : "";
    }
  };
  return { start, show };
})();
