// Loading, keys, theme, search.
"use strict";

(() => {
  const keys = [
    ["← →", "to the event before or after"], ["Home End", "to the start or end"], ["+ −", "zoom time about the cursor"],
    ["wheel", "zoom time; with Shift over the bands: addresses"], ["drag", "select a span above, move the bands below"],
    ["0", "show everything again"], ["m", "set a mark (two make a diff), Shift+M: none"], ["1 … 6", "the tabs of the panel"],
    ["/", "search names, kinds, addresses"], ["t", "light or dark"], ["?", "these keys"], ["Esc", "nothing selected"],
  ];

  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    VM.set({ redraw: Symbol(theme) });
  };

  const cards = (overview) => {
    const report = overview.report;
    const memory = report.memory;
    const peak = memory && memory.peak_resident;
    const list = [
      [peak ? VM.bytes(peak.bytes) : "–", "peak resident" + (peak ? " at " + VM.time(peak.time_ns) : "")],
      [memory && memory.peak_size ? VM.bytes(memory.peak_size.bytes) : "–", "largest size"],
      [memory ? VM.count(memory.total.mappings) : "–", "mappings at the peak"],
      [VM.count(report.run.calls), "memory calls"],
      [VM.count(report.run.faults.recorded), "faults recorded"],
      [VM.count(report.run.processes) + " / " + VM.count(report.run.threads), "processes / threads"],
      [VM.count((report.findings || []).length), "findings"],
    ];
    VM.$("cards").replaceChildren(...list.map(([value, text]) => VM.el("div", { class: "card" }, VM.el("b", {}, value), VM.el("span", {}, text))));
    VM.$("title").textContent = report.run.command || report.run.program;
    VM.$("title").title = report.run.command || report.run.program;
    document.title = report.run.program + " – vmatlas";
    VM.$("subtitle").textContent = VM.time(report.run.duration_ns) + ", Linux " + report.run.kernel;
    const footer = VM.$("proof");
    footer.textContent = overview.proof;
    footer.className = report.proof.whole ? "good" : "bad";
  };

  const memories = (overview) => {
    const host = VM.$("memory");
    const order = [...overview.memories].sort((a, b) => b.resident_max - a.resident_max).slice(0, 500);
    host.replaceChildren(...order.map((memory) => VM.el("option", { value: memory.mm },
      memory.pid + " " + (memory.program.split("/").pop() || "?") + " " + VM.bytes(memory.resident_max))));
    host.onchange = () => VM.set({ mm: Number(host.value), selected: null, address: null, low: 0, high: 1 });
    return order.length ? order[0].mm : 0;
  };

  const loadRects = async () => {
    const answer = await VM.source.atlas({ mm: VM.state.mm, from: 0, to: VM.duration, low: 0, high: 2 ** 48 });
    VM.rects = answer.rects;
    VM.names = answer.names;
    VM.causes = answer.causes;
    VM.$("atlas-note").textContent = VM.count(VM.rects.length) + " bands"
      + (answer.left_out ? ", " + VM.count(answer.left_out) + " smaller ones of the run left out" : "");
    VM.startAtlas();
    VM.drawLegend();
    VM.set({ redraw: Symbol("rects") });
  };

  const nowLine = () => {
    let size = 0;
    let count = 0;
    for (const rect of VM.aliveAt(VM.state.now)) {
      size += rect.size;
      count++;
    }
    VM.$("now").replaceChildren("now ", VM.el("b", {}, VM.time(VM.state.now)), " · " + count + " mappings, " + VM.bytes(size)
      + (VM.state.span ? " · selected " + VM.time(VM.state.span[0]) + " to " + VM.time(VM.state.span[1]) : ""));
  };

  // The moments at which the shown map changed.
  const moments = () => {
    if (moments.of !== VM.rects) {
      const all = new Set([0, VM.duration]);
      for (const rect of VM.rects) { all.add(rect.from_ns); all.add(rect.to_ns); }
      moments.list = Float64Array.from(all).sort();
      moments.of = VM.rects;
    }
    return moments.list;
  };
  const step = (direction) => {
    const list = moments();
    const now = VM.state.now;
    const next = direction > 0 ? list.find((time) => time > now) : list.findLast((time) => time < now);
    if (next === undefined) return;
    const change = { now: next };
    const length = VM.state.to - VM.state.from;
    if (next < VM.state.from || next > VM.state.to) {
      change.from = Math.min(Math.max(0, next - length / 2), VM.duration - length);
      change.to = change.from + length;
    }
    VM.set(change);
  };

  const press = (event) => {
    if (event.target.matches("input, select, textarea") && event.key !== "Escape") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => VM.set({ now: 0 }), End: () => VM.set({ now: VM.duration }),
      "+": () => VM.zoomTime(0.7, VM.state.now), "=": () => VM.zoomTime(0.7, VM.state.now), "-": () => VM.zoomTime(1 / 0.7, VM.state.now),
      0: () => VM.set({ from: 0, to: VM.duration, low: 0, high: 1, span: null }),
      m: () => VM.set({ marks: [...VM.state.marks, VM.state.now].slice(-2) }), M: () => VM.set({ marks: [] }),
      "/": () => VM.$("search").focus(), t: () => VM.$("theme").click(), "?": () => VM.$("help").showModal(),
      Escape: () => { VM.$("search").blur(); VM.set({ selected: null, address: null, span: null }); },
    };
    const act = acts[event.key] || (/^[1-6]$/.test(event.key) ? () => VM.set({ tab: VM.tabs[event.key - 1] }) : null);
    if (!act) return;
    event.preventDefault();
    act();
  };

  const waitUntilReady = async () => {
    for (;;) {
      const overview = await VM.source.overview();
      if (overview.report) return overview;
      VM.$("subtitle").textContent = "reading the recording: " + Math.round(overview.progress * 100) + " %";
      // What is read so far is shown at once.
      if (overview.duration_ns) {
        VM.duration = overview.duration_ns;
        Object.assign(VM.state, { from: 0, to: VM.duration, now: VM.duration });
        VM.startTimeline(overview);
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  };

  const start = async () => {
    setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    VM.$("theme").onclick = () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    VM.$("help").append(VM.el("h2", {}, "Keys"), VM.el("table", {}, keys.map(([key, text]) => VM.el("tr", {},
      VM.el("td", {}, VM.el("kbd", {}, key)), VM.el("td", {}, text)))),
    VM.el("form", { method: "dialog" }, VM.el("button", {}, "Close")));
    VM.$("help-open").onclick = () => VM.$("help").showModal();
    VM.$("search").oninput = (event) => VM.set({ query: event.target.value.trim().toLowerCase() });
    document.addEventListener("keydown", press);
    const overview = await waitUntilReady();
    VM.overview = overview;
    VM.duration = Math.max(1, overview.duration_ns);
    Object.assign(VM.state, { from: 0, to: VM.duration, now: overview.peak_ns || 0 });
    cards(overview);
    VM.state.mm = memories(overview);
    VM.startTimeline(overview);
    await loadRects();
    VM.startPanel();
    VM.on(["mm"], loadRects);
    VM.on(["now", "span", "redraw"], nowLine);
    nowLine();
    document.documentElement.dataset.ready = "yes";
  };
  start().catch((error) => { VM.$("subtitle").textContent = "Not to be shown: " + error.message; });
})();
